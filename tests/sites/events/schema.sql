-- A shop that keeps neither reviews nor favourites, only what its readers do.
CREATE TABLE users (id bigserial PRIMARY KEY, name text, created_at timestamptz);
CREATE TABLE books (id bigserial PRIMARY KEY, title text, category_id bigint, author_id bigint, published_at date);
CREATE TYPE action AS ENUM ('click', 'purchase', 'discard', 'share');
CREATE TABLE activity (id bigserial PRIMARY KEY, user_id bigint NOT NULL, book_id bigint NOT NULL, action action NOT NULL, copies int, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON activity (user_id);
CREATE INDEX ON activity (at);

INSERT INTO users SELECT id, name, joined FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO activity (user_id, book_id, action, copies, at)
SELECT reader, book, CASE WHEN stars = 5 THEN 'purchase' WHEN stars = 4 THEN 'click' ELSE 'discard' END::action, 1, at FROM taste.review
UNION ALL SELECT reader, book, 'purchase', 2, at FROM taste.favorite
UNION ALL SELECT reader, book, 'share', NULL, at FROM taste.favorite;

SELECT reco_configure('event', 'activity', '{"user": "user_id", "item": "book_id", "type": "action", "at": "at", "value": "copies",
    "weights": {"click": 0.2, "purchase": 3, "discard": -1}}');

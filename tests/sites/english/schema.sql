-- Plural and English, with stars that are numeric.
CREATE TABLE users (id bigserial PRIMARY KEY, name text, created_at timestamptz);
CREATE TABLE books (id bigserial PRIMARY KEY, title text, category_id bigint, author_id bigint, published_at date);
CREATE TABLE reviews (id bigserial PRIMARY KEY, user_id bigint, book_id bigint, stars numeric(2, 1), body text, created_at timestamptz);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id bigint, book_id bigint, created_at timestamptz, PRIMARY KEY (user_id, book_id));

INSERT INTO users SELECT id, name, joined FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars - 0.5 * (stars > 4)::int, body, at FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;

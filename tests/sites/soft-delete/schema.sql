-- Rows are marked as deleted. What reco_sources() advises leaves them out.
CREATE TABLE users (id serial PRIMARY KEY, name text, created_at timestamptz, "deletedAt" timestamptz);
CREATE TABLE books (id serial PRIMARY KEY, title text, category_id int, author_id int, published_at date, active boolean NOT NULL);
CREATE TABLE reviews (id serial PRIMARY KEY, user_id int, book_id int, stars int, created_at timestamptz, deleted_at timestamptz);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id int, book_id int, created_at timestamptz, is_deleted boolean DEFAULT false, PRIMARY KEY (user_id, book_id));

INSERT INTO users SELECT id, name, joined FROM taste.reader;
-- A tenth of the books is not sold any more.
INSERT INTO books SELECT id, title, taste + 1, author, published, id % 10 <> 0 FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;
SELECT setval('reviews_id_seq', max(id)) FROM reviews;
-- Everybody once reviewed and liked what is not of the own taste, and took it back.
INSERT INTO reviews (user_id, book_id, stars, created_at, deleted_at)
SELECT r.id, b.id, 5, '2024-06-01', '2024-06-02' FROM taste.reader r JOIN taste.book b ON b.taste = (r.taste + 2) % 4 AND (r.id + b.id) % 3 = 0;
INSERT INTO favorites
SELECT r.id, b.id, '2024-06-01', true FROM taste.reader r JOIN taste.book b ON b.taste = (r.taste + 3) % 4 AND (r.id + b.id) % 3 = 0;

DO $$
DECLARE
    advised text;
BEGIN
    FOR advised IN SELECT substring(advice FROM 'SELECT reco_configure.*;') FROM reco_sources() WHERE advice IS NOT NULL LOOP
        EXECUTE advised;
    END LOOP;
END
$$;

-- Reviews by time, favourites by user, the catalogue by id.
CREATE TABLE users (id int PRIMARY KEY, name text, created_at timestamptz);
CREATE TABLE books (id int PRIMARY KEY, title text, category_id int, author_id int, published_at date) PARTITION BY RANGE (id);
CREATE TABLE books_old PARTITION OF books FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE books_new PARTITION OF books FOR VALUES FROM (100) TO (MAXVALUE);
CREATE TABLE reviews (id bigint, user_id int, book_id int, stars int, created_at timestamptz) PARTITION BY RANGE (created_at);
CREATE TABLE reviews_2024 PARTITION OF reviews FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE reviews_later PARTITION OF reviews DEFAULT;
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id int, book_id int, created_at timestamptz, PRIMARY KEY (user_id, book_id)) PARTITION BY HASH (user_id);
CREATE TABLE favorites_0 PARTITION OF favorites FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE favorites_1 PARTITION OF favorites FOR VALUES WITH (MODULUS 2, REMAINDER 1);

INSERT INTO users SELECT id, name, joined FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;

-- Everything came from SQLite, as text: times in ISO 8601 with and without a zone, years of publication.
CREATE TABLE users (id int PRIMARY KEY, name text, created_at text);
CREATE TABLE books (id int PRIMARY KEY, title text, category_id int, author_id int, published_at text);
CREATE TABLE reviews (id int PRIMARY KEY, user_id int, book_id int, stars double precision, created_at text);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id int, book_id int, created_at varchar(30), PRIMARY KEY (user_id, book_id));

SET TimeZone = 'UTC';
INSERT INTO users SELECT id, name, joined::date FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, to_char(published, 'YYYY-MM') FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;

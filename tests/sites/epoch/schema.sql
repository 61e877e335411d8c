-- Times as integers: seconds in one table, milliseconds in the next, a year of publication.
CREATE TABLE users (id int PRIMARY KEY, created_at int);
CREATE TABLE books (id int PRIMARY KEY, title text, category_id int, author_id int, anio_publicacion smallint);
CREATE TABLE reviews (id int PRIMARY KEY, user_id int, book_id int, stars real, created_at int);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id int, book_id int, "createdAt" bigint, PRIMARY KEY (user_id, book_id));

INSERT INTO users SELECT id, extract(epoch FROM joined) FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, extract(year FROM published) FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars, extract(epoch FROM at) FROM taste.review;
INSERT INTO favorites SELECT reader, book, 1000 * extract(epoch FROM at) FROM taste.favorite;

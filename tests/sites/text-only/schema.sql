-- Stars are optional: half of the reviews are words only, and count as seen. Likes are the favourites.
CREATE TABLE users (id int PRIMARY KEY, created_at timestamptz);
CREATE TABLE books (id int PRIMARY KEY, title text, category_id int, author_id int, published_at date);
CREATE TABLE reviews (id int PRIMARY KEY, user_id int, book_id int, stars int, body text, created_at timestamptz);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id int, book_id int, created_at timestamptz, PRIMARY KEY (user_id, book_id));

INSERT INTO users SELECT id, joined FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, CASE WHEN id % 2 = 0 THEN stars END, body, at FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;

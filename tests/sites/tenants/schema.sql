-- Two shops with the same tables in schemas of their own. The model is the first one's.
CREATE SCHEMA first;
CREATE SCHEMA second;
SELECT format('
    CREATE TABLE %1$I.users (id int PRIMARY KEY, created_at timestamptz);
    CREATE TABLE %1$I.books (id int PRIMARY KEY, title text, category_id int, author_id int, published_at date);
    CREATE TABLE %1$I.reviews (id int PRIMARY KEY, user_id int, book_id int, stars int, created_at timestamptz);
    CREATE INDEX ON %1$I.reviews (user_id)', shop) FROM unnest('{first, second}'::text[]) shop \gexec
SET search_path = first, public;
INSERT INTO users SELECT id, joined FROM taste.reader;
INSERT INTO books SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO reviews SELECT 1000000 + row_number() OVER (), reader, book, 5, at FROM taste.favorite;
SET search_path = second, public;
-- The same ids are other books, of the opposite taste.
INSERT INTO users SELECT id, joined FROM taste.reader;
INSERT INTO books SELECT id + 2, 'Second ' || title, taste + 1, author, published FROM taste.book;
INSERT INTO reviews SELECT id, reader, book + 2, stars, at FROM taste.review;

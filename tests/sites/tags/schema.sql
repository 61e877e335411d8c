-- Books with genres and authors by link tables, as TypeORM and Drizzle write many-to-many, and none in the books themselves.
CREATE TABLE users (id bigserial PRIMARY KEY, name text, created_at timestamptz);
CREATE TABLE books (id bigserial PRIMARY KEY, title text, published_at date);
CREATE TABLE category (id serial PRIMARY KEY, name text);
CREATE TABLE author (id serial PRIMARY KEY, name text);
CREATE TABLE book_categories (book_id bigint REFERENCES books, category_id int REFERENCES category, PRIMARY KEY (book_id, category_id));
CREATE INDEX ON book_categories (category_id);
CREATE TABLE book_authors (book_id bigint REFERENCES books, author_id int REFERENCES author, PRIMARY KEY (book_id, author_id));
CREATE TABLE reviews (id bigserial PRIMARY KEY, user_id bigint, book_id bigint, stars smallint, created_at timestamptz);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id bigint, book_id bigint, created_at timestamptz, PRIMARY KEY (user_id, book_id));

INSERT INTO users SELECT id, name, joined FROM taste.reader;
INSERT INTO books SELECT id, title, published FROM taste.book;
INSERT INTO category SELECT id, 'Genre ' || id FROM generate_series(1, 9) id;
INSERT INTO author SELECT id, 'Author ' || id FROM generate_series(1, 20) id;
-- Each has the genre of its taste, and every third one a genre that readers of all tastes have.
INSERT INTO book_categories SELECT id, taste + 1 FROM taste.book UNION ALL SELECT id, 9 FROM taste.book WHERE id % 3 = 0;
INSERT INTO book_authors SELECT id, author FROM taste.book UNION SELECT id, 1 + author % 20 FROM taste.book WHERE id % 5 = 0;
INSERT INTO reviews SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;

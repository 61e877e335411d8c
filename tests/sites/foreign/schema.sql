-- Reviews and favourites are in another database, the catalogue is here. Foreign tables are not detected: whoever maps
-- them says that what is behind them may be asked.
CREATE TABLE books (id int PRIMARY KEY, title text, category_id int, author_id int, published_at date);
INSERT INTO books SELECT id, title, taste + 1, author, published FROM taste.book;

\set port `echo $PGPORT`
CREATE SERVER shop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port :'port', dbname 'tastes');
CREATE USER MAPPING FOR owner SERVER shop OPTIONS (user 'owner', password 'secret');
CREATE FOREIGN TABLE reviews (id bigint, reader int, book int, stars int, at timestamptz) SERVER shop OPTIONS (schema_name 'taste', table_name 'review');
CREATE FOREIGN TABLE favorites (reader int, book int, at timestamptz) SERVER shop OPTIONS (schema_name 'taste', table_name 'favorite');

SELECT taste.must(passed_over ~ 'reviews is a foreign table' OR missing ~ 'reviews is a foreign table', s::text) FROM reco_sources() s WHERE source = 'rating';
SELECT reco_configure('rating', 'reviews', '{"user": "reader", "item": "book", "stars": "stars", "at": "at", "key": "id"}');
SELECT reco_configure('favorite', 'favorites', '{"user": "reader", "item": "book", "at": "at"}');

-- What counts as a review or a favourite is a query of the site's: orders and wish lists. Views are mapped, not detected.
CREATE TABLE product (sku int PRIMARY KEY, label text, department int, maker int, since date);
CREATE TABLE "order" (id bigint PRIMARY KEY, customer int, product int, grade int, placed timestamptz);
CREATE TABLE wish (customer int, product int, added timestamptz, PRIMARY KEY (customer, product));
INSERT INTO product SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO "order" SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO wish SELECT reader, book, at FROM taste.favorite;

CREATE VIEW reviews AS SELECT id, customer AS user_id, product AS book_id, grade AS stars, placed AS created_at FROM "order" WHERE grade IS NOT NULL;
CREATE MATERIALIZED VIEW favorites AS SELECT customer AS user_id, product AS book_id, added AS created_at FROM wish;
CREATE UNIQUE INDEX ON favorites (user_id, book_id);

SELECT taste.must(missing ~ 'reviews is a view', s::text) FROM reco_sources() s WHERE source = 'rating';
SELECT reco_configure('rating', 'reviews', '{"user": "user_id", "item": "book_id", "stars": "stars", "at": "created_at", "key": "id"}');
SELECT reco_configure('favorite', 'favorites', '{"user": "user_id", "item": "book_id", "at": "created_at"}');
SELECT reco_configure('item', 'product', '{"id": "sku", "title": "label", "category": "department", "author": "maker", "published": "since"}');

-- An index on what the view shows is missing, and the advice names the table behind it.
SELECT taste.must(advice = 'CREATE INDEX ON public."order" (customer);', s::text) FROM reco_sources() s WHERE source = 'rating';
SELECT advice FROM reco_sources() WHERE source = 'rating' \gexec
SELECT taste.must(bool_and(advice IS NULL), string_agg(advice, '; ')) FROM reco_sources();

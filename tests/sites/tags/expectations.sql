SELECT taste.must(count(*) = 6 AND bool_and(advice IS NULL) AND bool_and(NOT configured), string_agg(s::text, '; ')) FROM reco_sources() s;
SELECT taste.must(count(*) = 66 AND bool_and(category <> 9), 'books of two genres: ' || count(*))
FROM reco.item_feature WHERE more_categories = '{9}';
SELECT taste.must(count(*) = 250 AND bool_and(item_id % 3 = 0), 'of the genre that every third book has: ' || count(*))
FROM taste.asked, reco_recommend(id, 5, category => 9);
SELECT taste.must(count(*) = 5 AND bool_and(item_id % 3 = 0), 'trending of it: ' || count(*))
FROM reco_trending(5, '1000 days', 9);
BEGIN;
INSERT INTO books VALUES (1001, 'New', now());
INSERT INTO book_categories VALUES (1001, 9), (1001, 2);
SELECT taste.must(count(*) = 50, 'a new book is of its second genre too: ' || count(*))
FROM taste.asked, reco_recommend(id, 100, category => 9) WHERE item_id = 1001;
ROLLBACK;

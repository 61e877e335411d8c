SELECT taste.must(columns -> 'text' = '["title", "summary"]' AND columns ->> 'embedding' = 'embedding', columns::text)
FROM reco_sources() WHERE source = 'item';
SELECT taste.must(skipped -> 'embeddings' = '{"items": 180, "skipped": 1, "example": 77}', skipped::text) FROM reco_models();
BEGIN;
INSERT INTO books SELECT 1000 + taste, 'New', taste.words(taste, 1000), NULL FROM generate_series(0, 3) taste;
INSERT INTO books SELECT 2000 + taste, 'New', NULL, taste.numbers(taste, 2000) FROM generate_series(0, 3) taste;
INSERT INTO books SELECT 3000 + taste, 'New', taste.words(taste, 3000), taste.numbers(taste, 3000) FROM generate_series(0, 3) taste;
CREATE TEMPORARY TABLE new ON COMMIT DROP AS
SELECT a.id AS reader, kind, min(s.rank) FILTER (WHERE s.item_id % 10 = a.taste) AS own
FROM taste.asked a, generate_series(1000, 3000, 1000) kind,
     reco_recommend(a.id, 4, among => ARRAY[kind, kind + 1, kind + 2, kind + 3]::bigint[]) s
GROUP BY a.id, kind;
SELECT taste.must(count(*) FILTER (WHERE own = 1) >= 45, 'by ' || kind || ' the new book of the own taste is first for '
                  || count(*) FILTER (WHERE own = 1) || ' of 50') FROM new GROUP BY kind;
ROLLBACK;

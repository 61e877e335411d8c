-- Sources of every odd kind, beside those of an ordinary site.
CREATE EXTENSION reco;
SELECT promoted FROM reco_train('{"force": true, "trees": 20}');

CREATE TABLE odd_reviews (
    u bigint, i bigint, stars float8, exact numeric, at timestamptz, day date, label text, doc jsonb, many bigint[]
);
INSERT INTO odd_reviews
SELECT n % 50, n % 37, 1 + n % 5, 1 + n % 5, now() - n * interval '1 hour', current_date - n, 't' || n, '{}', ARRAY[n]
FROM generate_series(1, 600) n;
INSERT INTO odd_reviews VALUES
    (1, 1, 'NaN', 'NaN', 'infinity', 'infinity', '', NULL, NULL),
    (2, 2, 'Infinity', 1e300, '-infinity', '-infinity', repeat('ñ', 5000), '[]', '{}'),
    (3, 3, 1e308, -1e100, '4713-01-01 BC', '5874897-12-31', E'\u0001', '1', '{{1,2},{3,4}}'),
    (9223372036854775807, -9223372036854775808, -1e308, 0, '294276-12-31', '4713-01-01 BC', 'x', '{"a": 1}', '{NULL}'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, 4, 4, 4, NULL, NULL, NULL, NULL, NULL);
CREATE VIEW good_reviews AS SELECT * FROM odd_reviews WHERE stars BETWEEN 1 AND 5;
CREATE VIEW failing_reviews AS SELECT u, i, stars / (stars - 3) AS stars, at FROM good_reviews;
CREATE VIEW slow_reviews AS SELECT u, i, stars, at, pg_sleep(0.001) IS NULL AS waited FROM good_reviews;
CREATE VIEW recursive_reviews AS
    SELECT u, i, stars, at, cardinality(reco_scores(u, '{1, 2}')) AS scores FROM good_reviews;
CREATE MATERIALIZED VIEW kept_reviews AS SELECT u, i, stars, at FROM good_reviews;
CREATE TABLE empty_reviews (LIKE odd_reviews);
CREATE TABLE "odd ""name';--ñ" (id bigint, "ti tle" text, year smallint, category int, author bigint, published date);
INSERT INTO "odd ""name';--ñ"
SELECT n, 'title ' || n, 1900 + n % 200, n % 5, n % 9, '2000-01-01'::date + n FROM generate_series(-3, 60) n;
CREATE TABLE parted (u int, i int, stars real, at timestamp) PARTITION BY RANGE (u);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (30);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (30) TO (MAXVALUE);
INSERT INTO parted SELECT n % 60, n % 40, 1 + n % 5, localtimestamp - n * interval '1 day' FROM generate_series(1, 500) n;
CREATE TABLE hidden (u bigint, i bigint, stars real, at timestamptz);
INSERT INTO hidden SELECT n % 40, n % 30, 5, now() FROM generate_series(1, 300) n;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON hidden USING (u % 3 = 0);

GRANT SELECT ON ALL TABLES IN SCHEMA public TO fuzz_reader;
REVOKE SELECT ON empty_reviews FROM fuzz_reader;
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.resena (usuario_id int, libro_id int, estrellas numeric, fecha_resena date);
INSERT INTO elsewhere.resena SELECT n % 40, n % 30, 1 + n % 5, current_date - n FROM generate_series(1, 200) n;
GRANT USAGE ON SCHEMA elsewhere TO fuzz_reader;

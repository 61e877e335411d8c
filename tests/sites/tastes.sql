-- What every site is loaded from: readers and books of four tastes. A reader likes ten books of the own taste and dislikes
-- two of another; three more of the own are favourites. Nothing is random: the same site every time.
CREATE SCHEMA taste;

CREATE TABLE taste.book AS
SELECT id, 'Book ' || id AS title, id % 4 AS taste, 1 + id % 20 AS author,
       timestamptz '2020-01-01 12:00Z' + id * interval '3 days' AS published
FROM generate_series(1, 200) id;

CREATE TABLE taste.reader AS
SELECT id, 'Reader ' || id AS name, id % 4 AS taste, timestamptz '2023-01-01 12:00Z' + id * interval '1 day' AS joined
FROM generate_series(1, 240) id;

-- The books of a reader in an order of the reader's own, first those of the own taste.
CREATE TABLE taste.shelf AS
SELECT r.id AS reader, b.id AS book, b.taste = r.taste AS own,
       row_number() OVER (PARTITION BY r.id, b.taste = r.taste ORDER BY md5(r.id || ' ' || b.id)) AS place
FROM taste.reader r, taste.book b
WHERE b.taste IN (r.taste, (r.taste + 1) % 4);

CREATE TABLE taste.review AS
SELECT row_number() OVER (ORDER BY reader, own, place) AS id, reader, book,
       CASE WHEN own THEN 4 + place % 2 ELSE 1 + place % 2 END AS stars, 'Words on ' || book AS body,
       timestamptz '2024-01-01 12:00Z' + (reader * 37 + book * 11) % 500 * interval '1 day' AS at
FROM taste.shelf
WHERE place <= CASE WHEN own THEN 10 ELSE 2 END;

CREATE TABLE taste.favorite AS
SELECT reader, book, timestamptz '2024-01-01 12:00Z' + (reader * 31 + book * 7) % 500 * interval '1 day' AS at
FROM taste.shelf
WHERE own AND place BETWEEN 11 AND 13;

CREATE VIEW taste.seen AS SELECT reader, book FROM taste.review UNION SELECT reader, book FROM taste.favorite;

-- The fifty readers that are asked for. A site whose ids are others replaces the two functions below.
SET check_function_bodies = off;
CREATE VIEW taste.asked AS SELECT id, taste FROM taste.reader WHERE id <= 50;

CREATE FUNCTION taste.recommended(reader bigint) RETURNS TABLE (book bigint, source text) LANGUAGE sql AS
'SELECT item_id, source FROM public.reco_recommend(reader)';

CREATE FUNCTION taste.scores(reader bigint) RETURNS real[] LANGUAGE sql AS
'SELECT public.reco_scores(reader, ARRAY(SELECT id::bigint FROM taste.book ORDER BY id))';

-- All scores as one value: what a dump has to keep.
CREATE FUNCTION taste.all_scores() RETURNS text LANGUAGE sql AS
$$SELECT md5(string_agg(taste.scores(id)::text, ' ' ORDER BY id)) FROM taste.asked$$;

CREATE FUNCTION taste.must(holds boolean, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF holds IS NOT TRUE THEN RAISE EXCEPTION '%', what; END IF;
END
$$;

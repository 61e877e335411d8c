-- Books with a summary and an embedding, and nothing else that tells one from another: no category, no author, no date.
CREATE TABLE books (id bigint PRIMARY KEY, title varchar(100), summary text, embedding real[]);
CREATE TABLE reviews (id bigserial PRIMARY KEY, user_id bigint, book_id bigint, stars smallint, created_at timestamptz);
CREATE INDEX ON reviews (user_id);
CREATE TABLE favorites (user_id bigint, book_id bigint, created_at timestamptz, PRIMARY KEY (user_id, book_id));

-- Three of the ten words of a taste; and 384 numbers, of which every fourth is higher.
CREATE FUNCTION taste.words(taste bigint, n bigint) RETURNS text LANGUAGE sql AS $$
    SELECT 'A book of ' || string_agg(chr(97 + taste::int) || 'word' || (n * 7 + i * i) % 10, ' and ') FROM generate_series(1, 3) i
$$;
CREATE FUNCTION taste.numbers(taste bigint, n bigint) RETURNS real[] LANGUAGE sql AS $$
    SELECT array_agg((2 + CASE WHEN i % 4 = taste THEN 1 ELSE 0 END + (n * 31 + i * 17) % 13 / 26.0)::real ORDER BY i)
    FROM generate_series(1, 384) i
$$;

-- Every tenth has no embedding, and one has half of one.
INSERT INTO books SELECT id, title, taste.words(taste, id),
    CASE WHEN id = 77 THEN (taste.numbers(taste, id))[1:192] WHEN id % 10 > 0 THEN taste.numbers(taste, id) END FROM taste.book;
INSERT INTO reviews SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO favorites SELECT reader, book, at FROM taste.favorite;

SELECT reco_configure('item', 'books', '{"id": "id", "title": "title", "text": ["title", "summary"], "embedding": "embedding"}');

SELECT taste.must(count(*) = 4 AND bool_and(relation IS NOT NULL AND advice IS NULL), string_agg(s::text, '; ')) FROM reco_sources() s;
SELECT taste.must(reco_health() ->> 'status' = 'ok', reco_health()::text);

-- As a client types it: an untyped key, and what it may rank.
PREPARE page AS SELECT reco_key(item_id), score FROM reco_recommend(reco_id($1), 10, among => ARRAY(SELECT reco_id(id) FROM libro WHERE titulo ~ '7'));
CREATE TEMPORARY TABLE ranked AS EXECUTE page(taste.uuid('reader', 3)::text);
SELECT taste.must(count(*) = 10 AND bool_and(titulo ~ '7'), string_agg(titulo, ', ')) FROM ranked JOIN libro ON id::text = reco_key;
BEGIN READ ONLY;
SELECT taste.must(count(*) = 10 AND count(reco_key(item_id)) = 10, 'a reader who just came gets ' || count(*) || ' books')
FROM reco_recommend(reco_id(gen_random_uuid()));
COMMIT;

-- A parallel worker has met none of the keys, and one of them is of an account that came after the training.
BEGIN;
SELECT set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
INSERT INTO usuario VALUES (taste.uuid('guest', 1), 'Guest', now());
INSERT INTO favorito SELECT taste.uuid('guest', 1), taste.uuid('book', id) FROM taste.book WHERE taste = 1 AND id < 30;
DO $$
DECLARE
    who uuid;
    plan text;
    same bigint;
BEGIN
    FOREACH who IN ARRAY ARRAY[taste.uuid('reader', 1), taste.uuid('guest', 1)] LOOP
        EXECUTE format('EXPLAIN SELECT reco_key(item_id) FROM reco_recommend(%s)', reco_id(who)) INTO plan;
        EXECUTE format('SELECT count(*) FROM reco_recommend(%s) r JOIN taste.book ON taste.uuid(''book'', id)::text = reco_key(r.item_id) WHERE taste = 1', reco_id(who)) INTO same;
        PERFORM taste.must(plan ~ 'Gather', plan), taste.must(same >= 9, same || ' books of the taste of ' || who);
    END LOOP;
END
$$;
ROLLBACK;

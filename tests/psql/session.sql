-- The psql session of an analyst, from an empty extension to a model, each step with its check.
-- It needs the generated library in the current database, and no model.
\set ON_ERROR_STOP on
\pset pager off

CREATE EXTENSION reco;

CREATE FUNCTION pg_temp.must(holds boolean, message text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  ASSERT holds, message;
  RETURN 'ok';
END $$;

-- Runs a statement that must fail, and gives its message.
CREATE FUNCTION pg_temp.must_fail(statement text, state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RAISE SQLSTATE 'RC001' USING MESSAGE = format('this worked, and should fail with SQLSTATE %s: %s', state, statement);
EXCEPTION
  WHEN SQLSTATE 'RC001' THEN RAISE;
  WHEN OTHERS THEN
    IF SQLSTATE <> state THEN
      RAISE EXCEPTION 'expected SQLSTATE %, got % (%): %', state, SQLSTATE, SQLERRM, statement;
    END IF;
    RETURN SQLERRM;
END $$;

-- What must hold for every user, every list and every step of the ladder.
CREATE FUNCTION pg_temp.check_scores(who bigint, items bigint[], expected_sources text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r record;
  seen bigint[] := '{}';
  scores real[] := '{}';
  served float8[] := coalesce((SELECT weights::float8[] FROM reco_models() WHERE active), '{0.5,0.3,0.2}');
  weight float8;
  mean float8;
  explained float8;
BEGIN
  FOR r IN SELECT * FROM reco_score(who, items) LOOP
    seen := seen || r.item_id;
    scores := scores || r.score;
    ASSERT r.source = ANY (expected_sources), format('book %s: source %s, expected one of %s', r.item_id, r.source, expected_sources);
    ASSERT r.score BETWEEN 0 AND 1, format('book %s: score %s is outside [0,1]', r.item_id, r.score);
    ASSERT coalesce(r.collaborative, 0) BETWEEN 0 AND 1
       AND coalesce(r.content_based, 0) BETWEEN 0 AND 1
       AND coalesce(r.popularity, 0) BETWEEN 0 AND 1, format('a part is outside [0,1]: %s', r);
    weight := CASE WHEN r.collaborative IS NULL THEN 0 ELSE served[1] END
            + CASE WHEN r.content_based IS NULL THEN 0 ELSE served[2] END
            + CASE WHEN r.popularity IS NULL THEN 0 ELSE served[3] END;
    mean := CASE WHEN weight > 0
            THEN (coalesce(served[1] * r.collaborative, 0) + coalesce(served[2] * r.content_based, 0)
                  + coalesce(served[3] * r.popularity, 0)) / weight
            -- Where the parts that exist have no weight, they count alike.
            ELSE (SELECT avg(part) FROM unnest(ARRAY[r.collaborative, r.content_based, r.popularity]) part) END;
    ASSERT abs(r.score - mean) < 1e-6, format('the parts give %s: %s', mean, r);
    SELECT sum(contribution) INTO explained FROM reco_explain(who, r.item_id);
    ASSERT abs(r.score - explained) < 1e-6, format('the explanation gives %s: %s', explained, r);
  END LOOP;
  ASSERT seen = items, format('reco_score(%s, %s) gave the books %s', who, items, seen);
  ASSERT reco_scores(who, items) = scores, format('reco_scores gave %s, reco_score %s', reco_scores(who, items), scores);
  RETURN format('ok: %s rows', cardinality(items));
END $$;

-- A reader and books with enough likes to have a collaborative part.
SELECT usuario_id AS reader FROM resena WHERE estrellas >= 4 GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1 \gset
SELECT max(id) + 1000 AS stranger FROM usuario \gset
SELECT max(id) + 1000 AS unknown_book FROM libro \gset
SELECT array_agg(libro_id ORDER BY libro_id) AS shelf
FROM (SELECT libro_id FROM resena WHERE estrellas >= 4 GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 50) liked \gset
SELECT (:'shelf'::bigint[])[1] AS book, (:'shelf'::bigint[])[2] AS other_book \gset

\echo === only functions are in the schema of the site
SELECT pg_temp.must(NOT EXISTS (
  SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid, LATERAL pg_identify_object(d.classid, d.objid, 0) o
  WHERE e.extname = 'reco' AND d.deptype = 'e' AND o.schema = 'public' AND o.type <> 'function'),
  'reco has something in public that is no function');

\echo === before any training: what is mapped, and the rules answer
SELECT * FROM reco_sources();
SELECT pg_temp.must(NOT EXISTS (
  SELECT FROM unnest('{resena,favorito,libro,usuario}'::text[]) relation
  WHERE NOT EXISTS (SELECT FROM reco_sources() s WHERE to_jsonb(s)::text LIKE '%' || relation || '%')),
  'reco_sources() does not name the four tables of the book schema');

SELECT * FROM reco_score(:reader, ARRAY[:book, :other_book]);
SELECT pg_temp.check_scores(:reader, :'shelf', '{rules}');
SELECT pg_temp.must(NOT EXISTS (SELECT FROM reco_models()), 'reco_models has rows before the first training');
SELECT pg_temp.must(count(*) = 50, 'without a model a row has a part that is not the rules'' or a model version')
FROM reco_score(:reader, :'shelf')
WHERE source = 'rules' AND collaborative IS NULL AND popularity IS NULL AND content_based = score AND model_version IS NULL;

\echo === reco.fallback = off: an error instead of rules
SET reco.fallback = off;
SELECT pg_temp.must_fail(format('SELECT * FROM reco_score(%s, %L)', :reader, :'shelf'), '55000') AS without_a_model;
RESET reco.fallback;

\echo === a training that is rolled back changes nothing
BEGIN;
SELECT * FROM reco_train('{"force": true}');
SELECT pg_temp.check_scores(:reader, :'shelf', '{hybrid}') AS inside_the_transaction;
ROLLBACK;
SELECT pg_temp.must(NOT EXISTS (SELECT FROM reco_models()), 'the rolled-back training left a model');
SELECT pg_temp.check_scores(:reader, :'shelf', '{rules}') AS after_the_rollback;

\echo === the first training
SELECT * FROM reco_train();
SELECT * FROM reco_models();
SELECT pg_temp.must(count(*) = 1, 'the first training did not leave one active model') FROM reco_models() WHERE active;

\echo === scores with titles
SELECT l.titulo, round(s.score::numeric, 3) AS score, s.source
FROM reco_score(:reader, :'shelf') s JOIN libro l ON l.id = s.item_id
ORDER BY s.score DESC, l.id LIMIT 5;
SELECT pg_temp.check_scores(:reader, :'shelf', '{hybrid}');
SELECT pg_temp.check_scores(:reader, ARRAY[:book, :unknown_book, :book, :other_book], '{hybrid,popularity}') AS unknown_and_twice;
SELECT pg_temp.check_scores(:stranger, :'shelf', '{content}') AS unknown_user;
SELECT * FROM reco_score(:reader, ARRAY[:unknown_book]);
SELECT pg_temp.must(count(*) = 1, 'an unknown book must have popularity 0, score 0 and no other part')
FROM reco_score(:reader, ARRAY[:unknown_book])
WHERE collaborative IS NULL AND content_based IS NULL AND popularity = 0 AND score = 0 AND source = 'popularity';

\echo === reco_scores, one per user
SELECT u.id, reco_scores(u.id, ARRAY[:book, :other_book]) FROM usuario u ORDER BY u.id LIMIT 3;

\echo === a prepared statement whose parameters have no type
PREPARE s AS SELECT * FROM reco_score($1, $2);
EXECUTE s(:reader, '{1,2,2}');
SELECT pg_temp.must((SELECT parameter_types = '{bigint,bigint[]}' FROM pg_prepared_statements WHERE name = 's'),
  'reco_score($1, $2) does not resolve to (bigint, bigint[])');
SELECT pg_temp.must(count(*) = 2, 'reco_score(int, int[]) must give a row per element')
FROM reco_score(1::int, ARRAY[1, 2]::int[]);

\echo === arrays: empty, NULL elements, two dimensions
SELECT pg_temp.check_scores(:reader, '{}', '{}') AS empty_array;
SELECT pg_temp.must_fail('SELECT * FROM reco_score(1, ''{1,NULL}'')', '22004') AS null_element;
SELECT pg_temp.must_fail('SELECT reco_scores(1, ''{1,NULL}'')', '22004') AS null_element;
SELECT pg_temp.must_fail('SELECT * FROM reco_score(1, ''{{1,2},{3,4}}'')', '2202E') AS two_dimensions;
SELECT pg_temp.must_fail('SELECT reco_scores(1, ''{{1,2},{3,4}}'')', '2202E') AS two_dimensions;

\echo === scoring reads only
BEGIN READ ONLY;
SELECT pg_temp.check_scores(:reader, :'shelf', '{hybrid}') AS read_only;
SELECT pg_temp.must_fail('SELECT * FROM reco_train()', '25006') AS training_must_not;
COMMIT;
BEGIN;
SELECT pg_temp.check_scores(:reader, :'shelf', '{hybrid}') AS takes_no_transaction_id;
SELECT count(*) FROM reco_recommend(:reader, 10, diversity => 0.5, explore => 0.2);
SELECT count(*) FROM reco_similar(:book);
SELECT pg_temp.must(count(*) = 10 AND bool_and(similarity > 0), 'nobody is similar') FROM reco_similar_users(:reader);
SELECT pg_temp.must(count(*) = 10 AND bool_and(score > 0), 'the book is for nobody') FROM reco_audience(:book);
SELECT pg_temp.must(count(*) = 10 AND bool_and(score > 0), 'nothing is trending') FROM reco_trending(half_life => '1 year');
SELECT pg_temp.must(pg_current_xact_id_if_assigned() IS NULL, 'scoring took a transaction id, which a standby cannot give');
COMMIT;

\echo === the top of the whole catalogue
BEGIN READ ONLY;
SELECT l.titulo, r.score, r.reason FROM reco_recommend(:reader, 3) r JOIN libro l ON l.id = r.item_id ORDER BY r.rank;
SELECT pg_temp.must(ARRAY(SELECT item_id FROM reco_recommend(:reader, 20) ORDER BY rank)
    = ARRAY(SELECT item_id FROM reco_score(:reader, ARRAY(
        SELECT id FROM libro EXCEPT SELECT libro_id FROM resena WHERE usuario_id = :reader
        EXCEPT SELECT libro_id FROM favorito WHERE usuario_id = :reader)) ORDER BY score DESC, item_id LIMIT 20),
  'reco_recommend is not the top of reco_score');
COMMIT;
PREPARE r AS SELECT * FROM reco_recommend($1, $2, $3, $4);
SELECT pg_temp.must((SELECT parameter_types = '{bigint,double precision,bigint[],bigint}' FROM pg_prepared_statements WHERE name = 'r'),
  'reco_recommend($1, $2, $3, $4) does not resolve');
EXECUTE r(:reader, 3, '{1}', NULL);
SELECT pg_temp.must(count(*) = (SELECT count(*) FROM usuario) * 3 AND bool_and(reason <> ''), 'LATERAL over all readers')
FROM usuario u, LATERAL reco_recommend(u.id, 3) r;

\echo === a favourite counts at once, and only while it is there
BEGIN;
INSERT INTO usuario (id, nombre) VALUES (:stranger, 'Nueva');
SELECT pg_temp.check_scores(:stranger, :'shelf', '{content}') AS no_favourite_yet;
INSERT INTO favorito (usuario_id, libro_id, fecha_agregado)
SELECT :stranger, id, now() FROM unnest(ARRAY[:book, :other_book]) id;
SELECT pg_temp.check_scores(:stranger, :'shelf', '{fold_in}') AS two_favourites;
ROLLBACK;
SELECT pg_temp.check_scores(:stranger, :'shelf', '{content}') AS rolled_back;

\echo === reco.enabled = off: rules only
SELECT reco_scores(:reader, :'shelf') AS with_model \gset
SET reco.enabled = off;
SELECT pg_temp.check_scores(:reader, :'shelf', '{rules}') AS switched_off;
RESET reco.enabled;
SELECT pg_temp.check_scores(:reader, :'shelf', '{hybrid}') AS switched_on;
SELECT pg_temp.must(reco_scores(:reader, :'shelf') = :'with_model', 'after reco.enabled = off and on again the scores differ');

\echo === fallback off changes nothing while there is a model
SET reco.fallback = off;
SELECT pg_temp.check_scores(:reader, :'shelf', '{hybrid}');
RESET reco.fallback;

\echo === a second training that is rolled back changes no score
BEGIN;
SELECT * FROM reco_train('{"force": true}');
ROLLBACK;
SELECT pg_temp.must(reco_scores(:reader, :'shelf') = :'with_model', 'a training that was rolled back changed the scores');
SELECT pg_temp.must(count(*) = 1, 'a training that was rolled back left a model') FROM reco_models();

\echo === an analyst without special rights scores, and cannot train
CREATE ROLE reco_analyst;
GRANT SELECT ON usuario, libro, resena, favorito, categoria, autor TO reco_analyst;
SET ROLE reco_analyst;
SELECT count(*) FILTER (WHERE source = 'hybrid') AS analyst_scores FROM reco_score(:reader, :'shelf') \gset
RESET ROLE;
SELECT pg_temp.must(:analyst_scores = 50, 'a role with SELECT on the sources does not get hybrid scores');
SELECT pg_temp.must(NOT has_function_privilege('reco_analyst', 'reco_train(jsonb)', 'EXECUTE'), 'anyone may train');
-- Functions that only read are STABLE; all others write, and sql/grants.sql must take them from PUBLIC.
SELECT coalesce(string_agg(p.proname, ', '), '') AS open_to_all
FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'reco') AND d.deptype = 'e' AND p.provolatile = 'v'
  -- cargo pgrx test leaves a build that has its tests.
  AND p.pronamespace IS DISTINCT FROM to_regnamespace('tests')
  AND has_function_privilege('reco_analyst', p.oid, 'EXECUTE') \gset
SELECT pg_temp.must(:'open_to_all' = '', format('everybody may call functions that write: %s', :'open_to_all'));
DROP OWNED BY reco_analyst;
DROP ROLE reco_analyst;

\echo === a wrong option names itself
SELECT pg_temp.must_fail($$SELECT * FROM reco_train('{"factorz": 50}')$$, '22023') AS message \gset
\echo :message
SELECT pg_temp.must(:'message' LIKE '%factorz%', 'the error about an unknown option does not name it');

\echo === the session ends well

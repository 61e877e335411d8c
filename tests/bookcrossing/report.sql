-- Trains on Book-Crossing and shows the results.
\pset footer off

\echo
\echo == The data ==
SELECT (SELECT count(*) FROM usuario)  AS readers,
       (SELECT count(*) FROM libro)    AS books,
       (SELECT count(*) FROM resena)   AS reviews,
       (SELECT count(*) FROM favorito) AS favourites;

\echo == Training: reco_train() ==
CREATE EXTENSION reco;
\timing on
\x on
SELECT * FROM reco_train();
\x off
\timing off
\echo Peak memory of the backend:
SELECT pg_backend_pid() AS pid \gset
\setenv PID :pid
\! grep VmHWM /proc/$PID/status

\echo == How good is it? Metrics on likes that the model has not seen (ensemble: with learned weights) ==
SELECT part, k, users,
       round(precision::numeric, 4) AS precision, round(recall::numeric, 4) AS recall,
       round(ndcg::numeric, 4) AS ndcg, round(ndcg_low::numeric, 4) AS ndcg_low, round(ndcg_high::numeric, 4) AS ndcg_high,
       round(map::numeric, 4) AS map
FROM reco.metric
WHERE model_version = (SELECT max(model_version) FROM reco.metric)
ORDER BY k, array_position('{random,rules,popularity,collaborative,content_based,ensemble,ensemble_fixed,ensemble_learned}', part);

-- A reader with a typical history rather than an extreme one.
SELECT usuario_id AS reader
FROM resena
WHERE estrellas >= 4
GROUP BY usuario_id
ORDER BY abs(count(*) - 20), usuario_id
LIMIT 1 \gset

\echo == What reader :reader liked best ==
SELECT titulo, a.nombre AS autor, estrellas
FROM resena r
JOIN libro l ON l.id = r.libro_id
LEFT JOIN autor a ON a.id = l.autor_id
WHERE usuario_id = :reader
ORDER BY estrellas DESC, l.id
LIMIT 8;

\echo == The ten best books that reader :reader has not read: reco_score() over the whole catalogue ==
\timing on
WITH unread AS (
    SELECT array_agg(id) AS ids
    FROM libro
    WHERE NOT EXISTS (SELECT FROM resena WHERE usuario_id = :reader AND libro_id = libro.id)
      AND NOT EXISTS (SELECT FROM favorito WHERE usuario_id = :reader AND libro_id = libro.id)
)
SELECT titulo, a.nombre AS autor,
       round(score::numeric, 3) AS score, round(collaborative::numeric, 3) AS collaborative,
       round(content_based::numeric, 3) AS content_based, round(popularity::numeric, 3) AS popularity, source
FROM unread
CROSS JOIN reco_score(:reader, ids) AS s
JOIN libro l ON l.id = s.item_id
LEFT JOIN autor a ON a.id = l.autor_id
ORDER BY s.score DESC, l.id
LIMIT 10;
\timing off

-- reco on a book site. Run by scripts/demo; plain SQL, so each statement can be tried alone.
\pset footer off
\timing off

\echo
\echo == The library ==
SELECT (SELECT count(*) FROM usuario)  AS readers,
       (SELECT count(*) FROM libro)    AS books,
       (SELECT count(*) FROM resena)   AS reviews,
       (SELECT count(*) FROM favorito) AS favourites;

\echo == Training: reco_train() ==
CREATE EXTENSION reco;
\x on
SELECT * FROM reco_train();
\x off

\echo == How good is it? Metrics on likes that the model has not seen ==
SELECT part, users,
       round(precision::numeric, 4) AS precision, round(recall::numeric, 4) AS recall,
       round(ndcg::numeric, 4) AS ndcg, round(map::numeric, 4) AS map
FROM reco.metric
WHERE model_version = (SELECT max(model_version) FROM reco.metric) AND k = 10
ORDER BY array_position('{random,rules,popularity,collaborative,content_based,ensemble,ensemble_fixed,ensemble_learned}', part);

-- A reader with a typical history rather than an extreme one.
SELECT usuario_id AS reader
FROM resena
GROUP BY usuario_id
ORDER BY abs(count(*) - 20), usuario_id
LIMIT 1 \gset

\echo == What reader :reader liked best ==
SELECT titulo, a.nombre AS autor, c.nombre AS categoria, estrellas
FROM resena r
JOIN libro l ON l.id = r.libro_id
LEFT JOIN autor a ON a.id = l.autor_id
LEFT JOIN categoria c ON c.id = l.categoria_id
WHERE usuario_id = :reader
ORDER BY estrellas DESC, l.id
LIMIT 5;

\echo == The ten best books that reader :reader has not read: reco_recommend() over the whole catalogue ==
SET reco.locale = 'en';
SELECT r.rank, titulo, a.nombre AS autor, c.nombre AS categoria,
       round(score::numeric, 3) AS score, round(collaborative::numeric, 3) AS collaborative,
       round(content_based::numeric, 3) AS content_based, round(popularity::numeric, 3) AS popularity, r.reason
FROM reco_recommend(:reader) AS r
JOIN libro l ON l.id = r.item_id
LEFT JOIN autor a ON a.id = l.autor_id
LEFT JOIN categoria c ON c.id = l.categoria_id
ORDER BY r.rank;

SELECT item_id AS best FROM reco_recommend(:reader, 1) \gset

\echo == Readers of the first one also read: reco_similar() ==
SELECT s.rank, titulo, a.nombre AS autor, round(similarity::numeric, 3) AS similarity, evidence
FROM reco_similar(:best, 5) AS s
JOIN libro l ON l.id = s.item_id
LEFT JOIN autor a ON a.id = l.autor_id
ORDER BY s.rank;

\echo == Read most lately: reco_trending(), which needs no model; the library ends with 2025 ==
SELECT t.rank, titulo, round(score::numeric, 2) AS score, interactions
FROM reco_trending(5, '1 year') AS t
JOIN libro l ON l.id = t.item_id
ORDER BY t.rank;

-- What reco makes of a book site. Run by scripts/demo; plain SQL, so it can be tried piece by piece.
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

\echo == How good is it? Against what each reader really liked and the model has not seen ==
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

\echo == The ten best books reader :reader has not read: reco_score() over the whole catalogue ==
WITH unread AS (
    SELECT array_agg(id) AS ids
    FROM libro
    WHERE NOT EXISTS (SELECT FROM resena WHERE usuario_id = :reader AND libro_id = libro.id)
      AND NOT EXISTS (SELECT FROM favorito WHERE usuario_id = :reader AND libro_id = libro.id)
), liked AS (
    SELECT array_agg(autor_id) AS authors, array_agg(categoria_id) AS categories
    FROM resena JOIN libro ON libro.id = libro_id
    WHERE usuario_id = :reader AND estrellas >= 4
)
SELECT titulo, a.nombre AS autor, c.nombre AS categoria,
       round(score::numeric, 3) AS score, round(collaborative::numeric, 3) AS collaborative,
       round(content_based::numeric, 3) AS content_based, round(popularity::numeric, 3) AS popularity,
       CASE
           WHEN l.autor_id = ANY (liked.authors) THEN 'you liked ' || a.nombre
           WHEN l.categoria_id = ANY (liked.categories) THEN 'you like ' || c.nombre
           WHEN collaborative > popularity THEN 'readers of your books read it'
           ELSE 'much read'
       END AS reason
FROM unread
CROSS JOIN liked
CROSS JOIN reco_score(:reader, ids) AS s
JOIN libro l ON l.id = s.item_id
LEFT JOIN autor a ON a.id = l.autor_id
LEFT JOIN categoria c ON c.id = l.categoria_id
ORDER BY s.score DESC, l.id
LIMIT 10;

-- What came of the month: what the experiments said, what the tastes say, and what the models were.
\pset format aligned
\pset tuples_only off
\pset footer off
\echo seed :seed
-- The verdict that ended looking, or the last one. The truth is the mean chance that what was shown is opened.
WITH ultimo AS (
    SELECT DISTINCT ON (experiment, variant) * FROM juego.veredicto
    ORDER BY experiment, variant, (verdict IN ('better', 'worse')) DESC NULLS LAST,
             CASE WHEN verdict IN ('better', 'worse') THEN dia ELSE -dia END
), verdad AS (
    SELECT experiment, variant, avg(interes * juego.mirado(rank)) AS ctr, count(*) AS mostrado
    FROM juego.visto WHERE experiment IS NOT NULL GROUP BY 1, 2
), control AS (
    SELECT experiment, ctr FROM verdad WHERE variant IN ('rules', 'plan')
)
SELECT u.experiment, u.variant, u.dia AS day, round(100 * u.value::numeric, 2) AS ctr, round(100 * u.low::numeric, 2) AS low, round(100 * u.high::numeric, 2) AS high,
       round(100 * u.lift::numeric, 1) AS lift, round(100 * u.lift_low::numeric, 1) AS lift_low, round(100 * u.lift_high::numeric, 1) AS lift_high, u.verdict,
       round(100 * v.ctr::numeric, 2) AS true_ctr, round(100 * (v.ctr / c.ctr - 1)::numeric, 1) AS true_lift
FROM ultimo u JOIN verdad v USING (experiment, variant) JOIN control c USING (experiment)
ORDER BY u.experiment, u.variant;
SELECT count(*) FILTER (WHERE outcome = 'trained') AS promoted, count(*) FILTER (WHERE outcome = 'kept') AS kept,
       count(*) FILTER (WHERE outcome = 'skipped') AS skipped, count(*) FILTER (WHERE outcome NOT IN ('trained', 'kept', 'skipped')) AS other,
       round(avg(seconds)::numeric, 1) AS seconds
FROM juego.nocturno;
SELECT part, round(precision::numeric, 3) AS precision, round(ndcg::numeric, 3) AS ndcg FROM reco.metric
WHERE model_version = (SELECT version FROM reco_models() WHERE active) AND part IN ('rules', 'popularity', 'ensemble') ORDER BY ndcg;

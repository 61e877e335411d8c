-- What came of the month, as one object: what the experiments said, what the tastes say, the nights, the sizes, the dashboard.
WITH ultimo AS (
    -- The verdict that ended looking, or the last one.
    SELECT DISTINCT ON (experiment) * FROM juego.veredicto WHERE verdict IS NOT NULL
    ORDER BY experiment, (verdict IN ('better', 'worse')) DESC, CASE WHEN verdict IN ('better', 'worse') THEN dia ELSE -dia END
), fin AS (
    SELECT DISTINCT ON (experiment, variant) * FROM juego.veredicto ORDER BY experiment, variant, dia DESC
), mostrado AS (
    -- What the pages that the experiment counts were worth, by the tastes.
    SELECT experiment, variant, avg(juego.mirado(rank) * interes) AS ctr FROM juego.visto WHERE experiment IS NOT NULL GROUP BY 1, 2
), experimento AS (
    SELECT e.experiment, jsonb_build_object('planned', e.planned, 'verdict', u.verdict, 'day', u.dia, 'lift_then', u.lift,
        'low_then', u.lift_low, 'high_then', u.lift_high, 'control_ctr', c.value, 'ctr', v.value, 'lift', v.lift, 'low', v.lift_low,
        'high', v.lift_high, 'true_control_ctr', tc.ctr, 'true_ctr', t.ctr,
        'shown_control_ctr', mc.ctr, 'shown_ctr', m.ctr, 'true_control_precision', tc.acierto,
        'true_precision', t.acierto) AS figures
    FROM juego.experimento e JOIN ultimo u USING (experiment)
    JOIN fin v ON v.experiment = e.experiment AND v.variant = u.variant
    JOIN fin c ON c.experiment = e.experiment AND c.variant <> u.variant
    JOIN mostrado m ON m.experiment = e.experiment AND m.variant = u.variant
    JOIN mostrado mc ON mc.experiment = e.experiment AND mc.variant <> u.variant
    JOIN juego.verdad t ON t.experiment = e.experiment AND t.variant = u.variant
    JOIN juego.verdad tc ON tc.experiment = e.experiment AND tc.variant <> u.variant
)
SELECT jsonb_build_object('seed', :seed, 'dashboard', :'dashboard'::jsonb,
    'experiments', (SELECT jsonb_object_agg(experiment, figures) FROM experimento),
    'nights', (SELECT jsonb_object_agg(outcome, jsonb_build_object('runs', n, 'seconds', s))
               FROM (SELECT outcome, count(*) AS n, avg(seconds) AS s FROM reco_runs() GROUP BY 1) r),
    'cron', (SELECT count(*) FROM cron.job_run_details WHERE status = 'succeeded'),
    'sizes', (SELECT jsonb_object_agg(cuando, to_jsonb(t) - 'cuando') FROM juego.tamano t),
    'expired', (SELECT rows FROM juego.expirado),
    'site', jsonb_build_object('reviews', (SELECT count(*) FROM resena WHERE fecha_resena >= '2026-01-01'),
                               'favourites', (SELECT count(*) FROM favorito WHERE fecha_agregado >= '2026-01-01')));

-- How readers behave: by the tastes that the library hides from the site (schema oculto). Chance is a hash of the seed, the
-- day, the reader and the book, so a month is the same whenever it is played.
CREATE SCHEMA juego;
CREATE TABLE juego.semilla AS SELECT :seed::bigint AS valor;

CREATE TABLE juego.visto (
    dia int, usuario_id bigint, libro_id bigint, request_id uuid, rank int, experiment text, variant text, source text,
    interes float8,
    abierto boolean NOT NULL DEFAULT false
);
CREATE INDEX ON juego.visto (dia);
CREATE TABLE juego.veredicto (dia int, experiment text, variant text, value float8, low float8, high float8,
    lift float8, lift_low float8, lift_high float8, sample_ratio float8, verdict text);

-- A number from 0 to 1.
CREATE FUNCTION juego.azar(texto text) RETURNS float8 LANGUAGE sql STABLE AS $$
    SELECT (hashtextextended(texto, valor) & 2147483647)::float8 / 2147483648 FROM juego.semilla
$$;

-- How likely a reader opens a book that was looked at.
CREATE FUNCTION juego.interes(lector oculto.lector, tema int, gusto int, calidad real, autor bigint) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(0.9, (0.03 + 0.22 * (tema = ANY ((lector).temas))::int + 0.1 * (gusto = ANY ((lector).gustos))::int
        + 0.15 * (autor = ANY ((lector).autores))::int) * exp(0.6 * calidad))
$$;

-- A page is read from above: the tenth book is looked at by a third of those who look at the first.
CREATE FUNCTION juego.mirado(rank int) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1 / sqrt(rank)';

-- In the morning a third of the readers open the page.
CREATE PROCEDURE juego.manana(hoy int) LANGUAGE sql AS $$
    INSERT INTO juego.visto
    SELECT hoy, o.usuario_id, s.item_id, s.request_id, s.rank, s.experiment, s.variant, s.source,
           juego.interes(o, h.tema, h.gusto, h.calidad, l.autor_id)
    FROM (SELECT o.* FROM oculto.lector o WHERE juego.azar(format('visita %s %s', hoy, usuario_id)) < 0.33 OFFSET 0) o
    CROSS JOIN LATERAL reco_serve(o.usuario_id, 10, 'inicio') s
    JOIN libro l ON l.id = s.item_id JOIN oculto.libro h ON h.libro_id = s.item_id
$$;

-- By noon they have opened what interests them.
CREATE PROCEDURE juego.mediodia(hoy int) LANGUAGE sql AS $$
    UPDATE juego.visto SET abierto = true
    WHERE dia = hoy AND juego.azar(format('mira %s %s %s', dia, usuario_id, libro_id)) < juego.mirado(rank)
      AND juego.azar(format('abre %s %s %s', dia, usuario_id, libro_id)) < interes;
    SELECT count(reco_feedback(request_id, libro_id, 'click')) FROM juego.visto WHERE dia = hoy AND abierto;
    SELECT count(reco_feedback(request_id, libro_id, 'dismiss')) FROM juego.visto
    WHERE dia = hoy AND NOT abierto AND interes < 0.1
      AND juego.azar(format('descarta %s %s %s', dia, usuario_id, libro_id)) < 0.01 * juego.mirado(rank)
$$;

-- In the evening they have read half of what they opened, and say so: stars as the library's readers give them, favourites
-- of what they liked.
CREATE PROCEDURE juego.noche(hoy int) LANGUAGE sql AS $$
    WITH leido AS (
        SELECT v.usuario_id, v.libro_id, greatest(1, least(5, round(3.5 + 0.5 * (h.gusto = ANY (o.gustos))::int
            + 0.35 * (h.tema = ANY (o.temas))::int + 0.4 * (l.autor_id = ANY (o.autores))::int + h.calidad + o.generosidad
            + 2.6 * (juego.azar(format('gusta %s %s', v.usuario_id, v.libro_id)) - 0.5))))::int AS estrellas
        FROM juego.visto v JOIN oculto.lector o USING (usuario_id) JOIN oculto.libro h USING (libro_id) JOIN libro l ON l.id = v.libro_id
        WHERE v.dia = hoy AND v.abierto AND juego.azar(format('lee %s %s', v.usuario_id, v.libro_id)) < 0.5
    ), favorito_nuevo AS (
        INSERT INTO favorito (usuario_id, libro_id, fecha_agregado)
        SELECT usuario_id, libro_id, now() FROM leido
        WHERE juego.azar(format('favorito %s %s', usuario_id, libro_id)) < CASE estrellas WHEN 5 THEN 0.55 WHEN 4 THEN 0.3 ELSE 0.02 END
        ON CONFLICT DO NOTHING
    )
    INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
    SELECT usuario_id, libro_id, estrellas, now() FROM leido
    WHERE juego.azar(format('opina %s %s', usuario_id, libro_id)) < 0.7
      AND NOT EXISTS (SELECT FROM resena r WHERE r.usuario_id = leido.usuario_id AND r.libro_id = leido.libro_id)
$$;

-- What the experiment that runs says today.
CREATE TABLE juego.experimento (experiment text, planned bigint);
CREATE PROCEDURE juego.juzga(hoy int) LANGUAGE sql AS $$
    INSERT INTO juego.veredicto
    SELECT hoy, e.name, r.variant, r.value, r.low, r.high, r.lift, r.lift_low, r.lift_high, r.sample_ratio, r.verdict
    FROM reco.experiment e, reco_experiment_report(e.name) r WHERE e.stopped_at IS NULL AND r.metric = 'ctr'
$$;

-- An experiment ends: what was better serves everybody, and else what did before.
CREATE PROCEDURE juego.termina(experimento text) LANGUAGE plpgsql AS $$
DECLARE
    mejor text := (SELECT variant FROM juego.veredicto WHERE experiment = experimento AND verdict = 'better' LIMIT 1);
BEGIN
    IF mejor IS NULL THEN
        PERFORM reco_experiment_stop(experimento);
    ELSE
        PERFORM reco_experiment_promote(experimento, mejor);
    END IF;
END
$$;

-- What the pages of all readers are worth now: the mean chance that a book is looked at and opened, and the share of books that
-- fit their reader, which is one that would be opened at a quarter of the looks or more.
CREATE TABLE juego.verdad (experiment text, variant text, ctr float8, acierto float8);
CREATE FUNCTION juego.segun_gustos() RETURNS TABLE (ctr float8, acierto float8) LANGUAGE sql AS $$
    SELECT avg(juego.mirado(p.rank) * p.interes), avg((p.interes >= 0.25)::int)
    FROM (SELECT s.rank, juego.interes(o, h.tema, h.gusto, h.calidad, l.autor_id) AS interes
          FROM oculto.lector o CROSS JOIN LATERAL reco_serve(o.usuario_id, 10, 'inicio') s
          JOIN libro l ON l.id = s.item_id JOIN oculto.libro h ON h.libro_id = s.item_id OFFSET 0) p
$$;

-- Until pg_cron's job of this night has ended. It says "succeeded" at each NOTICE of the training, with that as its message. The row of the
-- training is finished by another process, a moment later.
CREATE PROCEDURE juego.espera(hoy int) LANGUAGE plpgsql AS $$
DECLARE
    estado text;
BEGIN
    FOR i IN 1..6000 LOOP
        SELECT status INTO estado FROM cron.job_run_details
        WHERE start_time::date = now()::date AND (status = 'failed' OR status = 'succeeded' AND return_message ~ '^SELECT');
        IF estado = 'failed' THEN
            RAISE EXCEPTION 'the night of day % failed: %', hoy,
                (SELECT string_agg(return_message, ', ') FROM cron.job_run_details WHERE status = 'failed');
        END IF;
        EXIT WHEN estado IS NOT NULL AND NOT EXISTS (SELECT FROM reco_runs() WHERE outcome = 'running');
        PERFORM pg_sleep(0.05);
    END LOOP;
    IF estado IS NULL THEN
        RAISE EXCEPTION 'pg_cron has not ended the night of day % within five minutes', hoy;
    END IF;
END
$$;

-- How large everything is.
CREATE TABLE juego.tamano (cuando text, impressions bigint, feedback bigint, log_bytes bigint, models bigint, other_bytes bigint);
CREATE TABLE juego.expirado (rows bigint);
CREATE FUNCTION juego.mide() RETURNS TABLE (impressions bigint, feedback bigint, log_bytes bigint, models bigint, other_bytes bigint)
LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM reco.impression), (SELECT count(*) FROM reco.feedback), sum(t.bytes) FILTER (WHERE t.log)::bigint,
           (SELECT count(*) FROM reco_models()), sum(t.bytes) FILTER (WHERE NOT t.log)::bigint
    FROM (SELECT pg_total_relation_size(c.oid) AS bytes, c.relname ~ '^(impression|feedback)' AS log
          FROM pg_class c WHERE c.relnamespace = 'reco'::regnamespace AND c.relkind = 'r') t
$$;

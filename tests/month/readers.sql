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

-- What an experiment says today, and its end once it has decided.
CREATE PROCEDURE juego.juzga(hoy int, experimento text) LANGUAGE sql AS $$
    INSERT INTO juego.veredicto
    SELECT hoy, experimento, variant, value, low, high, lift, lift_low, lift_high, sample_ratio, verdict
    FROM reco_experiment_report(experimento) WHERE metric = 'ctr'
$$;

CREATE TABLE juego.nocturno (dia int, outcome text, reason text, model_version bigint, promoted boolean, seconds real);

-- A function and no view: tools that compare a schema with a site's entities plan to drop the tables and views that they
-- do not know, and leave functions alone.
CREATE FUNCTION @extschema@.reco_models() RETURNS TABLE (
    version bigint, name text, active boolean, created_at timestamptz, created_by name, promoted boolean, reason text,
    users bigint, items bigint, interactions bigint,
    precision_at_10 real, ndcg_at_10 real, map_at_10 real, previous_ndcg_at_10 real,
    weights real[], choice jsonb, options jsonb, sources jsonb, skipped jsonb, seconds real, phases jsonb, bytes bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 AS $$
SELECT m.version, m.name,
       m.version OPERATOR(pg_catalog.=) (
           SELECT a.version FROM reco.activation a
           WHERE a.model_name OPERATOR(pg_catalog.=) m.name AND a.rolled_back_at IS NULL ORDER BY a.id DESC LIMIT 1
       ) IS TRUE AS active,
       m.created_at, m.created_by, m.promoted, m.reason, m.users, m.items, m.interactions,
       m.precision_at_10, m.ndcg_at_10, m.map_at_10, m.previous_ndcg_at_10,
       m.weights, m.choice, m.options, m.sources, m.skipped, m.seconds, m.phases, m.bytes
FROM reco.model m
ORDER BY m.version
$$;
COMMENT ON FUNCTION @extschema@.reco_models() IS 'The registry: every stored model, its figures, and which one of each name is active.';

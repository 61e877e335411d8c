CREATE VIEW @extschema@.reco_models AS
SELECT m.version,
       m.version OPERATOR(pg_catalog.=) (
           SELECT a.version FROM reco.activation a WHERE a.rolled_back_at IS NULL ORDER BY a.id DESC LIMIT 1
       ) IS TRUE AS active,
       m.created_at, m.created_by, m.promoted, m.reason, m.users, m.items, m.interactions,
       m.precision_at_10, m.ndcg_at_10, m.map_at_10, m.previous_ndcg_at_10,
       m.weights, m.choice, m.options, m.sources, m.skipped, m.seconds, m.phases, m.bytes
FROM reco.model m
ORDER BY m.version;
COMMENT ON VIEW @extschema@.reco_models IS 'The registry: every stored model, its figures, and which one is active.';

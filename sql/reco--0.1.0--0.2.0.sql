\echo Use "ALTER EXTENSION reco UPDATE" to load this file. \quit

CREATE FUNCTION reco_version() RETURNS TABLE (library text, sql text)
STRICT STABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_version_wrapper';

CREATE FUNCTION reco_evaluate(k double precision[] DEFAULT '{10}', options jsonb DEFAULT '{}') RETURNS TABLE (
    model_version bigint, part text, segment text, category bigint, k integer, metric text, users bigint,
    value double precision, low double precision, high double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_evaluate_wrapper';
REVOKE ALL ON FUNCTION reco_evaluate(double precision[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reco_evaluate(double precision[], jsonb) TO @extowner@ WITH GRANT OPTION;

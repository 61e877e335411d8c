\echo Use "ALTER EXTENSION reco UPDATE" to load this file. \quit

CREATE FUNCTION reco_version() RETURNS TABLE (library text, sql text)
STRICT STABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_version_wrapper';

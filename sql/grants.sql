-- Who may score is everybody who can read the sources; who may change what is served is the owner, until granted.
REVOKE ALL ON FUNCTION
    reco_train(jsonb), reco_configure(text, regclass, jsonb), reco_activate(bigint), reco_rollback(),
    reco_drop_model(bigint)
FROM PUBLIC;
-- Who created the extension (not always a superuser: it is trusted) trains, and passes that on.
GRANT EXECUTE ON FUNCTION
    reco_train(jsonb), reco_configure(text, regclass, jsonb), reco_activate(bigint), reco_rollback(),
    reco_drop_model(bigint)
TO @extowner@ WITH GRANT OPTION;

GRANT USAGE ON SCHEMA reco TO PUBLIC;
GRANT SELECT ON reco.source, reco.model, reco.activation, reco.metric, reco_models TO PUBLIC;

-- The factors and features of users and items are personal data: to be granted by name.
GRANT SELECT ON ALL TABLES IN SCHEMA reco TO @extowner@ WITH GRANT OPTION;

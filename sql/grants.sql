-- Everybody who can read the sources may score. Only the owner may change what is served, until it is granted to
-- others.
REVOKE ALL ON FUNCTION
    reco_train(jsonb), reco_configure(text, regclass, jsonb), reco_activate(bigint), reco_rollback(),
    reco_drop_model(bigint), reco_forget(bigint), reco_train_async(jsonb), reco_cancel_training(bigint),
    reco_evaluate(double precision[], jsonb), reco_nightly(jsonb), reco_check(), reco_schedule(text, jsonb), reco_unschedule()
FROM PUBLIC;
-- The creator of the extension, who need not be a superuser because it is trusted, may train and grant that to others.
GRANT EXECUTE ON FUNCTION
    reco_train(jsonb), reco_configure(text, regclass, jsonb), reco_activate(bigint), reco_rollback(),
    reco_drop_model(bigint), reco_forget(bigint), reco_train_async(jsonb), reco_cancel_training(bigint),
    reco_evaluate(double precision[], jsonb), reco_nightly(jsonb), reco_check(), reco_schedule(text, jsonb), reco_unschedule()
TO @extowner@ WITH GRANT OPTION;

GRANT USAGE ON SCHEMA reco TO PUBLIC;
GRANT SELECT ON reco.source, reco.model, reco.activation, reco.metric, reco.alert, reco.signal TO PUBLIC;

-- The factors and features of users and items are personal data: they have to be granted table by table.
GRANT SELECT ON ALL TABLES IN SCHEMA reco TO @extowner@ WITH GRANT OPTION;

-- Who creates the extension and who owns the database can dump it and restore a dump. pg_dump reads every table and
-- sequence; pg_restore inserts the rows and sets the sequences. What is inserted is trusted no more than a model that
-- anybody damaged: it is checked before it is used.
GRANT SELECT ON ALL SEQUENCES IN SCHEMA reco TO @extowner@, pg_database_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA reco TO pg_database_owner;
GRANT UPDATE ON ALL SEQUENCES IN SCHEMA reco TO @extowner@, pg_database_owner;
GRANT INSERT ON ALL TABLES IN SCHEMA reco TO @extowner@, pg_database_owner;
REVOKE INSERT ON reco.registry, reco.run, reco.alert, reco.signal, reco.fingerprint FROM @extowner@, pg_database_owner;

-- What logs, and what is told of single users. A site grants the first two to the role of its application.
REVOKE ALL ON FUNCTION
    reco_serve(bigint, double precision, text, bigint[], bigint, boolean, double precision, double precision, bigint[]),
    reco_feedback(uuid, bigint, text, timestamptz), reco_expire(),
    reco_online(timestamptz, timestamptz, text[]), reco_attribution(timestamptz, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    reco_serve(bigint, double precision, text, bigint[], bigint, boolean, double precision, double precision, bigint[]),
    reco_feedback(uuid, bigint, text, timestamptz), reco_expire(),
    reco_online(timestamptz, timestamptz, text[]), reco_attribution(timestamptz, timestamptz)
TO @extowner@ WITH GRANT OPTION;

-- Who experiments decides what users are served, and reads what they did.
REVOKE ALL ON FUNCTION
    reco_experiment_start(text, jsonb, jsonb), reco_experiment_stop(text), reco_experiment_report(text),
    reco_experiment_promote(text, text), reco_experiment_offline(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    reco_experiment_start(text, jsonb, jsonb), reco_experiment_stop(text), reco_experiment_report(text),
    reco_experiment_promote(text, text), reco_experiment_offline(text)
TO @extowner@ WITH GRANT OPTION;

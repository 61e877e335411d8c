\echo Use "ALTER EXTENSION reco UPDATE" to load this file. \quit

CREATE FUNCTION reco_version() RETURNS TABLE (library text, sql text)
STRICT STABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_version_wrapper';

CREATE FUNCTION reco_evaluate(k double precision[] DEFAULT '{10}', options jsonb DEFAULT '{}') RETURNS TABLE (
    model_version bigint, part text, segment text, category bigint, k integer, metric text, users bigint,
    value double precision, low double precision, high double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_evaluate_wrapper';
REVOKE ALL ON FUNCTION reco_evaluate(double precision[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reco_evaluate(double precision[], jsonb) TO @extowner@ WITH GRANT OPTION;

-- What was shown, and what came of it. Both tables are rings of partitions: a request belongs to the week of its time, and
-- week w lies in the partition w modulo 16. So there is one for each week that is kept, none is ever made or dropped while the
-- site runs, all are members of the extension, and whole weeks expire at once. src/online/request.rs has the same numbers.
CREATE TABLE reco.impression (
    request_id    uuid        NOT NULL,
    item_id       bigint      NOT NULL,
    user_id       bigint      NOT NULL,
    at            timestamptz NOT NULL,
    model_version bigint,
    score         real        NOT NULL,
    propensity    real,
    rank          int         NOT NULL,
    slot          smallint    NOT NULL,
    source        text        NOT NULL,
    surface       text        NOT NULL,
    model_name    text        NOT NULL,
    experiment    text,
    variant       text,
    PRIMARY KEY (slot, request_id, item_id)
) PARTITION BY LIST (slot);
COMMENT ON TABLE reco.impression IS 'One row per item that reco_serve() showed.';
CREATE INDEX impression_of_user ON reco.impression (user_id, at);

CREATE TABLE reco.feedback (
    request_id uuid        NOT NULL,
    item_id    bigint      NOT NULL,
    user_id    bigint      NOT NULL,
    at         timestamptz NOT NULL,
    slot       smallint    NOT NULL,
    event      text        NOT NULL CHECK (event IN ('click', 'dismiss')),
    model_name text        NOT NULL,
    PRIMARY KEY (slot, request_id, item_id, event)
) PARTITION BY LIST (slot);
COMMENT ON TABLE reco.feedback IS 'What reco_feedback() was told of what was shown.';
CREATE INDEX feedback_of_user ON reco.feedback (user_id);

CREATE TABLE reco.dismissal (
    user_id    bigint      NOT NULL,
    item_id    bigint      NOT NULL,
    at         timestamptz NOT NULL,
    model_name text        NOT NULL,
    PRIMARY KEY (user_id, item_id, model_name)
);
COMMENT ON TABLE reco.dismissal IS 'What each user has dismissed: reco_serve() does not show it again.';

-- Of a partitioned table pg_dump reads the partitions.
DO $$
BEGIN
    FOR slot IN 0 .. 15 LOOP
        EXECUTE pg_catalog.format('CREATE TABLE reco.impression_%s PARTITION OF reco.impression FOR VALUES IN (%s)', slot, slot);
        EXECUTE pg_catalog.format('CREATE TABLE reco.feedback_%s PARTITION OF reco.feedback FOR VALUES IN (%s)', slot, slot);
        PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('reco.impression_%s', slot)::pg_catalog.regclass, '');
        PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('reco.feedback_%s', slot)::pg_catalog.regclass, '');
        EXECUTE pg_catalog.concat('GRANT SELECT ON reco.impression_', slot, ', reco.feedback_', slot, ' TO @extowner@ WITH GRANT OPTION');
        EXECUTE pg_catalog.concat('GRANT INSERT ON reco.impression_', slot, ', reco.feedback_', slot, ' TO @extowner@');
        EXECUTE pg_catalog.concat('GRANT SELECT, INSERT ON reco.impression_', slot, ', reco.feedback_', slot, ' TO pg_database_owner');
    END LOOP;
END
$$;
SELECT pg_catalog.pg_extension_config_dump('reco.dismissal', '');
GRANT SELECT ON reco.impression, reco.feedback, reco.dismissal TO @extowner@ WITH GRANT OPTION;
GRANT INSERT ON reco.impression, reco.feedback, reco.dismissal TO @extowner@;
GRANT SELECT, INSERT ON reco.impression, reco.feedback, reco.dismissal TO pg_database_owner;

CREATE FUNCTION reco_serve(
    user_id bigint, n double precision DEFAULT 10, surface text DEFAULT '', exclude bigint[] DEFAULT '{}',
    category bigint DEFAULT NULL, exclude_seen boolean DEFAULT true, diversity double precision DEFAULT 0,
    explore double precision DEFAULT 0, among bigint[] DEFAULT NULL
) RETURNS TABLE (
    request_id uuid, rank integer, item_id bigint, score real, collaborative real, content_based real, popularity real,
    source text, model_version bigint, reason text, propensity real, experiment text, variant text)
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_serve_wrapper';
CREATE FUNCTION reco_feedback(request_id uuid, item_id bigint, event text, at timestamptz DEFAULT now()) RETURNS boolean
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_feedback_wrapper';
CREATE FUNCTION reco_expire() RETURNS bigint STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'reco_expire_wrapper';
CREATE FUNCTION reco_online(
    since timestamptz DEFAULT now() - interval '30 days', until timestamptz DEFAULT NULL,
    by text[] DEFAULT '{day,surface,model_version,experiment,variant,source}'
) RETURNS TABLE (
    day date, surface text, model_version bigint, experiment text, variant text, source text, impressions bigint,
    users bigint, clicks bigint, ctr double precision, ctr_low double precision, ctr_high double precision,
    conversions bigint, conversion double precision, conversion_low double precision, conversion_high double precision,
    engagements bigint, engagement double precision, engagement_low double precision, engagement_high double precision,
    dismissals bigint)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_online_wrapper';
CREATE FUNCTION reco_attribution(since timestamptz DEFAULT now() - interval '30 days', until timestamptz DEFAULT NULL)
RETURNS TABLE (
    event text, user_id bigint, item_id bigint, at timestamptz, request_id uuid, rank integer, shown_at timestamptz,
    surface text, model_version bigint, experiment text, variant text, source text, propensity real)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_attribution_wrapper';
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

-- Experiments. What was shown in one is in reco.impression, by the experiment's name and that of the variant.
CREATE TABLE reco.experiment (
    name       text             PRIMARY KEY,
    kind       text             NOT NULL CHECK (kind IN ('split', 'interleaving', 'shadow')),
    model_name text             NOT NULL DEFAULT '',
    variants   jsonb            NOT NULL,
    metric     text             NOT NULL,
    guardrails jsonb            NOT NULL,
    salt       text             NOT NULL,
    share      double precision NOT NULL,
    surfaces   text[]           NOT NULL,
    lift       double precision NOT NULL,
    power      double precision NOT NULL,
    alpha      double precision NOT NULL,
    planned    bigint           NOT NULL,
    started_at timestamptz      NOT NULL DEFAULT pg_catalog.now(),
    started_by name             NOT NULL,
    stopped_at timestamptz,
    stopped_by name,
    reason     text,
    outcome    jsonb,
    promoted   text
);
COMMENT ON TABLE reco.experiment IS 'Which variants are compared, on whom, and what came out. Who gets which follows from the salt.';

CREATE TABLE reco.shadow (
    request_id uuid        NOT NULL,
    item_id    bigint      NOT NULL,
    user_id    bigint      NOT NULL,
    at         timestamptz NOT NULL,
    experiment text        NOT NULL,
    shown_rank int,
    rank       int,
    score      real,
    propensity real,
    PRIMARY KEY (request_id, item_id)
);
CREATE INDEX shadow_of_time ON reco.shadow (at);
CREATE INDEX shadow_of_user ON reco.shadow (user_id);
COMMENT ON TABLE reco.shadow IS 'What a challenger would have shown, beside what was shown.';

SELECT pg_catalog.pg_extension_config_dump('reco.experiment', '');
SELECT pg_catalog.pg_extension_config_dump('reco.shadow', '');
GRANT SELECT ON reco.experiment, reco.shadow TO @extowner@ WITH GRANT OPTION;
GRANT INSERT ON reco.experiment, reco.shadow TO @extowner@;
GRANT SELECT, INSERT ON reco.experiment, reco.shadow TO pg_database_owner;

CREATE FUNCTION reco_experiment_size(
    baseline double precision, lift double precision DEFAULT 0.1, power double precision DEFAULT 0.8,
    alpha double precision DEFAULT 0.05
) RETURNS bigint IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_size_wrapper';
CREATE FUNCTION reco_experiment_start(name text, variants jsonb, options jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_start_wrapper';
CREATE FUNCTION reco_experiment_stop(name text) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_stop_wrapper';
CREATE FUNCTION reco_experiment_promote(name text, variant text) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_promote_wrapper';
CREATE FUNCTION reco_experiment_variant(name text, user_id bigint) RETURNS text
STABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_variant_wrapper';
CREATE FUNCTION reco_experiment_report(name text) RETURNS TABLE (
    variant text, metric text, users bigint, shown bigint, value double precision, low double precision,
    high double precision, lift double precision, lift_low double precision, lift_high double precision,
    p_value double precision, sample_ratio double precision, planned bigint, verdict text)
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_report_wrapper';
CREATE FUNCTION reco_experiment_offline(name text) RETURNS TABLE (
    estimate text, value double precision, low double precision, high double precision, users bigint,
    effective_users double precision, support double precision, refusal text)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_experiment_offline_wrapper';
REVOKE ALL ON FUNCTION
    reco_experiment_start(text, jsonb, jsonb), reco_experiment_stop(text), reco_experiment_report(text),
    reco_experiment_promote(text, text), reco_experiment_offline(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    reco_experiment_start(text, jsonb, jsonb), reco_experiment_stop(text), reco_experiment_report(text),
    reco_experiment_promote(text, text), reco_experiment_offline(text)
TO @extowner@ WITH GRANT OPTION;

-- The nightly life, alerts and metrics.
CREATE TABLE reco.alert (
    model_name text        NOT NULL DEFAULT '',
    kind       text        NOT NULL,
    subject    text        NOT NULL DEFAULT '',
    message    text        NOT NULL,
    detail     jsonb       NOT NULL,
    raised_at  timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    closed_at  timestamptz,
    PRIMARY KEY (model_name, kind, subject, raised_at)
);
COMMENT ON TABLE reco.alert IS 'What needs somebody''s attention: raised once, closed when it is gone. A log of this server: it is not dumped.';
CREATE UNIQUE INDEX alert_open ON reco.alert (model_name, kind, subject) WHERE closed_at IS NULL;

CREATE TABLE reco.signal (
    model_name  text             NOT NULL DEFAULT '',
    name        text             NOT NULL,
    value       double precision NOT NULL,
    measured_at timestamptz      NOT NULL,
    PRIMARY KEY (model_name, name)
);
COMMENT ON TABLE reco.signal IS 'Figures of the data that reco_check() and reco_nightly() measured last. Of this server: it is not dumped.';

CREATE TABLE reco.fingerprint (
    model_name    text        PRIMARY KEY,
    options       jsonb       NOT NULL,
    fingerprint   jsonb       NOT NULL,
    model_version bigint      NOT NULL,
    taken_at      timestamptz NOT NULL
);
COMMENT ON TABLE reco.fingerprint IS 'How the sources were when reco_nightly() last trained on them. Counts of this server: it is not dumped.';

GRANT SELECT ON reco.alert, reco.signal TO PUBLIC;
REVOKE INSERT ON reco.alert, reco.signal, reco.fingerprint FROM @extowner@;
GRANT SELECT ON reco.alert, reco.signal, reco.fingerprint TO @extowner@ WITH GRANT OPTION;
GRANT SELECT ON reco.alert, reco.signal, reco.fingerprint TO pg_database_owner;

CREATE FUNCTION reco_nightly(options jsonb DEFAULT '{}') RETURNS TABLE (
    outcome text, reason text, model_version bigint, promoted boolean, seconds real)
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_nightly_wrapper';
CREATE FUNCTION reco_check() RETURNS TABLE (kind text, subject text, message text, detail jsonb, raised_at timestamp with time zone)
STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'reco_check_wrapper';
CREATE FUNCTION reco_schedule(cron text, options jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', 'reco_schedule_wrapper';
CREATE FUNCTION reco_unschedule() RETURNS boolean
STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'reco_unschedule_wrapper';
CREATE FUNCTION reco_metrics() RETURNS TABLE (name text, type text, help text, labels jsonb, value double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_metrics_wrapper';
CREATE FUNCTION reco_metrics_text() RETURNS text
STRICT STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'reco_metrics_text_wrapper';
REVOKE ALL ON FUNCTION reco_nightly(jsonb), reco_check(), reco_schedule(text, jsonb), reco_unschedule() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reco_nightly(jsonb), reco_check(), reco_schedule(text, jsonb), reco_unschedule()
TO @extowner@ WITH GRANT OPTION;

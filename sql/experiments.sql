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

-- Texts pass between PostgreSQL and the library as UTF-8.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION 'reco needs a database in UTF8, and this one is in %', pg_catalog.getdatabaseencoding()
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'CREATE DATABASE new_name ENCODING ''UTF8'' TEMPLATE template0; and restore a dump into it.';
    END IF;
END
$$;

-- Tables of the model registry and of the feature store. Only reco's functions write them.
-- No foreign keys between them: a check per row would cost seconds on every training, and the rows of one model
-- are written and deleted together.

CREATE SCHEMA reco;

-- A site may have several models, each with a name; that of the unnamed one is ''.

CREATE TABLE reco.source (
    model_name      text        NOT NULL DEFAULT '',
    source          text        NOT NULL CHECK (source IN ('rating', 'favorite', 'item', 'user', 'event', 'category', 'author')),
    relation_schema name        NOT NULL,
    relation_name   name        NOT NULL,
    columns         jsonb       NOT NULL,
    revision        bigint      NOT NULL,
    configured_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (model_name, source)
);
COMMENT ON TABLE reco.source IS 'What reco_configure() mapped; a source without a row is detected.';

CREATE TABLE reco.registry (
    id      int    PRIMARY KEY CHECK (id = 1),
    changes bigint NOT NULL
);
COMMENT ON TABLE reco.registry IS 'Its row is locked by whoever changes the registry or the mapping.';

CREATE SEQUENCE reco.revision_seq;
CREATE SEQUENCE reco.model_version_seq;
CREATE SEQUENCE reco.activation_id_seq;

CREATE TABLE reco.model (
    version              bigint      PRIMARY KEY,
    name                 text        NOT NULL DEFAULT '',
    created_at           timestamptz NOT NULL,
    created_by           name        NOT NULL,
    promoted             boolean     NOT NULL,
    reason               text        NOT NULL,
    options              jsonb       NOT NULL,
    sources              jsonb       NOT NULL,
    choice               jsonb       NOT NULL,
    weights              real[]      NOT NULL,
    users                bigint      NOT NULL,
    items                bigint      NOT NULL,
    interactions         bigint      NOT NULL,
    precision_at_10      real        NOT NULL,
    ndcg_at_10           real        NOT NULL,
    map_at_10            real        NOT NULL,
    previous_ndcg_at_10  real,
    seconds              real        NOT NULL,
    phases               jsonb       NOT NULL,
    content_hash         bigint      NOT NULL,
    bytes                bigint      NOT NULL,
    skipped              jsonb
);
COMMENT ON TABLE reco.model IS 'One row per training: options, what validation chose, the decision of the gate and its figures.';

CREATE TABLE reco.activation (
    id             bigint      PRIMARY KEY,
    model_name     text        NOT NULL DEFAULT '',
    version        bigint      NOT NULL,
    activated_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    activated_by   name        NOT NULL DEFAULT SESSION_USER,
    rolled_back_at timestamptz
);
COMMENT ON TABLE reco.activation IS 'A stack for each name: the active model is its latest row that was not rolled back.';
CREATE INDEX activation_of_name ON reco.activation (model_name, id);
CREATE INDEX model_of_name ON reco.model (name, version);

CREATE TABLE reco.model_blob (
    version bigint NOT NULL,
    kind    text   NOT NULL CHECK (kind IN ('served', 'twin')),
    chunk   int    NOT NULL,
    data    bytea  NOT NULL,
    PRIMARY KEY (version, kind, chunk)
);
-- Factors do not compress, and trying to costs seconds.
ALTER TABLE reco.model_blob ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE reco.model_blob IS 'The model that is served, and its twin without the hold-out, as checksummed bytes.';

CREATE TABLE reco.metric (
    model_version bigint NOT NULL,
    part          text   NOT NULL,
    k             int    NOT NULL,
    users         int    NOT NULL,
    precision     real   NOT NULL,
    recall        real   NOT NULL,
    ndcg          real   NOT NULL,
    ndcg_low      real   NOT NULL,
    ndcg_high     real   NOT NULL,
    map           real   NOT NULL,
    mrr           real   NOT NULL,
    hit_rate      real   NOT NULL,
    PRIMARY KEY (model_version, part, k)
);
COMMENT ON TABLE reco.metric IS 'Ranking metrics on the hold-out, by part and baseline; ndcg_low and ndcg_high bound the 95 % interval.';

CREATE TABLE reco.user_factor (
    model_version bigint NOT NULL,
    user_id       bigint NOT NULL,
    fingerprint   bigint NOT NULL,
    factor        real[] NOT NULL,
    PRIMARY KEY (model_version, user_id)
);
COMMENT ON TABLE reco.user_factor IS 'User vectors. The fingerprint tells whether the user''s interactions changed since.';

CREATE TABLE reco.item_factor (
    model_version bigint NOT NULL,
    item_id       bigint NOT NULL,
    factor        real[] NOT NULL,
    PRIMARY KEY (model_version, item_id)
);
COMMENT ON TABLE reco.item_factor IS 'Item vectors, for analysts; scoring reads them from reco.model_blob.';

CREATE TABLE reco.user_feature (
    model_version     bigint NOT NULL,
    user_id           bigint NOT NULL,
    ratings           int    NOT NULL,
    favorites         int    NOT NULL,
    positives         int    NOT NULL,
    mean_stars        real,
    registered_at     timestamptz,
    top_categories    bigint[] NOT NULL,
    category_weights  real[]   NOT NULL,
    top_authors       bigint[] NOT NULL,
    author_weights    real[]   NOT NULL,
    PRIMARY KEY (model_version, user_id)
);
COMMENT ON TABLE reco.user_feature IS 'What the content model knew of each user at training time.';

CREATE TABLE reco.item_feature (
    model_version bigint NOT NULL,
    item_id       bigint NOT NULL,
    category      bigint,
    author        bigint,
    published_at  timestamptz,
    ratings       int    NOT NULL,
    mean_stars    real,
    favorites     int    NOT NULL,
    positives     int    NOT NULL,
    latest_at     timestamptz,
    popularity    real   NOT NULL,
    more_categories bigint[],
    more_authors  bigint[],
    PRIMARY KEY (model_version, item_id)
);
COMMENT ON TABLE reco.item_feature IS 'What the content model knew of each item at training time; popularity before calibration.';

CREATE TABLE reco.key (
    model_version bigint NOT NULL,
    id            bigint NOT NULL,
    key           text   NOT NULL,
    PRIMARY KEY (model_version, id)
);
COMMENT ON TABLE reco.key IS 'The keys that ids of a model stand for, where users or items have keys that are not integers.';

CREATE SEQUENCE reco.run_id_seq;
CREATE TABLE reco.run (
    id            bigint      PRIMARY KEY,
    kind          text        NOT NULL,
    model_name    text        NOT NULL DEFAULT '',
    background    boolean     NOT NULL,
    started_by    name        NOT NULL,
    role          name        NOT NULL,
    begun_at      timestamptz NOT NULL,
    ended_at      timestamptz,
    options       jsonb       NOT NULL,
    outcome       text        NOT NULL,
    phase         text        NOT NULL,
    sqlstate      text,
    error         text,
    seconds       real,
    memory        bigint,
    wal           bigint,
    pid           int         NOT NULL,
    model_version bigint,
    handle        bigint      NOT NULL
);
COMMENT ON TABLE reco.run IS 'The journal of trainings, those that failed too. A log of this server: it is not dumped.';

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

-- One statement each: the catalogue row is updated by every call.
SELECT pg_catalog.pg_extension_config_dump('reco.source', '');
SELECT pg_catalog.pg_extension_config_dump('reco.revision_seq', '');
SELECT pg_catalog.pg_extension_config_dump('reco.model_version_seq', '');
SELECT pg_catalog.pg_extension_config_dump('reco.activation_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('reco.model', '');
SELECT pg_catalog.pg_extension_config_dump('reco.activation', '');
SELECT pg_catalog.pg_extension_config_dump('reco.model_blob', '');
SELECT pg_catalog.pg_extension_config_dump('reco.metric', '');
SELECT pg_catalog.pg_extension_config_dump('reco.user_factor', '');
SELECT pg_catalog.pg_extension_config_dump('reco.item_factor', '');
SELECT pg_catalog.pg_extension_config_dump('reco.user_feature', '');
SELECT pg_catalog.pg_extension_config_dump('reco.item_feature', '');
SELECT pg_catalog.pg_extension_config_dump('reco.key', '');

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
    END LOOP;
END
$$;
SELECT pg_catalog.pg_extension_config_dump('reco.dismissal', '');

"""Random statements: calls in every form, properties of the answers, settings, mappings, changes of the data."""

from values import Values, quoted

# Of the expected answers. Each gives rows that begin with VIOLATION, or none.
PROPERTIES = {
    "reco_score": """WITH a AS MATERIALIZED (SELECT {1} AS items), r AS MATERIALIZED (
            SELECT r.* FROM a, reco_score({0}, a.items) WITH ORDINALITY r)
        SELECT 'VIOLATION score ' || r::text FROM r, a WHERE score IS NULL OR NOT score BETWEEN 0 AND 1
            OR NOT coalesce(collaborative, 0) BETWEEN 0 AND 1 OR NOT coalesce(content_based, 0) BETWEEN 0 AND 1
            OR NOT coalesce(popularity, 0) BETWEEN 0 AND 1 OR item_id IS DISTINCT FROM items[array_lower(items, 1) + ordinality::int - 1]
        UNION ALL SELECT 'VIOLATION number of rows' FROM a
        WHERE {0} IS NOT NULL AND items IS NOT NULL AND (SELECT count(*) FROM r) <> cardinality(items);""",
    "reco_scores": """SELECT 'VIOLATION scores differ' FROM (SELECT {0} AS u, {1} AS items) a
        WHERE reco_scores(u, items) IS DISTINCT FROM CASE WHEN u IS NULL OR items IS NULL THEN NULL
            ELSE coalesce((SELECT array_agg(score ORDER BY n)
                FROM reco_score(u, items) WITH ORDINALITY r(i, score, c, b, p, s, v, n)), '{{}}') END;""",
    "reco_recommend": """WITH a AS MATERIALIZED (SELECT {1} AS n, {2} AS excluded), r AS MATERIALIZED (
            SELECT r.* FROM a, reco_recommend({0}, a.n, a.excluded, {3}, {4}, {5}, {6}) WITH ORDINALITY r)
        SELECT 'VIOLATION recommend ' || r::text FROM r, a WHERE rank <> ordinality OR item_id = ANY (excluded)
            OR score IS NULL OR NOT score BETWEEN 0 AND 1 OR NOT (propensity IS NULL OR propensity > 0 AND propensity <= 1)
        UNION ALL SELECT 'VIOLATION recommend repeats or exceeds' FROM a, (SELECT count(*) AS rows,
            count(DISTINCT item_id) AS items FROM r) c WHERE rows <> items OR rows > coalesce(n, 10);""",
    "reco_serve": """WITH a AS MATERIALIZED (SELECT {1} AS n, {3} AS excluded), r AS MATERIALIZED (
            SELECT r.* FROM a, reco_serve({0}, a.n, {2}, a.excluded, {4}, {5}, {6}, {7}, {8}) WITH ORDINALITY r)
        SELECT 'VIOLATION serve ' || r::text FROM r, a WHERE rank <> ordinality OR item_id = ANY (excluded)
            OR score IS NULL OR NOT score BETWEEN 0 AND 1 OR request_id IS NULL
        UNION ALL SELECT 'VIOLATION serve repeats, exceeds or has two ids' FROM a, (SELECT count(*) AS rows,
            count(DISTINCT item_id) AS items, count(DISTINCT request_id) AS ids FROM r) c
        WHERE rows <> items OR rows > coalesce(n, 10) OR ids > 1;""",
    "reco_feedback": """SELECT 'VIOLATION feedback is new twice' FROM (SELECT request_id, item_id FROM reco_serve({1}, 1) LIMIT 1) s,
        LATERAL (SELECT array_agg(reco_feedback(request_id, item_id, {2}, {3}) ORDER BY n) AS told FROM generate_series(1, 2) n) f
        WHERE told[2];""",
    "reco_online": """SELECT 'VIOLATION online ' || r::text FROM reco_online({0}, {1}, {2}) r WHERE users > impressions OR clicks > impressions
        OR NOT ctr BETWEEN ctr_low AND ctr_high OR ctr_low < 0 OR ctr_high > 1 OR NOT conversion BETWEEN conversion_low AND conversion_high
        OR NOT engagement BETWEEN engagement_low AND engagement_high OR conversions > impressions OR engagements > impressions;""",
    "reco_similar": """WITH r AS MATERIALIZED (SELECT * FROM reco_similar({0}, {1}))
        SELECT 'VIOLATION similar ' || r::text FROM (SELECT *, lead(similarity) OVER (ORDER BY rank) AS next,
            count(*) OVER (PARTITION BY item_id) AS times FROM r) r
        WHERE similarity IS NULL OR NOT similarity BETWEEN 0 AND 1 OR item_id = {0} OR times > 1 OR next > similarity;""",
    "reco_similar_users": """WITH r AS MATERIALIZED (SELECT * FROM reco_similar_users({0}, {1}))
        SELECT 'VIOLATION similar users ' || r::text FROM (SELECT *, lead(similarity) OVER (ORDER BY rank) AS next,
            count(*) OVER (PARTITION BY user_id) AS times FROM r) r
        WHERE similarity IS NULL OR NOT similarity BETWEEN 0 AND 1 OR user_id = {0} OR times > 1 OR next > similarity;""",
    "reco_audience": """WITH r AS MATERIALIZED (SELECT * FROM reco_audience({0}, {1}, {2}))
        SELECT 'VIOLATION audience ' || r::text FROM (SELECT *, lead(score) OVER (ORDER BY rank) AS next,
            count(*) OVER (PARTITION BY user_id) AS times FROM r) r
        WHERE score IS NULL OR NOT score BETWEEN 0 AND 1 OR times > 1 OR next > score;""",
    "reco_evaluate": """WITH r AS MATERIALIZED (SELECT * FROM reco_evaluate({0}, {1}))
        SELECT 'VIOLATION evaluate ' || r::text FROM r WHERE users < 1 OR value IS NULL OR value < 0
            OR metric NOT IN ('novelty') AND value > 1 OR (low IS NULL) <> (metric = 'coverage') OR low > high
        UNION ALL SELECT 'VIOLATION evaluate repeats' FROM r
        GROUP BY part, segment, category, k, metric HAVING count(*) > 1;""",
    "reco_trending": """SELECT 'VIOLATION trending ' || r::text FROM reco_trending({0}, {1}, {2}) r
        WHERE score IS NULL OR NOT score BETWEEN 0 AND interactions OR interactions < 1;""",
    "reco_explain": """SELECT 'VIOLATION explain: ' || explained || ' for ' || score
        FROM (SELECT sum(contribution) AS explained FROM reco_explain({0}, {1})) e, reco_score({0}, ARRAY[{1}]) s
        WHERE {0} IS NOT NULL AND {1} IS NOT NULL
            AND (explained IS NULL OR NOT abs(explained - score) BETWEEN 0 AND 1.1e-6);""",
    "reco_predict_rating": """WITH a AS MATERIALIZED (SELECT {1} AS items), r AS MATERIALIZED (
            SELECT r.* FROM a, reco_predict_rating({0}, a.items) r)
        SELECT 'VIOLATION predict ' || r::text FROM r WHERE NOT coalesce(rating, 1) BETWEEN 1 AND 5
        UNION ALL SELECT 'VIOLATION number of rows' FROM a
        WHERE {0} IS NOT NULL AND items IS NOT NULL AND (SELECT count(*) FROM r) <> cardinality(items);""",
    "reco_id": "SELECT 'VIOLATION id ' || reco_id({0}) WHERE reco_id({0}) >= 0 OR reco_id({0}) <> reco_id(upper({0}::text)) AND {0}::text ~ '^[0-9a-f]{{8}}-';",
    "reco_key": "SELECT 'VIOLATION key of ' || {0} WHERE {0} >= 0 AND reco_key({0}) IS NOT NULL OR reco_id(reco_key({0})) <> {0};",
    "reco_version": "SELECT 'VIOLATION version' FROM reco_version() WHERE library IS DISTINCT FROM sql;",
    "reco_health": """SELECT 'VIOLATION health' WHERE reco_health() ->> 'status' NOT IN ('ok', 'attention');""",
}
# As a site has it: what other sessions mapped and rolled back is set right.
BEGINNING = ("SELECT reco_configure(s, NULL, NULL) FROM unnest('{rating,favorite,item,user}'::text[]) s;",
             "SELECT reco_activate(max(version)) FROM reco_models();")
# Calls of these are rarer: they take long, or leave a site where the others have little to do.
WEIGHTS = {"reco_train": 0.12, "reco_evaluate": 0.15, "reco_drop_model": 0.1, "reco_configure": 0.3, "reco_rollback": 0.05, "reco_forget": 0.1, "reco_activate": 0.1,
           "reco_health": 0.3, "reco_sources": 0.3}

SURROUNDINGS = (
    "SET search_path = public", "SET search_path = elsewhere, public", "SET search_path = pg_temp, public, pg_catalog",
    "SET search_path = public, nowhere", "SET TimeZone = 'Asia/Kathmandu'", "SET DateStyle = 'SQL, DMY'",
    "SET IntervalStyle = 'iso_8601'", "SET extra_float_digits = -15", "SET client_encoding = 'LATIN1'",
    "SET client_encoding = 'UTF8'", "SET work_mem = '64kB'", "SET statement_timeout = '1ms'", "SET statement_timeout = '20ms'",
    "RESET statement_timeout", "SET lock_timeout = '1ms'", "SET lock_timeout = '500ms'", "SET row_security = off",
    "SET row_security = on", "SET ROLE fuzz_reader", "SET ROLE fuzz_reader", "RESET ROLE", "RESET ROLE", "RESET ROLE",
    "SET plan_cache_mode = force_generic_plan", "SET force_parallel_mode = on", "SET jit_above_cost = 0",
    "SET client_min_messages = error", "SET client_min_messages = debug1", "SET default_transaction_read_only = on",
    "SET default_transaction_read_only = off", "SET default_transaction_isolation = 'serializable'",
    "SET default_transaction_isolation = 'repeatable read'", "SET max_stack_depth = '100kB'", "SET bytea_output = 'escape'",
    "SET standard_conforming_strings = off", "SET standard_conforming_strings = on", "DISCARD PLANS", "RESET ALL", "RESET ALL",
)
CHANGES = (
    "CREATE TEMP TABLE IF NOT EXISTS passing (u bigint, i bigint, stars real, at timestamptz)",
    "CREATE TEMP TABLE resena (usuario_id int, libro_id int, estrellas int)", "DROP TABLE IF EXISTS pg_temp.resena",
    "INSERT INTO odd_reviews VALUES (7, 7, 'NaN', 5, now(), current_date)",
    "INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) SELECT 3, id, 5, now() FROM libro LIMIT 1",
    "DELETE FROM favorito WHERE usuario_id = 5", "UPDATE libro SET titulo = repeat('z', 300000) WHERE id = 9",
    "ALTER TABLE good_reviews RENAME TO good_reviews_2", "ALTER TABLE odd_reviews RENAME COLUMN stars TO stars_2",
    "ALTER TABLE parted DETACH PARTITION parted_high", "ALTER TABLE libro RENAME COLUMN titulo TO title",
    "ALTER TABLE libro ALTER COLUMN id TYPE bigint", "DROP VIEW recursive_reviews", "DROP TABLE favorito CASCADE",
    "ALTER SCHEMA elsewhere RENAME TO elsewhere_2", "TRUNCATE odd_reviews", "DELETE FROM reco.activation",
    "DELETE FROM reco.user_factor WHERE user_id % 2 = 0", "REFRESH MATERIALIZED VIEW kept_reviews", "DROP EXTENSION reco",
    "REVOKE SELECT ON resena FROM fuzz_reader", "ANALYZE resena", "UPDATE reco.source SET columns = '[1]'",
)


class Statements:
    def __init__(self, random, functions, options, settings):
        self.random = random
        self.values = Values(random, options)
        self.functions = functions
        self.weights = [WEIGHTS.get(f["name"], 1.0) for f in functions]
        # Each function once, however seldom it is drawn.
        self.due = self.random.sample(functions, len(functions))
        self.settings = settings

    def session(self, calls):
        """The statements of a session, and how many times it calls each function."""
        lines, counts = list(BEGINNING) if self.random.random() < 0.7 else [], {}
        if self.random.random() < 0.5:
            lines.append("\\set ON_ERROR_ROLLBACK on")
        while sum(counts.values()) < calls:
            kind = self.random.random()
            if kind < 0.04:
                lines.append(f"{self.setting()};")
            elif kind < 0.05:
                lines.extend(self.changed(counts))
            else:
                lines.append(self.call(counts))
        return lines, counts

    def setting(self):
        if self.random.random() < 0.6:
            return self.random.choice(SURROUNDINGS)
        setting = self.random.choice(self.settings)
        if setting["type"] == "bool":
            value = self.random.choice(("on", "off"))
        elif setting["type"] == "enum":
            value = self.random.choice(setting["values"])
        elif setting["type"] == "string":
            value = self.random.choice(("", "", "", "odd", "ñ" * 40))
        else:
            low, high = int(setting["low"]), int(setting["high"])
            value = self.random.choice((low, high, low - 1, min(high, low + self.random.randint(0, 50))))
        return f"SET {setting['name']} = {quoted(str(value))}"

    def changed(self, counts):
        """A change of the data or of the schema, calls after it, and back."""
        level = self.random.choice(("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED, READ ONLY"))
        lines = [f"BEGIN ISOLATION LEVEL {level};"]
        if self.random.random() < 0.7:
            lines.append(f"{self.random.choice(CHANGES)};")
        lines.append("SAVEPOINT before;")
        for _ in range(self.random.randint(1, 12)):
            lines.append(self.call(counts))
            lines.append(self.random.choice(("ROLLBACK TO before;", "SAVEPOINT before;", "ROLLBACK TO before;")))
        return lines + ["ROLLBACK;"]

    def call(self, counts):
        function = self.due.pop() if self.due else self.random.choices(self.functions, self.weights)[0]
        counts[function["name"]] = counts.get(function["name"], 0) + 1
        arguments = [self.values.of_type(kind) for kind in function["types"]]
        if function["name"] in PROPERTIES and self.random.random() < 0.5:
            return " ".join(PROPERTIES[function["name"]].format(*arguments).split())
        return self.form(function, arguments)

    def form(self, function, arguments):
        """One of the ways in which a client calls a function."""
        if function["names"] and self.random.random() < 0.3:
            arguments = [f"{name} => {value}" for name, value in zip(function["names"], arguments)]
            required = len(arguments) - function["defaults"]
            optional = [a for a in arguments[required:] if self.random.random() < 0.5]
            arguments = arguments[:required] + optional
        elif function["defaults"]:
            arguments = arguments[:len(arguments) - self.random.randint(0, function["defaults"])]
        call = f"{function['schema']}.{function['name']}({', '.join(arguments)})"
        return self.random.choice((
            f"SELECT * FROM {call};", f"SELECT {call};", f"SELECT count(*) FROM (SELECT {call} LIMIT 1) x;",
            f"SELECT count(*) FROM generate_series(1, 3) g, LATERAL {call} x;",
            f"DO $do$ BEGIN PERFORM {call}; EXCEPTION WHEN OTHERS THEN PERFORM {call}; END $do$;",
            f"PREPARE p AS SELECT * FROM {call}; EXECUTE p; EXECUTE p; DEALLOCATE p;",
            f"BEGIN; DECLARE c CURSOR FOR SELECT * FROM {call}; FETCH 2 FROM c; ROLLBACK;",
            f"COPY (SELECT * FROM {call}) TO STDOUT;",
        ))

// What somebody planted in the search_path is neither called nor read.

/// A schema with a copy of every operator, function, aggregate and common type of PostgreSQL that raises an error when it
/// is used, in front of PostgreSQL's own; and operators that PostgreSQL has not, which an unqualified name would find
/// even behind it.
fn plant() {
    Spi::run(
        "CREATE SCHEMA evil;
         CREATE FUNCTION evil.trap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked'; END $$;
         DO $plant$
         DECLARE o record; f record; t text; u text; op text;
         BEGIN
             FOR f IN SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, p.prorettype
                      FROM pg_proc p
                      WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a', 'w')
                        AND p.provariadic = 0 AND NOT EXISTS (
                            SELECT FROM pg_type t WHERE t.oid = ANY (p.proargtypes) AND t.typtype = 'p')
                        AND p.proname = ANY ('{sum,count,abs,power,date_part,to_timestamp,timezone,pg_relation_size,nextval,
                            now,clock_timestamp,current_database,generate_series,has_table_privilege,pg_notify,int8,float8,
                            float4,text,numeric,name,date,int4,bool,timestamptz,timestamp,jsonb_object_field_text}')
             LOOP
                 BEGIN
                     EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS int LANGUAGE plpgsql AS
                         $f$ BEGIN RAISE EXCEPTION ''hijacked''; END $f$', f.proname, regexp_replace(f.arguments, 'OUT [^,]*(, )?', '', 'g'));
                 EXCEPTION WHEN OTHERS THEN NULL; END;
             END LOOP;
             FOREACH t IN ARRAY ARRAY['int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'timestamptz', 'timestamp',
                                      'date', 'bool', 'oid', 'name', 'jsonb', 'interval', 'int8[]', 'regclass', '\"char\"'] LOOP
                 FOREACH u IN ARRAY ARRAY['int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'timestamptz',
                                          'timestamp', 'date', 'bool', 'oid', 'name', 'jsonb', 'interval', 'int8[]', 'regclass'] LOOP
                     EXECUTE format('CREATE FUNCTION evil.operate(%s, %s) RETURNS bool LANGUAGE plpgsql AS
                         $f$ BEGIN RAISE EXCEPTION ''hijacked''; END $f$', t, u);
                     FOREACH op IN ARRAY ARRAY['+', '-', '*', '/', '=', '<', '>', '<=', '>=', '<>', '->>', '->', '||', '%'] LOOP
                         EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.operate)', op, t, u);
                     END LOOP;
                 END LOOP;
             END LOOP;
             FOREACH t IN ARRAY ARRAY['int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'timestamptz', 'timestamp',
                                      'date', 'oid', 'name', 'jsonb', 'interval', 'regclass'] LOOP
                 EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%1$I CHECK (evil.trap() IS NULL)', t);
             END LOOP;
         END $plant$",
    )
    .unwrap();
    assert!(truth("SELECT count(*) > 3000 FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace"));
    assert!(truth("SELECT count(*) > 60 FROM pg_proc WHERE pronamespace = 'evil'::regnamespace AND proname <> 'operate'"));
}

/// Every function, each at least once over every kind of source that there is.
fn call_everything() {
    for call in [
        "SELECT model_version FROM public.reco_train('{\"force\": true}')",
        "SELECT model_version FROM public.reco_train()",
        "SELECT public.reco_scores(1, '{1,2,999}')",
        "SELECT score FROM public.reco_score(43, '{1,2,31}')",
        "SELECT rank FROM public.reco_recommend(1, 5, '{3}', 1, true, 0.5, 0.5)",
        "SELECT rank FROM public.reco_recommend(43)",
        "SELECT rank FROM public.reco_similar(3)",
        "SELECT rank FROM public.reco_trending(5, '1 year')",
        "SELECT rank FROM public.reco_trending(5, '1 year', 1)",
        "SELECT contribution FROM public.reco_explain(1, 3)",
        "SELECT rating FROM public.reco_predict_rating(1, '{1,2}')",
        "SELECT source FROM public.reco_sources()",
        "SELECT public.reco_health()",
        "SELECT version FROM public.reco_models()",
        "SELECT public.reco_rollback()",
        "SELECT public.reco_activate(2)",
        "SELECT public.reco_drop_model(1)",
        "SELECT user_id FROM public.reco_similar_users(3)",
        "SELECT user_id FROM public.reco_audience(3)",
        "SELECT public.reco_forget(3)",
        "SELECT public.reco_configure('favorite', 'public.favorito', '{\"user\": \"usuario_id\", \"item\": \"libro_id\"}')",
        "SELECT public.reco_configure('favorite', NULL, NULL)",
    ] {
        let call = call.replace("(2)", "(currval('reco.model_version_seq'))");
        let call = call.replace("(1)", "(currval('reco.model_version_seq') OPERATOR(pg_catalog.-) 1::pg_catalog.int8)");
        Spi::run(&call.replace("currval", "pg_catalog.currval").replace("'reco.model_version_seq'", "'reco.model_version_seq'::pg_catalog.regclass"))
            .unwrap_or_else(|error| panic!("{call}: {error}"));
    }
}

#[pg_test]
fn no_planted_operator_function_cast_or_type_is_used() {
    plant();
    for times in ["timestamptz", "timestamp", "date", "bigint", "int"] {
        small_site();
        let epoch = ["bigint", "int"].contains(&times);
        let using = if epoch { format!("extract(epoch FROM fecha_resena)::{times}") } else { format!("fecha_resena::{times}") };
        Spi::run(&format!(
            "ALTER TABLE resena ALTER fecha_resena TYPE {times} USING {using};
             ALTER TABLE libro RENAME fecha_publicacion TO anio_publicacion;
             ALTER TABLE libro ALTER anio_publicacion TYPE int USING extract(year FROM anio_publicacion);
             ALTER TABLE libro ADD precio int;
             ALTER TABLE usuario ALTER fecha_registro TYPE {times} USING {};
             INSERT INTO favorito SELECT 43, i FROM generate_series(1, 9, 2) i;",
            using.replace("fecha_resena", "fecha_registro")
        ))
        .unwrap();
        Spi::run("SET LOCAL search_path = evil, pg_catalog, public").unwrap();
        call_everything();
        Spi::run("SET LOCAL search_path = public, evil").unwrap();
        call_everything();
        Spi::run("SET LOCAL search_path = public; SET LOCAL client_min_messages = warning;
                   DROP TABLE libro, resena, favorito, usuario").unwrap();
    }
}

#[pg_test]
fn an_integer_time_is_an_epoch_and_a_year_only_of_publication() {
    small_site();
    let seconds = "extract(epoch FROM now() - fecha * interval '1 day')";
    for (kind, factor) in [("bigint", 1), ("bigint", 1000), ("int", 1)] {
        Spi::run(&format!(
            "TRUNCATE resena; DELETE FROM favorito; ALTER TABLE resena DROP fecha_resena; ALTER TABLE resena ADD fecha_resena {kind};
             INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
             SELECT 1, libro, 5, {seconds} * {factor} FROM (VALUES (1, 7), (2, 0), (3, 400)) d(libro, fecha)"
        ))
        .unwrap();
        assert!(
            truth("SELECT array_agg(item_id ORDER BY rank) = '{2,1}' AND min(score) BETWEEN 0.49 AND 0.51 FROM reco_trending()"),
            "{kind} {factor}"
        );
    }
    Spi::run("ALTER TABLE resena ALTER fecha_resena TYPE smallint USING 2022").unwrap();
    assert!(truth("SELECT missing LIKE '%at%' AND missing LIKE '%smallint%' FROM reco_sources() WHERE source = 'rating'"));
    Spi::run("ALTER TABLE libro ALTER fecha_publicacion TYPE smallint USING 2022").unwrap();
    assert!(truth("SELECT columns ? 'published' FROM reco_sources() WHERE source = 'item'"));
}

#[pg_test]
fn views_foreign_and_temporary_tables_are_passed_over_and_named() {
    small_site();
    Spi::run(
        "CREATE SCHEMA planted;
         CREATE FUNCTION planted.run() RETURNS bool LANGUAGE plpgsql COST 1 AS $$ BEGIN RAISE EXCEPTION 'ran'; END $$;
         CREATE VIEW planted.resena AS SELECT * FROM public.resena WHERE planted.run();
         CREATE MATERIALIZED VIEW planted.favorito AS SELECT * FROM public.favorito;
         CREATE TEMP TABLE libro AS SELECT 1 AS id, 'x' AS titulo;
         CREATE TEMP VIEW usuario AS SELECT 1 AS id WHERE planted.run();
         SET LOCAL search_path = pg_temp, planted, public",
    )
    .unwrap();
    assert!(truth(
        "SELECT array_agg(relation ORDER BY source) = '{public.favorito,public.libro,public.resena,public.usuario}'
            AND count(*) FILTER (WHERE passed_over LIKE 'planted.resena is a view') = 1
            AND count(*) FILTER (WHERE passed_over LIKE 'planted.favorito is a materialized view') = 1 FROM reco_sources()"
    ));
    train();
    assert!(!listed("reco_recommend(1)").is_empty());
    Spi::run("SET LOCAL search_path = planted").unwrap();
    let (state, message) = fails("SELECT * FROM public.reco_score(1, '{1}')");
    assert!(state == "42P01", "{state} {message}");
    assert!(truth("SELECT missing LIKE '%planted.resena is a view%' FROM public.reco_sources() WHERE source = 'rating'"));
}

#[pg_test]
fn a_temporary_relation_cannot_be_configured() {
    small_site();
    Spi::run("CREATE TEMP TABLE mias AS SELECT * FROM favorito; CREATE TEMP VIEW vista AS SELECT * FROM favorito").unwrap();
    for relation in ["mias", "vista"] {
        let (state, message) = fails(&format!(
            "SELECT reco_configure('favorite', '{relation}', '{{\"user\": \"usuario_id\", \"item\": \"libro_id\"}}')"
        ));
        assert!(state == "22023" && message.contains("temporary"), "{state} {message}");
    }
}

#[pg_test]
fn a_strangers_policy_does_not_run_unasked() {
    small_site();
    Spi::run(
        "CREATE ROLE planter; CREATE ROLE lector_web; CREATE SCHEMA tienda; GRANT ALL ON SCHEMA tienda TO PUBLIC;
         GRANT SELECT ON libro, resena, favorito, usuario TO lector_web;
         SET LOCAL ROLE planter;
         CREATE FUNCTION tienda.run() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran'; END $$;
         CREATE TABLE tienda.resena (usuario_id int, libro_id int, estrellas int);
         ALTER TABLE tienda.resena ENABLE ROW LEVEL SECURITY;
         CREATE POLICY trap ON tienda.resena USING (tienda.run()); GRANT SELECT ON tienda.resena TO PUBLIC;
         RESET ROLE; SET LOCAL ROLE lector_web; SET LOCAL search_path = tienda, public",
    )
    .unwrap();
    assert!(truth("SELECT relation = 'public.resena' AND passed_over LIKE '%policies%' FROM reco_sources() WHERE source = 'rating'"));
    assert!(truth("SELECT count(*) = 2 FROM reco_score(1, '{1,2}')"));
}

#[pg_test]
fn stars_out_of_range_do_not_break_their_reader() {
    small_site();
    for stars in ["'NaN'", "1e300", "-1e300", "0"] {
        Spi::run("ALTER TABLE resena ALTER estrellas TYPE numeric; DELETE FROM resena WHERE usuario_id = 41").unwrap();
        if !truth("SELECT EXISTS (SELECT FROM reco_models())") {
            train();
        }
        Spi::run(&format!("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (41, 1, {stars}), (41, 3, 5), (41, 5, 4)")).unwrap();
        assert!(!listed("reco_recommend(41, 30)").contains(&1));
        assert!(truth("SELECT bool_and(score BETWEEN 0 AND 1) FROM reco_score(41, '{1,2,3}')"));
        assert!(truth("SELECT bool_and(rating BETWEEN 1 AND 5) FROM reco_predict_rating(41, '{1,2,3}')"));
        assert_eq!(fails("SELECT * FROM reco_train('{\"strict\": true}')").0, "22000");
    }
}

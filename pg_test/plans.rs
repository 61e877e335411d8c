// Saved plans: many statements in one connection, and calls inside of calls.

/// Reviews through a function that asks reco itself, each time under another name of a column: more statements than are
/// kept, all of them while the outer call executes one of its own.
#[pg_test]
fn a_call_inside_a_statement_may_make_more_plans_than_are_kept() {
    small_site();
    Spi::run(
        "CREATE FUNCTION reviews() RETURNS SETOF resena LANGUAGE plpgsql AS $$
         DECLARE name text := 'autor_id';
         BEGIN
             IF current_setting('test.is_inside', true) = 'yes' THEN RETURN; END IF;
             PERFORM set_config('test.is_inside', 'yes', true);
             FOR i IN 1..300 LOOP
                 EXECUTE format('ALTER TABLE libro RENAME COLUMN %I TO %I', name, 'a' || i);
                 name := 'a' || i;
                 PERFORM reco_configure('item', 'libro', jsonb_build_object('id', 'id', 'author', name));
                 PERFORM * FROM reco_score(1, '{1, 2}');
             END LOOP;
             EXECUTE format('ALTER TABLE libro RENAME COLUMN %I TO autor_id', name);
             PERFORM reco_configure('item', NULL, NULL);
             PERFORM set_config('test.is_inside', 'no', true);
             RETURN QUERY SELECT * FROM resena;
         END $$;
         CREATE VIEW reviews_view AS SELECT * FROM reviews();
         SELECT reco_configure('rating', 'reviews_view',
             '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}')",
    )
    .unwrap();
    assert!(truth("SELECT count(*) = 2 AND bool_and(source = 'rules') FROM reco_score(1, '{1, 2}')"));
    // The outer statement was not disturbed, and its plan still works.
    Spi::run("SELECT set_config('test.is_inside', 'yes', true)").unwrap();
    assert!(truth("SELECT count(*) = 2 FROM reco_score(1, '{1, 2}')"));
}

/// SPI would leave its own current, which lasts until the call ends: a batch of rows that has one of its own would never
/// be given back.
#[pg_test]
fn a_statement_leaves_the_memory_context_that_it_found() {
    use crate::pg::{memory::scoped, spi};
    let current = || unsafe { pg_sys::CurrentMemoryContext };
    let kept: crate::failure::Outcome<[bool; 2]> = spi::connect(|connection| {
        scoped(|| {
            let before = current();
            connection.read("SELECT 'not planned yet'", &[])?;
            let after = current();
            connection.write("SELECT 1", &[])?;
            connection.read_batches("SELECT generate_series(1, 5)", &[], 2, |_| {
                assert_eq!(current(), before);
                Ok(())
            })?;
            Ok([after, current()].map(|context| context == before))
        })
    });
    assert_eq!(kept.unwrap_or_default(), [true, true]);
}

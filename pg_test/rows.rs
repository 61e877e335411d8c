// A result that does not have what is read of it is an error with a SQLSTATE, and never read as something else.

#[pg_test]
fn a_column_of_another_type_is_an_error() {
    crate::pg::spi::connect(|connection| {
        let rows = connection.read("SELECT 7::pg_catalog.int4, 'seven'::pg_catalog.text", &[]).unwrap();
        let mut row = rows.first().unwrap();
        assert_eq!(row.take::<i32>().unwrap(), Some(7));
        assert!(row.take::<i64>().unwrap_err().message().contains("column 2 of a result must be bigint, not text"));
        assert!(row.take::<i32>().unwrap_err().message().contains("column 3 of a result must be integer, not missing"));
        assert!(rows.single::<i64>().is_err());
        assert_eq!(connection.read("SELECT NULL::pg_catalog.int8", &[]).unwrap().single::<i64>().unwrap(), None);
        assert_eq!(connection.read("SELECT 1 WHERE false", &[]).unwrap().single::<String>().unwrap(), None);
    });
}

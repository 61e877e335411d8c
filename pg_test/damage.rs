// Damaged bytes are an error, never a crash.

/// Removes the mapped file of a model, as a restart of the server does.
fn forget_shared_file(version: i64) {
    let of_version = format!("_{version}_");
    // Other tests make and remove such files at the same time.
    for file in std::fs::read_dir("base/pgsql_tmp").unwrap().flatten() {
        if file.file_name().to_string_lossy().contains(&of_version) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

#[pg_test]
fn a_damaged_model_is_an_error_and_no_crash() {
    small_site();
    let version = train();
    Spi::run(&format!(
        "UPDATE reco.model_blob SET data = set_byte(data, length(data) / 2, get_byte(data, length(data) / 2) # 1)
         WHERE version = {version} AND kind = 'served'"
    ))
    .unwrap();
    // The file that the training made is sound, and serves the model; without it the tables are read.
    forget_shared_file(version);
    let (state, message) = fails("SELECT * FROM reco_score(3, '{5}')");
    assert!(state == "XX001" && message.contains("damaged"), "{state} {message}");
}

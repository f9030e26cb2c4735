//! Files that are generated and kept in the repository.

use std::path::Path;

/// Returns the content of a file of the repository.
pub(crate) fn read(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Compares a file with what it should be, or, with `UPDATE=1`, makes it so.
#[expect(clippy::disallowed_methods, reason = "a test has no flags of its own")]
pub(crate) fn is_generated(name: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let folder = file.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(&file, expected).expect("the file can be written");
    }
    let found = read(name);
    let differing =
        found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count() + 1;
    assert!(
        found == expected,
        "{name} differs from what is generated in line {differing}: run `make generate` and commit it"
    );
}

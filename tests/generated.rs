//! What is generated from the code and kept in the repository is what the code generates.

use std::path::Path;
use std::process::Command;

#[test]
fn the_definitions_in_crds_are_the_generated_ones() {
    let printed =
        Command::new(env!("CARGO_BIN_EXE_credwright")).arg("crds").output().expect("the binary runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    is_generated("crds/credwright.dev.yaml", &String::from_utf8(printed.stdout).expect("YAML is text"));
}

/// Compares a file with what it should be, or, with `UPDATE=1`, makes it so.
#[expect(clippy::disallowed_methods, reason = "a test has no flags of its own")]
fn is_generated(name: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        let folder = file.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(&file, expected).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differing =
        found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count() + 1;
    assert!(
        found == expected,
        "{name} differs from the code in line {differing}: run `make generate` and commit it"
    );
}

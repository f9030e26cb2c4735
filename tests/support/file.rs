//! Files of the repository, and those of them that are generated.
#![allow(dead_code, reason = "each test binary uses its part of this")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders of others.
const FOREIGN: [&str; 3] = ["target", "node_modules", ".git"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the content of a file of the repository.
pub(crate) fn read(name: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_default()
}

/// Returns all files below a folder of the repository, relative to its root.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            if path.is_dir() && !FOREIGN.iter().any(|it| path.ends_with(it)) {
                open.push(path);
            } else if path.is_file() {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found
}

/// Returns the Rust files below a folder of the repository.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    found
}

/// Compares a file with what it should be, or, with `UPDATE=1`, makes it so.
#[expect(clippy::disallowed_methods, reason = "a test has no flags of its own")]
pub(crate) fn is_generated(name: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        let file = root().join(name);
        fs::create_dir_all(file.with_file_name("")).unwrap();
        // Another test may read it at the same time, and must not see half of it.
        let whole = file.with_extension("new");
        fs::write(&whole, expected).unwrap();
        fs::rename(whole, file).unwrap();
    }
    let found = read(name);
    let differing =
        found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count() + 1;
    assert!(
        found == expected,
        "{name} differs from what is generated in line {differing}: run `make generate` and commit it"
    );
}

//! What the documentation says is shown by a test is shown by one that exists.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const PAGES: [&str; 2] = ["docs/reliability.md", "docs/threat-model.md"];

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let there: BTreeSet<String> = ["src", "tests"]
        .iter()
        .flat_map(|folder| sources(&root.join(folder)))
        .flat_map(|it| tests_in(&it))
        .collect();
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|it| is_a_tests_name(it)).collect();
        assert!(named.len() >= 10, "{page} names {named:?} only");
        let missing: Vec<_> = named.into_iter().filter(|it| !there.contains(*it)).collect();
        assert!(missing.is_empty(), "{page} names tests that do not exist: {missing:#?}");
    }
}

/// A sentence, in the spelling of functions.
fn is_a_tests_name(quoted: &str) -> bool {
    quoted.matches('_').count() >= 2
        && quoted.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

fn tests_in(source: &Path) -> Vec<String> {
    let text = fs::read_to_string(source).unwrap();
    let names = text.split("fn ").skip(1).filter_map(|after| Some(after.split_once('(')?.0.to_owned()));
    names.collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries.filter(|path| !path.ends_with("node_modules")) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_condition_and_reason_of_the_page_is_one_that_the_code_sets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reference/conditions.md")).unwrap();
    let named: Vec<&str> =
        page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert!(named.len() > 50);
    let sets = |path: &PathBuf| !path.ends_with("condition.rs") && !path.iter().any(|part| part == "tests");
    let code: String = sources(&root.join("src"))
        .iter()
        .filter(|path| sets(path))
        .map(|it| fs::read_to_string(it).unwrap())
        .collect();
    let words: BTreeSet<&str> =
        code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != ':').collect();
    let set = |name: &&str| {
        words.contains(format!("Reason::{name}").as_str())
            || words.contains(format!("ConditionType::{name}").as_str())
    };
    let never: Vec<&str> = named.into_iter().filter(|name| !set(name)).collect();
    assert!(never.is_empty(), "never set: {never:?}");
}

#[test]
fn every_example_is_good() {
    let folders = ["examples", "examples/quickstart"];
    let folders = folders.map(|it| fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(it)).unwrap());
    let files: Vec<_> = folders
        .into_iter()
        .flatten()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .collect();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_credwright"))
        .arg("check")
        .args(&files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(files.len() > 8);
}

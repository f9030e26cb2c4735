//! Tests that the documentation names exist.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[path = "support/file.rs"]
mod file;

const PAGES: [&str; 4] = ["docs/reliability.md", "docs/threat-model.md", FAILURES, FINDINGS];
const FAILURES: &str = "docs/failures.md";
const FINDINGS: &str = "docs/findings.md";
/// The number of faults that each audit found.
const FOUND: [(char, u32); 4] = [('A', 23), ('B', 15), ('C', 18), ('D', 11)];
/// Files that a page says are not there.
const ABSENT: [&str; 1] = ["rust-toolchain.toml"];
/// The number of stories of other systems.
const STORIES: u32 = 38;

#[test]
fn every_test_that_a_page_names_exists() {
    let there = all_tests();
    for page in PAGES {
        let text = file::read(page);
        let named: Vec<&str> = quoted_in(&text).filter(|it| is_a_tests_name(it)).collect();
        assert!(named.len() >= 10, "{page} names {named:?} only");
        let missing: Vec<_> = named.into_iter().filter(|it| !there.contains(*it)).collect();
        assert!(missing.is_empty(), "{page} names tests that do not exist: {missing:#?}");
    }
}

#[test]
fn every_story_of_another_system_is_told_once_with_the_tests_that_begin_with_its_number() {
    let there = all_tests();
    let page = file::read(FAILURES);
    let rows: Vec<(u32, &str)> = page.lines().filter_map(story).collect();
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=STORIES).collect::<Vec<_>>());
    for (number, row) in &rows {
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, elsewhere, _, tests] = columns[..] else { panic!("F{number} has {} columns", columns.len()) };
        assert!(elsewhere.contains("](https://"), "F{number} does not say where it happened");
        let named: BTreeSet<String> = quoted_in(tests).map(str::to_owned).collect();
        assert!(!named.is_empty(), "no test shows F{number}");
        let missing: Vec<&String> = named.difference(&there).collect();
        assert!(missing.is_empty(), "F{number} names tests that do not exist: {missing:#?}");
        let silent: Vec<&String> = there
            .iter()
            .filter(|it| numbered(it) == Some(*number))
            .filter(|it| !named.contains(*it))
            .collect();
        assert!(silent.is_empty(), "F{number} does not name {silent:#?}");
    }
    let strangers: Vec<&String> =
        there.iter().filter(|it| numbered(it).is_some_and(|it| !numbers.contains(&it))).collect();
    assert!(strangers.is_empty(), "no story has the number of {strangers:#?}");
}

#[test]
fn every_finding_of_an_audit_is_told_once_with_a_test() {
    let there = all_tests();
    let page = file::read(FINDINGS);
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches(['|', ' ']).split(" | ").collect())
        .collect();
    let numbers: Vec<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let all = FOUND.iter().flat_map(|(audit, count)| (1..=*count).map(move |it| format!("{audit}{it}")));
    assert_eq!(numbers, all.collect::<Vec<_>>());
    for row in &rows {
        let named: BTreeSet<String> = quoted_in(row[2]).map(str::to_owned).collect();
        assert!(!named.is_empty(), "no test shows that {} is gone", row[0]);
        let missing: Vec<&String> = named.difference(&there).collect();
        assert!(missing.is_empty(), "{} names tests that do not exist: {missing:#?}", row[0]);
    }
}

#[test]
fn every_path_that_a_page_names_exists() {
    let files = file::files("");
    let paths: BTreeSet<PathBuf> = files.iter().flat_map(|it| it.ancestors().map(Path::to_owned)).collect();
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    pages.extend(paths.iter().filter(|path| path.parent() == Some(Path::new("docs"))).cloned());
    let (mut named, mut missing) = (0, Vec::new());
    for page in pages.iter().filter(|page| page.extension().is_some_and(|it| it == "md")) {
        let text = file::read(page);
        let words = text.split(|letter: char| letter.is_whitespace() || "`()[]|\"',".contains(letter));
        for word in words.map(|word| word.trim_end_matches(['.', ':', ';', '/'])) {
            if names_a_path(word, &paths) && !ABSENT.contains(&word) {
                named += 1;
                missing.extend(
                    (!paths.iter().any(|path| path.ends_with(word)))
                        .then(|| format!("{}: {word}", page.display())),
                );
            }
        }
        for link in linked_in(&text) {
            named += 1;
            let there = file::root().join(page).parent().unwrap().join(link).exists();
            missing.extend((!there).then(|| format!("{}: a link to {link}", page.display())));
        }
    }
    assert!(named > 200, "the search finds only {named} paths");
    assert!(missing.is_empty(), "these are not there:\n{}", missing.join("\n"));
}

/// Returns whether a word is a path in this repository, which may begin at any folder. A path of
/// the API server or of a label also has slashes, but its first part is no folder of ours.
fn names_a_path(word: &str, all: &BTreeSet<PathBuf>) -> bool {
    let is_spelt_like_one = word.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it))
        && !word.starts_with(['/', '.'])
        && !word.contains("..");
    let has_ending = [".rs", ".md", ".yaml", ".toml", ".sh"]
        .iter()
        .any(|ending| word.len() > ending.len() && word.ends_with(ending));
    let in_a_folder =
        || word.split_once('/').is_some_and(|(first, _)| all.iter().any(|path| path.ends_with(first)));
    is_spelt_like_one && (has_ending || in_a_folder())
}

/// The targets of a page's links to files, without their anchors.
fn linked_in(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// A row of the table of stories, with its number.
fn story(line: &str) -> Option<(u32, &str)> {
    let (number, _) = line.strip_prefix("| `F")?.split_once('`')?;
    Some((number.parse().unwrap(), line))
}

/// The number of the story that a test is about, if its name begins with one.
fn numbered(test: &str) -> Option<u32> {
    test.strip_prefix('f')?.split_once('_')?.0.parse().ok()
}

fn all_tests() -> BTreeSet<String> {
    ["src", "tests"].iter().flat_map(|folder| file::rust_files(folder)).flat_map(|it| tests_in(&it)).collect()
}

fn quoted_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A sentence, in the spelling of functions.
fn is_a_tests_name(quoted: &str) -> bool {
    quoted.matches('_').count() >= 2
        && quoted.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

/// The names of a file's tests: a helper shows nothing by itself.
fn tests_in(source: &Path) -> Vec<String> {
    let text = file::read(source);
    let marked = text.split("#[test]").chain(text.split("#[tokio::test")).filter_map(|after| {
        let (attributes, name) = after.split_once("fn ")?;
        let is_next = !attributes.contains(['{', '}']);
        is_next.then(|| name.split('(').next().unwrap_or_default().to_owned())
    });
    // A case of the conformance suite is a test of each driver.
    let cases = text.lines().filter_map(|line| Some(line.trim().split_once(" needs ")?.0.to_owned()));
    marked.chain(cases.filter(|it| is_a_tests_name(it))).collect()
}

#[test]
fn every_condition_and_reason_of_the_page_is_one_that_the_code_sets() {
    let page = file::read("docs/reference/conditions.md");
    let named: Vec<&str> =
        page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert!(named.len() > 50);
    let sets = |path: &PathBuf| !path.ends_with("condition.rs") && !path.iter().any(|part| part == "tests");
    let code: String = file::rust_files("src").into_iter().filter(sets).map(file::read).collect();
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
    let mut files = file::files("examples");
    files.retain(|it| it.extension().is_some_and(|it| it == "yaml"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_credwright"))
        .arg("check")
        .args(&files)
        .current_dir(file::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(files.len() > 8);
}

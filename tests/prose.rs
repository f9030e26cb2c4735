//! Comments and pages are written in plain English: lines of at most 100 columns, doc comments that
//! name their subject, and no word that readers have to look up.

use std::path::{Path, PathBuf};

#[path = "support/file.rs"]
mod file;

const WIDEST: usize = 100;
const FOLDERS: [&str; 6] = ["src", "tests", "examples", "benches", "docs", "charts"];
const FILES: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"];
const KINDS: [&str; 3] = [".rs", ".md", ".yaml"];
/// Pages that are generated from comments, which are checked in their place, with long lines.
const GENERATED: [&str; 3] = ["docs/reference", "docs/metrics.md", "tests/chart/golden"];

/// Words that we do not use, with the usual ones. Names of functions count, too.
const UNUSUAL: &[(&str, &str)] = &[
    ("anew", "again, or: recreate"),
    ("in vain", "without success"),
    ("seldom", "rarely, or: with growing pauses"),
    ("by and by", "gradually"),
    ("thence", "from there"),
    ("whence", "from which"),
    ("hence", "therefore"),
    ("hands on", "passes on, or: manual"),
    ("who is to", "who has to"),
    ("so manieth", "n-th"),
    ("looks at", "reads"),
    ("is away", "is unreachable"),
    ("goes away", "is deleted"),
    ("the definitions", "the CRDs"),
];

/// Words at the beginning of a doc comment that does not name its subject.
const HEADLESS: &[&str] = &[
    "What", "Who", "Whom", "Whose", "Whether", "How", "That", "Which", "Where", "When", "Why", "Whatever",
    "Whoever", "However",
];
/// Words before such a clause: "By how much", "For which".
const PREPOSITIONS: &[&str] = &["At", "By", "For", "From", "In", "Of", "On", "To", "With"];

#[test]
fn comments_and_pages_are_written_in_plain_english() {
    let faults: Vec<_> = texts().iter().flat_map(|(path, text)| faults(path, text)).collect();
    assert!(faults.is_empty(), "{} lines to rewrite:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn each_kind_of_fault_is_found() {
    let wide = format!("{}.", "wide ".repeat(20));
    let found = |path: &str, text: &str| faults(Path::new(path), text).len();
    for bad in [
        format!("/// {wide}"),
        format!("    // {wide}"),
        "/// What is left of it.\nfn f() {}".to_owned(),
        "//! Whether it is true.".to_owned(),
        "/// That it is true.".to_owned(),
        "struct A;\n    /// How many there are.".to_owned(),
        "/// By how much it grows.".to_owned(),
        "// It is made anew.".to_owned(),
        "fn it_is_made_in_vain() {}".to_owned(),
        "let why = \"it happens seldom\";".to_owned(),
    ] {
        assert_eq!(found("src/a.rs", &bad), 1, "{bad}");
    }
    for good in [
        format!("let wide = \"{wide}\";"),
        format!("/// <https://example.com/{}>", "x".repeat(WIDEST)),
        format!("//! ```text\n//! {wide}\n//! ```"),
        "/// The rest of it,\n/// What belongs to it.".to_owned(),
        "// What a comment says inside of a function may begin like this.".to_owned(),
        "/// Whatsoever is another word.".to_owned(),
    ] {
        assert_eq!(found("src/a.rs", &good), 0, "{good}");
    }
    assert_eq!(found("docs/a.md", &wide), 1);
    assert_eq!(found("docs/a.md", &format!("| {wide} |\n    {wide}\n```\n{wide}\n```")), 0);
    assert_eq!(found("a/values.yaml", &format!("a: {wide}\n# {wide}\n#   {wide}")), 1);
    assert_eq!(found("docs/a.md", "It goes away."), 1);
}

fn faults(path: &Path, text: &str) -> Vec<String> {
    let kind = path.extension().unwrap_or_default();
    let (is_code, is_page) = (kind == "rs", kind == "md");
    let (mut is_fenced, mut before) = (false, "");
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim_start();
        let mut fault = |what: String| found.push(format!("{}:{number}: {what}", path.display()));
        let comment = if is_code { comment(trimmed) } else { Some(trimmed) };
        let is_fence = comment.is_some_and(|it| it.starts_with("```"));
        is_fenced ^= is_fence;
        let is_table_or_code = is_fenced
            || is_page && (trimmed.starts_with('|') || line.starts_with("    "))
            || trimmed.starts_with("#   ");
        let is_prose =
            comment.is_some() && !is_table_or_code && (is_code || is_page || trimmed.starts_with('#'));
        if is_prose && line.chars().count() > WIDEST && !is_one_word(line) {
            fault(format!("is wider than {WIDEST} columns"));
        }
        let first = doc(trimmed).filter(|_| is_code && !is_fenced && doc(before).is_none());
        if let Some(word) = first.and_then(headless) {
            fault(format!("begins with \"{word}\": name the subject, or begin with a verb"));
        }
        let words = format!(" {} ", line.to_lowercase().replace(|it: char| !it.is_alphanumeric(), " "));
        for (word, usual) in UNUSUAL.iter().filter(|(word, _)| words.contains(&format!(" {word} "))) {
            fault(format!("says \"{word}\"; the usual word is: {usual}"));
        }
        before = if trimmed.len() > 3 { trimmed } else { "" };
    }
    found
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("//").map(|it| it.trim_start_matches(['/', '!', ' ']))
}

/// Returns the text of a doc comment.
fn doc(line: &str) -> Option<&str> {
    line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "))
}

/// Returns the words with which a text begins, if they do not name its subject.
fn headless(text: &str) -> Option<String> {
    let mut words = text.split(' ').map(|it| it.trim_matches(|it: char| !it.is_alphabetic()));
    let (first, second) = (words.next()?, words.next().unwrap_or_default());
    if HEADLESS.contains(&first) {
        return Some(first.to_owned());
    }
    let is_clause = HEADLESS.iter().any(|it| it.to_lowercase() == second && second != "that");
    (PREPOSITIONS.contains(&first) && is_clause).then(|| format!("{first} {second}"))
}

/// Returns whether a line cannot be wrapped: a link, or the row of a diagram.
fn is_one_word(line: &str) -> bool {
    let longest = line.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
    longest > WIDEST / 2
}

fn texts() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = FOLDERS.iter().flat_map(|it| file::files(it)).collect();
    paths.retain(|path| KINDS.iter().any(|kind| path.to_string_lossy().ends_with(kind)));
    paths.extend(FILES.map(PathBuf::from));
    assert!(paths.len() > 300, "the search finds only {} files", paths.len());
    paths.retain(|path| !GENERATED.iter().any(|it| path.starts_with(it)) && path != Path::new(file!()));
    paths.into_iter().map(|path| (path.clone(), file::read(path))).collect()
}

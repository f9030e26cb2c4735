//! The direction rule, held by reading the sources: which layer may use which, and what must never
//! be seen where.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "support/file.rs"]
mod file;

use std::path::{Path, PathBuf};

/// A layer: the folder or file of that name in `src`, the layers of ours that it may use, and what
/// of others' it must never see.
struct Layer {
    name: &'static str,
    uses: &'static [&'static str],
    never: &'static [&'static str],
    rule: &'static str,
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "api",
        uses: &["api"],
        never: &[
            "kube::Api",
            "kube::api",
            "kube::Client",
            "kube::client",
            "kube::runtime",
            "tokio",
            "futures",
            "reqwest",
            "clap",
        ],
        rule: "api is what users write and read: it uses nothing of ours, no client and no runtime",
    },
    Layer {
        name: "clock",
        uses: &["clock"],
        never: &["kube", "reqwest", "clap"],
        rule: "clock tells the time and nothing else",
    },
    Layer {
        name: "lifecycle",
        uses: &["api", "lifecycle"],
        never: &["kube", "tokio", "futures", "async_trait", "reqwest", "http", "axum", "clap", "tracing"],
        rule: "lifecycle is pure: it uses api only, awaits nothing and knows no client",
    },
    Layer {
        name: "ops",
        uses: &["api", "ops"],
        never: &["reqwest", "clap"],
        rule: "ops is told what to show; it asks no other layer",
    },
    Layer {
        name: "providers",
        uses: &["api", "lifecycle", "ops", "providers"],
        never: &["kube", "k8s_openapi", "clap"],
        rule: "providers speak to providers: they know nothing of Kubernetes",
    },
    Layer {
        name: "engine",
        uses: &["api", "clock", "engine", "lifecycle", "ops", "providers"],
        never: &["reqwest", "clap"],
        rule: "engine performs: it knows neither the controller above it nor HTTP beneath the drivers",
    },
    Layer {
        name: "controller",
        uses: &["api", "clock", "controller", "engine", "lifecycle", "ops", "providers"],
        never: &["reqwest", "clap"],
        rule: "controller wires: it knows neither the command line nor HTTP",
    },
    Layer {
        name: "cli",
        uses: &["api", "cli", "clock", "controller", "engine", "lifecycle", "ops", "providers"],
        never: &[],
        rule: "cli may use everything",
    },
];

/// The names of providers, in lower case and without separators.
const PROVIDERS: &[&str] =
    &["spreetail", "oauthregistration", "expereo", "clouddirector", "cloudconnexa", "vonage", "approle"];
const NAMELESS: &[&str] = &["lifecycle", "engine", "controller", "ops"];
const LONGEST_FILE: usize = 450;

#[test]
fn every_layer_uses_only_what_it_may() {
    let broken: Vec<_> = sources().iter().flat_map(|source| source.broken_directions()).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn no_provider_is_named_where_every_provider_is_meant() {
    let sources = sources();
    let nameless = sources.iter().filter(|source| NAMELESS.contains(&source.layer.name));
    let named: Vec<_> = nameless.flat_map(Source::named_providers).collect();
    assert!(named.is_empty(), "\n{}", named.join("\n"));
}

/// A sum of times panics beyond the year 9999. `lifecycle::time` has the names that do not.
#[test]
fn times_are_moved_by_name_in_the_pure_core() {
    let sources = sources();
    let core = sources.iter().filter(|source| source.layer.name == "lifecycle");
    let added: Vec<_> = core.flat_map(Source::added_times).collect();
    assert!(added.is_empty(), "\n{}", added.join("\n"));
}

#[test]
fn a_sum_of_times_is_recognised() {
    for sum in [
        "call_by: pass.now + CALL_WITHIN,",
        "let still = pair.since + STILL_FOR;",
        "from + capabilities.listing_lag",
        "Some(end - end.duration_since(issued) / 3)",
        "*looked + (looked.duration_since(retired) / 4)",
        "at += LOOK_AGAIN;",
        "mints.iter().map(|mint| *mint + MINT_WINDOW)",
        "it.retired_at.unwrap_or(now) + overlap(rotation)",
        "pass.now + SignedDuration::from_mins(1)",
    ] {
        assert!(adds_times(sum), "{sum}");
    }
    for sum in
        ["index + 1 - first", "last.max(before) + 1", "(_, count)| count + 1", "a(needed + MILLIONTHS / 2)"]
    {
        assert!(!adds_times(sum), "{sum}");
    }
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    let folders = ["src", "tests", "examples", "benches"];
    let mut files: Vec<PathBuf> = folders.iter().flat_map(|folder| file::rust_files(folder)).collect();
    assert!(files.len() > 400, "the search finds only {} files", files.len());
    files.retain(|path| file::read(path).lines().count() > LONGEST_FILE);
    assert!(files.is_empty(), "more than {LONGEST_FILE} lines, so it does more than one thing: {files:?}");
}

/// A file of `src` that is no test.
struct Source {
    layer: &'static Layer,
    path: PathBuf,
    text: String,
}

impl Source {
    /// The code without comments and without the tests at its end, by line; a `use` is one line,
    /// its first.
    fn statements(&self) -> Vec<(usize, String)> {
        let mut statements: Vec<(usize, String)> = Vec::new();
        let mut open = false;
        for (line, number) in self.code().lines().zip(1..) {
            let line = line.trim();
            match statements.last_mut().filter(|_| open) {
                Some((_, statement)) => statement.push_str(line),
                None if line.starts_with("//") => continue,
                None => statements.push((number, line.to_owned())),
            }
            open = statements
                .last()
                .is_some_and(|(_, statement)| used(statement).is_some() && !statement.ends_with(';'));
        }
        statements
    }

    fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    fn broken_directions(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (number, statement) in self.statements() {
            for path in paths_in(&statement) {
                let ours = path.strip_prefix("crate::").and_then(|rest| rest.split("::").next());
                let forbidden = match ours {
                    Some(layer) => !self.layer.uses.contains(&layer),
                    None => self.layer.never.iter().any(|never| begins_with(&path, never)),
                };
                if forbidden {
                    broken.push(format!(
                        "{}:{number}: uses {path}, but {}",
                        self.path.display(),
                        self.layer.rule
                    ));
                }
            }
        }
        broken
    }

    fn added_times(&self) -> Vec<String> {
        let added = self.statements().into_iter().filter(|(_, statement)| adds_times(statement));
        let place = |(number, statement)| {
            format!(
                "{}:{number}: {statement}: times are moved by `later` and `earlier`, which do not panic",
                self.path.display()
            )
        };
        added.map(place).collect()
    }

    fn named_providers(&self) -> Vec<String> {
        let mut named = Vec::new();
        for (line, number) in self.text.lines().zip(1..) {
            let letters: String = line.chars().filter(char::is_ascii_alphabetic).collect();
            let letters = letters.to_ascii_lowercase();
            for provider in PROVIDERS.iter().filter(|provider| letters.contains(**provider)) {
                let place = self.path.display();
                named.push(format!(
                    "{place}:{number}: names {provider}, but {} knows capabilities, no providers",
                    self.layer.name
                ));
            }
        }
        named
    }
}

/// The names of times and lengths of time in the code, or the ends of such names.
const TIMES: &[&str] = &[
    "now",
    "at",
    "since",
    "until",
    "end",
    "from",
    "looked",
    "checked",
    "issued",
    "retired",
    "refused",
    "written",
    "call_by",
    "deadline",
    "mint",
    "opens",
    "lag",
    "propagation",
    "timeout",
    "wait",
    "overlap",
    "jitter",
    "life",
    "every",
    "within",
    "again",
    "window",
    "longest_call",
    "still_for",
    "margin",
    "grace",
    "signedduration",
    "timestamp",
];

/// Returns whether a statement adds to a time, by what stands on either side of a sign.
fn adds_times(statement: &str) -> bool {
    [" + ", " - ", " += ", " -= "].iter().any(|sign| {
        statement.match_indices(sign).any(|(index, _)| {
            let (left, right) = (&statement[..index], &statement[index + sign.len()..]);
            let is_bound = right.starts_with('\'');
            !is_bound && (is_time(last_word(left)) || is_time(first_name(right)))
        })
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn is_time(name: &str) -> bool {
    let name = name.to_lowercase();
    TIMES
        .iter()
        .any(|time| name.strip_suffix(time).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

fn last_word(text: &str) -> &str {
    let text = text.trim_end_matches(|it| !is_word(it));
    text.rsplit(|it| !is_word(it)).next().unwrap_or_default()
}

/// The type of a path, and the last field of a chain.
fn first_name(text: &str) -> &str {
    let text = text.trim_start_matches(|it| !is_word(it));
    let name = text.split(|it| !is_word(it) && it != '.' && it != ':').next().unwrap_or_default();
    name.split_once("::").map_or(name.rsplit('.').next().unwrap_or_default(), |(path, _)| path)
}

/// Returns the path that a statement imports, if it is an import.
fn used(statement: &str) -> Option<&str> {
    let visible =
        statement.strip_prefix("pub").map(|rest| rest.split_once(") ").map_or(rest, |(_, rest)| rest));
    visible.unwrap_or(statement).trim_start().strip_prefix("use ")
}

/// Every path in a statement: `use crate::{api, engine::Engine}` has two.
fn paths_in(statement: &str) -> Vec<String> {
    if let Some(tree) = used(statement) {
        return expanded("", tree.trim_end_matches(';'));
    }
    let words = statement.split(|character: char| !(character.is_alphanumeric() || "_:".contains(character)));
    words.filter(|word| word.contains("::")).map(str::to_owned).collect()
}

fn expanded(root: &str, tree: &str) -> Vec<String> {
    let Some((stem, members)) = tree.split_once('{') else {
        return vec![format!("{root}{}", tree.trim())];
    };
    let root = format!("{root}{}", stem.trim());
    let members = members.trim_end().strip_suffix("}").unwrap_or(members);
    let mut depth = 0;
    let separate = |character| {
        depth += i32::from(character == '{') - i32::from(character == '}');
        character == ',' && depth == 0
    };
    members
        .split(separate)
        .filter(|member| !member.trim().is_empty())
        .flat_map(|member| expanded(&root, member))
        .collect()
}

#[test]
fn imports_are_taken_apart() {
    let paths = paths_in("pub(crate) use crate::{api::{Reason, crds}, engine};");
    assert_eq!(paths, ["crate::api::Reason", "crate::api::crds", "crate::engine"]);
}

fn begins_with(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn sources() -> Vec<Source> {
    // Tests may know more than what they test.
    let is_test = |path: &Path| {
        path.iter().any(|it| Path::new(it).with_extension("").to_string_lossy().ends_with("tests"))
    };
    let mut found = Vec::new();
    for path in file::rust_files("src").into_iter().filter(|path| !is_test(path)) {
        let inside = path.with_extension("");
        let name = inside.iter().nth(1).unwrap().to_str().unwrap();
        let layer = LAYERS.iter().find(|layer| layer.name == name);
        // lib.rs and main.rs name every layer; that is what they are for.
        let is_known = layer.is_some() || ["lib", "main"].contains(&name);
        assert!(is_known, "{}: no layer of this name; see LAYERS", path.display());
        found.extend(layer.map(|layer| Source { layer, text: file::read(&path), path }));
    }
    assert!(found.len() > 10, "the search for sources finds only {}", found.len());
    found
}

//! CI does nothing that a person cannot do by make, and trusts no name that somebody else can move.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github");
    let workflows = fs::read_dir(root.join("workflows")).unwrap().map(|entry| entry.unwrap().path());
    workflows.chain([root.join("actions/tools/action.yml")]).collect()
}

fn parsed(file: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The steps of a workflow or an action.
fn steps(file: &Path) -> Vec<Value> {
    let it = parsed(file);
    let jobs = it["jobs"].as_object().into_iter().flat_map(|jobs| jobs.values());
    let parts = jobs.chain([&it["runs"]]).filter_map(|part| part["steps"].as_array());
    parts.flatten().cloned().collect()
}

fn commands() -> Vec<String> {
    let steps = files().into_iter().flat_map(|file| steps(&file));
    steps.filter_map(|step| Some(step["run"].as_str()?.to_owned())).collect()
}

#[test]
fn every_target_that_a_workflow_makes_exists() {
    let makefile = read("Makefile");
    let mut made = Vec::new();
    for command in commands() {
        for call in command.split("make ").skip(1) {
            let words = call.split(|it: char| it.is_whitespace() || ")\"".contains(it));
            let is_target = |word: &str| {
                word.starts_with(|it: char| it.is_ascii_lowercase())
                    && word.chars().all(|it| it.is_ascii_lowercase() || it == '-')
            };
            let targets = words.take_while(|word| is_target(word));
            made.extend(targets.map(str::to_owned));
        }
    }
    for needed in ["lint", "test", "test-servers", "test-upgrade", "chart", "image", "push", "advisories"] {
        assert!(made.iter().any(|it| it == needed), "no workflow makes {needed}");
    }
    let missing: Vec<_> = made.iter().filter(|it| !makefile.contains(&format!("\n{it}:"))).collect();
    assert!(missing.is_empty(), "the Makefile has no {missing:?}");
}

#[test]
fn no_workflow_builds_by_itself() {
    for command in commands() {
        for tool in ["cargo ", "npm ", "go build", "docker "] {
            assert!(!command.contains(tool), "a target of the Makefile should do this: {command}");
        }
    }
}

#[test]
fn actions_of_others_are_pinned_to_a_commit() {
    for file in files() {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let Some((_, used)) = line.split_once("uses: ") else { continue };
            let at_a_commit = used.split_once('@').is_some_and(|(_, at)| {
                let (commit, version) = at.split_once(" # v").unwrap_or((at, ""));
                commit.len() == 40 && commit.chars().all(|it| it.is_ascii_hexdigit()) && !version.is_empty()
            });
            assert!(used.starts_with("./.github/") || at_a_commit, "{}: {used}", file.display());
        }
    }
}

#[test]
fn every_job_ends_and_has_no_more_rights_than_it_says() {
    for file in files().iter().filter(|file| !file.ends_with("action.yml")) {
        let workflow = parsed(file);
        assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }), "{}", file.display());
        assert!(workflow["concurrency"]["group"].is_string(), "{}", file.display());
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let ends = job["timeout-minutes"].is_u64() || job["uses"].is_string();
            assert!(ends, "{}: {name} may run for hours", file.display());
        }
    }
}

/// The tools and results of a release must not come out of a cache: every job of the main branch
/// can write one.
#[test]
fn a_release_uses_no_cache() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = |file: &Path, cache: &Value| {
        for step in steps(file) {
            let uses = step["uses"].as_str().unwrap_or_default();
            assert!(!uses.starts_with("actions/cache"), "{}: {uses}", file.display());
            if uses == "./.github/actions/tools" {
                assert_eq!(step["with"]["cache"], *cache, "{}", file.display());
            }
        }
    };
    let release = root.join(".github/workflows/release.yml");
    tools(&release, &Value::Bool(false));
    for (name, job) in parsed(&release)["jobs"].as_object().unwrap() {
        let Some(called) = job["uses"].as_str() else { continue };
        assert_eq!(job["with"]["release"], true, "{name}");
        let called = root.join(called);
        assert_eq!(parsed(&called)["on"]["workflow_call"]["inputs"]["release"]["type"], "boolean", "{name}");
        tools(&called, &Value::String("${{ !inputs.release }}".to_owned()));
    }
    for step in steps(&root.join(".github/actions/tools/action.yml")) {
        let uses = step["uses"].as_str().unwrap_or_default();
        if uses.starts_with("actions/cache") {
            assert_eq!(step["if"], "inputs.cache == 'true'", "{step}");
        }
        for own in ["cache", "package-manager-cache"] {
            let setting = &step["with"][own];
            assert!(setting.is_null() || *setting == Value::Bool(false), "{uses} caches by itself");
        }
    }
}

#[test]
fn a_job_that_may_sign_or_publish_waits_for_a_reviewer() {
    for file in files() {
        for (name, job) in parsed(&file)["jobs"].as_object().into_iter().flatten() {
            let rights = job["permissions"].as_object().into_iter().flatten();
            if rights.into_iter().any(|(_, right)| right == "write") {
                assert_eq!(job["environment"], "release", "{}: {name}", file.display());
            }
        }
    }
}

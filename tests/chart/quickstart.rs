//! docs/quickstart.md does what it says, command by command, with the real kubectl and Helm; and
//! the README begins with the same commands.
//!
//! A cluster's nodes are played by [`Kubelet`]: no image is pulled, and everything else is real,
//! the server of the page included.

use std::{path::PathBuf, process::Stdio, time::Duration};

use credwright_harness::controlplane::{ControlPlane, ControlPlaneOptions};
use k8s_openapi::{
    api::core::v1::Secret, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, api::ListParams};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::{generated::file::read, helm, kubelet::Kubelet};

const PAGE: &str = "docs/quickstart.md";
/// More than any command of the page may take by its own flags.
const DEADLINE: Duration = Duration::from_secs(150);
/// The line that the shell prints after a step.
const DONE: &str = "== done ==";

/// Some commands of a page.
struct Step {
    /// The heading that they are under.
    section: String,
    commands: String,
    /// The output that the page shows.
    shown: Option<String>,
}

/// The commands of a page: its blocks of `sh`, each with the block of `text` that follows it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut section = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "sh" => steps.push(Step { section: section.to_owned(), commands: block, shown: None }),
            "text" => {
                if let Some(step) = steps.last_mut().filter(|it| it.section == section) {
                    step.shown = Some(block);
                }
            }
            _ => {}
        }
    }
    steps
}

/// One shell for the whole page: variables stay.
struct Shell {
    process: Child,
    files: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

impl Shell {
    fn start(control_plane: &ControlPlane) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let helm = helm::program("helm");
        let helms = PathBuf::from(helm.get_program()).parent().unwrap().to_owned();
        let inherited = std::env::var_os("PATH").unwrap();
        let folders = [helms, control_plane.cluster().binaries().to_owned()];
        let path =
            std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&inherited))).unwrap();
        // A step is a file, so that no command can take the next one for its input.
        let script = format!(
            "set -euo pipefail; exec 2>&1; while read -r step; do source \"$step\" </dev/null; echo '{DONE}'; done"
        );
        let mut command = tokio::process::Command::new("bash");
        command.args(["-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
        command.envs(helm.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", path);
        command.env("KUBECONFIG", control_plane.kubeconfig()).env("KUBECACHEDIR", folder.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let files = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, files, lines, folder }
    }

    /// Returns the output of the commands of a step. All of them must succeed.
    #[expect(clippy::panic, reason = "what failed is shown as it was printed")]
    async fn run(&mut self, step: &Step) -> String {
        let file = self.folder.path().join("step");
        std::fs::write(&file, &step.commands).unwrap();
        self.files.write_all(format!("{}\n", file.display()).as_bytes()).await.unwrap();
        let mut said = String::new();
        loop {
            let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await;
            let Ok(line) = line else { panic!("no end of\n{}\n{said}", step.commands) };
            match line.unwrap() {
                Some(line) if line == DONE => return said,
                Some(line) => said.push_str(&format!("{line}\n")),
                None => {
                    let status = self.process.wait().await.unwrap();
                    panic!("{PAGE}, {}: {status}\n{}\n{said}", step.section, step.commands);
                }
            }
        }
    }
}

/// Returns whether the output has the lines that the page shows, where `…` stands for any number of
/// lines.
fn is_like(said: &[&str], shown: &[&str]) -> bool {
    match (said, shown) {
        (_, ["…", rest @ ..]) => (0..=said.len()).any(|skipped| is_like(&said[skipped..], rest)),
        ([line, said @ ..], [like, shown @ ..]) => is_line_like(line, like) && is_like(said, shown),
        (said, shown) => said.is_empty() && shown.is_empty(),
    }
}

/// The same words, where one with a digit stands for any: a time, a name, a number.
fn is_line_like(line: &str, like: &str) -> bool {
    let (words, likes): (Vec<_>, Vec<_>) =
        (line.split_whitespace().collect(), like.split_whitespace().collect());
    let any = |like: &str| like.contains(|letter: char| letter.is_ascii_digit());
    words.len() == likes.len() && words.iter().zip(likes).all(|(word, like)| *word == like || any(like))
}

/// The pair that workloads read, as a token request.
struct Pair {
    url: String,
    id: String,
    secret: String,
}

impl Pair {
    async fn published(client: &Client) -> Self {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), "shop");
        let data = secrets.get("orders-api").await.unwrap().data.unwrap();
        let [url, id, secret] = ["token_url", "client_id", "client_secret"]
            .map(|key| String::from_utf8(data[key].0.clone()).unwrap());
        Self { url, id, secret }
    }

    /// Returns the status of a token request with this pair.
    async fn answer(&self) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(&self.url).basic_auth(&self.id, Some(&self.secret));
        let asked = request.header("content-type", "application/x-www-form-urlencoded");
        asked.body("grant_type=client_credentials&scope=read").send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_quickstart_does_what_the_page_says() {
    tokio::task::spawn_blocking(credwright_simulator::oidc::install).await.unwrap().unwrap();
    let options = ControlPlaneOptions { workloads: true, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(options).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let _kubelet = Kubelet::start(control_plane.cluster());
    let mut shell = Shell::start(&control_plane);
    let mut pairs = Vec::new();
    for step in steps(&read(PAGE)) {
        let said = shell.run(&step).await;
        println!("== {}\n{}{said}", step.section, step.commands);
        if let Some(shown) = &step.shown {
            let [said, shown]: [Vec<&str>; 2] = [&said, shown].map(|text| text.lines().collect());
            assert!(is_like(&said, &shown), "{PAGE}, {}: not\n{}", step.section, shown.join("\n"));
        }
        match step.section.as_str() {
            "A first Secret" | "Rotate" => {
                pairs.push(Pair::published(&client).await);
                for pair in &pairs {
                    assert_eq!(pair.answer().await, 200, "{}", pair.id);
                }
            }
            "Delete" => {
                for pair in &pairs {
                    assert_eq!(pair.answer().await, 401, "{}", pair.id);
                }
            }
            _ => {}
        }
    }
    assert!(pairs.iter().any(|pair| pair.id != pairs[0].id), "it was not rotated");
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    assert!(definitions.list(&ListParams::default()).await.unwrap().items.is_empty(), "it is not cleaned up");
}

#[test]
fn the_readme_begins_with_the_commands_of_the_quickstart() {
    let until_a_secret = |steps: Vec<Step>, last: &str| -> Vec<String> {
        let end = steps.iter().position(|it| it.section == last).unwrap();
        let commands = steps[..=end].iter().flat_map(|it| it.commands.lines());
        commands.map(str::to_owned).collect()
    };
    let first = until_a_secret(steps(&read("README.md")), "Install");
    assert_eq!(first, until_a_secret(steps(&read(PAGE)), "A first Secret"));
}

#[test]
fn the_server_of_the_quickstart_is_the_one_that_the_driver_is_tested_against() {
    let package: serde_json::Value = serde_json::from_str(&read("tests/oidc/package.json")).unwrap();
    let version = package["dependencies"]["oidc-provider"].as_str().unwrap();
    assert!(read("examples/quickstart/server.yaml").contains(&format!("oidc-provider@{version}]")));
}

#[test]
fn shown_output_is_compared_word_by_word() {
    let like = |said: &str, shown: &str| {
        is_like(&said.lines().collect::<Vec<_>>(), &shown.lines().collect::<Vec<_>>())
    };
    assert!(like("a\nb  True 5s\nc", "…\nb True 71s\n…"));
    assert!(like("b True x", "b True 71s"));
    for said in ["b False 5s", "b True", "b True 5s\nc", "", "b True 5s 6s"] {
        assert!(!like(said, "b True 71s"), "{said}");
    }
}

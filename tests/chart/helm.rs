//! Helm and kubeconform, as tests/helm builds them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

/// The folder of the binaries, which are built first if need be.
static BINARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/helm/build.sh");
    let built = Command::new(script).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(built.status.success(), "{script} failed with {}", built.status);
    String::from_utf8(built.stdout).unwrap().lines().last().unwrap().into()
});

/// The folder for the files that Helm keeps in its user's home.
static HOME: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// The chart.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/credwright");

/// The sets of values that are looked at; each but the first has a file in tests/chart/values.
pub(crate) const SETS: [&str; 4] = ["default", "minimal", "namespaces", "everything"];

pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(BINARIES.join(name));
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, HOME.path());
    }
    command
}

/// Runs Helm without a cluster.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program("helm").args(arguments).env("KUBECONFIG", "/dev/null").output().unwrap()
}

/// Returns the output of a command, which must have succeeded.
pub(crate) fn printed(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// The flags that choose a set of values.
pub(crate) fn values_of(set: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/values/{set}.yaml"));
    if set == SETS[0] { Vec::new() } else { vec![format!("--values={}", file.display())] }
}

/// Returns the chart rendered with these values, hooks included.
pub(crate) fn template(more: &[&str]) -> String {
    printed(run(&[&["template", "credwright", CHART, "--namespace=credwright-system"], more].concat()))
}

/// Returns the error with which the chart rejects these values.
pub(crate) fn refusal(more: &[&str]) -> String {
    let output = run(&[&["template", "credwright", CHART], more].concat());
    assert!(!output.status.success(), "{more:?} was not refused");
    String::from_utf8(output.stderr).unwrap()
}

/// The manifests of a rendered chart, which each begin with the template that they are from.
pub(crate) fn manifests(rendered: &str) -> impl Iterator<Item = &str> {
    rendered.split("---\n").filter(|it| !it.trim().is_empty())
}

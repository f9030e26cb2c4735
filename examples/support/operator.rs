//! The operator's real binary as a child process: what a cluster runs, started as an administrator would start it.
//!
//! It hangs on a pipe that the kernel closes however this process ends, so that it never stays behind.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use credwright_harness::wait;
use tempfile::TempDir;

/// Kills what it runs when its standard input ends.
const LEASH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/controlplane/leash.sh");

/// What the operator may take to finish the steps in flight.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// A running operator. Dropping it kills it.
pub(crate) struct Operator {
    pub(crate) pid: u32,
    leash: Child,
    log: PathBuf,
    /// Removed by the leash when it kills, and otherwise here.
    _folder: TempDir,
}

/// The folder that cargo builds into: examples are in `release/examples` below it.
pub(crate) fn build_folder() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    Ok(example.ancestors().nth(3).context("an example lies in the folder that cargo builds into")?.to_owned())
}

/// The operator's binary, which cargo has built beside this example.
pub(crate) fn binary() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.ancestors().nth(2).map(|profile| profile.join("credwright"));
    let binary = binary.context("an example lies in the folder that cargo builds into")?;
    ensure!(binary.exists(), "{} is not there: build it with `cargo build --release`", binary.display());
    Ok(binary)
}

impl Operator {
    /// Starts `credwright run` with `arguments`, its log in `log`.
    pub(crate) async fn start(arguments: &[&str], kubeconfig: Option<&Path>, log: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("credwright-operator-").tempdir()?;
        let pid_file = folder.path().join("pid");
        let output = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(LEASH);
        command.arg(folder.path()).args(["sh", "-c", r#"echo $$ > "$0"; exec "$@""#]).arg(&pid_file);
        command.arg(binary()?).arg("run").args(arguments);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        // An interrupt at the terminal is for us alone; the leash acts on our end.
        let leash = command.process_group(0).spawn().context(LEASH)?;
        let pid = wait::until("the operator to start", Duration::from_secs(10), async || {
            Ok(fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok()))
        });
        Ok(Self { pid: pid.await?, leash, log: log.to_owned(), _folder: folder })
    }

    /// Fails if it has ended, with the end of its log.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.leash.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(10)..].join("\n");
            bail!("the operator ended with {status}; the end of its log:\n{tail}");
        }
        Ok(())
    }

    /// Stops it as Kubernetes would, by SIGTERM.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(pipe) = &mut self.leash.stdin {
            writeln!(pipe, "TERM").context("the operator is not running")?;
        }
        let leash = &mut self.leash;
        wait::until("the operator to stop", STOP_DEADLINE, async || Ok(leash.try_wait()?)).await?;
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        if let Err(error) = self.leash.wait() {
            eprintln!("waiting for the operator to end: {error}");
        }
    }
}

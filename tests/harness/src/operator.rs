//! An operator's real binary as a child process: what a cluster runs, started as an administrator
//! would start it.

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{leash::Leashed, wait};

/// The time that the operator may take to finish the steps in flight: the grace period that the
/// chart gives it.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// A running operator. Dropping it kills it.
pub struct Operator {
    pid: u32,
    process: Leashed,
    /// Removed by the leash when it kills, and otherwise here.
    _folder: TempDir,
}

impl Operator {
    /// Starts `binary run` with `arguments`, its output in `log`, on the cluster of `kubeconfig` or
    /// of the environment.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(
        binary: &Path,
        arguments: &[&str],
        kubeconfig: Option<&Path>,
        log: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(binary);
        command.arg("run").args(arguments);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        Self::spawn(&command, log).await
    }

    /// Starts what `command` says, its output in `log`.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn spawn(command: &Command, log: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("credwright-operator-").tempdir()?;
        // Its earlier runs are of no interest.
        fs::File::create(log).with_context(|| log.display().to_string())?;
        let pid_file = folder.path().join("pid");
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"echo $$ > "$0"; exec "$@""#]).arg(&pid_file);
        shell.arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let process = Leashed::spawn_with_log("the operator", folder.path(), &shell, log.to_owned())?;
        let pid = wait::until("the operator to start", Duration::from_secs(10), async || {
            Ok(fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok()))
        });
        Ok(Self { pid: pid.await?, process, _folder: folder })
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Checks that it runs.
    ///
    /// # Errors
    /// If it has ended, with the end of its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running().map_err(|error| self.process.blame(&error))
    }

    /// Returns its exit status, if it has ended.
    ///
    /// # Errors
    /// If that cannot be known.
    pub fn status(&mut self) -> Result<Option<ExitStatus>> {
        self.process.status()
    }

    /// Asks it to stop as Kubernetes would, by SIGTERM.
    ///
    /// # Errors
    /// If it does not run.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal("TERM").context("stopping the operator")
    }

    /// Stops it, and waits until it has ended.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn stop(mut self) -> Result<()> {
        self.terminate()?;
        let process = &mut self.process;
        wait::until("the operator to stop", STOP_DEADLINE, async || Ok(process.status()?.map(drop))).await
    }
}

//! Processes that cannot outlive this one.
//!
//! A test may panic, be interrupted or be killed; an API server left behind would then hold its
//! ports and memory for good. Destructors do not run in those cases, so every process hangs on a
//! pipe instead: the kernel closes it whatever happens, and `leash.sh` on the other end kills the
//! process.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, bail};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/leash.sh");

/// The number of log lines that are shown when a process fails.
const TAIL_LINES: usize = 30;

/// A running process, killed when this value is dropped or when the current process ends in any
/// way.
pub(crate) struct Leashed {
    name: &'static str,
    log: PathBuf,
    leash: Child,
    pipe: Option<ChildStdin>,
}

impl Leashed {
    /// Starts `command` with its output in `folder/name.log`.
    ///
    /// `folder` is removed when the leash is let go, so that even a killed test leaves no files.
    pub(crate) fn spawn(name: &'static str, folder: &Path, command: &Command) -> Result<Self> {
        Self::spawn_with_log(name, folder, command, folder.join(name).with_extension("log"))
    }

    /// The same with its output in `log`, which stays.
    pub(crate) fn spawn_with_log(
        name: &'static str,
        folder: &Path,
        command: &Command,
        log: PathBuf,
    ) -> Result<Self> {
        let output = File::options().create(true).append(true).open(&log)?;
        let mut leash = Command::new(SCRIPT)
            .arg(folder)
            .arg(command.get_program())
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // An interrupt at the terminal is for us alone; the leash acts on our end.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pipe = leash.stdin.take();
        Ok(Self { name, log, leash, pipe })
    }

    /// Passes a signal on, named as `kill -s` names it.
    pub(crate) fn signal(&mut self, signal: &str) -> Result<()> {
        let name = self.name;
        let Some(pipe) = &mut self.pipe else { bail!("{name} was stopped") };
        writeln!(pipe, "{signal}").with_context(|| format!("{name} is not running"))
    }

    /// Returns the exit status of the process, if it has ended.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.leash.try_wait()?)
    }

    /// Kills the process, as a crash would, but keeps the folder.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if self.status()?.is_none() {
            self.signal("KILL")?;
            self.leash.wait()?;
        }
        Ok(())
    }

    /// Fails if the process is no longer there.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        match self.status()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}", self.name),
        }
    }

    /// `error` together with the last lines of the log, which mostly say why.
    pub(crate) fn blame(&self, error: &anyhow::Error) -> anyhow::Error {
        let text = match std::fs::read(&self.log) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => error.to_string(),
        };
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        anyhow!("{error:#}; the end of the log of {}:\n{}", self.name, tail.join("\n"))
    }

    /// Lets go without waiting for the end, so that several processes can end at the same time.
    pub(crate) fn let_go(&mut self) {
        self.pipe = None;
    }

    fn end(&mut self) -> io::Result<()> {
        self.let_go();
        self.leash.wait().map(drop)
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("waiting for {} to end: {error}", self.name);
        }
    }
}

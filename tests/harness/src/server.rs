//! A server of another project as a child process, for tests that speak to the real one.

use std::{process::Command, time::Duration};

use anyhow::Result;
use tempfile::TempDir;

use crate::{leash::Leashed, wait};

/// A running server. It is killed when this value is dropped or when this process ends in any way.
pub struct Server {
    process: Leashed,
    /// Removed by the leash when it kills, and otherwise here.
    _folder: TempDir,
}

impl Server {
    /// Starts `command`. Its log and its files are in `folder`, which ends with it.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(name: &'static str, folder: TempDir, command: &Command) -> Result<Self> {
        let process = Leashed::spawn(name, folder.path(), command)?;
        Ok(Self { process, _folder: folder })
    }

    /// Asks `check` until it answers with a value. `what` completes "timed out waiting for ...".
    ///
    /// # Errors
    /// If the server ends, the deadline passes or `check` fails, with the end of the log.
    pub async fn until<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut check: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let process = &mut self.process;
        let waiting = wait::until(what, deadline, async || {
            process.ensure_running()?;
            check().await
        });
        waiting.await.map_err(|error| self.process.blame(&error))
    }
}

//! The operators, and how each of them ended.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use credwright_harness::{operator::Operator, process::Usage};

use super::plan::REPLICAS;

/// The exit code of a Rust process that ended by a panic, and what a shell says of one that
/// aborted.
const BY_PANIC: [i32; 2] = [101, 134];

/// The replicas, and where their logs are.
pub(crate) struct Replicas {
    running: Vec<Option<Operator>>,
    kubeconfig: PathBuf,
    folder: PathBuf,
    started: usize,
    /// The number of operators that ended by themselves and were restarted, as Kubernetes would do.
    pub(crate) ended: usize,
    /// The number of these that panicked.
    pub(crate) panicked: usize,
    /// The most memory that one of them had.
    pub(crate) peak_kib: u64,
}

impl Replicas {
    pub(crate) async fn start(kubeconfig: &Path, folder: &Path) -> Result<Self> {
        let mut replicas = Self {
            running: Vec::new(),
            kubeconfig: kubeconfig.to_owned(),
            folder: folder.to_owned(),
            started: 0,
            ended: 0,
            panicked: 0,
            peak_kib: 0,
        };
        for _ in 0..REPLICAS {
            let operator = replicas.another().await?;
            replicas.running.push(Some(operator));
        }
        Ok(replicas)
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("operator-{number}.log"))
    }

    async fn another(&mut self) -> Result<Operator> {
        self.started += 1;
        let log = self.log(self.started);
        let arguments =
            ["--allow-egress", "127.0.0.0/8", "--revocation-deadline", "5m", "--log", "credwright=trace"];
        let binary = Path::new(env!("CARGO_BIN_EXE_credwright"));
        Operator::start(binary, &arguments, Some(&self.kubeconfig), &log).await
    }

    /// Kills one with `kill -9`, and starts another in its place.
    pub(crate) async fn kill(&mut self, which: usize) -> Result<()> {
        self.measure(which);
        drop(self.running[which].take());
        self.running[which] = Some(self.another().await?);
        Ok(())
    }

    /// A replica that has ended by itself is started again: while the API server is down none can
    /// start.
    pub(crate) async fn revive(&mut self) -> Result<()> {
        for which in 0..REPLICAS {
            let Some(status) = self.running[which].as_mut().map(Operator::status).transpose()?.flatten()
            else {
                self.measure(which);
                continue;
            };
            self.ended += 1;
            if status.code().is_some_and(|code| BY_PANIC.contains(&code)) {
                self.panicked += 1;
                eprintln!("soak: an operator ended with {status}");
            }
            self.kill(which).await?;
        }
        Ok(())
    }

    fn measure(&mut self, which: usize) {
        let usage = self.running[which].as_ref().and_then(|it| Usage::of(it.pid()).ok());
        self.peak_kib = usage.map_or(0, |usage| usage.peak_kib).max(self.peak_kib);
    }

    /// The log of each operator that was started, one after another.
    pub(crate) fn logs(&self) -> impl Iterator<Item = Result<String>> {
        (1..=self.started)
            .map(|number| Ok(String::from_utf8_lossy(&fs::read(self.log(number))?).into_owned()))
    }
}

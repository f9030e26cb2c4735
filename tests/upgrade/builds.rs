//! The two builds of Credwright: how their CRDs are installed, and how they run.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use credwright_harness::{controlplane::Cluster, operator::Operator, port::free_address, wait};

/// Builds the earlier version, if it is not there yet.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upgrade/build.sh");
/// The time that a process may take to be ready and to lead.
const START: Duration = Duration::from_secs(60);

/// A build of Credwright.
pub(crate) struct Build {
    pub(crate) name: &'static str,
    binary: PathBuf,
}

/// A process of a build, which leads.
pub(crate) struct Process {
    operator: Operator,
    address: String,
    http: reqwest::Client,
}

impl Build {
    /// The version that the test begins with. Building it takes minutes the first time; progress is
    /// reported on stderr.
    pub(crate) fn earlier() -> Result<Self> {
        let output = Command::new(SCRIPT).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.context(SCRIPT)?;
        ensure!(output.status.success(), "the earlier version could not be built: {}", output.status);
        let stdout = String::from_utf8(output.stdout)?;
        let binary = stdout.lines().last().context("the build named no binary")?.into();
        Ok(Self { name: "the earlier version", binary })
    }

    /// The version of this source tree.
    pub(crate) fn this() -> Self {
        Self { name: "this version", binary: env!("CARGO_BIN_EXE_credwright").into() }
    }

    /// Applies this build's CRDs as its documentation says, and waits until they are served.
    pub(crate) fn install_crds(&self, cluster: &Cluster) -> Result<()> {
        let crds = Command::new(&self.binary).arg("crds").output()?;
        ensure!(crds.status.success(), "{} prints no CRDs", self.name);
        kubectl(cluster, &["apply", "--server-side", "--force-conflicts", "--filename=-"], &crds.stdout)?;
        kubectl(cluster, &["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], b"")
    }

    /// Starts a process as a user with the chart's rights, and waits until it is ready and leads. A
    /// credential that cannot be revoked when its object is deleted is recorded after five seconds.
    pub(crate) async fn start(&self, home: &str, kubeconfig: &Path, log: &Path) -> Result<Process> {
        let address = free_address()?.to_string();
        let mut command = Command::new(&self.binary);
        command
            .args(["run", "--operator-namespace", home, "--allow-egress", "127.0.0.0/8"])
            .args(["--lease", "credwright", "--listen", &address, "--revocation-deadline", "5s"])
            .env("KUBECONFIG", kubeconfig);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut process = Process { operator: Operator::spawn(&command, log).await?, address, http };
        let what = format!("{} to be ready and to lead", self.name);
        wait::until(&what, START, async || {
            process.operator.ensure_running()?;
            let leads = process.metrics().await.is_some_and(|it| it.contains("credwright_leader 1"));
            Ok((leads && process.get("/readyz").await.is_some()).then_some(()))
        })
        .await?;
        Ok(process)
    }
}

impl Process {
    /// Stops it as Kubernetes would, and waits until it has ended.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.operator.ensure_running()?;
        self.operator.stop().await
    }

    /// Returns the number of passes that have ended so far.
    pub(crate) async fn looks(&self) -> Option<u64> {
        let metrics = self.metrics().await?;
        let counts =
            metrics.lines().filter(|it| it.starts_with("credwright_reconcile_duration_seconds_count"));
        counts.map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    async fn metrics(&self) -> Option<String> {
        self.get("/metrics").await
    }

    /// The body of an answer, if it is a success.
    async fn get(&self, path: &str) -> Option<String> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }
}

fn kubectl(cluster: &Cluster, arguments: &[&str], input: &[u8]) -> Result<()> {
    let mut child = cluster
        .kubectl()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("kubectl reads nothing")?.write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

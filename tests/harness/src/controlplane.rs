//! A real Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC, and the two
//! controllers of kube-controller-manager that tests depend on (namespace deletion and garbage
//! collection), or a few more.
//!
//! There is no kubelet and no scheduler: Pods are stored but never run, unless a test does it.
//! Durability is off (etcd does not call fsync), so no figure measured here says anything about
//! disks.

mod binaries;
mod cluster;
mod files;
mod layout;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

pub use self::cluster::{Cluster, shared};
use self::layout::Layout;
use crate::leash::Leashed;
use crate::wait;

/// Generous, because a process that ends early is noticed at once: only a crowded machine waits
/// this long.
const READY_DEADLINE: Duration = Duration::from_secs(120);

/// The options of a control plane.
#[derive(Clone, Debug, Default)]
pub struct ControlPlaneOptions {
    /// The file to which kube-apiserver appends a JSON line for each request that it has answered
    /// and for each watch that it has begun to answer, at audit level `Metadata`: the user, the
    /// request and the status, and never a body. A client may see its answer shortly before the
    /// line is there.
    pub audit_log: Option<PathBuf>,
    /// `true` if Deployments and Jobs get their Pods.
    pub workloads: bool,
    /// True if kube-apiserver refuses streamed lists, as one of Kubernetes 1.33 does by default.
    pub no_streamed_lists: bool,
}

/// A control plane started by this process and ended with it, whatever the way it ends.
///
/// Its processes belong to no async runtime, so one instance may serve many tests; a
/// [`kube::Client`] does belong to the runtime it was made on, so each test makes its own.
pub struct ControlPlane {
    cluster: Cluster,
    manager: Leashed,
    apiserver: Leashed,
    etcd: Leashed,
    layout: Layout,
    // Last, so that the folder goes after the processes that write to it.
    _folder: TempDir,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready to serve, which takes some seconds.
    ///
    /// The binaries come from the folder `CREDWRIGHT_CONTROLPLANE` names or else from
    /// `tests/controlplane/build.sh`, which takes minutes the first time and reports its progress
    /// on stderr.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self> {
        let binaries = binaries::locate().await?;
        let folder = tempfile::Builder::new().prefix("credwright-controlplane-").tempdir()?;
        let (layout, reserved) = Layout::new(folder.path(), binaries.clone(), options)?;
        let token = files::write_credentials(&layout)?;
        drop(reserved);

        Self::run(layout, binaries, &token, folder).await
    }

    /// Starts another control plane on a copy of what etcd holds at this moment: objects, UIDs and
    /// resource versions are the same, as after a restore of a disk's snapshot while the original
    /// runs on. Only the loopback ports and the keys differ.
    pub async fn clone_of(original: &mut Self) -> Result<Self> {
        let binaries = original.cluster.binaries().to_owned();
        let folder = tempfile::Builder::new().prefix("credwright-controlplane-").tempdir()?;
        let (layout, reserved) =
            Layout::new(folder.path(), binaries.clone(), ControlPlaneOptions::default())?;
        let token = files::write_credentials(&layout)?;
        // Frozen, it writes to none of its files while they are copied.
        original.pause_etcd()?;
        let copied = files::copy(&original.layout.data(), &layout.data());
        original.resume_etcd()?;
        copied?;
        drop(reserved);
        Self::run(layout, binaries, &token, folder).await
    }

    async fn run(layout: Layout, binaries: PathBuf, token: &str, folder: TempDir) -> Result<Self> {
        let mut etcd = Leashed::spawn("etcd", folder.path(), &layout.etcd())?;
        wait_for_port(&mut etcd, layout.etcd_port).await?;
        let mut apiserver = Leashed::spawn("kube-apiserver", folder.path(), &layout.apiserver())?;
        // The open port alone may be somebody else's.
        wait_for_file(&mut apiserver, &layout.certificate()).await?;
        wait_for_port(&mut apiserver, layout.api_port).await?;
        files::write_kubeconfig(&layout, token)?;
        let cluster = Cluster::new(layout.kubeconfig(), binaries);
        wait_until_ready(&cluster, &mut apiserver).await?;
        let manager = Leashed::spawn("kube-controller-manager", folder.path(), &layout.controller_manager())?;
        Ok(Self { cluster, manager, apiserver, etcd, layout, _folder: folder })
    }

    /// Access to the API server, for code that does not care who started it.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The kubeconfig of a cluster administrator (group `system:masters`), usable with kubectl.
    pub fn kubeconfig(&self) -> &Path {
        self.cluster.kubeconfig()
    }

    /// The administrator's kubeconfig, for a kube-apiserver that is reached by way of `server`,
    /// such as `http://127.0.0.1:1234`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn kubeconfig_by_way_of(&self, server: &str) -> Result<String> {
        let direct = std::fs::read_to_string(self.kubeconfig())?;
        Ok(direct.replace(&format!("https://{}", self.address()), server))
    }

    /// Returns where kube-apiserver listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.layout.api_port).into()
    }

    /// A new client, as [`Cluster::client`] makes it.
    pub async fn client(&self) -> Result<kube::Client> {
        self.cluster.client().await
    }

    /// kubectl of the server's own version, with its kubeconfig.
    pub fn kubectl(&self) -> Command {
        self.cluster.kubectl()
    }

    /// Kills kube-apiserver as a crash would; connections to it are refused until
    /// [`restart_apiserver`](Self::restart_apiserver).
    pub fn stop_apiserver(&mut self) -> Result<()> {
        self.apiserver.kill()
    }

    /// Starts kube-apiserver again, killing it first if it runs, on the same port and with the same
    /// certificate, and waits until it is ready.
    pub async fn restart_apiserver(&mut self) -> Result<()> {
        // Dropping it instead would remove the folder.
        self.stop_apiserver()?;
        self.apiserver = Leashed::spawn("kube-apiserver", &self.layout.folder, &self.layout.apiserver())?;
        wait_until_ready(&self.cluster, &mut self.apiserver).await
    }

    /// Freezes etcd: kube-apiserver keeps its connections but can answer neither reads nor writes
    /// in time.
    pub fn pause_etcd(&mut self) -> Result<()> {
        self.etcd.signal("STOP")
    }

    /// Ends what [`pause_etcd`](Self::pause_etcd) began.
    pub fn resume_etcd(&mut self) -> Result<()> {
        self.etcd.signal("CONT")
    }

    /// Ends all processes and removes their files, as dropping does.
    pub fn stop(self) {}
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.manager.let_go();
        self.apiserver.let_go();
        self.etcd.let_go();
    }
}

async fn wait_for_port(process: &mut Leashed, port: u16) -> Result<()> {
    let waiting = wait::until("its port to open", READY_DEADLINE, async || {
        process.ensure_running()?;
        Ok(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok())
    });
    waiting.await.map(drop).map_err(|error| process.blame(&error))
}

async fn wait_for_file(process: &mut Leashed, file: &Path) -> Result<()> {
    let what = format!("{} to be written", file.display());
    let waiting = wait::until(&what, READY_DEADLINE, async || {
        process.ensure_running()?;
        Ok(file.exists().then_some(()))
    });
    waiting.await.map_err(|error| process.blame(&error))
}

async fn wait_until_ready(cluster: &Cluster, apiserver: &mut Leashed) -> Result<()> {
    let client = cluster.client().await?;
    let waiting = wait::until("/readyz", READY_DEADLINE, async || {
        apiserver.ensure_running()?;
        let request = http::Request::get("/readyz").body(Vec::new())?;
        Ok(client.request_text(request).await.ok())
    });
    waiting.await.map(drop).map_err(|error| apiserver.blame(&error))
}

//! Access to an API server, of this process or of another one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::OnceCell;

use super::binaries::{self, FOLDER_VARIABLE};
use super::{ControlPlane, ControlPlaneOptions};

/// Names the kubeconfig of a control plane that outlives this process; set by `controlplane up`.
const KUBECONFIG_VARIABLE: &str = "CREDWRIGHT_KUBECONFIG";

/// An administrator's access to a cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    binaries: PathBuf,
}

impl Cluster {
    pub(super) fn new(kubeconfig: PathBuf, binaries: PathBuf) -> Self {
        Self { kubeconfig, binaries }
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder with etcd, kube-apiserver, kube-controller-manager and kubectl.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The configuration [`client`](Self::client) is made of, for callers that add layers of their
    /// own.
    ///
    /// Retries are off: a test that counts or cuts requests must see each of them once.
    pub async fn config(&self) -> Result<kube::Config> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)
            .with_context(|| format!("reading {}", self.kubeconfig.display()))?;
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        config.default_retry = false;
        Ok(config)
    }

    /// A new client, bound to the current async runtime: make one for each test.
    pub async fn client(&self) -> Result<kube::Client> {
        Ok(kube::Client::try_from(self.config().await?)?)
    }

    /// kubectl with this cluster's kubeconfig.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(self.binaries.join("kubectl"));
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// The environment that hands this cluster to another process: [`shared`] there returns it.
    pub fn environment(&self) -> [(&'static str, &Path); 3] {
        [
            ("KUBECONFIG", &self.kubeconfig),
            (KUBECONFIG_VARIABLE, &self.kubeconfig),
            (FOLDER_VARIABLE, &self.binaries),
        ]
    }
}

/// The cluster all tests of this process share, started by whichever test asks first.
///
/// If `CREDWRIGHT_KUBECONFIG` is set, it is that cluster and nothing is started; otherwise one is
/// started and lives as long as this process. A start that failed is not tried again: every test
/// then fails at once.
pub async fn shared() -> Result<&'static Cluster> {
    static SHARED: OnceCell<Result<Shared, String>> = OnceCell::const_new();
    let shared = SHARED.get_or_init(async || Shared::get().await.map_err(|error| format!("{error:#}"))).await;
    match shared {
        Ok(Shared::Given(cluster)) => Ok(cluster),
        Ok(Shared::Started(control_plane)) => Ok(control_plane.cluster()),
        Err(error) => Err(anyhow!("{error}")),
    }
}

enum Shared {
    Given(Cluster),
    Started(Box<ControlPlane>),
}

impl Shared {
    #[expect(clippy::disallowed_methods, reason = "a test harness has no command line of its own")]
    async fn get() -> Result<Self> {
        match std::env::var_os(KUBECONFIG_VARIABLE) {
            Some(kubeconfig) => Ok(Self::Given(Cluster::new(kubeconfig.into(), binaries::locate().await?))),
            None => {
                ControlPlane::start(ControlPlaneOptions::default()).await.map(Box::new).map(Self::Started)
            }
        }
    }
}

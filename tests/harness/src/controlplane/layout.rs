//! The paths and the command line of each process. Nothing here starts one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::ControlPlaneOptions;
use crate::port;

/// The folder, ports and binaries of one control plane.
pub(super) struct Layout {
    pub(super) folder: PathBuf,
    pub(super) etcd_port: u16,
    pub(super) api_port: u16,
    peer_port: u16,
    binaries: PathBuf,
    options: ControlPlaneOptions,
}

/// Keeps ports from being handed out twice until the processes that use them start.
pub(super) struct ReservedPorts {
    _listeners: [TcpListener; 3],
}

impl Layout {
    pub(super) fn new(
        folder: &Path,
        binaries: PathBuf,
        options: ControlPlaneOptions,
    ) -> Result<(Self, ReservedPorts)> {
        let listeners = [port::reserve()?, port::reserve()?, port::reserve()?];
        let port = |index: usize| listeners[index].local_addr().map(|address| address.port());
        let layout = Self {
            folder: folder.to_owned(),
            etcd_port: port(0)?,
            peer_port: port(1)?,
            api_port: port(2)?,
            binaries,
            options,
        };
        Ok((layout, ReservedPorts { _listeners: listeners }))
    }

    /// Returns the folder for etcd's data.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    pub(super) fn service_account_private_key(&self) -> PathBuf {
        self.folder.join("service-account.key")
    }

    pub(super) fn service_account_public_key(&self) -> PathBuf {
        self.folder.join("service-account.pub")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    pub(super) fn audit_policy(&self) -> PathBuf {
        self.folder.join("audit-policy.json")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }

    fn certificates(&self) -> PathBuf {
        self.folder.join("certificates")
    }

    pub(super) fn etcd(&self) -> Command {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let mut command = Command::new(self.binaries.join("etcd"));
        command.arg("--data-dir").arg(self.data());
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer]);
        // The data dies with the test, so waiting for the disk would buy nothing.
        command.args(["--unsafe-no-fsync", "--log-level", "error"]);
        command
    }

    pub(super) fn apiserver(&self) -> Command {
        let mut command = Command::new(self.binaries.join("kube-apiserver"));
        command.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port));
        command.arg(format!("--secure-port={}", self.api_port));
        command.arg("--bind-address=127.0.0.1");
        // Works without any network. The `kubernetes` Service may not have a loopback endpoint, so
        // it has none.
        command.args(["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
        command.arg(flag("cert-dir", &self.certificates()));
        command.arg(flag("token-auth-file", &self.tokens()));
        command.arg("--authorization-mode=RBAC");
        command.arg("--service-account-issuer=https://kubernetes.default.svc");
        command.arg(flag("service-account-signing-key-file", &self.service_account_private_key()));
        command.arg(flag("service-account-key-file", &self.service_account_public_key()));
        // A Pod that a test runs can listen at its Service's address.
        command.arg("--service-cluster-ip-range=127.200.0.0/16");
        // It would refuse Pods until a controller that is not running has made their
        // ServiceAccount.
        command.arg("--disable-admission-plugins=ServiceAccount");
        if self.options.no_streamed_lists {
            command.arg("--feature-gates=WatchList=false");
        }
        if let Some(log) = &self.options.audit_log {
            command.arg(flag("audit-policy-file", &self.audit_policy()));
            command.arg(flag("audit-log-path", log));
        }
        command
    }

    pub(super) fn controller_manager(&self) -> Command {
        let mut command = Command::new(self.binaries.join("kube-controller-manager"));
        command.arg(flag("kubeconfig", &self.kubeconfig()));
        let mut controllers = "--controllers=namespace-controller,garbage-collector-controller".to_owned();
        if self.options.workloads {
            controllers.push_str(",deployment-controller,replicaset-controller,job-controller");
            controllers.push_str(",clusterrole-aggregation-controller");
        }
        command.arg(controllers);
        command.args(["--leader-elect=false", "--secure-port=0"]);
        command
    }
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

//! Plays the part of scheduler and kubelet: for every Pod it starts the real binary, with exactly
//! the arguments and the environment of the Pod, as its ServiceAccount, and tells the API server
//! how it is.
//!
//! All Pods are on one machine here. So that each can have its port, it listens at an address
//! of its own, or at that of its Service.

use std::{
    collections::BTreeMap, fmt::Write as _, fs, net::SocketAddr, path::PathBuf, thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};
use credwright_harness::{controlplane::Cluster, operator::Operator};
use jiff::Timestamp;
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Container, Pod, Probe, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Status,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::pod::{self, container, is_ours};

const INTERVAL: Duration = Duration::from_millis(100);

/// A kubelet that works, on a thread of its own, until it is dropped; its processes then end.
pub(crate) struct Kubelet {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    folder: TempDir,
}

impl Kubelet {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (cluster, path, stopped) = (cluster.clone(), folder.path().to_owned(), stop.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(work(cluster, path, stopped)));
        Self { stop, thread: Some(thread), folder }
    }

    /// Returns the answers of Credwright's running Pods to a probe.
    pub(crate) async fn answers(&self, path: &str) -> Vec<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut answers = Vec::new();
        for file in self.files("address") {
            let address = fs::read_to_string(file).unwrap();
            // One that has ended does not listen any more.
            if let Ok(answer) = client.get(format!("http://{address}{path}")).send().await {
                answers.push((answer.status().as_u16(), answer.text().await.unwrap()));
            }
        }
        answers
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.extension().is_some_and(|it| it == extension)).collect()
    }

    /// Everything that any Pod has written so far.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for path in self.files("log") {
            write!(text, "== {}\n{}", path.display(), fs::read_to_string(&path).unwrap()).unwrap();
        }
        text
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.logs());
        }
        self.stop.cancel();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("kubelet: it panicked");
        }
    }
}

async fn work(cluster: Cluster, folder: PathBuf, stop: CancellationToken) {
    let kubeconfig = fs::read(cluster.kubeconfig()).unwrap();
    let kubeconfig = serde_json::from_slice(&kubeconfig).unwrap();
    let client = cluster.client().await.unwrap();
    let mut node = Node { client, kubeconfig, folder, pods: BTreeMap::new() };
    while !stop.is_cancelled() {
        node.look().await;
        tokio::time::sleep(INTERVAL).await;
    }
}

struct Node {
    client: Client,
    /// The administrator's, of which each Pod gets one with its own token.
    kubeconfig: Value,
    folder: PathBuf,
    /// By their UIDs.
    pods: BTreeMap<String, Running>,
}

/// A Pod's process.
struct Running {
    process: Operator,
    listens: Option<SocketAddr>,
    asked_to_stop: bool,
    reported: Reported,
}

#[derive(Clone, Copy, PartialEq)]
enum Reported {
    Started,
    Ready,
    Ended,
}

impl Node {
    async fn look(&mut self) {
        let all: Api<Pod> = Api::all(self.client.clone());
        let pods = match all.list(&ListParams::default()).await {
            Ok(pods) => pods.items,
            Err(error) => return eprintln!("kubelet: {error}"),
        };
        self.pods.retain(|uid, _| pods.iter().any(|pod| pod.uid().as_ref() == Some(uid)));
        for pod in pods {
            if let Err(error) = self.tend(&pod).await {
                eprintln!("kubelet: {}: {error:#}", pod.name_any());
            }
        }
    }

    async fn tend(&mut self, pod: &Pod) -> Result<()> {
        let uid = pod.uid().context("a Pod has a UID")?;
        let going = pod.metadata.deletion_timestamp.is_some();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let Some(running) = self.pods.get_mut(&uid) else {
            if going {
                return gone(&api, pod).await;
            }
            let running = self.start(&api, pod).await?;
            self.pods.insert(uid, running);
            return Ok(());
        };
        if let Some(status) = running.process.status()? {
            if running.reported != Reported::Ended {
                let phase = if status.success() { "Succeeded" } else { "Failed" };
                let state = json!({ "terminated": { "exitCode": status.code().unwrap_or(137) } });
                report(&api, pod, phase, false, &state).await?;
                running.reported = Reported::Ended;
            }
            return if going { gone(&api, pod).await } else { Ok(()) };
        }
        if going && !running.asked_to_stop {
            running.process.terminate()?;
            running.asked_to_stop = true;
        }
        if !going && running.reported == Reported::Started && running.is_ready(container(pod)?).await {
            let state = json!({ "running": { "startedAt": Timestamp::now() } });
            report(&api, pod, "Running", true, &state).await?;
            running.reported = Reported::Ready;
        }
        Ok(())
    }

    async fn start(&self, api: &Api<Pod>, pod: &Pod) -> Result<Running> {
        let name = pod.name_any();
        let (mut command, listens) = pod::process(&self.client, pod).await?;
        if is_ours(pod)? {
            command.env("KUBECONFIG", self.kubeconfig_of(pod).await?);
            if let Some(address) = listens {
                fs::write(self.folder.join(&name).with_extension("address"), address.to_string())?;
            }
        }
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name },
            "target": { "apiVersion": "v1", "kind": "Node", "name": "node" },
        });
        let params = PostParams::default();
        let bound = api.create_subresource("binding", &name, &params, &binding);
        let _: Status = bound.await.context("binding")?;
        let process = Operator::spawn(&command, &self.folder.join(&name).with_extension("log")).await?;
        Ok(Running { process, listens, asked_to_stop: false, reported: Reported::Started })
    }

    /// Writes a kubeconfig for a Pod's ServiceAccount.
    async fn kubeconfig_of(&self, pod: &Pod) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> =
            Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
        let account = account.context("a Pod has a ServiceAccount")?;
        let (params, request) = (PostParams::default(), TokenRequest::default());
        let answer = accounts.create_token_request(account, &params, &request).await.context("a token")?;
        let token = answer.status.context("a token")?.token;
        let mut kubeconfig = self.kubeconfig.clone();
        kubeconfig["users"][0]["user"] = json!({ "token": token });
        let file = self.folder.join(pod.name_any()).with_extension("kubeconfig");
        fs::write(&file, kubeconfig.to_string())?;
        Ok(file)
    }
}

impl Running {
    /// Returns whether the container passes its probes. One without probes does.
    async fn is_ready(&self, container: &Container) -> bool {
        for probe in container.readiness_probe.iter().chain(&container.liveness_probe) {
            if !self.answers(probe).await {
                return false;
            }
        }
        true
    }

    async fn answers(&self, probe: &Probe) -> bool {
        let path = probe.http_get.as_ref().and_then(|get| get.path.as_deref());
        let (Some(address), Some(path)) = (self.listens, path) else { return false };
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build().unwrap();
        let answer = client.get(format!("http://{address}{path}")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

async fn report(api: &Api<Pod>, pod: &Pod, phase: &str, ready: bool, state: &Value) -> Result<()> {
    let container = container(pod)?;
    let status = json!({ "status": {
        "phase": phase,
        "startTime": pod.metadata.creation_timestamp,
        "conditions": [
            { "type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": Timestamp::now() },
        ],
        "containerStatuses": [{
            "name": container.name, "image": container.image, "imageID": "", "ready": ready, "restartCount": 0, "state": state,
        }],
    } });
    api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

/// Says that nothing of a Pod runs any more.
async fn gone(api: &Api<Pod>, pod: &Pod) -> Result<()> {
    match api.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        deleted => Ok(deleted.map(drop)?),
    }
}

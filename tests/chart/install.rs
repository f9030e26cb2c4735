//! A real `helm install` on a real API server, after which the real binary runs as the chart says.

use credwright::api::{ApiCredential, CredentialProvider};
use credwright_harness::controlplane::{ControlPlane, ControlPlaneOptions};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{Namespace, Pod, Secret, ServiceAccount},
        rbac::v1::{ClusterRole, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{
    generated::file::read,
    helm::{self, CHART, printed},
    kubelet::Kubelet,
    support::{Scene, eventually, install_crds},
};

/// The namespace of the releases.
const HOME: &str = "credwright-system";
/// The value that lets Credwright reach the simulated providers.
const LOOPBACK: &str = "--set=allowEgress={127.0.0.0/8}";

/// A cluster that runs Pods, and Helm for it.
struct Cluster {
    client: Client,
    kubelet: Kubelet,
    // Last: it is what the others speak to.
    control_plane: ControlPlane,
}

impl Cluster {
    async fn start() -> Self {
        let options = ControlPlaneOptions { workloads: true, ..ControlPlaneOptions::default() };
        let control_plane = ControlPlane::start(options).await.unwrap();
        let client = control_plane.client().await.unwrap();
        // Pods that do not keep to the strictest of the standards are refused.
        let home = json!({ "metadata": { "name": HOME, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(home).unwrap()).await.unwrap();
        let kubelet = Kubelet::start(control_plane.cluster());
        Self { client, kubelet, control_plane }
    }

    async fn scene(&self, name: &str) -> Scene {
        Scene::on(self.control_plane.cluster(), name).await
    }

    async fn helm(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::from(helm::program("helm"));
        command.args(arguments).args(["--namespace", HOME, "--wait", "--timeout=2m"]);
        let output = command.env("KUBECONFIG", self.control_plane.kubeconfig()).output().await.unwrap();
        printed(output)
    }

    /// Returns why an upgrade to this chart is refused.
    async fn refused(&self, chart: &str) -> String {
        let mut command = tokio::process::Command::from(helm::program("helm"));
        command.args(["upgrade", "credwright", chart, LOOPBACK, "--namespace", HOME]);
        let output = command.env("KUBECONFIG", self.control_plane.kubeconfig()).output().await.unwrap();
        assert!(!output.status.success(), "it was not refused");
        String::from_utf8(output.stderr).unwrap()
    }

    async fn install(&self, chart: &str, more: &[&str]) {
        self.helm(&[&["install", "credwright", chart, LOOPBACK], more].concat()).await;
    }

    async fn upgrade(&self, more: &[&str]) {
        self.helm(&[&["upgrade", "credwright", CHART, "--reset-then-reuse-values"], more].concat()).await;
    }

    async fn uninstall(&self) {
        self.helm(&["uninstall", "credwright"]).await;
    }

    /// Lets go of what an upgrade has taken from the operator, as an administrator.
    async fn detach(&self, arguments: &[&str]) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_credwright"));
        command.arg("detach").args(arguments).env("KUBECONFIG", self.control_plane.kubeconfig());
        println!("{}", printed(command.output().await.unwrap()));
    }

    fn at_home<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), HOME)
    }

    /// The arguments of the Pods that run.
    async fn arguments(&self) -> Vec<Vec<String>> {
        let pods = self.at_home::<Pod>().list(&ListParams::default()).await.unwrap().items;
        let going = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
        let containers = pods.into_iter().filter(|pod| !going(pod)).filter_map(|pod| pod.spec);
        containers.filter_map(|mut spec| spec.containers.remove(0).args).collect()
    }

    /// Replaces all Pods.
    async fn restart(&self) {
        let pods: Api<Pod> = self.at_home();
        let before: Vec<String> = ours(&pods).await;
        let _ = pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        eventually("the pods are other ones, and ready", async || {
            let now = ours(&pods).await;
            let deployments = self.at_home::<Deployment>().list(&ListParams::default()).await.unwrap().items;
            let ready = deployments[0].status.as_ref().and_then(|status| status.ready_replicas);
            now.iter().all(|pod| !before.contains(pod)) && ready == Some(2)
        })
        .await;
    }

    async fn definitions(&self) -> Vec<CustomResourceDefinition> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        definitions.list(&ListParams::default()).await.unwrap().items
    }

    /// Returns the objects of the chart that still exist after its removal.
    async fn left_behind(&self) -> Vec<String> {
        let roles: Api<ClusterRole> = Api::all(self.client.clone());
        let mut left = ours(&roles).await;
        left.extend(ours(&self.at_home::<Role>()).await);
        left.extend(ours(&self.at_home::<RoleBinding>()).await);
        left.extend(ours(&self.at_home::<ServiceAccount>()).await);
        left.extend(ours(&self.at_home::<Deployment>()).await);
        left.extend(ours(&self.at_home::<Job>()).await);
        left.extend(ours(&self.at_home::<Pod>()).await);
        left
    }

    /// Deletes a namespace, which has to be gone in the time that Kubernetes takes for an empty
    /// one.
    async fn deletes(&self, namespace: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(namespace, &DeleteParams::default()).await.unwrap();
        let what = format!("the namespace {namespace} is gone");
        eventually(&what, async || namespaces.get_opt(namespace).await.unwrap().is_none()).await;
    }

    async fn may(&self, verb: &str, resource: &str, within: &[&str]) -> bool {
        let mut command = self.control_plane.kubectl();
        command.args([
            "auth",
            "can-i",
            verb,
            resource,
            "--as",
            &format!("system:serviceaccount:{HOME}:keys"),
        ]);
        String::from_utf8(command.args(within).output().unwrap().stdout).unwrap().trim() == "yes"
    }

    /// The chart gives every right that was needed, but for a namespace that has gone.
    fn nothing_was_forbidden(&self, but_in: Option<&str>) {
        let logs = self.kubelet.logs();
        let forbidden = |line: &&str| {
            line.to_lowercase().contains("forbidden") && !but_in.is_some_and(|gone| line.contains(gone))
        };
        let refused: Vec<&str> = logs.lines().filter(forbidden).collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }
}

async fn ours<K>(api: &Api<K>) -> Vec<String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let labelled = ListParams::default().labels("app.kubernetes.io/name=credwright");
    let found = api.list(&labelled).await.unwrap().items;
    found.iter().map(|it| format!("{} {}", K::kind(&()), it.name_any())).collect()
}

/// The chart as it was before this part of the CRDs changed.
fn older_chart(now: &str, then: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").args(["-R", CHART]).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let file = folder.path().join("credwright/files/credwright.dev.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let older = text.replace(now, then);
    assert_ne!(older, text);
    std::fs::write(&file, older).unwrap();
    folder
}

fn chart_in(folder: &tempfile::TempDir) -> String {
    folder.path().join("credwright").to_str().unwrap().to_owned()
}

async fn is_ready(scene: &Scene, name: &str, revision: u32) {
    let what = format!("{name} is ready with revision {revision}");
    eventually(&what, async || {
        let ready = scene.condition(name, "Ready").await.is_some_and(|(status, ..)| status == "True");
        ready && scene.is_only(name, revision).await && scene.secret_works(name).await
    })
    .await;
}

/// Rotates at once, by a text that was not there before.
async fn rotates(scene: &Scene, request: &str, revision: u32) {
    scene.apply("orders", orders(request)).await;
    is_ready(scene, "orders", revision).await;
    assert_eq!(scene.provider.record().live().len(), 1);
}

fn orders(request: &str) -> Value {
    json!({ "lifetime": "720h", "rotation": { "request": request, "overlap": "0s" } })
}

/// Returns the tenant's objects with their resource versions. An untouched object has the same one.
async fn versions(scene: &Scene) -> Vec<(String, Option<String>)> {
    let secrets = scene.api::<Secret>().list(&ListParams::default()).await.unwrap().items;
    let objects = scene.api::<ApiCredential>().list(&ListParams::default()).await.unwrap().items;
    let secrets = secrets.iter().map(|it| (it.name_any(), it.resource_version()));
    secrets.chain(objects.iter().map(|it| (it.name_any(), it.resource_version()))).collect()
}

/// Checks that the tenant's objects exist, and that none has a finalizer of Credwright.
async fn is_let_go(scene: &Scene) {
    let secrets = scene.api::<Secret>().list(&ListParams::default()).await.unwrap().items;
    for name in ["orders", "orders.credwright", "spreetail-admin"] {
        assert!(secrets.iter().any(|it| it.name_any() == name), "{name} has gone");
    }
    for secret in secrets {
        assert!(
            secret.finalizers().is_empty() && secret.owner_references().is_empty(),
            "{}",
            secret.name_any()
        );
    }
    assert!(scene.get("orders").await.finalizers().is_empty());
    assert!(scene.secret_works("orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_upgraded_uninstalled_and_installed_again_it_mints_once() {
    let cluster = Cluster::start().await;
    let older = older_chart("    - apicred\n", "    - older\n");
    cluster.install(&chart_in(&older), &[]).await;
    assert_eq!(cluster.arguments().await.len(), 2);
    let scene = cluster.scene("shop").await;
    scene.apply("orders", orders("")).await;
    is_ready(&scene, "orders", 1).await;

    let before = versions(&scene).await;
    cluster.upgrade(&["--set=concurrency=4"]).await;
    eventually("the old pods are gone", async || cluster.arguments().await.len() == 2).await;
    for arguments in cluster.arguments().await {
        assert!(arguments.contains(&"--concurrency=4".to_owned()), "{arguments:?}");
    }
    assert_eq!(versions(&scene).await, before, "an upgrade wrote");
    let names = cluster.definitions().await.into_iter().map(|it| it.spec.names.short_names);
    assert!(names.flatten().any(|it| it == ["apicred"]), "the CRDs were not upgraded");
    rotates(&scene, "after the upgrade", 2).await;
    let with_fewer_fields = older_chart("schema-version: \"2\"", "schema-version: \"1\"");
    let why = cluster.refused(&chart_in(&with_fewer_fields)).await;
    assert!(why.contains("schema 2, and this chart has 1") && why.contains("crds.install=false"), "{why}");

    let pair = scene.pair("orders").await.unwrap();
    cluster.uninstall().await;
    assert_eq!(cluster.left_behind().await, [""; 0]);
    is_let_go(&scene).await;
    assert_eq!(cluster.definitions().await.len(), 4);

    cluster.install(CHART, &[]).await;
    eventually("it has taken up what it had", async || {
        let ledger = scene.secret("orders.credwright").await.unwrap();
        !ledger.finalizers().is_empty() && !ledger.owner_references().is_empty()
    })
    .await;
    is_ready(&scene, "orders", 2).await;
    assert_eq!((scene.pair("orders").await.unwrap(), scene.provider.record().all().len()), (pair, 2));
    rotates(&scene, "once more", 3).await;

    // Deleting the CRDs deletes every object of their kinds, and nothing else.
    cluster.upgrade(&["--set=crds.keep=false"]).await;
    cluster.uninstall().await;
    eventually("the CRDs are deleted", async || cluster.definitions().await.is_empty()).await;
    assert!(scene.secret_works("orders").await && scene.secret("orders.credwright").await.is_some());
    cluster.deletes(&scene.namespace).await;
    assert_eq!(scene.provider.record().live().len(), 1, "the credential was revoked");
    cluster.nothing_was_forbidden(None);
}

/// Another namespace with an account at the same provider.
async fn neighbour(scene: &Scene) -> Scene {
    let neighbour = scene.neighbour("web").await;
    neighbour.put_login("spreetail-admin").await;
    let provider = scene.api::<CredentialProvider>().get("spreetail").await.unwrap();
    neighbour.create_provider("spreetail", serde_json::to_value(provider.spec).unwrap()).await;
    neighbour
}

/// A release in some namespaces only, whose definitions somebody else installs.
async fn install_in(cluster: &Cluster, namespaces: &str) {
    let values =
        "--set=clusterId=blue,fullnameOverride=keys,crds.install=false,admissionPolicies.enabled=false";
    cluster.install(CHART, &[values, namespaces]).await;
}

fn within(scenes: &[&Scene]) -> String {
    let names: Vec<&str> = scenes.iter().map(|scene| scene.namespace.as_str()).collect();
    format!("--set=namespaces={{{}}}", names.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_list_of_namespaces_rights_are_limited_to_them_and_one_can_be_removed() {
    let cluster = Cluster::start().await;
    install_crds(&cluster.client).await;
    let scene = cluster.scene("shop").await;
    let web = neighbour(&scene).await;
    install_in(&cluster, &within(&[&scene])).await;
    scene.apply("orders", orders("")).await;
    is_ready(&scene, "orders", 1).await;
    assert!(cluster.may("list", "secrets", &["--namespace", &scene.namespace]).await);
    for elsewhere in
        [&["--namespace", &*web.namespace] as &[_], &["--namespace", HOME], &["--all-namespaces"]]
    {
        assert!(!cluster.may("list", "secrets", elsewhere).await, "{elsewhere:?}");
    }

    // Another one joins, and leaves.
    cluster.upgrade(&[&within(&[&scene, &web])]).await;
    web.apply("orders", orders("")).await;
    is_ready(&web, "orders", 1).await;
    cluster.upgrade(&[&within(&[&scene])]).await;
    cluster.detach(&["--namespace", &web.namespace, "--role-binding", "keys"]).await;
    is_let_go(&web).await;
    cluster.deletes(&web.namespace).await;
    assert_eq!(scene.provider.record().live().len(), 2, "a credential was revoked");
    scene.apply("orders", orders("now")).await;
    is_ready(&scene, "orders", 2).await;

    cluster.uninstall().await;
    assert_eq!(cluster.left_behind().await, [""; 0]);
    is_let_go(&scene).await;
    cluster.deletes(&scene.namespace).await;
    assert_eq!(scene.provider.record().live().len(), 2, "a credential was revoked");
    cluster.nothing_was_forbidden(Some(&web.namespace));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_on_the_list_blocks_neither_start_nor_work_nor_uninstall() {
    let cluster = Cluster::start().await;
    install_crds(&cluster.client).await;
    let scene = cluster.scene("shop").await;
    let web = neighbour(&scene).await;
    install_in(&cluster, &within(&[&scene, &web])).await;
    for tenant in [&scene, &web] {
        tenant.apply("orders", orders("")).await;
        is_ready(tenant, "orders", 1).await;
    }
    cluster.deletes(&web.namespace).await;
    assert_eq!(scene.provider.record().live().len(), 1, "what went with the namespace was not revoked");
    rotates(&scene, "after the other has gone", 2).await;
    cluster.restart().await;
    rotates(&scene, "after a restart", 3).await;
    let answers = cluster.kubelet.answers("/readyz").await;
    assert_eq!(answers.len(), 2);
    for (status, text) in answers {
        let said = format!("the namespace {} is skipped", web.namespace);
        assert!(status == 200 && text.starts_with("ok\n") && text.contains(&said), "{status} {text}");
        assert!(!text.contains(&scene.namespace), "{text}");
    }
    cluster.uninstall().await;
    is_let_go(&scene).await;
    cluster.nothing_was_forbidden(Some(&web.namespace));
}

/// Returns what `kubectl` prints, given `input`.
async fn kubectl(cluster: &Cluster, arguments: &[&str], input: &str) -> String {
    let mut command = tokio::process::Command::from(cluster.control_plane.kubectl());
    let piped = || std::process::Stdio::piped();
    let mut running = command.args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    printed(running.wait_with_output().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_helm_in_another_namespace_it_is_ready_and_people_have_rights() {
    const OWN: &str = "platform-credwright";
    let cluster = Cluster::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("install.yaml"), read("dist/install.yaml")).unwrap();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": OWN, "resources": ["install.yaml"],
    });
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let moved = kubectl(&cluster, &["kustomize", folder.path().to_str().unwrap()], "").await;
    kubectl(&cluster, &["apply", "--server-side", "-f", "-"], &moved).await;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), OWN);
    eventually("both pods are ready", async || {
        let deployment = deployments.get("credwright").await.unwrap();
        deployment.status.and_then(|status| status.ready_replicas) == Some(2)
    })
    .await;
    cluster.nothing_was_forbidden(None);

    let binding = json!([
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
          "metadata": { "name": "editors", "namespace": OWN },
          "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit" },
          "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "editor" }] },
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
          "metadata": { "name": "viewers", "namespace": OWN },
          "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
          "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer" }] },
    ]);
    for binding in binding.as_array().unwrap() {
        kubectl(&cluster, &["apply", "-f", "-"], &binding.to_string()).await;
    }
    let may = async |user: &str, verb: &str, resource: &str| {
        let mut command = tokio::process::Command::from(cluster.control_plane.kubectl());
        command.args(["auth", "can-i", verb, resource, "--as", user, "--namespace", OWN]);
        String::from_utf8(command.output().await.unwrap().stdout).unwrap().trim() == "yes"
    };
    eventually("the roles are taken up", async || may("viewer", "list", "apicredentials").await).await;
    eventually("the roles are taken up", async || may("editor", "create", "apicredentials").await).await;
    assert!(may("editor", "list", "credentialproviders").await);
    assert!(!may("viewer", "create", "apicredentials").await);
    for (verb, resource) in [("write", "ledgers.credwright.dev"), ("delete", "abandonedcredentials")] {
        assert!(!may("editor", verb, resource).await, "{verb} {resource}");
    }
}

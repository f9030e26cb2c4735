//! The operator does its work in its image: in a file system, a network and an account like those
//! of a Pod.

use std::{fs, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use credwright_harness::{controlplane::ControlPlane, operator::Operator, wait};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Container};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    archive::{ROOT, printed},
    namespace,
    network::{Authority, Front, Names, RESOLV_CONF},
    pod::{ACCOUNT, Pod},
    support::{Scene, eventually},
};

const HOME: &str = "credwright-system";
const API_SERVER: &str = "kubernetes.default.svc";
const PROVIDER: &str = "api.provider.example";
const IMPOSTOR: &str = "api.impostor.example";

#[test]
fn in_its_image_the_operator_finds_names_trusts_the_roots_there_only_and_publishes() {
    namespace::inside(
        "work::in_its_image_the_operator_finds_names_trusts_the_roots_there_only_and_publishes",
        work,
    );
}

async fn work() {
    let control_plane = ControlPlane::start(Default::default()).await.unwrap();
    install(&control_plane);
    let scene = Scene::on(control_plane.cluster(), "shop").await;
    let names = Names::serve(&[API_SERVER, PROVIDER, IMPOSTOR]).await;
    let behind = scene.provider.base_url().strip_prefix("http://").unwrap().parse().unwrap();
    let (ours, another) = (Authority::new("ours"), Authority::new("another"));
    let provider = ours.front(PROVIDER, behind).await;
    let impostor = another.front(IMPOSTOR, behind).await;
    order(&scene, "orders", &provider).await;
    order(&scene, "reports", &impostor).await;

    let (pod, environment) = pod(&control_plane, &ours);
    let container = container(&scene).await;
    let arguments = arguments(&container);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let log = Log(tempfile::NamedTempFile::new().unwrap());
    let mut operator =
        Operator::spawn(&pod.entrypoint(&arguments, &environment), log.0.path()).await.unwrap();

    let published = async || {
        operator.ensure_running()?;
        let condition = scene.condition("orders", "Ready").await;
        Ok(condition.filter(|(status, ..)| status == "True").map(drop))
    };
    wait::until("the credential", Duration::from_secs(60), published).await.unwrap();
    assert!(scene.secret_works("orders").await);
    for name in [API_SERVER, PROVIDER] {
        assert!(names.asked_for(name), "{name} was found otherwise");
    }
    assert!(provider.trusted() > 0);

    eventually("the impostor is refused", async || {
        let condition = scene.condition("reports", "Ready").await;
        condition.is_some_and(|(status, _, message)| status == "False" && message.contains("UnknownIssuer"))
    })
    .await;
    assert_eq!((impostor.trusted(), scene.secret("reports").await), (0, None));

    has_no_rights(operator.pid());
    operator.stop().await.unwrap();
    log.complains_of_nothing();
}

/// Installs what dist/install.yaml has. Nobody starts its Pods here.
fn install(control_plane: &ControlPlane) {
    let file = format!("{ROOT}/dist/install.yaml");
    printed(control_plane.kubectl().args(["apply", "--server-side", "--filename", &file]));
    printed(control_plane.kubectl().args([
        "wait",
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=60s",
    ]));
}

/// Asks for a credential at a provider that is reached by name.
async fn order(scene: &Scene, name: &str, front: &Front) {
    let login = json!({ "secretRef": { "name": "spreetail-admin" } });
    let provider = format!("{name}-provider");
    scene.create_provider(&provider, json!({ "spreetail": { "baseUrl": front.url }, "login": login })).await;
    scene.apply(name, json!({ "providerRef": { "name": provider }, "lifetime": "720h" })).await;
}

/// The Pod's files and variables: those of its network, those of its account, and one more root.
fn pod(control_plane: &ControlPlane, authority: &Authority) -> (Pod, Vec<String>) {
    let kubeconfig: Value = serde_json::from_slice(&fs::read(control_plane.kubeconfig()).unwrap()).unwrap();
    let cluster = &kubeconfig["clusters"][0]["cluster"];
    let port = cluster["server"].as_str().unwrap().rsplit_once(':').unwrap().1;
    let root = BASE64_STANDARD.decode(cluster["certificate-authority-data"].as_str().unwrap()).unwrap();
    let token = printed(control_plane.kubectl().args(["create", "token", "credwright", "--namespace", HOME]));
    let files = [
        ("etc/resolv.conf".to_owned(), RESOLV_CONF.to_owned()),
        ("etc/hosts".to_owned(), "127.0.0.1 localhost\n".to_owned()),
        (format!("{ACCOUNT}/token"), token.trim().to_owned()),
        (format!("{ACCOUNT}/ca.crt"), String::from_utf8(root).unwrap()),
        (format!("{ACCOUNT}/namespace"), HOME.to_owned()),
    ];
    let environment = [
        format!("KUBERNETES_SERVICE_HOST={API_SERVER}"),
        format!("KUBERNETES_SERVICE_PORT={port}"),
        "CREDWRIGHT_IDENTITY=credwright-0".to_owned(),
    ];
    (Pod::new(&files, Some(&authority.pem())), environment.into())
}

/// The operator's container, as the API server has it.
async fn container(scene: &Scene) -> Container {
    let deployments: Api<Deployment> = Api::namespaced(scene.client.clone(), HOME);
    let deployment = deployments.get("credwright").await.unwrap();
    deployment.spec.unwrap().template.spec.unwrap().containers.remove(0)
}

/// Returns the arguments of the image's entrypoint, for simulated providers on loopback.
fn arguments(container: &Container) -> Vec<String> {
    assert_eq!(container.command, None, "the image's entrypoint is not used");
    let mut arguments = container.args.clone().unwrap();
    arguments.push("--allow-egress=127.0.0.0/8".to_owned());
    arguments
}

fn has_no_rights(pid: u32) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for right in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(status.contains(&format!("{right}:\t0000000000000000\n")), "{right}: {status}");
    }
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    let users = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
    assert_eq!(users.split_whitespace().next(), Some("65532"), "{users}");
}

/// The log of the operator, which is printed if the test fails.
struct Log(tempfile::NamedTempFile);

impl Log {
    fn text(&self) -> String {
        fs::read_to_string(self.0.path()).unwrap_or_default()
    }

    /// But for the impostor.
    fn complains_of_nothing(&self) {
        let text = self.text();
        let mine = text
            .lines()
            .filter(|line| !line.contains("failed to verify TLS certificate"))
            .collect::<String>();
        assert!(mine.contains("\"level\":\"INFO\""), "{text}");
        for complaint in ["\"level\":\"ERROR\"", "Read-only file system", "ermission denied", "No such file"]
        {
            assert!(!mine.contains(complaint), "{complaint}: {text}");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.text());
        }
    }
}

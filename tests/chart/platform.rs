//! The chart as a platform uses it: as part of another chart, with labels and parts of pods of its
//! own, and on nodes with IPv6 only.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use credwright::ops::server;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::helm::{self, CHART, SETS, manifests, printed, refusal, template, values_of};

/// The objects that the chart renders with these flags.
fn objects(flags: &[&str]) -> Vec<Value> {
    let rendered = template(flags);
    let objects = manifests(&rendered).map(|it| serde_saphyr::from_str::<Value>(it).unwrap());
    objects.filter(|it| !it.is_null()).collect()
}

/// The specs of the pods that the chart makes: the operator's, and that of the hook.
fn pods(flags: &[&str]) -> Vec<Value> {
    let objects = objects(flags);
    let of = |kind: &str| objects.iter().find(|it| it["kind"] == kind).unwrap();
    ["Deployment", "Job"].map(|kind| of(kind)["spec"]["template"]["spec"].clone()).into()
}

fn last(list: &Value) -> &Value {
    list.as_array().unwrap().last().unwrap()
}

/// A chart that has this one as a dependency with the usual condition.
fn umbrella(folder: &Path) {
    fs::create_dir(folder.join("charts")).unwrap();
    let copied = Command::new("cp").args(["-R", CHART]).arg(folder.join("charts")).status().unwrap();
    assert!(copied.success());
    let version = env!("CARGO_PKG_VERSION");
    let chart = json!({
        "apiVersion": "v2", "name": "platform", "version": "1.0.0",
        "dependencies": [{ "name": "credwright", "version": version, "condition": "credwright.enabled" }],
    });
    fs::write(folder.join("Chart.yaml"), chart.to_string()).unwrap();
    let values = json!({
        "global": { "imageRegistry": "registry.corp.example" },
        "credwright": { "enabled": true, "image": { "repository": "registry.corp.example/credwright" } },
    });
    fs::write(folder.join("values.yaml"), values.to_string()).unwrap();
}

#[test]
fn another_chart_switches_this_one_on_and_off() {
    let folder = tempfile::tempdir().unwrap();
    umbrella(folder.path());
    let chart = folder.path().to_str().unwrap();
    let rendered = |more: &[&str]| printed(helm::run(&[&["template", "platform", chart], more].concat()));
    assert!(rendered(&[]).contains("image: registry.corp.example/credwright:"));
    assert_eq!(rendered(&["--set=credwright.enabled=false"]).trim(), "");
}

#[test]
fn everything_has_the_common_labels_and_says_who_manages_it() {
    let flags = [
        "--set=commonLabels.team=keys,serviceMonitor.enabled=true,prometheusRule.enabled=true",
        "--set=dashboard.enabled=true,networkPolicy.enabled=true",
    ];
    for object in objects(&flags) {
        let (kind, labels) = (object["kind"].as_str().unwrap(), &object["metadata"]["labels"]);
        let name = &object["metadata"]["name"];
        assert_eq!(labels["team"], "keys", "{kind} {name}");
        // What the chart carries as it is belongs to nobody's release.
        if kind != "CustomResourceDefinition" && !kind.starts_with("ValidatingAdmissionPolicy") {
            assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{kind} {name}");
        }
        let pod = &object["spec"]["template"]["metadata"]["labels"];
        assert!(pod.is_null() || pod["team"] == "keys", "a pod of {kind} {name}");
    }
}

#[test]
fn pods_take_more_than_the_chart_knows() {
    let flags = values_of("everything");
    for pod in pods(&[&flags[0]]) {
        assert_eq!(pod["dnsConfig"]["options"][0]["name"], "ndots");
        assert_eq!(last(&pod["volumes"])["name"], "scratch");
        assert_eq!(pod["securityContext"]["supplementalGroups"], json!([4711]));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "what is there is not lost");
        assert!(pod["affinity"]["nodeAffinity"].is_object());
        let container = &pod["containers"][0];
        assert_eq!(last(&container["volumeMounts"])["mountPath"], "/scratch");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["seLinuxOptions"]["type"], "spc_t");
    }
    // A container beside the operator would keep the hook from ending; what the chart decides has
    // values of its own.
    for value in ["podSpecExtra.containers[0].name=proxy", "containerExtra.args[0]=--help"] {
        let why = refusal(&["--set", value]);
        assert!(why.contains("invalid propertyName"), "{value}: {why}");
    }
}

#[test]
fn a_pod_reads_its_namespace_from_its_metadata() {
    for set in SETS {
        let flags = values_of(set);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        for pod in pods(&flags) {
            let container = &pod["containers"][0];
            assert!(!container["args"].to_string().contains("credwright-system"), "{set}: {container}");
            let variables = container["env"].as_array().unwrap();
            let own = variables.iter().find(|it| it["name"] == "CREDWRIGHT_OPERATOR_NAMESPACE").unwrap();
            assert_eq!(own["valueFrom"]["fieldRef"]["fieldPath"], "metadata.namespace");
        }
    }
}

#[tokio::test]
async fn the_rendered_address_answers_on_both_families() {
    let pods = pods(&[]);
    let arguments = pods[0]["containers"][0]["args"].as_array().unwrap();
    let rendered = arguments.iter().find_map(|it| it.as_str()?.strip_prefix("--listen=")).unwrap();
    let mut address: SocketAddr = rendered.parse().unwrap();
    assert_eq!(address.port(), 8080);
    address.set_port(0);
    let listener = server::listen(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for loopback in ["127.0.0.1", "::1"] {
        let (connected, accepted) = tokio::join!(TcpStream::connect((loopback, port)), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok(), "{loopback} does not answer");
    }
    let service = objects(&[]).into_iter().find(|it| it["kind"] == "Service").unwrap();
    assert_eq!(service["spec"]["ipFamilyPolicy"], "PreferDualStack");
}

#[test]
fn a_companys_roots_are_mounted_where_the_operator_looks_for_them() {
    let flags = ["--set=caBundle.name=company-ca,podSpecExtra.volumes[0].name=more"];
    let pod = &pods(&flags)[0];
    let container = &pod["containers"][0];
    let folder = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let file = format!("--ca-file={folder}/ca-bundle.crt");
    assert!(container["args"].as_array().unwrap().contains(&json!(file)), "{container}");
    assert!(container["volumeMounts"][0]["subPath"].is_null(), "a kubelet never renews those");
    assert_eq!(pod["volumes"][0], json!({ "name": "ca", "configMap": { "name": "company-ca" } }));
    assert_eq!(pod["volumes"][1]["name"], "more", "lists are added to what is there");
    assert!(pods(&[])[0]["volumes"].is_null());
    let secret = pods(&["--set=caBundle.name=company-ca,caBundle.kind=Secret"]);
    assert_eq!(secret[0]["volumes"][0]["secret"]["secretName"], "company-ca");
}

#[test]
fn the_login_of_a_proxy_is_mounted_where_the_operator_looks_for_it() {
    let pod = &pods(&["--set=providerProxy.url=http://proxy.example:3128,providerProxy.secretName=login"])[0];
    let container = &pod["containers"][0];
    let arguments = container["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--provider-proxy=http://proxy.example:3128")), "{container}");
    let folder = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let file = format!("--provider-proxy-credentials={folder}/credentials");
    assert!(arguments.contains(&json!(file)), "{container}");
    assert!(container["volumeMounts"][0]["subPath"].is_null(), "a kubelet never renews those");
    assert_eq!(pod["volumes"], json!([{ "name": "proxy", "secret": { "secretName": "login" } }]));
}

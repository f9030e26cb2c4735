//! The rendered chart is valid for Kubernetes, field by field.
//!
//! kubeconform checks it with schemas of the API server itself. The schemas that it would download
//! are made from the same description.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use credwright_harness::controlplane;
use kube::Client;
use serde_json::{Value, json};

use crate::{
    generated::file::read,
    helm::{SETS, manifests, printed, program, template, values_of},
    support::{eventually, install_crds},
};

/// Kinds that are not part of Kubernetes: their CRDs are the Prometheus operator's.
const UNKNOWN: [&str; 2] = ["ServiceMonitor", "PrometheusRule"];

/// The API's version, and the kind.
type Kind = (String, String);

fn kind(manifest: &str) -> Kind {
    let object: Value = serde_saphyr::from_str(manifest).unwrap();
    let text = |field: &str| object[field].as_str().unwrap().to_owned();
    (text("apiVersion"), text("kind"))
}

/// Returns the API server's description of one version of an API.
async fn described(client: &Client, version: &str) -> Value {
    let root = if version.contains('/') { "apis" } else { "api" };
    let request = http::Request::get(format!("/openapi/v3/{root}/{version}")).body(Vec::new()).unwrap();
    client.request(request).await.unwrap()
}

/// Refuses fields that a schema does not know: OpenAPI, as Kubernetes writes it, leaves that to the
/// server.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let open = members.contains_key("additionalProperties")
                || members.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if members.get("properties").is_some_and(Value::is_object) && !open {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The name under which a description has a kind.
fn schema_of<'a>(description: &'a Value, version: &str, kind: &str) -> Option<&'a String> {
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    let wanted = json!([{ "group": group, "version": number, "kind": kind }]);
    let schemas = description["components"]["schemas"].as_object()?;
    let found = schemas.iter().find(|(_, it)| it["x-kubernetes-group-version-kind"] == wanted);
    found.map(|(name, _)| name)
}

/// Installs our CRDs, and waits until the API server describes their kinds.
async fn define(client: &Client) {
    install_crds(client).await;
    for definition in credwright::api::crds::all() {
        let version = format!("{}/v1alpha1", definition.spec.group);
        let kind = &definition.spec.names.kind;
        eventually(&format!("{kind} is described"), async || {
            let request = http::Request::get(format!("/openapi/v3/apis/{version}")).body(Vec::new()).unwrap();
            let description: kube::Result<Value> = client.request(request).await;
            description.is_ok_and(|it| schema_of(&it, &version, kind).is_some())
        })
        .await;
    }
}

/// The manifests that the repository gives people to begin with.
fn examples() -> Vec<PathBuf> {
    let folders = ["examples", "examples/quickstart"];
    let folders = folders.map(|it| fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(it)).unwrap());
    let files = folders.into_iter().flatten().map(|it| it.unwrap().path());
    files.filter(|it| it.extension().is_some_and(|it| it == "yaml")).collect()
}

/// Writes a schema for each kind, by the name that kubeconform looks for.
async fn write_schemas(client: &Client, kinds: &BTreeSet<Kind>, folder: &Path) {
    let mut descriptions: BTreeMap<&str, Value> = BTreeMap::new();
    for (version, kind) in kinds.iter().filter(|(_, kind)| !UNKNOWN.contains(&kind.as_str())) {
        if !descriptions.contains_key(version.as_str()) {
            let mut description = described(client, version).await;
            close(&mut description["components"]["schemas"]);
            descriptions.insert(version, description);
        }
        let description = &descriptions[version.as_str()];
        let (group, number) = version.split_once('/').unwrap_or(("", version));
        let name = schema_of(description, version, kind).unwrap();
        let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": description["components"] });
        // kubeconform takes the version for the group where there is none.
        let group = if group.is_empty() { number } else { group };
        let file = folder.join(format!("{}-{group}-{number}.json", kind.to_lowercase()));
        fs::write(file, schema.to_string()).unwrap();
    }
}

/// Runs kubeconform on a file.
fn judge(folder: &Path, file: &Path) -> std::process::Output {
    let location = folder.join("{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json");
    let mut command = program("kubeconform");
    let unknown = UNKNOWN.join(",");
    command.args(["-strict", "-summary", "-skip", &unknown, "-schema-location"]).arg(location).arg(file);
    command.output().unwrap()
}

#[tokio::test]
async fn rendered_manifests_match_the_schemas_of_the_api_server() {
    let mut rendered = BTreeMap::from([("install".to_owned(), read("dist/install.yaml"))]);
    for set in SETS {
        let values = values_of(set);
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        rendered.insert(set.to_owned(), template(&values));
    }
    let kinds: BTreeSet<Kind> =
        rendered.values().flat_map(|it| manifests(it)).filter(|it| it.contains("kind:")).map(kind).collect();
    let client = controlplane::shared().await.unwrap().client().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_schemas(&client, &kinds, folder.path()).await;
    for (name, text) in &rendered {
        let file = folder.path().join(format!("{name}.yaml"));
        fs::write(&file, text).unwrap();
        println!("{name}: {}", printed(judge(folder.path(), &file)));
    }
    // It does find what is wrong.
    for (right, wrong) in
        [("readOnlyRootFilesystem", "readOnlyRootFileSystem"), ("replicas: 2", "replicas: two")]
    {
        let file = folder.path().join("wrong.yaml");
        let text = rendered["default"].replace(right, wrong);
        assert_ne!(text, rendered["default"]);
        fs::write(&file, text).unwrap();
        let said = String::from_utf8(judge(folder.path(), &file).stdout).unwrap();
        assert!(said.contains("Deployment") && said.contains("is invalid"), "{said}");
    }
}

#[tokio::test]
async fn every_example_matches_the_schemas_of_the_api_server() {
    let client = controlplane::shared().await.unwrap().client().await.unwrap();
    define(&client).await;
    let examples: Vec<(PathBuf, String)> =
        examples().into_iter().map(|it| (it.clone(), fs::read_to_string(it).unwrap())).collect();
    assert!(examples.len() > 8);
    let kinds: BTreeSet<Kind> = examples.iter().flat_map(|(_, text)| manifests(text)).map(kind).collect();
    let folder = tempfile::tempdir().unwrap();
    write_schemas(&client, &kinds, folder.path()).await;
    for (file, _) in &examples {
        println!("{}: {}", file.display(), printed(judge(folder.path(), file)));
    }
    // It does find what is wrong.
    let (_, orders) = examples.iter().find(|(file, _)| file.ends_with("quickstart/orders.yaml")).unwrap();
    for (right, wrong) in [("secretRef", "secretref"), ("scopes: [read]", "scopes: read")] {
        let file = folder.path().join("wrong.yaml");
        let text = orders.replace(right, wrong);
        assert_ne!(&text, orders);
        fs::write(&file, text).unwrap();
        let said = String::from_utf8(judge(folder.path(), &file).stdout).unwrap();
        assert!(said.contains("is invalid"), "{wrong}: {said}");
    }
}

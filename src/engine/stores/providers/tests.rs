use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::*;
use crate::api::{ClusterCredentialProviderSpec, CredentialProviderSpec};

/// Texts of which one fits each field.
const TEXTS: [&str; 8] =
    ["other", "https://other.example.com", "90s", "10.7.0.0/16", "37.3", "/other", "true", "a"];

/// Values that a field may have.
fn samples(schema: &Value) -> Vec<Value> {
    if let Some(words) = schema["enum"].as_array() {
        return words.clone();
    }
    let type_ = schema["type"].as_str().unwrap_or("string");
    match type_ {
        "boolean" => vec![json!(true), json!(false)],
        "integer" | "number" => [7, 403, 1].into_iter().map(|it| json!(it)).collect(),
        "array" => samples(&schema["items"]).into_iter().map(|it| json!([it])).collect(),
        "object" if schema["additionalProperties"].is_object() => {
            samples(&schema["additionalProperties"]).into_iter().map(|it| json!({ "key": it })).collect()
        }
        "object" if schema["properties"].is_object() => vec![minimal(schema)],
        "object" => vec![json!({ "key": "value" })],
        _ => TEXTS.into_iter().map(|it| json!(it)).collect(),
    }
}

/// An object with no more than it has to have.
fn minimal(schema: &Value) -> Value {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let of = |name: &str| samples(&schema["properties"][name]).into_iter().nth(1);
    let members = required.map(|name| {
        let value = of(name).or_else(|| samples(&schema["properties"][name]).into_iter().next());
        (name.to_owned(), value.unwrap_or_default())
    });
    Value::Object(members.collect::<Map<_, _>>())
}

/// The paths of all fields, without those that only hold others.
fn fields(schema: &Value, above: &[String]) -> Vec<Vec<String>> {
    let members = schema["properties"].as_object().into_iter().flatten();
    members
        .flat_map(|(name, schema)| {
            let path: Vec<String> = above.iter().cloned().chain([name.clone()]).collect();
            let below = fields(schema, &path);
            if below.is_empty() { vec![path] } else { below }
        })
        .collect()
}

/// `spec` with all that the field at `path` needs round it, and the field itself if there is a
/// value.
fn with(schema: &Value, path: &[String], value: Option<&Value>) -> Value {
    let mut spec = minimal(schema);
    let (mut at, mut of) = (&mut spec, schema);
    for (depth, name) in path.iter().enumerate() {
        of = &of["properties"][name];
        let members = at.as_object_mut().expect("only objects have members");
        if depth + 1 == path.len() {
            if let Some(value) = value {
                members.insert(name.clone(), value.clone());
            }
            break;
        }
        at = members.entry(name.clone()).or_insert_with(|| minimal(of));
    }
    spec
}

fn every_field_counts<S: DeserializeOwned + Serialize>(definition: &CustomResourceDefinition) {
    let definition = serde_json::to_value(definition).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let all = fields(schema, &[]);
    assert!(all.len() > 30, "the schema lists {} fields", all.len());
    let read = |spec: Value| serde_json::from_value::<S>(spec).ok().map(|spec| setup(&spec, "login"));
    for path in all {
        let leaf = path.iter().fold(schema, |schema, name| &schema["properties"][name]);
        let setups: std::collections::BTreeSet<String> =
            samples(leaf).iter().filter_map(|value| read(with(schema, &path, Some(value)))).collect();
        let without = read(with(schema, &path, None));
        let differs = setups.len() + usize::from(without.is_some_and(|it| !setups.contains(&it))) > 1;
        assert!(differs, "a failure would outlive a correction of spec.{}", path.join("."));
    }
}

/// Failures hang on the setup. A field that it leaves out would leave objects waiting after that
/// field was corrected.
#[test]
fn every_field_of_a_provider_is_part_of_its_setup() {
    every_field_counts::<CredentialProviderSpec>(&CredentialProvider::crd());
    every_field_counts::<ClusterCredentialProviderSpec>(&ClusterCredentialProvider::crd());
}

#[test]
fn the_content_of_a_login_is_part_of_the_setup_of_its_provider() {
    let spec = CredentialProviderSpec::default();
    assert_ne!(setup(&spec, "before"), setup(&spec, "after"));
    assert_eq!(setup(&spec, "before"), setup(&spec, "before"));
}

/// The CRD rejects such a namespace, but an object may be older than its CRD.
#[test]
fn a_provider_in_a_namespace_refers_to_nothing_outside_of_it() {
    let spec = json!({
        "login": { "secretRef": { "name": "admin", "namespace": "theirs" } },
        "tls": {
            "caBundleRef": { "name": "company-ca", "namespace": "theirs" },
            "clientCertificateRef": { "name": "client", "namespace": "theirs" },
        },
    });
    let object = json!({ "metadata": { "name": "acme", "namespace": "ours" }, "spec": spec });
    let places = |object: ProviderObject| -> Vec<Key> {
        object.sources(&object.key()).into_iter().map(|it| it.at).collect()
    };
    let own = ProviderObject::Namespaced(serde_json::from_value(object.clone()).map(Arc::new).unwrap());
    let all = |namespace: &str| ["admin", "company-ca", "client"].map(|name| Key::new(namespace, name));
    assert_eq!(places(own), all("ours"));
    let shared = ProviderObject::Cluster(serde_json::from_value(object).map(Arc::new).unwrap());
    assert_eq!(places(shared), all("theirs"));
}

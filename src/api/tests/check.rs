//! Objects from a line of YAML, and the rules of the CRDs applied to them.

use kube::core::cel::Validator;
use serde_json::{Value, json};

use crate::api::crds;

pub(super) fn credential(name: &str, spec: &str) -> Value {
    let mut credential = object(name, spec);
    let provider = json!({ "kind": "CredentialProvider", "name": "p" });
    credential["spec"].as_object_mut().unwrap().entry("providerRef").or_insert(provider);
    credential
}

pub(super) fn object(name: &str, spec: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": parsed(spec) })
}

pub(super) fn parsed(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

/// Returns what the rules of this kind say about an object.
pub(super) fn complaints(kind: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    let definition = crds::all().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let schema =
        definition.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let schema = serde_json::to_value(schema.unwrap()).unwrap();
    let errors = Validator::new().validate(&schema, object, old).err();
    errors.into_iter().flatten().map(|error| error.message).collect()
}

pub(super) fn check(what: &str, complaints: &[String], expected: &str) {
    if expected.is_empty() {
        assert!(complaints.is_empty(), "{what}\nshould be let in, but: {complaints:#?}");
    } else {
        assert!(
            complaints.iter().any(|complaint| complaint.starts_with(expected))
                && !complaints.iter().any(|c| c.contains("evaluat")),
            "{what}\nshould be refused because {expected}; instead: {complaints:#?}"
        );
    }
}

//! Mistakes in a CRD that no rule of its fields shows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::crds;

/// Names of secrets.
const SECRETS: [&str; 8] = ["secret", "password", "token", "key", "private", "credential", "handle", "login"];

/// Fields that sound like a secret but contain something else: the place of a secret, its name
/// there, or a number.
const HARMLESS: [&str; 18] = [
    "AbandonedCredential.spec.credential",
    "ApiCredential.spec.intake.secretName",
    "ApiCredential.spec.secret",
    "ApiCredential.spec.secret.keys",
    "ApiCredential.status.credentials",
    "ApiCredential.status.credentials.parameters",
    "ApiCredential.status.lastRotation.requestHandled",
    "ClusterCredentialProvider.spec.allow.namespaces.selector.matchExpressions.key",
    "CredentialProvider.spec.expereo.answer.clientSecret",
    "CredentialProvider.spec.expereo.tokenUrl",
    "CredentialProvider.spec.login",
    "CredentialProvider.spec.login.secretRef",
    "CredentialProvider.spec.oauthRegistration.tokenEndpoint",
    "CredentialProvider.spec.oauthRegistration.tokenEndpointAuthMethod",
    "CredentialProvider.spec.oauthRegistration.tokenParameters",
    "CredentialProvider.spec.tls.caBundleRef.key",
    "CredentialProvider.status.capabilities",
    "CredentialProvider.status.credentials",
];

/// Parts of a status that are no fields of ours: their names come from users.
fn is_free(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true || schema["additionalProperties"].is_object()
}

/// Returns all fields below `path`.
fn fields<'a>(schema: &'a Value, path: &str, found: &mut Vec<(String, &'a Value)>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push((path.clone(), field));
        fields(field, &path, found);
        fields(&field["items"], &path, found);
    }
}

#[test]
fn f38_no_field_of_a_crd_holds_a_secret() {
    let mut suspects = BTreeSet::new();
    for definition in crds::all() {
        let definition = serde_json::to_value(&definition).unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let mut found = Vec::new();
        fields(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], kind, &mut found);
        assert!(found.len() > 15, "{found:?}");
        for (path, field) in found {
            let name = path.rsplit('.').next().unwrap().to_lowercase();
            let sounds = SECRETS.iter().any(|it| name.contains(it));
            if sounds || path.contains(".status.") && is_free(field) {
                suspects.insert(path);
            }
        }
    }
    // Both kinds of provider have the same fields, and one of them a few more.
    let shared = |path: &String| {
        path.strip_prefix("Cluster").is_some_and(|it| suspects.contains(it) && it.starts_with("Credential"))
    };
    let suspects: Vec<&String> = suspects.iter().filter(|it| !shared(it)).collect();
    assert_eq!(suspects, HARMLESS.iter().collect::<Vec<_>>());
}

#[test]
fn f28_each_crd_has_one_stored_version_and_no_conversion() {
    for definition in crds::all() {
        let name = definition.metadata.name.unwrap();
        assert!(definition.spec.conversion.is_none(), "{name} is converted");
        let [version] = &definition.spec.versions[..] else { panic!("{name} has several versions") };
        assert!(version.served && version.storage, "{name} {}", version.name);
        assert_eq!(
            version.name, "v1alpha1",
            "{name}: what is stored under the old version has to be served on"
        );
    }
}

#[test]
fn a_new_field_raises_the_version_of_the_crds() {
    let mut found = Vec::new();
    let definitions = serde_json::to_value(crds::all()).unwrap();
    for definition in definitions.as_array().unwrap() {
        fields(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut found);
    }
    let expected = (2, 268);
    let now = (crds::SCHEMA_VERSION, found.len());
    assert_eq!(now, expected, "the first new field after a release raises the version");
}

#[test]
fn every_field_explains_itself() {
    let mut silent = Vec::new();
    for definition in crds::all() {
        let kind = definition.spec.names.kind.clone();
        let schema = definition.spec.versions[0].schema.clone().and_then(|schema| schema.open_api_v3_schema);
        silent_in(&kind, &serde_json::to_value(schema.unwrap()).unwrap(), &mut silent);
    }
    assert_eq!(silent, [""; 0], "kubectl explain has nothing to say of these");
}

/// Returns the fields below `path` without a description.
fn silent_in(path: &str, schema: &Value, silent: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_standard = ["apiVersion", "kind", "metadata"].contains(&name.as_str());
        if !is_standard && field["description"].as_str().is_none_or(|text| text.len() < 10) {
            silent.push(path.clone());
        }
        silent_in(&path, field, silent);
        silent_in(&path, &field["items"], silent);
    }
}

//! Fields that name other objects. A tenant may try to reach another tenant with each of them.

use serde_json::Value;

use crate::api::crds;

/// All of them.
const KNOWN_NAMES: [&str; 22] = [
    "ApiCredential.intake.secretName",
    "ApiCredential.name",
    "ApiCredential.providerRef.name",
    "ApiCredential.secret.name",
    "ClusterCredentialProvider.allow.namespaces.names",
    // A namespace of OpenBao, and none of the cluster.
    "ClusterCredentialProvider.appRole.namespace",
    "ClusterCredentialProvider.expereo.answer.clientSecret",
    "ClusterCredentialProvider.expereo.answer.name",
    "ClusterCredentialProvider.login.secretRef.name",
    "ClusterCredentialProvider.login.secretRef.namespace",
    "ClusterCredentialProvider.tls.caBundleRef.name",
    "ClusterCredentialProvider.tls.caBundleRef.namespace",
    "ClusterCredentialProvider.tls.clientCertificateRef.name",
    "ClusterCredentialProvider.tls.clientCertificateRef.namespace",
    "CredentialProvider.appRole.namespace",
    "CredentialProvider.expereo.answer.clientSecret",
    "CredentialProvider.expereo.answer.name",
    "CredentialProvider.login.secretRef.name",
    "CredentialProvider.tls.caBundleRef.name",
    "CredentialProvider.tls.caBundleRef.namespace",
    "CredentialProvider.tls.clientCertificateRef.name",
    "CredentialProvider.tls.clientCertificateRef.namespace",
];

/// The fields that may name another object, by their paths. A tenant's value there must not reach
/// the objects of another tenant.
fn naming(schema: &Value, path: &str, found: &mut Vec<String>) {
    let last = path.rsplit('.').next().unwrap_or_default().to_lowercase();
    let names =
        ["name", "names", "namespace", "namespaces", "ref", "secret"].iter().any(|it| last.ends_with(it));
    let of_texts = |it: &Value| it["type"] == "string" || it["items"]["type"] == "string";
    if names && of_texts(schema) {
        found.push(path.to_owned());
    }
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        naming(inner, &format!("{path}.{field}"), found);
    }
    if schema["items"].is_object() {
        naming(&schema["items"], path, found);
    }
}

/// A new field that names something belongs here, and into the attempts of a second tenant in
/// tests/cluster/tenancy.rs.
#[test]
fn f37_every_field_that_can_name_another_object_is_known() {
    let mut found = Vec::new();
    for definition in crds::all() {
        let definition = serde_json::to_value(&definition).unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        // AbandonedCredentials are written by Credwright, in its own namespace.
        if kind != "AbandonedCredential" {
            naming(spec, &kind, &mut found);
        }
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, KNOWN_NAMES);
}

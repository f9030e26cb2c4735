//! The custom resources on a real API server: what it lets in, what it refuses and why, and what
//! kubectl shows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rows;
#[path = "../../src/api/tests/rules.rs"]
mod rules;
mod verbs;

use anyhow::{Result, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};

use self::verbs::{judged, kind, parsed};

const SPREETAIL: &str = "spreetail: {}";

#[tokio::test]
async fn the_documented_credential_is_accepted() -> Result<()> {
    let spec = "
        providerRef: {kind: ClusterCredentialProvider, name: spreetail}
        name: orders-prod
        scopes: [BasicRead]
        lifetime: 720h
        subnets: [203.0.113.0/24, '2001:db8::/48']
        rotation: {renewBefore: 240h, overlap: 24h, request: '2026-11-22'}
        deletionPolicy: Retain
        secret:
          name: orders-api
          type: example.com/api
          keys: {client_id: CLIENT_ID, scope: ''}
          template: {.env: 'CLIENT_ID={{ client_id }}'}
          labels: {app: orders}
          annotations: {example.com/team: shop}";
    kind("ApiCredential").await?.created(parsed(spec)).await.map(drop)
}

#[tokio::test]
async fn omitted_fields_of_a_credential_get_defaults() -> Result<()> {
    let credential = kind("ApiCredential").await?.created(parsed("providerRef: {name: p}")).await?;
    ensure!(credential.data["spec"]["providerRef"]["kind"] == "CredentialProvider", "{credential:?}");
    ensure!(credential.data["spec"]["deletionPolicy"] == "Revoke", "{credential:?}");
    Ok(())
}

#[tokio::test]
async fn an_empty_value_counts_as_one_left_out() -> Result<()> {
    let empty = "lifetime: null\nrotation: {renewBefore: null, overlap: 24h}\nsecret: {type: null}";
    let spec = parsed(&format!("providerRef: {{name: p}}\n{empty}"));
    kind("ApiCredential").await?.created(spec).await.map(drop)
}

#[tokio::test]
async fn omitted_settings_of_a_driver_get_defaults() -> Result<()> {
    let providers = kind("CredentialProvider").await?;
    let filled = async |spec: &str, driver: &str| -> Result<Value> {
        Ok(providers.created(parsed(spec)).await?.data["spec"][driver].clone())
    };
    let expereo = filled("expereo: {}", "expereo").await?;
    ensure!(expereo["baseUrl"] == "https://api.expereo.one", "{expereo}");
    ensure!(expereo["answer"]["clientSecret"] == "clientSecret", "{expereo}");
    ensure!((&expereo["list"], &expereo["delete"]) == (&json!("Enabled"), &json!("Disabled")), "{expereo}");
    let connexa = filled("cloudConnexa: {cloudId: acme}", "cloudConnexa").await?;
    ensure!(connexa["apiDisabledStatus"] == 403, "{connexa}");
    let vonage = filled("vonageContactCenter: {region: apac}", "vonageContactCenter").await?;
    ensure!(vonage["hosts"] == "Vonage", "{vonage}");
    Ok(())
}

/// Free-form members are kept as they are, whatever their types.
#[tokio::test]
async fn free_form_members_of_a_provider_are_accepted() -> Result<()> {
    let providers = kind("CredentialProvider").await?;
    for spec in [
        "expereo: {scopeSpelling: {FaxRead: customerapi/fax.read}}",
        "oauthRegistration: {issuer: 'https://id.example.com', metadata: {response_types: [], a: null}}",
    ] {
        providers.created(parsed(spec)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_only_the_api_server_checks_is_rejected() -> Result<()> {
    let allow = "spreetail: {}\nallow: {namespaces: {names: [a, a]}, scopes: [b, b], subnets: [10.0.0.0/8, 10.0.0.0/8]}";
    let selector = |expression: &str| {
        format!("spreetail: {{}}\nallow: {{namespaces: {{selector: {{matchExpressions: [{expression}]}}}}}}")
    };
    let (like, blank, keyless) = (
        selector("{key: a, operator: Like, values: [b]}"),
        selector("{key: 'a b', operator: Exists}"),
        selector("{operator: Exists}"),
    );
    let (credential, provider, shared) = ("ApiCredential", "CredentialProvider", "ClusterCredentialProvider");
    let rows = [
        (credential, "scopes: [read]", "spec.providerRef: Required value"),
        (credential, "providerRef: {kind: Issuer, name: p}", "spec.providerRef.kind: Unsupported value"),
        (
            credential,
            "providerRef: {name: p}\nscopes: [read, write, read]",
            "spec.scopes[2]: Duplicate value",
        ),
        (
            credential,
            "providerRef: {name: p}\nsubnets: [10.0.0.0/8, 10.0.0.0/8]",
            "spec.subnets[1]: Duplicate value",
        ),
        // kube's evaluator accepts leading zeros.
        (credential, "providerRef: {name: p}\nsubnets: [010.0.0.0/8]", "subnets must be CIDRs"),
        (credential, "providerRef: {name: p}\nsubnets: [10.0.0.0/08]", "subnets must be CIDRs"),
        (shared, allow, "spec.allow.namespaces.names[1]: Duplicate value"),
        (shared, allow, "spec.allow.scopes[1]: Duplicate value"),
        (shared, allow, "spec.allow.subnets[1]: Duplicate value"),
        (shared, &like, "operator: Unsupported value"),
        (shared, &blank, "key: Invalid value"),
        (shared, &keyless, "key: Required value"),
        (provider, "expereo: {list: Perhaps}", "supported values: \"Enabled\", \"Disabled\""),
        (
            provider,
            "cloudConnexa: {cloudId: a, apiDisabledStatus: 200}",
            "should be greater than or equal to 400",
        ),
        (provider, "vonageContactCenter: {region: mars}", "supported values: \"emea\", \"nam\", \"apac\""),
    ];
    for (name, spec, message) in rows {
        judged(&kind(name).await?.tried("tried", parsed(spec)).await, spec, message)?;
    }
    Ok(())
}

#[tokio::test]
async fn no_object_is_ready_before_its_first_reconcile() -> Result<()> {
    for (name, spec) in [("ApiCredential", "providerRef: {name: p}"), ("CredentialProvider", SPREETAIL)] {
        let kind = kind(name).await?;
        let created = kind.created(parsed(spec)).await?;
        let stored = kind.api.get(&created.name_any()).await?;
        for object in [created, stored] {
            ensure!(object.data["status"]["observedGeneration"] == -1, "{object:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_get_credwright_shows_every_kind() -> Result<()> {
    let (credentials, providers) = (kind("ApiCredential").await?, kind("CredentialProvider").await?);
    let credential = credentials.created(parsed("providerRef: {name: p}")).await?;
    let arguments = ["get", "credwright", "-o", "name"];
    let expected = format!("apicredential.credwright.dev/{}", credential.name_any());
    credentials.kubectl(&arguments, |shown| shown.contains(&expected)).await?;
    let provider = providers.created(parsed(SPREETAIL)).await?;
    let expected = format!("credentialprovider.credwright.dev/{}", provider.name_any());
    providers.kubectl(&arguments, |shown| shown.contains(&expected)).await.map(drop)
}

#[tokio::test]
async fn kubectl_explain_tells_what_a_field_is_for() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    let cases = [
        ("apicred", "A credential at a provider, published in a Secret, rotated before it expires"),
        (
            "apicred.spec",
            "The desired credential: its provider, its properties, its rotation, and the Secret with it.",
        ),
        ("apicred.spec.rotation", "Any text. Each new value rotates the credential once."),
        ("apicred.spec.rotation", "The time before the end of its life at which a credential is replaced."),
        ("apicred.status", "The time at which the published credential expires"),
        ("credprov.spec", "The account at the provider, and the settings with which Credwright uses it."),
        ("clustercredprov.spec.allow", "The namespaces that may refer to this provider."),
    ];
    for (field, sentence) in cases {
        let shown = credentials.kubectl(&["explain", field], |shown| shown.contains("DESCRIPTION")).await?;
        ensure!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(sentence), "{shown}");
    }
    Ok(())
}

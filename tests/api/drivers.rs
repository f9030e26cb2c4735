//! The driver blocks on a real API server: what each takes, what it refuses, and what it can never
//! become.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::verbs::{cluster_provider_rejects, kind, provider_accepts, provider_rejects};

const ONE_OF: &str = "set exactly one driver: expereo, spreetail, cloudDirector, cloudConnexa, vonageContactCenter or oauthRegistration";

#[tokio::test]
async fn a_provider_has_exactly_one_driver() -> Result<()> {
    for spec in [
        "expereo: {}",
        "expereo: {delete: Enabled, scopeSpelling: {FaxRead: customerapi/fax.read}, answer: {items: /data/rows}}",
        "spreetail: {}",
        "cloudDirector: {baseUrl: 'https://vcd.example.com', org: acme, apiVersion: '37.0'}",
        "cloudConnexa: {cloudId: acme}",
        "vonageContactCenter: {region: emea, hosts: NewVoiceMedia}",
        "oauthRegistration: {issuer: 'https://id.example.com', metadata: {response_types: [], a: null}}",
    ] {
        provider_accepts(spec).await?;
    }
    for spec in ["tls: {}", "spreetail: {}\noauthRegistration: {issuer: 'https://a.example'}"] {
        provider_rejects(spec, ONE_OF).await?;
        cluster_provider_rejects(spec, ONE_OF).await?;
    }
    Ok(())
}

#[tokio::test]
async fn invalid_settings_of_a_driver_are_rejected() -> Result<()> {
    let director = |rest: &str| format!("cloudDirector: {{baseUrl: 'https://vcd.example.com', {rest}}}");
    let cases = [
        ("expereo: {tokenUrl: /oauth2/token}".to_owned(), "tokenUrl must be an absolute http(s) URL"),
        ("expereo: {clientsPath: v2}".to_owned(), "clientsPath must be an absolute path without a query"),
        ("expereo: {list: Perhaps}".to_owned(), "supported values: \"Enabled\", \"Disabled\""),
        (
            director("org: a/b"),
            "org must be the organization's name as in the portal's URL: letters, digits, spaces, dots, underscores and dashes",
        ),
        (
            director("org: a, apiVersion: v37"),
            "apiVersion must be two numbers with a dot between them, such as 37.0",
        ),
        (
            director("org: a, orgId: 'urn:vcloud:org:1'"),
            "orgId must be a UUID without the prefix urn:vcloud:org:",
        ),
        ("cloudConnexa: {}".to_owned(), "set exactly one of cloudId and baseUrl"),
        ("cloudConnexa: {cloudId: a.b}".to_owned(), "cloudId must consist of letters"),
        (
            "cloudConnexa: {cloudId: a, apiDisabledStatus: 200}".to_owned(),
            "should be greater than or equal to 400",
        ),
        ("vonageContactCenter: {}".to_owned(), "set exactly one of region and baseUrl"),
        (
            "oauthRegistration: {issuer: 'https://id.example.com', propagation: 2h}".to_owned(),
            "propagation must be between 1s and 1h",
        ),
        ("vonageContactCenter: {region: mars}".to_owned(), "supported values: \"emea\", \"nam\", \"apac\""),
    ];
    for (spec, message) in &cases {
        provider_rejects(spec, message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_driver_stays_at_its_account() -> Result<()> {
    let providers = kind("CredentialProvider").await?;
    let cases = [
        (
            "expereo: {}",
            json!({ "expereo": { "baseUrl": "https://b.example" } }),
            "baseUrl identifies the account and cannot be changed",
        ),
        (
            "cloudDirector: {baseUrl: 'https://vcd.example.com', org: a}",
            json!({ "cloudDirector": { "org": "b" } }),
            "org identifies the account and cannot be changed",
        ),
        (
            "cloudConnexa: {cloudId: a}",
            json!({ "cloudConnexa": { "cloudId": "b" } }),
            "cloudId and baseUrl identify the account and cannot be changed",
        ),
        (
            "vonageContactCenter: {region: emea}",
            json!({ "vonageContactCenter": { "region": "nam" } }),
            "region and baseUrl identify the account and cannot be changed",
        ),
    ];
    for (spec, change, message) in cases {
        providers.refuses_change(&providers.accepts(spec).await?, change, message).await?;
    }
    let expereo = providers.accepts("expereo: {}").await?;
    providers.lets_change(&expereo, json!({ "expereo": { "delete": "Enabled" } })).await
}

#[tokio::test]
async fn omitted_settings_of_a_driver_get_defaults() -> Result<()> {
    let providers = kind("CredentialProvider").await?;
    let filled = async |spec: &str, driver: &str| -> Result<Value> {
        Ok(providers.accepts(spec).await?.data["spec"][driver].clone())
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

#[tokio::test]
async fn a_login_is_no_ledger() -> Result<()> {
    let login = |more: &str| format!("spreetail: {{}}\nlogin: {{secretRef: {{name: a.credwright{more}}}}}");
    let message = "secretRef.name must not end in .credwright or .credwright-copy";
    provider_rejects(&login(""), message).await?;
    cluster_provider_rejects(&login(", namespace: shop"), message).await
}

#[tokio::test]
async fn an_intake_is_another_secret_than_the_one_that_is_written() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    credentials.accepts("{providerRef: {name: p}, intake: {secretName: orders-intake}}").await?;
    let same = "{providerRef: {name: p}, intake: {secretName: api}, secret: {name: api}}";
    credentials.rejects(same, "intake.secretName and secret.name must be two Secrets").await?;
    let ledger = "{providerRef: {name: p}, intake: {secretName: orders.credwright}}";
    credentials.rejects(ledger, "intake.secretName must not end in .credwright or .credwright-copy").await?;
    let by_default =
        credentials.named("orders", "{providerRef: {name: p}, intake: {secretName: orders}}").await;
    crate::verbs::refused(&by_default, "orders", "intake.secretName and secret.name must be two Secrets")
}

#[tokio::test]
async fn references_are_names_and_not_paths() -> Result<()> {
    let login = |place: &str| format!("spreetail: {{}}\nlogin: {{secretRef: {{{place}}}}}");
    provider_rejects(&login("name: other/login"), "secretRef.name must be a DNS subdomain").await?;
    cluster_provider_rejects(&login("name: .., namespace: shop"), "secretRef.name must be a DNS subdomain")
        .await?;
    cluster_provider_rejects(
        &login("name: a, namespace: shop/secrets"),
        "secretRef.namespace must be a DNS subdomain",
    )
    .await?;
    let credentials = kind("ApiCredential").await?;
    credentials
        .rejects("{providerRef: {name: p/status}}", "providerRef.name must be a DNS subdomain")
        .await?;
    let intake = "{providerRef: {name: p}, intake: {secretName: ../secrets/a}}";
    credentials.rejects(intake, "intake.secretName must be a DNS subdomain").await
}

#[tokio::test]
async fn keys_and_templates_have_a_maximum_length() -> Result<()> {
    let long = "k".repeat(400);
    let credentials = kind("ApiCredential").await?;
    for (map, message) in [
        ("keys", "each key of keys must have at most 253 characters"),
        ("template", "each key of template must have at most 253 characters"),
        ("labels", "each key of labels must have at most 317 characters"),
        ("annotations", "each key of annotations must have at most 317 characters"),
    ] {
        let spec = format!("{{providerRef: {{name: p}}, secret: {{{map}: {{{long}: value}}}}}}");
        credentials.rejects(&spec, message).await?;
    }
    let template = "t".repeat(16_000);
    let five: Vec<String> = (0..5).map(|number| format!("file-{number}: {template}")).collect();
    let spec = format!("{{providerRef: {{name: p}}, secret: {{template: {{{}}}}}}}", five.join(", "));
    credentials.rejects(&spec, "all templates together must have at most 65536 characters").await?;
    let oauth = format!(
        "oauthRegistration: {{issuer: 'https://login.example.com', tokenParameters: {{{long}: value}}}}"
    );
    provider_rejects(&oauth, "each key of tokenParameters must have at most 128 characters").await?;
    let expereo = format!("expereo: {{scopeSpelling: {{{long}: value}}}}");
    provider_rejects(&expereo, "each key of scopeSpelling must have at most 256 characters").await
}

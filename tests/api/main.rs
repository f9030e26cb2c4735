//! The custom resources on a real API server: what it lets in, what it refuses and why, and what
//! kubectl shows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod drivers;
mod verbs;

use anyhow::{Result, ensure};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use self::verbs::{
    cluster_provider_rejects, credential_accepts, credential_rejects, kind, provider_accepts,
    provider_rejects, refused,
};

const SPREETAIL: &str = "spreetail: {}";

// Credentials.

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
    kind("ApiCredential").await?.accepts(spec).await.map(drop)
}

#[tokio::test]
async fn omitted_fields_of_a_credential_get_defaults() -> Result<()> {
    let credential = kind("ApiCredential").await?.accepts("providerRef: {name: p}").await?;
    ensure!(credential.data["spec"]["providerRef"]["kind"] == "CredentialProvider", "{credential:?}");
    ensure!(credential.data["spec"]["deletionPolicy"] == "Revoke", "{credential:?}");
    Ok(())
}

#[tokio::test]
async fn an_empty_value_counts_as_one_left_out() -> Result<()> {
    credential_accepts("lifetime: null\nrotation: {renewBefore: null, overlap: 24h}\nsecret: {type: null}")
        .await
}

#[tokio::test]
async fn no_object_is_ready_before_its_first_reconcile() -> Result<()> {
    for (name, spec) in [("ApiCredential", "providerRef: {name: p}"), ("CredentialProvider", SPREETAIL)] {
        let kind = kind(name).await?;
        let created = kind.accepts(spec).await?;
        let stored = kind.api.get(&created.name_any()).await?;
        for object in [created, stored] {
            ensure!(object.data["status"]["observedGeneration"] == -1, "{object:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn scopes_and_subnets_are_sets() -> Result<()> {
    credential_rejects("scopes: [read, write, read]", "spec.scopes[2]: Duplicate value").await?;
    credential_rejects("scopes: [' read']", "each scope must consist of printable ASCII characters").await?;
    credential_rejects("subnets: [10.0.0.0/8, 10.0.0.0/8]", "spec.subnets[1]: Duplicate value").await?;
    let allow = format!(
        "{SPREETAIL}\nallow: {{namespaces: {{names: [a, a]}}, scopes: [b, b], subnets: [10.0.0.0/8, 10.0.0.0/8]}}"
    );
    for field in ["namespaces.names[1]", "scopes[1]", "subnets[1]"] {
        cluster_provider_rejects(&allow, &format!("spec.allow.{field}: Duplicate value")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_credential_names_its_provider() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    credentials.rejects("scopes: [read]", "spec.providerRef: Required value").await?;
    credentials
        .rejects("providerRef: {kind: Issuer, name: p}", "spec.providerRef.kind: Unsupported value")
        .await
}

#[tokio::test]
async fn the_name_at_the_provider_is_a_name() -> Result<()> {
    credential_accepts("name: Orders of Shop 2.0_b").await?;
    credential_rejects("name: orders/prod", "name must consist of letters, digits, spaces, dots").await
}

#[tokio::test]
async fn durations_are_in_hours_minutes_and_seconds() -> Result<()> {
    for field in
        ["lifetime: 30d", "rotation: {renewBefore: 1w}", "rotation: {overlap: -1h}", "lifetime: 999999999h"]
    {
        credential_rejects(field, "in hours, minutes and seconds, such as 720h, 1h30m or 45s").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_lifetime_is_between_ten_seconds_and_ten_years() -> Result<()> {
    credential_accepts("lifetime: 10s").await?;
    credential_accepts("lifetime: 87600h").await?;
    credential_rejects("lifetime: 9999ms", "lifetime must be between 10s and 87600h").await?;
    credential_rejects("lifetime: 87601h", "lifetime must be between 10s and 87600h").await
}

#[tokio::test]
async fn renewal_and_overlap_fit_into_the_lifetime() -> Result<()> {
    credential_accepts("lifetime: 720h\nrotation: {renewBefore: 240h, overlap: 480h}").await?;
    let cases = [
        ("{renewBefore: 720h}", "rotation.renewBefore must be shorter than lifetime"),
        ("{overlap: 721h}", "rotation.overlap must not be longer than lifetime"),
        (
            "{renewBefore: 240h, overlap: 481h}",
            "rotation.overlap must be at most lifetime minus rotation.renewBefore",
        ),
        ("{renewBefore: 0s}", "renewBefore must be between 1s and 87600h"),
        ("{overlap: 87601h}", "overlap must be between 0s and 87600h"),
    ];
    for (rotation, message) in cases {
        credential_rejects(&format!("lifetime: 720h\nrotation: {rotation}"), message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn subnets_are_cidrs() -> Result<()> {
    for subnet in ["203.0.113.7", "'::ffff:10.0.0.0/104'", "010.0.0.0/8", "10.0.0.0/08"] {
        let spec = format!("subnets: [{subnet}]");
        credential_rejects(&spec, "subnets must be CIDRs, such as 203.0.113.0/24").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_target_must_not_have_the_name_of_a_ledger() -> Result<()> {
    credential_rejects(
        "secret: {name: a.credwright}",
        "secret.name must not end in .credwright or .credwright-copy",
    )
    .await?;
    credential_rejects("secret: {name: a.credwright-copy}", "secret.name must not end in .credwright")
        .await?;
    credential_rejects("secret: {name: a..b}", "secret.name must be a DNS subdomain").await
}

#[tokio::test]
async fn a_targets_type_is_an_ordinary_one() -> Result<()> {
    for type_ in
        ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "credwright.dev/ledger"]
    {
        let spec = format!("secret: {{type: {type_}}}");
        credential_rejects(&spec, "secret.type must not be a service account token, a bootstrap token")
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_targets_keys_labels_and_annotations_can_be_written() -> Result<()> {
    let cases = [
        ("keys: {client_id: client/id}", "each value of keys must consist of letters, digits"),
        (
            "template: {etc/env: x}",
            "keys of template must consist of letters, digits, dashes, underscores and dots",
        ),
        (
            "labels: {credwright.dev/role: login}",
            "labels under credwright.dev/ are reserved for Credwright: use another prefix",
        ),
        (
            "annotations: {credwright.dev/claim: me}",
            "annotations under credwright.dev/ are reserved for Credwright: use another prefix",
        ),
    ];
    for (member, message) in cases {
        credential_rejects(&format!("secret: {{{member}}}"), message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_targets_type_stays_what_it_is() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    let credential = credentials.accepts("providerRef: {name: p}").await?;
    credentials
        .lets_change(&credential, json!({ "secret": { "name": "orders-api", "type": "Opaque" } }))
        .await?;
    for change in
        [json!({ "secret": { "type": "kubernetes.io/tls" } }), json!({ "secret": { "type": "a.example/b" } })]
    {
        credentials.refuses_change(&credential, change, "secret.type cannot be changed").await?;
    }
    credentials.lets_change(&credential, json!({ "secret": null })).await
}

#[tokio::test]
async fn a_credentials_name_leaves_room_for_its_ledger() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    let spec = "providerRef: {name: p}";
    credentials.named(&"o".repeat(240), spec).await?;
    let names = [
        ("o".repeat(241), "metadata.name must have at most 240 characters"),
        ("orders.credwright".to_owned(), "metadata.name must not end in .credwright or .credwright-copy"),
    ];
    for (name, message) in names {
        refused(&credentials.named(&name, spec).await, &name, message)?;
    }
    Ok(())
}

// Providers.

#[tokio::test]
async fn a_registration_server_is_found_by_its_issuer_or_by_its_endpoints() -> Result<()> {
    let endpoints = "registrationEndpoint: 'https://a.example/r', tokenEndpoint: 'https://a.example/t?x=1'";
    provider_accepts(&format!("oauthRegistration: {{{endpoints}}}")).await?;
    let cases = [
        (String::new(), "set either issuer, whose metadata (RFC 8414) Credwright reads, or both"),
        (
            format!("issuer: 'https://a.example', {endpoints}"),
            "set either issuer, whose metadata (RFC 8414) Credwright reads",
        ),
        (
            "tokenEndpoint: 'https://a.example/t'".to_owned(),
            "set registrationEndpoint and tokenEndpoint together, or neither of them",
        ),
    ];
    for (members, message) in cases {
        provider_rejects(&format!("oauthRegistration: {{{members}}}"), message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn urls_are_absolute_and_carry_no_login() -> Result<()> {
    for url in
        ["api.example.com", "ftp://a.example", "https://", "https://a:b@a.example", "https://a.example/?k=v"]
    {
        let message = "must be an absolute http(s) URL";
        provider_rejects(&format!("spreetail: {{baseUrl: '{url}'}}"), &format!("baseUrl {message}")).await?;
        provider_rejects(&format!("oauthRegistration: {{issuer: '{url}'}}"), &format!("issuer {message}"))
            .await?;
    }
    let endpoints = "oauthRegistration: {registrationEndpoint: /r, tokenEndpoint: 'https://u@a.example/t'}";
    provider_rejects(endpoints, "registrationEndpoint must be an absolute http(s) URL").await?;
    provider_rejects(endpoints, "tokenEndpoint must be an absolute http(s) URL").await
}

#[tokio::test]
async fn a_provider_stays_the_account_that_it_is() -> Result<()> {
    let providers = kind("CredentialProvider").await?;
    let spreetail = providers.accepts(SPREETAIL).await?;
    let issuer = providers.accepts("oauthRegistration: {issuer: 'https://a.example'}").await?;
    let endpoints = json!({ "issuer": null, "registrationEndpoint": "https://a.example/r", "tokenEndpoint": "https://a.example/t" });
    let cases = [
        (
            &spreetail,
            json!({ "spreetail": { "baseUrl": "https://b.example" } }),
            "baseUrl identifies the account and cannot be changed",
        ),
        (
            &spreetail,
            json!({ "spreetail": null, "oauthRegistration": { "issuer": "https://a.example" } }),
            "the driver of a provider cannot be changed",
        ),
        (
            &issuer,
            json!({ "oauthRegistration": { "issuer": "https://b.example" } }),
            "issuer and registrationEndpoint identify the account and cannot be changed",
        ),
        (
            &issuer,
            json!({ "oauthRegistration": endpoints }),
            "issuer and registrationEndpoint identify the account",
        ),
    ];
    for (provider, change, message) in cases {
        providers.refuses_change(provider, change, message).await?;
    }
    providers.lets_change(&spreetail, json!({ "limits": { "concurrent": 1 } })).await
}

#[tokio::test]
async fn invalid_allow_rules_are_rejected() -> Result<()> {
    let cases = [
        ("maxLifetime: 1s", "maxLifetime must be between 10s and 87600h"),
        ("maxLifetime: 3 months", "maxLifetime must be between 10s and 87600h"),
        ("subnets: [the office]", "subnets must be CIDRs"),
    ];
    for (member, message) in cases {
        let spec = format!("{SPREETAIL}\nallow: {{namespaces: {{names: [shop]}}, {member}}}");
        cluster_provider_rejects(&spec, message).await?;
    }
    let expressions = [
        (
            "{key: a, operator: In}",
            "selector.matchExpressions must have values for the operators In and NotIn",
        ),
        (
            "{key: a, operator: Exists, values: [b]}",
            "selector.matchExpressions must have values for the operators",
        ),
        ("{key: a, operator: Like, values: [b]}", "operator: Unsupported value"),
        ("{key: 'a b', operator: Exists}", "key: Invalid value"),
        ("{operator: Exists}", "key: Required value"),
    ];
    for (expression, message) in expressions {
        let spec =
            format!("{SPREETAIL}\nallow: {{namespaces: {{selector: {{matchExpressions: [{expression}]}}}}}}");
        cluster_provider_rejects(&spec, message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_rule_has_a_rejected_example() -> Result<()> {
    let definitions = serde_json::to_value(credwright::api::crds::all())?;
    let mut messages = Vec::new();
    messages_in(&definitions, &mut messages);
    ensure!(messages.len() > 30, "the search for rules finds only {}", messages.len());
    for message in messages {
        let beginning = message.split([':', ',', '(']).next().unwrap().trim_end();
        let shown = beginning
            .strip_suffix(" must be an absolute http")
            .map_or(beginning, |_| "must be an absolute http");
        let rows = concat!(include_str!("main.rs"), include_str!("drivers.rs"));
        ensure!(rows.contains(shown), "nothing here is refused because: {message}");
    }
    Ok(())
}

fn messages_in(schema: &Value, found: &mut Vec<String>) {
    if let Some(Value::Array(rules)) = schema.get("x-kubernetes-validations") {
        found.extend(rules.iter().filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
    }
    match schema {
        Value::Array(items) => items.iter().for_each(|item| messages_in(item, found)),
        Value::Object(members) => members.values().for_each(|member| messages_in(member, found)),
        _ => {}
    }
}

// What a person sees.

#[tokio::test]
async fn kubectl_get_shows_what_matters() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    let credential = credentials.accepts("providerRef: {name: spreetail}").await?;
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Issued", "message": "",
        "lastTransitionTime": "2026-11-22T12:00:00Z",
    });
    let status = json!({ "status": {
        "observedGeneration": 1, "conditions": [ready], "clientId": "4f0c", "revision": 4,
        "expiresAt": "2026-12-22T12:00:00Z", "renewalTime": "2026-12-12T12:00:00Z",
    } });
    let name = credential.name_any();
    credentials.api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;

    let plain = credentials.kubectl(&["get", "apicred"], |shown| shown.contains("REASON")).await?;
    let columns = ["NAME", "READY", "REASON", "PROVIDER", "REVISION", "EXPIRES", "RENEWS", "AGE"];
    ensure!(words(plain.lines().next()) == words(Some(&columns.join(" "))), "{plain}");
    let row =
        [&name, "True", "Issued", "spreetail", "4", "2026-12-22T12:00:00Z", "2026-12-12T12:00:00Z"].join(" ");
    ensure!(words(plain.lines().nth(1)).starts_with(&words(Some(&row))), "{plain}");

    let wide = credentials.kubectl(&["get", "apicred", "-o", "wide"], |_| true).await?;
    ensure!(words(wide.lines().next()).ends_with(&["CLIENT", "ID"]), "{wide}");
    ensure!(words(wide.lines().nth(1)).ends_with(&["4f0c"]), "{wide}");
    Ok(())
}

#[tokio::test]
async fn kubectl_get_credwright_shows_every_kind() -> Result<()> {
    let (credentials, providers) = (kind("ApiCredential").await?, kind("CredentialProvider").await?);
    let credential = credentials.accepts("providerRef: {name: p}").await?;
    let arguments = ["get", "credwright", "-o", "name"];
    let expected = format!("apicredential.credwright.dev/{}", credential.name_any());
    credentials.kubectl(&arguments, |shown| shown.contains(&expected)).await?;
    let provider = providers.accepts(SPREETAIL).await?;
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
        ensure!(words(Some(&shown)).join(" ").contains(sentence), "{shown}");
    }
    Ok(())
}

fn words(line: Option<&str>) -> Vec<&str> {
    line.unwrap_or_default().split_whitespace().collect()
}

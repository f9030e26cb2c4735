use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::api::{ApiCredential, CredentialCounts, ProviderKind};

#[derive(Clone, Default)]
struct Given {
    credentials: Vec<Arc<ApiCredential>>,
    accounts: Vec<AccountFacts>,
    unreadable: BTreeMap<String, u32>,
}

impl Source for Given {
    fn credentials(&self) -> Vec<Arc<ApiCredential>> {
        self.credentials.clone()
    }

    fn accounts(&self) -> Vec<AccountFacts> {
        self.accounts.clone()
    }

    fn unreadable(&self) -> BTreeMap<String, u32> {
        self.unreadable.clone()
    }

    fn sealed_before(&self) -> BTreeMap<&'static str, u32> {
        self.unreadable.keys().map(|_| ("ledger", 1)).collect()
    }
}

fn acme() -> Provider {
    Provider::new(ProviderKind::CredentialProvider, "shop", "acme")
}

fn object(name: &str, status: Value) -> Arc<ApiCredential> {
    let object = json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
        "metadata": { "namespace": "shop", "name": name },
        "spec": { "providerRef": { "name": "acme" } },
        "status": status,
    });
    Arc::new(serde_json::from_value(object).unwrap_or_else(|error| panic!("{error}")))
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": "a word that is not to be seen",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

fn credential(revision: u32, state: &str) -> Value {
    json!({ "revision": revision, "state": state, "name": "n", "reason": "RenewalDue" })
}

fn account() -> AccountFacts {
    AccountFacts {
        provider: acme(),
        ready: Some((true, Reason::LoginAccepted)),
        counts: CredentialCounts { active: 3, retiring: 2, unconfirmed: 1 },
        abandoned: 4,
        mints: Some(MintFacts { recent: 5, limit: 100, suffice: true }),
        requests_per_minute: Some(150),
    }
}

/// Everything once.
fn full() -> (Metrics, Meter) {
    let credentials = vec![object(
        "orders",
        json!({
            "expiresAt": "2026-03-01T00:00:00Z", "renewalTime": "2026-02-01T00:00:00Z", "revision": 1,
            "conditions": [
                condition("Ready", "True", "MintLimit"),
                condition("Stalled", "True", "MintLimit"),
                condition("ActionRequired", "True", "RemovalAwaited"),
            ],
        }),
    )];
    let metrics = Metrics::over(Given {
        credentials,
        accounts: vec![account()],
        unreadable: [("ApiCredential".to_owned(), 1)].into(),
    });
    let meter = metrics.meter(&acme());
    meter.minted(Outcome::Done);
    meter.revoked(Outcome::Done);
    meter.waited(Duration::from_millis(1500));
    meter.requested(Operation::Create, RequestOutcome::Ok, Duration::from_millis(300));
    metrics.rotated(Reason::RenewalDue, RotationOutcome::Failed);
    metrics.reconciled(Item::Credential, Duration::from_millis(2), true);
    metrics.set_leader(true);
    metrics.set_ready(true);
    (metrics, meter)
}

/// The samples: what stands before the value, and the value.
fn samples(metrics: &Metrics) -> BTreeMap<String, f64> {
    let text = metrics.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series.to_owned(), value.parse().ok()?))
    };
    lines.map(|line| sample(line).unwrap_or_else(|| panic!("that is no sample: {line}"))).collect()
}

const AT_ACME: &str = r#"provider_kind="CredentialProvider",provider_namespace="shop",provider="acme""#;

#[test]
fn served_metrics_have_the_documented_names_and_labels() {
    let (metrics, _meter) = full();
    let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for series in samples(&metrics).keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let parts = ["_bucket", "_sum", "_count"];
        let name = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        let labels = labels.trim_end_matches('}').split(',').filter_map(|it| Some(it.split_once('=')?.0));
        let labels = labels.filter(|it| *it != "le").map(str::to_owned).collect();
        if let Some(before) = served.insert(name.to_owned(), labels) {
            assert_eq!(before, served[name], "{name} has now these labels, now those");
        }
    }
    let documented = pages();
    let names = |it: &book::Page| it.labels.iter().map(|label| label.name.to_owned()).collect();
    let documented: BTreeMap<_, _> = documented.iter().map(|it| (it.name.clone(), names(it))).collect();
    assert_eq!(served, documented);
}

#[test]
fn names_follow_the_conventions() {
    for page in pages() {
        let counter = page.kind.as_str() == "counter";
        assert!(page.name.starts_with("credwright_"), "{}", page.name);
        assert_eq!(page.name.ends_with("_total"), counter, "{}", page.name);
        let of_time = ["timestamp", "duration", "wait"].iter().any(|it| page.name.contains(it));
        assert_eq!(page.name.contains("_seconds"), of_time, "{}", page.name);
    }
    let (metrics, _meter) = full();
    let text = metrics.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# UNIT credwright_credential_expiry_timestamp_seconds seconds\n"), "{text}");
    assert!(!text.contains(".."), "a help ends in one full stop: {text}");
}

#[test]
fn each_event_is_counted() {
    let (metrics, meter) = full();
    meter.minted(Outcome::Done);
    meter.minted(Outcome::Ambiguous);
    let is = samples(&metrics);
    let at_acme = |name: &str, more: &str| is[&format!("credwright_{name}{{{AT_ACME}{more}}}")];
    assert_eq!(at_acme("mints_total", r#",outcome="done""#), 2.0);
    assert_eq!(at_acme("mints_total", r#",outcome="ambiguous""#), 1.0);
    assert_eq!(at_acme("revocations_total", r#",outcome="done""#), 1.0);
    assert_eq!(at_acme("provider_requests_total", r#",operation="create",outcome="ok""#), 1.0);
    assert_eq!(at_acme("provider_request_duration_seconds_sum", r#",operation="create""#), 0.3);
    assert_eq!(at_acme("provider_wait_seconds_total", ""), 1.5);
    assert_eq!(is[r#"credwright_rotations_total{reason="RenewalDue",outcome="failed"}"#], 1.0);
    assert_eq!(is[r#"credwright_reconcile_duration_seconds_count{item="credential"}"#], 1.0);
    assert_eq!(is[r#"credwright_reconcile_errors_total{item="credential"}"#], 1.0);
    assert_eq!((is["credwright_leader"], is["credwright_ready"]), (1.0, 1.0));
    metrics.set_leader(false);
    assert_eq!(samples(&metrics)["credwright_leader"], 0.0);
    let unwritten = metrics.unwritten();
    assert_eq!(samples(&metrics)["credwright_answers_unwritten"], 1.0);
    drop(unwritten);
    assert_eq!(samples(&metrics)["credwright_answers_unwritten"], 0.0);
}

#[test]
fn an_account_is_shown_as_it_is() {
    let (metrics, _meter) = full();
    let is = samples(&metrics);
    let at_acme = |name: &str, more: &str| is[&format!("credwright_{name}{{{AT_ACME}{more}}}")];
    let states = ["active", "retiring", "unconfirmed", "abandoned"];
    let counts = states.map(|state| at_acme("credentials", &format!(r#",state="{state}""#)));
    assert_eq!(counts, [3.0, 2.0, 1.0, 4.0]);
    assert_eq!(at_acme("provider_ready", r#",reason="LoginAccepted""#), 1.0);
    assert_eq!(at_acme("provider_login_accepted", ""), 1.0);
    assert_eq!(at_acme("provider_recent_mints", ""), 5.0);
    assert_eq!(at_acme("provider_mint_limit", ""), 100.0);
    assert_eq!(at_acme("provider_limits_suffice", ""), 1.0);
    for (why, accepted) in [
        (Reason::ProviderLoginRefused, 0.0),
        (Reason::LoginMissing, 0.0),
        (Reason::ProviderUnavailable, 1.0),
        (Reason::ProviderSuspect, 1.0),
    ] {
        let accounts = vec![AccountFacts { ready: Some((false, why)), mints: None, ..account() }];
        let is = samples(&Metrics::over(Given { accounts, ..Given::default() }));
        let ready = format!(r#"credwright_provider_ready{{{AT_ACME},reason="{}"}}"#, why.as_str());
        assert_eq!(is[&ready], 0.0);
        assert_eq!(is[&format!("credwright_provider_login_accepted{{{AT_ACME}}}")], accepted, "{why:?}");
        assert!(!is.keys().any(|it| it.contains("mint_limit")), "a person makes its credentials: {is:?}");
    }
}

#[test]
fn a_credential_is_shown_as_its_status_says() {
    let expires = "2026-03-01T00:00:00Z";
    let with = |newest: &str| {
        json!({
            "expiresAt": expires, "revision": 4, "conditions": [condition("Ready", "False", "Expired")],
            "credentials": [credential(5, newest), credential(4, "Active"), credential(3, "Revoked")],
        })
    };
    let credentials = vec![
        object("followed", with("Issued")),
        object("alone", with("Absent")),
        object("new", json!({})),
        object("spoilt", json!({ "conditions": [condition("Ready", "True", "a-word-of-a-tenant")] })),
    ];
    let metrics = Metrics::over(Given { credentials, ..Given::default() });
    let is = samples(&metrics);
    let of = |metric: &str, object: &str| {
        let series = format!(r#"credwright_credential_{metric}{{namespace="shop",name="{object}""#);
        is.iter().find(|(it, _)| it.starts_with(&series)).map(|(_, value)| *value)
    };
    let end: Timestamp = expires.parse().unwrap_or_else(|error| panic!("{error}"));
    for name in ["followed", "alone"] {
        assert_eq!(of("expiry_timestamp_seconds", name).map(|it| it as i64), Some(end.as_second()));
        assert_eq!(of("renewal_timestamp_seconds", name), None, "it has none");
        assert_eq!(of("ready", name), Some(0.0));
        assert_eq!(of("stalled", name), None);
        assert_eq!(of("action_required", name), None);
    }
    assert_eq!((of("successor", "followed"), of("successor", "alone")), (Some(1.0), Some(0.0)));
    assert_eq!(of("ready", "spoilt"), None, "a reason that is not ours");
    let text = metrics.text();
    assert!(!text.contains("\"new\""), "nothing is known of it yet: {text}");
    assert!(!text.contains("word"), "neither a message nor a reason that is not ours is a label: {text}");
}

#[test]
fn the_counters_of_a_provider_are_dropped_with_its_last_driver() {
    let metrics = Metrics::over(Given::default());
    let count = |meter: &Meter| {
        for operation in Operation::ALL {
            for outcome in RequestOutcome::ALL {
                meter.requested(*operation, *outcome, Duration::from_secs(1));
            }
        }
        for outcome in Outcome::ALL {
            meter.minted(*outcome);
            meter.revoked(*outcome);
        }
        meter.waited(Duration::from_secs(1));
    };
    let before = samples(&metrics);
    let one = metrics.meter(&acme());
    count(&one);
    let other = metrics.clone().meter(&acme());
    drop(one);
    count(&other);
    let is = samples(&metrics);
    let created =
        format!(r#"credwright_provider_requests_total{{{AT_ACME},operation="create",outcome="ok"}}"#);
    assert_eq!(is[&created], 2.0, "they count together");
    let elsewhere = Provider::new(ProviderKind::ClusterCredentialProvider, "", "acme");
    let neighbour = metrics.meter(&elsewhere);
    neighbour.minted(Outcome::Done);
    drop(other);
    let left = samples(&metrics);
    assert!(!left.keys().any(|it| it.contains(AT_ACME)), "{left:?}");
    assert_eq!(left.len(), before.len() + 1, "the neighbour's stays");
    drop(neighbour);
    assert_eq!(samples(&metrics), before);
    assert!(metrics.counts.meters.lock().is_empty());
    let again = metrics.meter(&acme());
    again.minted(Outcome::Done);
    assert_eq!(samples(&metrics)[&format!(r#"credwright_mints_total{{{AT_ACME},outcome="done"}}"#)], 1.0);
}

#[test]
fn a_status_is_counted_as_what_it_means() {
    let means = |status| RequestOutcome::of_status(status);
    assert_eq!([200, 201, 204].map(means), [RequestOutcome::Ok; 3]);
    assert_eq!([401, 403].map(means), [RequestOutcome::Refused; 2]);
    assert_eq!(means(429), RequestOutcome::RateLimited);
    assert_eq!([302, 400, 404, 409, 422].map(means), [RequestOutcome::Rejected; 5]);
    assert_eq!([500, 503, 599].map(means), [RequestOutcome::ServerError; 3]);
}

#[test]
fn a_driver_without_a_provider_counts_nothing() {
    let meter = Meter::default();
    meter.minted(Outcome::Done);
    meter.revoked(Outcome::Done);
    meter.waited(Duration::ZERO);
    meter.requested(Operation::List, RequestOutcome::Ok, Duration::ZERO);
}

//! The metrics of a credential's life: events and states, and nothing confidential.

use std::{collections::BTreeSet, time::Duration};

use credwright::api::Reason;
use credwright_simulator::{Operation, RetryAfter, faults::Fault};
use serde_json::json;

use crate::stage::{hours, minutes, seconds};
use crate::support::{Running, Scene};

/// The served series with their values.
struct Served {
    text: String,
    at_provider: String,
}

impl Served {
    fn by(scene: &Scene, operator: &Running) -> Self {
        let namespace = &scene.namespace;
        let at_provider = format!(
            r#"provider_kind="CredentialProvider",provider_namespace="{namespace}",provider="spreetail""#
        );
        Self { text: operator.operator.metrics().text(), at_provider }
    }

    fn value(&self, series: &str) -> Option<f64> {
        let rest = self.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        rest.map(|value| value.parse().unwrap())
    }

    /// Of the provider; `labels` are those besides its own.
    fn there(&self, metric: &str, labels: &str) -> Option<f64> {
        let comma = if labels.is_empty() { "" } else { "," };
        self.value(&format!("credwright_{metric}{{{}{comma}{labels}}}", self.at_provider))
    }

    /// Returns the numbers of active, retiring and unconfirmed credentials.
    fn counts(&self) -> [Option<f64>; 3] {
        ["active", "retiring", "unconfirmed"]
            .map(|state| self.there("credentials", &format!(r#"state="{state}""#)))
    }
}

/// Of the object `orders`.
fn of_orders(scene: &Scene, served: &Served, metric: &str, more: &str) -> Option<f64> {
    let namespace = &scene.namespace;
    served.value(&format!(r#"credwright_credential_{metric}{{namespace="{namespace}",name="orders"{more}}}"#))
}

/// Checks that the metrics have the times of the status.
async fn assert_times(scene: &Scene, served: &Served) {
    let status = scene.status("orders").await;
    for (metric, at) in
        [("expiry_timestamp_seconds", status.expires_at), ("renewal_timestamp_seconds", status.renewal_time)]
    {
        let expected = at.unwrap().as_second().to_string().parse().ok();
        assert_eq!(of_orders(scene, served, metric, ""), expected, "{}", served.text);
    }
}

/// Has the provider answer with 429, and then refuse the login.
async fn trouble(scene: &Scene, operator: &Running) {
    let faults = scene.provider.faults();
    faults.next(Operation::Create, Fault::rate_limited(RetryAfter::Seconds(600)));
    let request = |text: &str| json!({ "lifetime": "720h", "rotation": { "request": text } });
    scene.apply("orders", request("two")).await;
    scene.says("orders", ("ProviderReachable", "False", "ProviderRateLimited")).await;
    scene.rest(operator).await;
    let served = Served::by(scene, operator);
    assert_eq!(served.there("mints_total", r#"outcome="rate_limited""#), Some(1.0), "{}", served.text);
    let requests = served.there("provider_requests_total", r#"operation="create",outcome="rate_limited""#);
    assert_eq!(requests, Some(1.0));
    assert_eq!(served.there("provider_ready", r#"reason="ProviderRateLimited""#), Some(0.0));
    assert_eq!(served.there("provider_login_accepted", ""), Some(1.0));
    let failed = served.value(r#"credwright_rotations_total{reason="Requested",outcome="failed"}"#);
    assert_eq!(failed, Some(1.0));
    assert_eq!(
        of_orders(scene, &served, "ready", r#",reason="ProviderRateLimited""#),
        Some(1.0),
        "the old one works"
    );
    scene
        .run_until(operator, "orders", "it rotates all the same", async || {
            scene.status("orders").await.revision > Some(2)
        })
        .await;

    faults.every(Operation::Token.by_login(), Fault::status(401));
    scene.jump(operator, minutes(10)).await;
    let served = Served::by(scene, operator);
    assert_eq!(served.there("provider_login_accepted", ""), Some(0.0), "{}", served.text);
    assert_eq!(served.there("provider_ready", r#"reason="ProviderLoginRefused""#), Some(0.0));
    assert!(served.there("provider_requests_total", r#"operation="login",outcome="refused""#) >= Some(1.0));
    faults.clear();
    scene.jump(operator, minutes(10)).await;
    assert_eq!(Served::by(scene, operator).there("provider_login_accepted", ""), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_follow_a_credential_through_its_life() {
    let (scene, operator) = Scene::with_orders("metrics").await;
    scene.rest(&operator).await;
    let served = Served::by(&scene, &operator);
    assert_times(&scene, &served).await;
    assert_eq!(of_orders(&scene, &served, "ready", r#",reason="Issued""#), Some(1.0), "{}", served.text);
    assert_eq!(of_orders(&scene, &served, "successor", ""), Some(0.0));
    assert_eq!(served.counts(), [Some(1.0), Some(0.0), Some(0.0)]);
    assert_eq!(served.there("mints_total", r#"outcome="done""#), Some(1.0));
    assert_eq!(served.there("provider_recent_mints", ""), Some(1.0));
    assert_eq!(served.there("provider_mint_limit", ""), Some(100.0));
    assert_eq!(served.there("provider_limits_suffice", ""), Some(1.0));
    assert_eq!(served.there("provider_ready", r#"reason="LoginAccepted""#), Some(1.0));
    let created = |served: &Served| {
        let counted = served.there("provider_requests_total", r#"operation="create",outcome="ok""#);
        let timed = served.there("provider_request_duration_seconds_count", r#"operation="create""#);
        // An access token that ends in a jump costs a request that is refused.
        assert!(timed >= counted, "{}", served.text);
        counted
    };
    assert_eq!(created(&served), Some(1.0));
    assert!(!served.text.contains("credwright_rotations_total{"), "a first issue is no rotation");

    scene.jump_to(&operator, scene.status("orders").await.renewal_time.unwrap() + seconds(1)).await;
    scene.publishes("orders", 2).await;
    scene.rest(&operator).await;
    let served = Served::by(&scene, &operator);
    assert_times(&scene, &served).await;
    let rotated = r#"credwright_rotations_total{reason="RenewalDue",outcome="done"}"#;
    assert_eq!(served.value(rotated), Some(1.0), "{}", served.text);
    assert_eq!(created(&served), Some(2.0));
    assert_eq!(served.counts(), [Some(1.0), Some(1.0), Some(0.0)]);
    assert_eq!(served.there("revocations_total", r#"outcome="done""#), None);

    scene.jump(&operator, hours(25)).await;
    scene.has_only("orders", 2).await;
    scene.rest(&operator).await;
    let served = Served::by(&scene, &operator);
    assert_eq!(served.counts(), [Some(1.0), Some(0.0), Some(0.0)], "{}", served.text);
    assert_eq!(served.there("revocations_total", r#"outcome="done""#), Some(1.0));
    assert_eq!(served.there("provider_requests_total", r#"operation="revoke",outcome="ok""#), Some(1.0));
    assert_eq!(served.there("provider_recent_mints", ""), Some(0.0), "that was yesterday");
    assert_eq!(served.value(rotated), Some(1.0));

    trouble(&scene, &operator).await;
    assert_nothing_is_told(&scene, &Served::by(&scene, &operator));
}

/// Labels are words of ours and names of our own objects.
fn assert_nothing_is_told(scene: &Scene, served: &Served) {
    for made in scene.made() {
        for hidden in [made.client_id.as_str(), made.secret()] {
            assert!(!served.text.contains(hidden), "{hidden} is in {}", served.text);
        }
    }
    let words = credwright::ops::metrics::documentation();
    let words: BTreeSet<&str> = words.split('`').skip(1).step_by(2).collect();
    let names = [scene.namespace.as_str(), "orders", "spreetail", env!("CARGO_PKG_VERSION")];
    let labels = served.text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (_, labels) = line.split_once('{')?;
        Some(labels.rsplit_once('}')?.0)
    });
    let mut seen = 0;
    for (label, value) in labels.flat_map(|it| it.split(',')).filter_map(|it| it.split_once('=')) {
        let value = value.trim_matches('"');
        let known = match label {
            "reason" => serde_json::from_value::<Reason>(json!(value)).is_ok(),
            "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
            _ => words.contains(value) || names.contains(&value),
        };
        assert!(known, "{label} says {value}");
        seen += 1;
    }
    assert!(seen > 100, "{}", served.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_deleted_objects_are_removed() {
    let (scene, operator) = Scene::running("metrics-gone").await;
    let before = series(&Served::by(&scene, &operator));
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.rest(&operator).await;
    assert!(Served::by(&scene, &operator).text.contains(r#"name="orders""#));
    scene.remove("orders").await;
    scene.rest(&operator).await;
    let served = Served::by(&scene, &operator);
    assert!(!served.text.contains(r#"name="orders""#), "{}", served.text);
    assert_eq!(served.counts(), [Some(0.0); 3]);
    assert_eq!(served.there("revocations_total", r#"outcome="done""#), Some(1.0));

    scene.delete_provider("spreetail").await;
    scene
        .wait("spreetail", "nothing is said of the provider any more", async || {
            !Served::by(&scene, &operator).text.contains(r#"provider="spreetail""#)
        })
        .await;
    // What is left is of no object.
    let left = series(&Served::by(&scene, &operator));
    let more: Vec<_> =
        left.difference(&before).filter(|it| !it.starts_with("credwright_reconcile_")).collect();
    assert!(more.is_empty(), "{more:#?}");
}

fn series(served: &Served) -> BTreeSet<String> {
    let lines = served.text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_a_lost_response_and_show_the_state_after_a_restart() {
    let (scene, operator) = Scene::running("metrics-lost").await;
    scene.provider.faults().set_listing_lag(Duration::from_secs(60));
    scene.provider.faults().next(Operation::Create, Fault::LostAnswer);
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.wait("orders", "the answer is lost", async || scene.provider.faults().outstanding() == 0).await;
    scene.rest(&operator).await;
    let served = Served::by(&scene, &operator);
    assert_eq!(served.there("mints_total", r#"outcome="ambiguous""#), Some(1.0), "{}", served.text);
    assert_eq!(served.there("mints_total", r#"outcome="done""#), None);
    assert_eq!(served.counts(), [Some(0.0), Some(0.0), Some(1.0)]);
    let unanswered = served.there("provider_requests_total", r#"operation="create",outcome="unanswered""#);
    assert_eq!(unanswered, Some(1.0));

    scene.run_until_only(&operator, "orders", 2).await;
    scene.rest(&operator).await;
    let served = Served::by(&scene, &operator);
    assert_eq!(served.counts(), [Some(1.0), Some(0.0), Some(0.0)], "{}", served.text);
    assert_eq!(served.there("revocations_total", r#"outcome="done""#), Some(1.0), "what was left behind");
    assert!(!served.text.contains("credwright_rotations_total{"), "{}", served.text);
    operator.stop().await;

    let again = scene.operator().await;
    scene.rest(&again).await;
    let served = Served::by(&scene, &again);
    assert_times(&scene, &served).await;
    assert_eq!(served.counts(), [Some(1.0), Some(0.0), Some(0.0)], "{}", served.text);
    assert_eq!(served.there("provider_recent_mints", ""), Some(2.0), "the ledger knows of those");
    assert!(!served.text.contains("credwright_mints_total{"), "this process minted nothing");
}

//! A provider that lets fewer requests pass than `limits` allow.

use std::time::Instant;

use credwright::api::CredentialProvider;
use credwright_simulator::{Fault, Matching, RetryAfter};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::support::{Scene, eventually};

const OBJECTS: usize = 15;

/// The default limits are 5 requests a second. The clock stands still: an account that is paused
/// for longer stays so.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_with_a_low_rate_limit_serves_fifteen_objects_without_a_pause_of_its_account() {
    for retry_after in [RetryAfter::Seconds(1), RetryAfter::Absent] {
        let scene = Scene::new("throttled").await;
        scene
            .create_provider(
                "default-limits",
                json!({
                    "spreetail": { "baseUrl": scene.provider.base_url() },
                    "login": { "secretRef": { "name": "spreetail-admin" } },
                }),
            )
            .await;
        let operator = scene.operator().await;
        scene.rest(&operator).await;
        scene.provider.faults().every(Matching::any(), Fault::TooFast { per_second: 3, retry_after });
        let began = Instant::now();
        let spec = json!({ "providerRef": { "name": "default-limits" } });
        let objects: Vec<String> = (0..OBJECTS).map(|number| format!("orders-{number}")).collect();
        stream::iter(&objects).for_each_concurrent(OBJECTS, |name| scene.apply(name, spec.clone())).await;
        eventually("all are issued", async || {
            let pairs: Vec<_> = stream::iter(&objects).then(|name| scene.pair(name)).collect().await;
            pairs.iter().all(Option::is_some)
        })
        .await;
        let limited = too_fast(&operator.operator.metrics().text());
        eprintln!(
            "{retry_after:?}: {OBJECTS} objects in {:.1?}, {limited} requests were too fast",
            began.elapsed()
        );
        assert!((1..=6).contains(&limited), "{limited} requests were too fast");
        let status = scene.api::<CredentialProvider>().get("default-limits").await.unwrap().status.unwrap();
        let slowed = status.requests_per_minute.unwrap_or_default();
        assert!((60..300).contains(&slowed), "provider status says {slowed} requests a minute");
    }
}

/// Returns how many requests were answered with 429.
fn too_fast(metrics: &str) -> u64 {
    let counted = metrics.lines().filter(|line| {
        line.starts_with("credwright_provider_requests_total") && line.contains("outcome=\"rate_limited\"")
    });
    counted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

//! Those who apply, change and delete objects, and the workloads that read the Secrets.

use std::{
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use credwright::api::ApiCredential;
use credwright_harness::random::Random;
use credwright_simulator::Simulator;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

/// The pause of a tenant between two changes.
const PAUSE: Duration = Duration::from_millis(500);
/// The number of Secrets that are read at the same time.
const READERS: usize = 8;

/// The counters of the tenants.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) applied: AtomicUsize,
    pub(crate) deleted: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    pub(crate) refusals: AtomicUsize,
    wish: AtomicU32,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn name(slot: usize) -> String {
    format!("soaked-{slot:03}")
}

/// Applies `slot` with a wish of its own.
async fn apply(
    objects: &Api<ApiCredential>,
    slot: usize,
    counts: &Counts,
    random: &mut Random,
) -> Result<()> {
    // A third of a life is what trouble may take before a renewal is too late.
    let lifetime = random.one_of(&["10m", "12m", "20m", "720h"]);
    let wish = counts.wish.fetch_add(1, Ordering::Relaxed).to_string();
    let object = json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential", "metadata": { "name": name(slot) },
        "spec": {
            "providerRef": { "name": "provider" }, "lifetime": lifetime,
            "rotation": { "overlap": "1m", "request": wish },
            "secret": { "keys": { "client_id": random.one_of(&["client_id", "CLIENT_ID"]) } },
        },
    });
    objects.patch(&name(slot), &PatchParams::apply("tenant").force(), &Patch::Apply(object)).await?;
    count(&counts.applied);
    Ok(())
}

/// Until `end`, objects come, change and go. What the API server refuses while it is restarted is
/// wished for again some time.
pub(crate) async fn wish(
    objects: &Api<ApiCredential>,
    slots: usize,
    counts: &Counts,
    (mut random, end): (Random, Instant),
) {
    for slot in 0..slots {
        let _ = apply(objects, slot, counts, &mut random).await;
    }
    while Instant::now() < end {
        let slot = random.below(slots);
        if random.below(8) == 0 {
            if objects.delete(&name(slot), &DeleteParams::default()).await.is_ok() {
                count(&counts.deleted);
            }
        } else {
            let _ = apply(objects, slot, counts, &mut random).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until `end`, workloads use what they read. What is refused counts, unless its object was being
/// deleted.
pub(crate) async fn work(
    (objects, secrets): (&Api<ApiCredential>, &Api<Secret>),
    provider: &Simulator,
    slots: usize,
    counts: &Counts,
    (mut random, end): (Random, Instant),
) {
    while Instant::now() < end {
        let chosen: Vec<String> = (0..READERS).map(|_| name(random.below(slots))).collect();
        let read = chosen.iter().map(|name| use_one(objects, secrets, provider, name));
        for outcome in futures::future::join_all(read).await {
            match outcome {
                Ok(Some(works)) => {
                    count(&counts.reads);
                    if !works {
                        count(&counts.refusals);
                    }
                }
                Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns whether the pair in the Secret works; `None` if there is no Secret, or its object
/// changed during the check.
async fn use_one(
    objects: &Api<ApiCredential>,
    secrets: &Api<Secret>,
    provider: &Simulator,
    name: &str,
) -> Result<Option<bool>> {
    let lives = async || -> Result<Option<String>> {
        let object = objects.get_metadata_opt(name).await?;
        Ok(object.filter(|it| it.metadata.deletion_timestamp.is_none()).and_then(|it| it.uid()))
    };
    let Some(before) = lives().await? else { return Ok(None) };
    let Some(secret) = secrets.get_opt(name).await? else { return Ok(None) };
    // The Secret of an earlier object of this name may still be there.
    if !secret.owner_references().iter().any(|owner| owner.uid == before) {
        return Ok(None);
    }
    let data = secret.data.unwrap_or_default();
    let text = |key: &str| data.get(key).map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned());
    let client_id = text("client_id").or_else(|| text("CLIENT_ID"));
    let Some((client_id, secret)) = client_id.zip(text("client_secret")) else { return Ok(None) };
    let works = provider.record().accepts(&client_id, &secret);
    if works || lives().await? == Some(before) {
        if !works {
            eprintln!("soak: {name} reads client {client_id}, which is refused");
        }
        return Ok(Some(works));
    }
    Ok(None)
}

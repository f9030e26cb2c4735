//! `make soak`: two hundred objects come, change and go, while two operators are killed fifty times, the API server is restarted, etcd
//! stands still and the provider fails. At the end nothing may be unaccounted for, refused to a workload, or said where it may not be.
//!
//! What goes wrong and what is wished for follows from a seed, which is printed: `make soak SEED=…` repeats it. It ends by itself in less
//! than half an hour.
#![expect(clippy::disallowed_methods, reason = "the soak runs on real time, outside of the operator")]

#[path = "../support/build.rs"]
mod build;
#[path = "../support/cluster.rs"]
mod cluster;
mod tenants;
mod trouble;
mod verdict;

use std::{
    fs,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use credwright::api::{ApiCredential, crds};
use credwright_harness::{
    controlplane::{ControlPlane, ControlPlaneOptions},
    random::Random,
};
use credwright_simulator::{Clock, Simulator, spreetail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;

use self::{
    tenants::Counts,
    trouble::{Happened, Replicas},
};

const OBJECTS: usize = 200;
const NAMESPACE: &str = "soaked";
/// How long trouble is made.
const MINUTES: u64 = 10;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let number = |name: &str| -> Result<Option<u64>> {
        let text = std::env::var(name).ok().filter(|text| !text.is_empty());
        text.map(|text| text.parse().with_context(|| format!("{name}: a number, not {text:?}"))).transpose()
    };
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let seed = number("CREDWRIGHT_SOAK_SEED")?.unwrap_or(now);
    let minutes = number("CREDWRIGHT_SOAK_MINUTES")?.unwrap_or(MINUTES);
    let folder = build::folder()?.join("soak");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    step(&format!(
        "seed {seed}, {OBJECTS} objects, {minutes} minutes of trouble; logs in {}",
        folder.display()
    ));

    let mut control_plane = ControlPlane::start(ControlPlaneOptions::default()).await?;
    let client = control_plane.client().await?;
    let provider = spreetail::start(spreetail::Options::new(Clock::real())).await?;
    cluster::define(&client, &crds::all()).await?;
    cluster::create_namespaces(&client, &[NAMESPACE, "credwright-system"]).await?;
    let limits = json!({ "requestsPerSecond": 500, "concurrent": 32, "mintsPerHour": 1_000_000 });
    cluster::create_provider(&client, NAMESPACE, &provider, limits).await?;
    let kubeconfig = control_plane.kubeconfig().to_owned();
    let mut replicas = Replicas::start(build::binary()?, &kubeconfig, &folder).await?;

    let objects: Api<ApiCredential> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let (counts, end) = (Counts::default(), Instant::now() + Duration::from_secs(minutes * 60));
    let random = |stream: u64| Random::new(seed.wrapping_add(stream << 48));
    let (happened, (), ()) = tokio::join!(
        trouble::make(&mut control_plane, &mut replicas, &provider, (random(1), end)),
        tenants::wish(&objects, OBJECTS, &counts, (random(2), end)),
        tenants::work((&objects, &secrets), &provider, OBJECTS, &counts, (random(3), end)),
    );
    let happened = happened?;
    step("the trouble is over; everything has to settle");
    if let Err(error) = verdict::settles(&client, &objects, &provider).await {
        eprintln!("soak: {error:#}");
    }
    let unaccounted = verdict::unaccounted(&client, &provider).await?;
    verdict::show(&client, &unaccounted).await?;
    step("all objects are deleted");
    let left = verdict::all_go(&client, &objects, &provider).await?;
    verdict::show(&client, &left).await?;
    let (canaries, panics) = verdict::canaries_and_panics(&client, &provider, &folder).await?;

    let verdict = Verdict { unaccounted: unaccounted.len(), left: left.len(), canaries, panics };
    Ok(if print(seed, &provider, (&counts, &happened), &verdict) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What may not be.
struct Verdict {
    unaccounted: usize,
    left: usize,
    canaries: usize,
    panics: usize,
}

/// Prints the table. Returns whether all is well.
fn print(
    seed: u64,
    provider: &Simulator,
    (counts, happened): (&Counts, &Happened),
    verdict: &Verdict,
) -> bool {
    let Verdict { unaccounted, left, canaries, panics } = verdict;
    let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let refusals = read(&counts.refusals);
    let rows = [
        ("seed", seed.to_string()),
        (
            "wishes applied, and objects deleted",
            format!("{}, {}", read(&counts.applied), read(&counts.deleted)),
        ),
        ("credentials made", provider.record().created_count().to_string()),
        ("operators killed", happened.kills.to_string()),
        ("API server restarted, etcd paused", format!("{}, {}", happened.restarts, happened.pauses)),
        ("faults of the provider", happened.faults.to_string()),
        ("Secrets used by workloads", read(&counts.reads).to_string()),
        ("of these refused", refusals.to_string()),
        ("alive and unaccounted for", unaccounted.to_string()),
        ("alive after all was deleted", left.to_string()),
        ("secrets where none may be", canaries.to_string()),
        ("panics", panics.to_string()),
    ];
    for (what, figure) in rows {
        println!("{what:<38} {figure}");
    }
    let well = refusals + unaccounted + left + canaries + panics == 0;
    println!("{}", if well { "all is well" } else { "FAILED" });
    well
}

fn step(what: &str) {
    eprintln!("soak: {what}");
}

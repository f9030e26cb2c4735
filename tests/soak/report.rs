//! The output: progress during the run, and the table at the end.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use credwright_harness::gateway::Meddled;
use credwright_simulator::Simulator;

use super::{plan::Kind, replicas::Replicas, tenants::Counts, trouble::Happened};

/// The time between two lines about how it goes.
const PROGRESS: Duration = Duration::from_secs(30);

/// The violations. Each number has to be 0.
pub(crate) struct Verdict {
    pub(crate) unsettled: usize,
    pub(crate) unaccounted: usize,
    pub(crate) left: usize,
    pub(crate) canaries: usize,
    pub(crate) panics: usize,
}

pub(crate) fn step(what: &str) {
    eprintln!("soak: {what}");
}

/// Prints the progress until `end`.
pub(crate) async fn progress(
    provider: &Simulator,
    (counts, happened): (&Counts, &Happened),
    planned: usize,
    end: Instant,
) {
    let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    while Instant::now() + PROGRESS < end {
        tokio::time::sleep(PROGRESS).await;
        step(&format!(
            "{} s left: {} of {planned} troubles, {} wishes, {} credentials made, {} Secrets used, {} refused",
            end.saturating_duration_since(Instant::now()).as_secs(),
            happened.all(),
            read(&counts.applied),
            provider.record().created_count(),
            read(&counts.reads),
            read(&counts.refusals),
        ));
    }
    tokio::time::sleep_until(end.into()).await;
}

/// Prints the table. Returns whether all is well.
pub(crate) fn print(
    seed: u64,
    provider: &Simulator,
    (counts, happened, meddled): (&Counts, &Happened, Meddled),
    replicas: &Replicas,
    verdict: &Verdict,
) -> bool {
    let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let wishes = format!("{}, {}", read(&counts.applied), read(&counts.deleted));
    let row = |what: &str, figure: &str| println!("{what:<40} {figure}");
    row("seed", &seed.to_string());
    row("changes applied, and objects deleted", &wishes);
    row("credentials made", &provider.record().created_count().to_string());
    for kind in Kind::all() {
        row(kind.name(), &happened.of(kind).to_string());
    }
    row("answers of the API server lost", &meddled.lost.to_string());
    row("responses with a shifted Date", &meddled.moved.to_string());
    row("operators that ended by themselves", &replicas.ended.to_string());
    row("most memory of an operator", &format!("{} MiB", replicas.peak_kib / 1024));
    row("Secrets used by workloads", &read(&counts.reads).to_string());
    let refused = read(&counts.refusals);
    let zeros = [
        ("of these refused", refused),
        ("objects that did not settle", verdict.unsettled),
        ("alive and unaccounted for", verdict.unaccounted),
        ("left after all was deleted", verdict.left),
        ("canaries: secrets where none may be", verdict.canaries),
        ("panics", verdict.panics),
        ("panics that ended the process", replicas.panicked),
    ];
    for (what, figure) in zeros {
        row(what, &figure.to_string());
    }
    let well = zeros.iter().all(|(_, figure)| *figure == 0);
    println!("{}", if well { "all is well" } else { "FAILED" });
    well
}

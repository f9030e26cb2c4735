//! Metrics: events are counted where they happen, and states are read when somebody asks.
//!
//! Counting touches an atomic, and never fails. A provider's counters are dropped with its last
//! driver, so creating and deleting providers cannot grow memory.

mod book;
mod labels;
mod scrape;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Weak, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit::Seconds},
};

use self::{
    book::Book,
    labels::{Version, Why},
    scrape::{Scrape, write_all},
};
pub use self::{
    labels::{Item, Operation, Outcome, Provider, RequestOutcome, RotationOutcome},
    scrape::{AccountFacts, MintFacts, Source},
};
use crate::api::Reason;

/// The prefix of all names.
const PREFIX: &str = "credwright";
/// Buckets up to the longest duration of a request.
const REQUEST_SECONDS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const RECONCILE_SECONDS: [f64; 8] = [0.001, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0];

/// The metrics of one process. A clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    counts: Arc<Counts>,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The counters and gauges of this process.
struct Counts {
    mints: Family<(Provider, Outcome), Counter>,
    revocations: Family<(Provider, Outcome), Counter>,
    rotations: Family<(Why, RotationOutcome), Counter>,
    requests: Family<(Provider, (Operation, RequestOutcome)), Counter>,
    request_durations: Histograms<(Provider, Operation)>,
    waits: Family<Provider, Counter<f64, AtomicU64>>,
    reconcile_durations: Histograms<Item>,
    reconcile_errors: Family<Item, Counter>,
    leader: Gauge,
    ready: Gauge,
    unwritten: Gauge,
    working: Gauge,
    parked: Gauge,
    /// The live meters, by provider.
    meters: Mutex<HashMap<Provider, Weak<Metered>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    /// Creates metrics that read from `source` what is not counted.
    #[must_use]
    pub fn over(source: impl Source) -> Self {
        let mut book = Book::new();
        let counts = Arc::new(Counts::new(&mut book));
        book.registry.register_collector(Box::new(Scrape(source)));
        Self { registry: Arc::new(book.registry), counts }
    }

    /// Returns all metrics in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Only the writer can fail, and a String accepts everything.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// Sets whether this process is the leader.
    pub fn set_leader(&self, leader: bool) {
        self.counts.leader.set(leader.into());
    }

    /// Sets whether this process is ready.
    pub fn set_ready(&self, ready: bool) {
        self.counts.ready.set(ready.into());
    }

    /// Shows one more response that cannot be stored in its ledger, until the returned guard is
    /// dropped.
    #[must_use]
    pub fn unwritten(&self) -> Unwritten {
        self.counts.unwritten.inc();
        Unwritten(self.counts.unwritten.clone())
    }

    /// Sets the number of items that work at a provider, and of those that wait for a permit.
    pub fn set_permits(&self, working: usize, parked: usize) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.counts.working.set(gauge(working));
        self.counts.parked.set(gauge(parked));
    }

    /// Counts a rotation, with its reason and its outcome.
    pub fn rotated(&self, why: Reason, outcome: RotationOutcome) {
        self.counts.rotations.get_or_create(&(Why(why), outcome)).inc();
    }

    /// Counts a reconcile.
    pub fn reconciled(&self, item: Item, took: Duration, failed: bool) {
        self.counts.reconcile_durations.get_or_create(&item).observe(took.as_secs_f64());
        if failed {
            self.counts.reconcile_errors.get_or_create(&item).inc();
        }
    }

    /// Returns the meter of a provider.
    #[must_use]
    pub fn meter(&self, provider: &Provider) -> Meter {
        let mut meters = self.counts.meters.lock();
        let known = meters.get(provider).and_then(Weak::upgrade);
        let metered = known.unwrap_or_else(|| {
            let new = Arc::new(Metered { provider: provider.clone(), counts: self.counts.clone() });
            meters.insert(provider.clone(), Arc::downgrade(&new));
            new
        });
        Meter(Some(metered))
    }
}

impl Counts {
    fn new(book: &mut Book) -> Self {
        let durations = "Time from a request to the provider's response";
        let waits = "Time that requests have waited for their turn, because of the limits of their provider";
        let reconciles = "Duration of the reconcile of an object, with all its requests";
        let parked =
            "Items that wait for a permit to work at their provider, because it is the turn of others";
        let unwritten = "New credentials that could not be stored in a ledger for 30 seconds, because of the API server. Each write is retried until the credential is stored, revoked or recorded. If the process ends before that, the credential is lost";
        let buckets: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let longer: fn() -> Histogram = || Histogram::new(RECONCILE_SECONDS);
        book.register(("build", None, "The running version; always 1"), Info::new(Version));
        Self {
            mints: book.add("mints", "Requests for a new credential to the provider, by outcome"),
            revocations: book
                .add("revocations", "Attempts to revoke a credential at the provider, by outcome"),
            rotations: book.add("rotations", "Replacements of a published credential, by reason and outcome"),
            requests: book
                .add("provider_requests", "HTTP requests to the provider, by operation and outcome"),
            request_durations: book.add_as(
                ("provider_request_duration", Some(Seconds), durations),
                Family::new_with_constructor(buckets),
            ),
            waits: book.add_as(("provider_wait", Some(Seconds), waits), Family::default()),
            reconcile_durations: book.add_as(
                ("reconcile_duration", Some(Seconds), reconciles),
                Family::new_with_constructor(longer),
            ),
            reconcile_errors: book
                .add("reconcile_errors", "Reconciles that failed because of Kubernetes, and are retried"),
            leader: book
                .add("leader", "1 if this process is the leader, the only one that works; 0 otherwise"),
            ready: book.add("ready", "1 if this process is ready, as in /readyz; 0 otherwise"),
            unwritten: book.add("answers_unwritten", unwritten),
            working: book
                .add("permits", "Items that are working at a provider now: a step, a probe or a list"),
            parked: book.add("parked", parked),
            meters: Mutex::default(),
        }
    }

    fn forget(&self, provider: &Provider) {
        for outcome in Outcome::ALL {
            self.mints.remove(&(provider.clone(), *outcome));
            self.revocations.remove(&(provider.clone(), *outcome));
        }
        for operation in Operation::ALL {
            self.request_durations.remove(&(provider.clone(), *operation));
            for outcome in RequestOutcome::ALL {
                self.requests.remove(&(provider.clone(), (*operation, *outcome)));
            }
        }
        self.waits.remove(provider);
    }
}

/// Counts for one provider. The default meter counts nowhere.
#[derive(Clone, Default)]
pub struct Meter(Option<Arc<Metered>>);

struct Metered {
    provider: Provider,
    counts: Arc<Counts>,
}

impl Drop for Metered {
    fn drop(&mut self) {
        let mut meters = self.counts.meters.lock();
        // A new meter of the same provider may exist by now.
        if meters.get(&self.provider).is_some_and(|it| it.strong_count() == 0) {
            meters.remove(&self.provider);
            self.counts.forget(&self.provider);
        }
    }
}

impl Meter {
    /// Counts a request.
    pub fn requested(&self, operation: Operation, outcome: RequestOutcome, took: Duration) {
        let Some(Metered { provider, counts }) = self.0.as_deref() else { return };
        counts.requests.get_or_create(&(provider.clone(), (operation, outcome))).inc();
        counts.request_durations.get_or_create(&(provider.clone(), operation)).observe(took.as_secs_f64());
    }

    /// Counts the time that a request has waited for its turn.
    pub fn waited(&self, took: Duration) {
        let Some(Metered { provider, counts }) = self.0.as_deref() else { return };
        counts.waits.get_or_create(provider).inc_by(took.as_secs_f64());
    }

    /// Counts a request for a new credential.
    pub fn minted(&self, outcome: Outcome) {
        let Some(Metered { provider, counts }) = self.0.as_deref() else { return };
        counts.mints.get_or_create(&(provider.clone(), outcome)).inc();
    }

    /// Counts an attempt to revoke.
    pub fn revoked(&self, outcome: Outcome) {
        let Some(Metered { provider, counts }) = self.0.as_deref() else { return };
        counts.revocations.get_or_create(&(provider.clone(), outcome)).inc();
    }
}

/// A response that cannot be stored in its ledger, shown as long as this value lives.
#[derive(Debug)]
pub struct Unwritten(Gauge);

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Returns the text of docs/metrics.md.
#[must_use]
pub fn documentation() -> String {
    book::written(pages())
}

fn pages() -> Vec<book::Page> {
    let mut book = Book::new();
    let _counts = Counts::new(&mut book);
    // Writing the documentation cannot fail.
    let _ = write_all(&[], &[], (&BTreeMap::new(), &BTreeMap::new()), &mut book);
    book.pages
}

#[cfg(test)]
mod tests;

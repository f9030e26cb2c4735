//! Metrics: what happens is counted where it happens, and what is so is read when somebody asks.
//!
//! Counting touches an atomic, and never fails. What is counted of a provider is forgotten with the last driver of it, so that
//! nobody makes this grow by making providers and deleting them.

mod book;
mod labels;
mod scrape;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
    time::Duration,
};

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

/// What all names begin with.
const PREFIX: &str = "credwright";
/// Up to the longest that a request may take.
const REQUEST_SECONDS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const RECONCILE_SECONDS: [f64; 8] = [0.001, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0];

/// The metrics of one process. A clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    counts: Arc<Counts>,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What is counted.
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
    /// Whoever counts for a provider.
    meters: Mutex<HashMap<Provider, Weak<Metered>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    /// Metrics that read from `source` what is not counted.
    #[must_use]
    pub fn over(source: impl Source) -> Self {
        let mut book = Book::new();
        let counts = Arc::new(Counts::new(&mut book));
        book.registry.register_collector(Box::new(Scrape(source)));
        Self { registry: Arc::new(book.registry), counts }
    }

    /// All of them, in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Only the writer can fail, and a String takes everything.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// Whether this process is the leader.
    pub fn set_leader(&self, leader: bool) {
        self.counts.leader.set(leader.into());
    }

    /// Whether this process is ready.
    pub fn set_ready(&self, ready: bool) {
        self.counts.ready.set(ready.into());
    }

    /// Shows one more answer that cannot be written into its ledger, until the returned guard is
    /// dropped.
    #[must_use]
    pub fn unwritten(&self) -> Unwritten {
        self.counts.unwritten.inc();
        Unwritten(self.counts.unwritten.clone())
    }

    /// How many items work at a provider, and how many are parked until it is their turn.
    pub fn set_permits(&self, working: usize, parked: usize) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.counts.working.set(gauge(working));
        self.counts.parked.set(gauge(parked));
    }

    /// Counts a rotation: why, and how it ended.
    pub fn rotated(&self, why: Reason, outcome: RotationOutcome) {
        self.counts.rotations.get_or_create(&(Why(why), outcome)).inc();
    }

    /// Counts a pass.
    pub fn reconciled(&self, item: Item, took: Duration, failed: bool) {
        self.counts.reconcile_durations.get_or_create(&item).observe(took.as_secs_f64());
        if failed {
            self.counts.reconcile_errors.get_or_create(&item).inc();
        }
    }

    /// What counts for a provider.
    #[must_use]
    pub fn meter(&self, provider: &Provider) -> Meter {
        let mut meters = self.counts.meters();
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
        let mints = "Credentials that the provider was asked for, by what came of it";
        let revocations = "Attempts to make a credential invalid at the provider, by what came of it";
        let rotations = "Replacements of a published credential, by why and by how the attempt ended";
        let requests = "HTTP requests to the provider, by what for and by how they ended";
        let durations = "How long the provider took to answer a request";
        let waits = "How long requests have waited for their turn, because of the provider's own limits";
        let reconciles = "How long a look at an object took, with all that it did";
        let errors = "Looks at an object that failed because of Kubernetes, and are made again";
        let working = "Items that work at a provider just now: a step, a probe or a list";
        let parked =
            "Items that have no permit to work at their provider yet, because others have their turn";
        let unwritten = "New credentials that the API server has not taken into a ledger for 30 seconds; each is retried until it is stored, revoked or on record, and is lost if the process ends before";
        let buckets: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let longer: fn() -> Histogram = || Histogram::new(RECONCILE_SECONDS);
        book.put(("build", None, "The version that runs; always 1"), Info::new(Version));
        Self {
            mints: book.add(("mints", None, mints), Family::default()),
            revocations: book.add(("revocations", None, revocations), Family::default()),
            rotations: book.add(("rotations", None, rotations), Family::default()),
            requests: book.add(("provider_requests", None, requests), Family::default()),
            request_durations: book.add(
                ("provider_request_duration", Some(Seconds), durations),
                Family::new_with_constructor(buckets),
            ),
            waits: book.add(("provider_wait", Some(Seconds), waits), Family::default()),
            reconcile_durations: book
                .add(("reconcile_duration", Some(Seconds), reconciles), Family::new_with_constructor(longer)),
            reconcile_errors: book.add(("reconcile_errors", None, errors), Family::default()),
            leader: book.add(
                ("leader", None, "Whether this process is the leader, the only one that works"),
                Gauge::default(),
            ),
            ready: book
                .add(("ready", None, "Whether this process is ready, as /readyz says"), Gauge::default()),
            unwritten: book.add(("answers_unwritten", None, unwritten), Gauge::default()),
            working: book.add(("permits", None, working), Gauge::default()),
            parked: book.add(("parked", None, parked), Gauge::default()),
            meters: Mutex::default(),
        }
    }

    fn meters(&self) -> MutexGuard<'_, HashMap<Provider, Weak<Metered>>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Counts for one provider; the default one counts nowhere.
#[derive(Clone, Default)]
pub struct Meter(Option<Arc<Metered>>);

struct Metered {
    provider: Provider,
    counts: Arc<Counts>,
}

impl Drop for Metered {
    fn drop(&mut self) {
        let mut meters = self.counts.meters();
        // Somebody may count for it anew by now.
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

    /// Counts how long a request has waited for its turn.
    pub fn waited(&self, took: Duration) {
        let Some(Metered { provider, counts }) = self.0.as_deref() else { return };
        counts.waits.get_or_create(provider).inc_by(took.as_secs_f64());
    }

    /// Counts a credential that was asked for.
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

/// An answer that cannot be written into its ledger, shown for as long as this lives.
#[derive(Debug)]
pub struct Unwritten(Gauge);

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What docs/metrics.md says.
#[must_use]
pub fn documentation() -> String {
    book::written(pages())
}

fn pages() -> Vec<book::Page> {
    let mut book = Book::new();
    let _counts = Counts::new(&mut book);
    // Writing down what there is cannot fail.
    let _ = write_all(&[], &[], (&BTreeMap::new(), &BTreeMap::new()), &mut book);
    book.pages
}

#[cfg(test)]
mod tests;

//! Wiring: watches wake items in a queue, and a bounded number of passes processes them.

pub mod boundary;
mod health;
pub mod lease;
mod look;
pub mod permits;
pub mod queue;
mod watches;

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    engine::{Engine, EngineError, Settings, slot::Slots, startup},
    ops::metrics::Metrics,
};

use boundary::{Task, contained};
use health::Troubles;
use lease::{Candidate, LeaseLost};
use permits::Permits;
use queue::{Item, Queue};
use watches::{Scoped, Trouble, Watch};

/// The pause before starting again.
const RETRY: Duration = Duration::from_secs(1);
/// The time for requests sent before the Lease was lost to end and to be written down: longer than
/// any call at a provider.
const FINISHING: Duration = Duration::from_mins(3);

/// The operator: one per process, and several of them are safe.
pub struct Operator {
    engine: Engine,
    candidate: Option<Candidate>,
    leads: watch::Sender<bool>,
    queue: Arc<Queue>,
    slots: Arc<Slots>,
    permits: Arc<Permits>,
    options: Options,
    synced: Mutex<Synced>,
    progress: Notify,
}

/// The progress of the caches.
#[derive(Default)]
struct Synced {
    /// The watches whose caches are complete.
    complete: HashSet<Scoped>,
    /// Watches that were refused before they were ever complete: the namespace was deleted, or our
    /// rights in it were.
    refused: HashSet<Scoped>,
    troubles: Troubles,
}

/// The options of an operator.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces to work in; none means all.
    pub namespaces: Vec<String>,
    /// True if providers that namespaces share are used.
    pub cluster_providers: bool,
    /// The number of objects processed at once.
    pub concurrency: usize,
    /// True if lists are streamed (Kubernetes 1.34 and later); otherwise they come in small pages.
    pub streaming_lists: bool,
    /// The time after which the process counts as hanging: items have been ready, and none has been
    /// taken up or has ended. Five minutes; shorter only in tests.
    pub hang_after: Duration,
    /// The time after a stop for steps that the next process can repeat, before they are given up.
    /// Ten seconds; shorter only in tests.
    pub wind_down: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            cluster_providers: true,
            concurrency: 32,
            streaming_lists: true,
            hang_after: Duration::from_mins(5),
            wind_down: Duration::from_secs(10),
        }
    }
}

impl Operator {
    /// An operator that has not processed anything yet.
    ///
    /// # Errors
    /// If the CRDs in the cluster are older, or if the sealing key can neither be read nor made, or
    /// is missing though there are ledgers.
    pub async fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        mut settings: Settings,
        options: Options,
    ) -> Result<Self, EngineError> {
        startup::check_definitions(&client).await?;
        let sealer = startup::sealer(&client, &settings.namespace, &options.namespaces).await?;
        if options.namespaces.is_empty() {
            Arc::make_mut(&mut settings.egress).services = startup::service_ranges(&client).await?;
        }
        let candidate = settings
            .lease
            .clone()
            .map(|holder| Candidate::new(client.clone(), &settings.namespace, holder, clock.clone()));
        let queue = Arc::<Queue>::default();
        Ok(Self {
            engine: Engine::new(client, clock, settings, sealer),
            leads: watch::Sender::new(candidate.is_none()),
            candidate,
            permits: Permits::new(queue.clone(), options.concurrency),
            queue,
            slots: Arc::default(),
            options,
            synced: Mutex::default(),
            progress: Notify::new(),
        })
    }

    /// The same with the Lease taken and renewed over `client`, so that it waits for no other call.
    #[must_use]
    pub fn renewing_over(mut self, client: Client) -> Self {
        self.candidate = self.candidate.map(|candidate| candidate.over(client));
        self
    }

    /// Runs until `shutdown`, or until another process has taken the Lease. Both end alike: nothing
    /// new is started, a create that was sent is waited for and its answer written down, and
    /// repeatable steps have [`Options::wind_down`] to end. Then the Lease is released, if it is
    /// ours, and sessions at providers are ended.
    ///
    /// # Errors
    /// If another process has taken the Lease: this one has to start again.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), LeaseLost> {
        self.engine.end_with(&shutdown);
        let lost = OnceLock::new();
        tokio::select! {
            () = self.watch_all() => {}
            () = self.stand(&lost) => {}
            () = self.work() => {}
        }
        if let Some(candidate) = &self.candidate {
            candidate.step_down().await;
        }
        match lost.into_inner() {
            Some(lost) => Err(lost),
            None => {
                self.engine.close_accounts().await;
                Ok(())
            }
        }
    }

    /// Stands for the Lease, if there is one. Ends a while after it was lost, if the started work
    /// has not ended by itself.
    async fn stand(&self, lost: &OnceLock<LeaseLost>) {
        let Some(candidate) = &self.candidate else { return std::future::pending().await };
        let error = self.stand_as(candidate).await;
        tracing::warn!(%error, "lease lost, finishing the requests already sent");
        self.engine.ending().cancel();
        let _ = lost.set(error);
        tokio::time::sleep(FINISHING).await;
        tracing::error!(
            "requests not finished within {FINISHING:?}, the next leader searches for their effects"
        );
    }

    /// Stands for the Lease, and begins again after a panic, without leading meanwhile.
    async fn stand_as(&self, candidate: &Candidate) -> LeaseLost {
        loop {
            match contained(Task::Lease, candidate.stand(&self.leads)).await {
                Ok(error) => return error,
                Err(panicked) => {
                    tracing::error!(error = %panicked, "lease election panicked, restarting");
                }
            }
            self.leads.send_replace(false);
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Returns the metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.engine.metrics
    }

    /// Returns whether all caches are complete and nothing is left to process now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.has_all_synced() && self.queue.is_idle()
    }

    /// Returns whether this process leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        *self.leads.borrow() && self.candidate.as_ref().is_none_or(Candidate::counts)
    }

    /// Returns whether nothing may be started: this process ends, or does not lead.
    fn must_rest(&self) -> bool {
        self.engine.ending().is_cancelled() || !*self.leads.borrow()
    }

    /// Returns when something is next due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due()
    }

    /// Returns whether all caches are complete, except those of namespaces where Credwright may not
    /// list.
    #[must_use]
    pub fn has_all_synced(&self) -> bool {
        let synced = self.synced.lock();
        self.watches().iter().all(|watch| synced.complete.contains(watch) || synced.refused.contains(watch))
    }

    /// Returns whether the view of a namespace is complete: with half of it, a ledger would be
    /// taken for lost.
    fn has_synced_within(&self, namespace: &str) -> bool {
        let synced = self.synced.lock();
        Watch::OF_A_NAMESPACE
            .iter()
            .all(|watch| synced.complete.contains(&(*watch, Some(namespace.to_owned()))))
    }

    fn has_synced(&self, watch: &Scoped) {
        let mut synced = self.synced.lock();
        synced.refused.remove(watch);
        let first = synced.complete.insert(watch.clone());
        drop(synced);
        if first && self.has_all_synced() {
            tracing::info!("all caches are complete");
        }
        if let (true, Some(namespace)) = (first, &watch.1) {
            self.queue.wake(Item::Rights(namespace.as_str().into()));
        }
        self.progress.notify_one();
    }

    /// A namespace that was deleted, or that revoked our rights, keeps nobody else waiting.
    fn has_trouble(&self, watch: &Scoped, trouble: Trouble) {
        let mut synced = self.synced.lock();
        let of_a_namespace = Watch::OF_A_NAMESPACE.contains(&watch.0) && watch.1.is_some();
        let refused = trouble == Trouble::Refused;
        synced.troubles.note(watch, trouble);
        if of_a_namespace && refused && !synced.complete.contains(watch) {
            synced.refused.insert(watch.clone());
        }
        drop(synced);
        self.progress.notify_one();
    }

    fn is_well(&self, watch: &Scoped) {
        self.synced.lock().troubles.clear(watch);
    }

    /// Waits until everything is known and this process leads.
    ///
    /// # Errors
    /// If the mints of deleted objects cannot be read, or the ledgers without a label cannot be
    /// listed.
    async fn may_begin(&self) -> Result<(), EngineError> {
        while !self.has_all_synced() {
            self.progress.notified().await;
        }
        self.engine.stores.settle();
        let _ = self.leads.subscribe().wait_for(|leads| *leads).await;
        // The one before may have written it since this process started.
        self.engine.recall_mints().await?;
        self.engine.label_ledgers(&self.options.namespaces).await
    }

    /// Waits until the work may start, and retries after errors.
    async fn begins(&self) {
        while let Err(error) = self.may_begin().await {
            tracing::warn!(%error, "start-up failed, retrying");
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn work(&self) {
        let ending = self.engine.ending();
        tokio::select! {
            () = self.begins() => {}
            () = ending.cancelled() => return,
        }
        self.engine.begin_work();
        self.queue.order(|item| match item {
            Item::Credential(key) => Some(self.engine.ends(key)),
            _ => None,
        });

        let mut leads = self.leads.subscribe();
        let mut running = FuturesUnordered::new();
        loop {
            while self.has_room() && !self.must_rest() {
                let Some(item) = self.queue.take(self.engine.now()) else { break };
                running.push(self.look_at(item, self.slots.take()));
            }
            if ending.is_cancelled() && running.is_empty() {
                return;
            }
            let due = self.queue.next_due().unwrap_or(Timestamp::MAX);
            let shift = self.permits.shift(Instant::now());
            tokio::select! {
                Some(()) = running.next() => {}
                () = self.queue.changed() => {}
                () = self.slots.freed() => {}
                () = at(shift) => {}
                Ok(()) = leads.changed() => {}
                () = self.engine.clock().sleep_until(due), if self.has_room() && !self.must_rest() => {}
                () = ending.cancelled(), if running.is_empty() => return,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.slots.taken() < self.options.concurrency
    }
}

/// Resolves at an instant, or never.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

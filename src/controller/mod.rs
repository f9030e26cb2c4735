//! Wiring: watches wake items in a queue, and a bounded number of passes looks at them.

mod health;
pub mod lease;
pub mod queue;
mod watches;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    engine::{
        Engine, EngineError, Settings,
        accounts::COUNT_EVERY,
        stores::{Key, ProviderKey},
    },
    lifecycle::{conclude, decide, ledger::Revision, plan::Wake},
    ops::metrics::Metrics,
};

use health::{Trouble, Troubles};
use lease::{Candidate, LeaseLost};
use queue::{Item, Queue};
use watches::{Scoped, Watch};

/// How many steps one pass may take before it makes room for others.
const STEPS_IN_A_PASS: usize = 16;
/// When to try again to begin.
const RETRY: Duration = Duration::from_secs(1);
/// When to look again whether a namespace is known by now.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// The operator: one per process, and several of them are safe.
pub struct Operator {
    engine: Engine,
    candidate: Option<Candidate>,
    leads: watch::Sender<bool>,
    queue: Queue,
    options: Options,
    synced: Mutex<Synced>,
    progress: Notify,
}

/// How far the caches have come.
#[derive(Default)]
struct Synced {
    /// The watches whose caches are complete.
    complete: HashSet<Scoped>,
    /// Those that were refused before they ever were: their namespace has gone, or our rights in it.
    refused: HashSet<Scoped>,
    troubles: Troubles,
}

/// How an operator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces to work in; none means all.
    pub namespaces: Vec<String>,
    /// Whether providers that are shared by namespaces are used.
    pub cluster_providers: bool,
    /// How many objects are looked at at once.
    pub concurrency: usize,
    /// Whether lists are streamed (Kubernetes 1.34 and later); otherwise they come in small pages.
    pub streaming_lists: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespaces: Vec::new(), cluster_providers: true, concurrency: 32, streaming_lists: true }
    }
}

impl Operator {
    /// An operator that has not looked at anything yet.
    ///
    /// # Errors
    /// If the sealing key can neither be read nor made.
    pub async fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        settings: Settings,
        options: Options,
    ) -> Result<Self, EngineError> {
        let sealer = crate::engine::startup::sealer(&client, &settings.namespace).await?;
        let candidate =
            settings.lease.clone().map(|holder| Candidate::new(client.clone(), &settings.namespace, holder));
        Ok(Self {
            engine: Engine::new(client, clock, settings, sealer),
            leads: watch::Sender::new(candidate.is_none()),
            candidate,
            queue: Queue::default(),
            options,
            synced: Mutex::default(),
            progress: Notify::new(),
        })
    }

    /// Runs until `shutdown`, then finishes the passes that have begun, and gives the Lease back.
    ///
    /// # Errors
    /// If another process has taken the Lease: this one has to begin anew.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), LeaseLost> {
        let stand = async {
            match &self.candidate {
                Some(candidate) => candidate.stand(&self.leads).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            () = self.watch_all() => Ok(()),
            () = self.work(&shutdown) => Ok(()),
            lost = stand => Err(lost),
        };
        if let Some(candidate) = &self.candidate {
            candidate.step_down().await;
        }
        ended
    }

    /// What is counted, and shown.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.engine.metrics
    }

    /// Whether all caches are complete and nothing is left to look at now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.has_all_synced() && self.queue.is_idle()
    }

    /// Whether this process works, and does not stand by.
    #[must_use]
    pub fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    /// When something is next due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due()
    }

    /// Whether all caches are complete, but for those of namespaces where Credwright may not look.
    #[must_use]
    pub fn has_all_synced(&self) -> bool {
        let Ok(synced) = self.synced.lock() else { return false };
        self.watches().iter().all(|watch| synced.complete.contains(watch) || synced.refused.contains(watch))
    }

    /// Whether nothing is missing from what is known of a namespace: with half of it, a ledger would be taken for lost.
    fn has_synced_within(&self, namespace: &str) -> bool {
        let Ok(synced) = self.synced.lock() else { return false };
        Watch::OF_A_NAMESPACE
            .iter()
            .all(|watch| synced.complete.contains(&(*watch, Some(namespace.to_owned()))))
    }

    fn has_synced(&self, watch: &Scoped) {
        let first = self.synced.lock().is_ok_and(|mut synced| {
            synced.refused.remove(watch);
            synced.complete.insert(watch.clone())
        });
        if first && self.has_all_synced() {
            tracing::info!("all caches are complete");
        }
        if let (true, Some(namespace)) = (first, &watch.1) {
            self.queue.wake(Item::Rights(namespace.clone()));
        }
        self.progress.notify_one();
    }

    /// A namespace that has gone, or that took our rights away, keeps nobody else waiting.
    fn has_trouble(&self, watch: &Scoped, trouble: Trouble) {
        if let Ok(mut synced) = self.synced.lock() {
            synced.troubles.note(watch, trouble);
            let of_a_namespace = Watch::OF_A_NAMESPACE.contains(&watch.0) && watch.1.is_some();
            if of_a_namespace && trouble == Trouble::Refused && !synced.complete.contains(watch) {
                synced.refused.insert(watch.clone());
            }
        }
        self.progress.notify_one();
    }

    fn is_well(&self, watch: &Scoped) {
        if let Ok(mut synced) = self.synced.lock() {
            synced.troubles.clear(watch);
        }
    }

    /// Waits until everything is known and this process leads.
    ///
    /// # Errors
    /// If what was minted for objects that are gone cannot be read.
    async fn may_begin(&self) -> Result<(), EngineError> {
        while !self.has_all_synced() {
            self.progress.notified().await;
        }
        let _ = self.leads.subscribe().wait_for(|leads| *leads).await;
        // The one before may have written it since this process started.
        self.engine.recall_departed().await
    }

    async fn work(&self, shutdown: &CancellationToken) {
        loop {
            tokio::select! {
                begins = self.may_begin() => match begins {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(%error, "it is tried again"),
                },
                () = shutdown.cancelled() => return,
            }
            tokio::time::sleep(RETRY).await;
        }
        self.queue.order(|item| match item {
            Item::Credential(key) => Some(self.engine.ends(key)),
            _ => None,
        });

        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.options.concurrency && !shutdown.is_cancelled() {
                let Some(item) = self.queue.take(self.engine.now()) else { break };
                running.push(self.look_at(item));
            }
            if shutdown.is_cancelled() && running.is_empty() {
                return;
            }
            let due = self.queue.next_due().unwrap_or(Timestamp::MAX);
            tokio::select! {
                Some(()) = running.next() => {}
                () = self.queue.changed() => {}
                () = self.engine.clock().sleep_until(due), if running.len() < self.options.concurrency => {}
                () = shutdown.cancelled(), if running.is_empty() => return,
            }
        }
    }

    async fn look_at(&self, item: Item) {
        let since = Instant::now();
        let next = self.tend_item(&item).await;
        self.engine.metrics.reconciled(item.label(), since.elapsed(), next.is_err());
        let next = next.map_err(|error| tracing::warn!(?item, %error, "it is tried again"));
        self.queue.done(item, next, self.engine.now());
    }

    async fn tend_item(&self, item: &Item) -> Result<Option<Timestamp>, EngineError> {
        let namespace = item.namespace();
        if !self.options.namespaces.iter().any(|bound| bound == namespace) {
            return self.tend_what(item).await;
        }
        if !self.has_synced_within(namespace) {
            return Ok(Some(self.engine.now() + LOOK_AGAIN));
        }
        let tended = match self.engine.tend_rights(namespace).await {
            Ok(()) => self.tend_what(item).await,
            Err(error) => Err(error),
        };
        match tended {
            // Our rights have gone with the namespace, or left before it, and nothing needs them.
            Err(error) if error.is_refusal() && !self.engine.stores.has_anything_in(namespace) => Ok(None),
            tended => tended,
        }
    }

    async fn tend_what(&self, item: &Item) -> Result<Option<Timestamp>, EngineError> {
        match item {
            Item::Provider(key) => self.tend(key).await,
            Item::Credential(key) => self.reconcile(key).await,
            Item::Abandoned(key) => self.engine.tend_abandoned(key).await,
            Item::Login(key) => self.engine.tend_login(key).await,
            Item::Rights(_) => Ok(None),
        }
    }

    /// One pass: observe, decide, perform, conclude, until there is nothing to do.
    async fn reconcile(&self, key: &Key) -> Result<Option<Timestamp>, EngineError> {
        if self.waits_for_provider(key) {
            return Ok(None);
        }
        let mut pass = self.engine.pass(key.clone());
        for _ in 0..STEPS_IN_A_PASS {
            let world = pass.observe().await?;
            let plan = decide(&world, self.engine.now());
            let Some(step) = &plan.step else {
                pass.rest(&world, &plan).await?;
                return Ok(match plan.wake {
                    Wake::OnChange => None,
                    Wake::At(at) => Some(at),
                });
            };
            tracing::debug!(namespace = %key.namespace, name = %key.name, ?step, reason = plan.reason.as_str(), "step");
            let outcome = match pass.perform(&world, step).await {
                Ok(outcome) => outcome,
                Err(error) if error.is_conflict() => continue,
                Err(error) => return Err(error),
            };
            let report = conclude(&world, step, &outcome, self.engine.now());
            match pass.conclude(&world, report).await {
                Ok(Some((provider, at))) => self.queue.wake_by(Item::Provider(provider), at),
                Ok(None) => self.count_soon(key),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(self.engine.now() + LOOK_AGAIN))
    }

    /// Nothing is decided, and no status written, before the provider has been looked at once; then it wakes its credentials.
    fn waits_for_provider(&self, key: &Key) -> bool {
        let Some(object) = self.engine.stores.credentials.get(key) else { return false };
        let provider = ProviderKey::wanted_by(&object, &key.namespace);
        self.engine.stores.providers.get(&provider).is_some() && !self.engine.accounts.is_known(&provider)
    }

    /// The providers of this object have other credentials now: they count them, and one that waits to go looks at once.
    fn count_soon(&self, key: &Key) {
        let stores = &self.engine.stores;
        let named = stores.credentials.get(key).map(|object| ProviderKey::wanted_by(&object, &key.namespace));
        let document = stores.ledgers.get(key).and_then(|entry| entry.document.ok());
        let listed = document.iter().flat_map(|it| &it.revisions);
        let listed = listed.map(|it| ProviderKey::of_account(&it.account, &key.namespace));
        for provider in named.into_iter().chain(listed).collect::<HashSet<_>>() {
            let pause =
                if self.engine.is_waiting_to_go(&provider) { SignedDuration::ZERO } else { COUNT_EVERY };
            self.queue.wake_by(Item::Provider(provider), self.engine.now() + pause);
        }
    }

    async fn tend(&self, key: &ProviderKey) -> Result<Option<Timestamp>, EngineError> {
        let tended = self.engine.tend_provider(key).await?;
        if tended.changed {
            self.wake_dependents(key);
        }
        if let Some(login) = self.engine.login_is_going(key) {
            self.queue.wake(Item::Login(login));
        }
        tended.strays.into_iter().for_each(|key| self.queue.wake(Item::Credential(key)));
        Ok(tended.wake)
    }

    fn wake_dependents(&self, provider: &ProviderKey) {
        let stores = &self.engine.stores;
        let by_spec = stores.credentials.select(|key, object| {
            (ProviderKey::wanted_by(object, &key.namespace) == *provider).then(|| key.clone())
        });
        let by_ledger = stores.ledgers.select(|key, entry| {
            let revisions = &entry.document.as_ref().ok()?.revisions;
            let made = |it: &Revision| ProviderKey::of_account(&it.account, &key.namespace) == *provider;
            revisions.iter().any(|it| it.state.may_be_alive() && made(it)).then(|| key.clone())
        });
        self.wake_all(by_spec.into_iter().chain(by_ledger).collect());
    }

    /// What ends soonest is looked at first.
    fn wake_all(&self, mut keys: Vec<Key>) {
        keys.sort_by_cached_key(|key| self.engine.ends(key));
        for key in keys {
            self.queue.wake(Item::Credential(key));
        }
    }
}

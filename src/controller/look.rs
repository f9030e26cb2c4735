//! One pass for one item of the queue, and the time of the next one.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    Operator,
    boundary::{Task, contained},
    permits::{Ask, Lane, Permit, Turn},
    queue::{Item, Retry},
};
use crate::{
    engine::{EngineError, Key, Pass, ProviderKey, Turns, Work, accounts::COUNT_EVERY, slot::Slot},
    lifecycle::{Moved, Plan, Revision, Urgency, Wake, World, conclude, decide, progress::Progress, urgency},
};

/// The number of steps in one pass before it makes room for others.
const STEPS_IN_A_PASS: usize = 16;
/// The pause before checking again whether a namespace is known.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// A wait for a turn is reported only when it lasts longer than this, since that is a write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// The resources that an item has for the length of a pass.
struct Look {
    turn: Turn,
    slot: Slot,
}

impl Turns for Look {
    fn begin(&mut self, work: Work, account: &ProviderKey) -> bool {
        let (lane, urgency) = match work {
            Work::Probe => (Lane::Probes, Urgency::Ordinary),
            Work::List => (Lane::Lists, Urgency::Ordinary),
            Work::Attempt => (Lane::Steps, Urgency::Deletion),
        };
        let ask = Ask { lane, account: account.clone(), urgency, ends: Timestamp::MAX, at_once: 1 };
        let permit = self.turn.ask(ask, Timestamp::UNIX_EPOCH, Instant::now());
        let Ok(permit) = permit else { return false };
        permit.stopwatch().start(Instant::now());
        self.slot.work_under(permit);
        true
    }

    fn end(&mut self) {
        self.slot.work_is_done();
    }
}

/// A plan whose step may be taken now.
struct Admitted {
    plan: Plan,
    permit: Option<Permit>,
    /// The time since which the object has waited for its turn at an account, if it does.
    parked: Option<Timestamp>,
}

impl Operator {
    pub(super) async fn look_at(&self, item: Item, slot: Slot) {
        let since = Instant::now();
        let look = Look { turn: self.permits.turn(&item), slot };
        let tended = contained(Task::Item, self.tend_item(&item, look)).await;
        let failed = !matches!(tended, Ok(Ok(_) | Err(EngineError::Stopping)));
        self.engine.metrics.reconciled(item.label(), since.elapsed(), failed);
        let (kind, namespace, name) = (item.label(), item.namespace(), item.name());
        let next = match tended {
            Ok(Ok(next)) => Ok(next),
            Ok(Err(EngineError::Stopping)) => Ok(None),
            Ok(Err(error)) => {
                tracing::warn!(?kind, %namespace, name, %error, "reconcile failed, retrying");
                Err(Retry { after: error.retry_after() })
            }
            Err(panicked) => {
                tracing::error!(?kind, %namespace, name, error = %panicked, "reconcile panicked, retrying");
                Err(Retry::default())
            }
        };
        self.queue.done(item, next, self.engine.now());
    }

    async fn tend_item(&self, item: &Item, look: Look) -> Result<Option<Timestamp>, EngineError> {
        let tended = self.tend_within_rights(item, look).await;
        if let (Item::Credential(key), Err(error)) = (item, &tended) {
            self.engine.tell_of(key, error).await;
        }
        tended
    }

    async fn tend_within_rights(&self, item: &Item, look: Look) -> Result<Option<Timestamp>, EngineError> {
        let namespace = item.namespace();
        if !self.options.namespaces.iter().any(|bound| **bound == **namespace) {
            return self.tend_what(item, look).await;
        }
        if !self.has_synced_within(namespace) {
            return Ok(Some(self.engine.now() + LOOK_AGAIN));
        }
        let tended = match self.engine.tend_rights(namespace).await {
            Ok(()) => self.tend_what(item, look).await,
            Err(error) => Err(error),
        };
        match tended {
            // Our rights were deleted with the namespace, or before it, and nothing needs them.
            Err(error) if error.is_refusal() && !self.engine.stores.has_anything_in(namespace) => Ok(None),
            tended => tended,
        }
    }

    async fn tend_what(&self, item: &Item, mut look: Look) -> Result<Option<Timestamp>, EngineError> {
        match item {
            Item::Provider(key) => self.unless_stopping(self.tend(key, &mut look)).await,
            Item::Credential(key) => self.reconcile(key, look).await,
            Item::Abandoned(key) => self.unless_stopping(self.engine.tend_abandoned(key, &mut look)).await,
            Item::Login(key) => self.unless_stopping(self.engine.tend_login(key)).await,
            Item::Rights(_) => Ok(None),
        }
    }

    /// Gives up steps that the next process can repeat, some seconds after this process began to
    /// stop: a slow provider must not use up the time in which the answer to a create can be
    /// stored.
    async fn unless_stopping<T>(
        &self,
        repeatable: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let stopping = async {
            self.engine.ending().cancelled().await;
            tokio::time::sleep(self.options.wind_down).await;
        };
        tokio::select! {
            biased;
            done = repeatable => done,
            () = stopping => Err(EngineError::Stopping),
        }
    }

    /// One pass: observe, decide, perform, conclude, until there is nothing to do.
    async fn reconcile(&self, key: &Key, look: Look) -> Result<Option<Timestamp>, EngineError> {
        if let Some(wake) = self.waits_for_provider(key) {
            return Ok(wake.instant());
        }
        let Look { mut turn, mut slot } = look;
        let (mut pass, mut progress) = (self.engine.pass(key.clone(), &mut slot), Progress::default());
        for _ in 0..STEPS_IN_A_PASS {
            if self.must_rest() {
                return Ok(Some(self.engine.now()));
            }
            match self.step(&mut pass, &mut progress, &mut turn).await {
                Ok(Some(wake)) => return Ok(wake.instant()),
                Ok(None) => {}
                Err(error) if error.is_conflict() => progress.gives_way(&error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(self.engine.now() + LOOK_AGAIN))
    }

    /// One step of a pass or, if there is none to take, rest until the instant that is returned.
    async fn step(
        &self,
        pass: &mut Pass<'_>,
        progress: &mut Progress,
        turn: &mut Turn,
    ) -> Result<Option<Wake>, EngineError> {
        let key = pass.key().clone();
        // Each time: an answer may contain an unreadable part.
        if self.engine.show_unreadable(&key).await? {
            return Ok(Some(Wake::OnChange));
        }
        let mut world = pass.observe().await?;
        let Admitted { plan, permit, parked } = self.admit(&key, &mut world, turn);
        if parked.is_none() && pass.finds_target(&world).await? {
            turn.keep(permit);
            return Ok(None);
        }
        let (step, reason) = match &plan {
            Plan::Act { step, reason, .. } => (step, reason),
            Plan::Rest(rest) => {
                let told = parked.map(|since| since.later(PATIENCE));
                if let Some(told) = told.filter(|told| *told > self.engine.now()) {
                    return Ok(Some(rest.wake.or_at(told)));
                }
                return pass.rest(&world, rest).await.map(Some);
            }
        };
        tracing::debug!(namespace = %key.namespace, name = %key.name, ?step, reason = reason.as_str(), "step");
        progress.begins(&world, step)?;
        let stopwatch = permit.as_ref().map(|it| it.stopwatch().clone()).unwrap_or_default();
        if let Some(permit) = permit {
            pass.slot().work_under(permit);
        }
        let performed = stopwatch.during(pass.perform(&world, step));
        let outcome =
            if step.is_repeatable() { self.unless_stopping(performed).await } else { performed.await };
        let permit = pass.slot().work_is_done().and_then(|it| it.downcast::<Permit>().ok());
        turn.keep(permit.map(|it| *it));
        let report = conclude(&world, step, &outcome?, self.engine.now());
        if let Some((provider, at)) = pass.conclude(&world, report).await? {
            self.queue.wake_by(Item::Provider(provider), at);
        }
        self.count_soon(&key);
        Ok(None)
    }

    /// Decides, and asks for the permit that the step needs. Without one, the account is busy for
    /// this object, and everything that needs no permit is decided: the Secret is restored, and
    /// deadlines are met.
    fn admit(&self, key: &Key, world: &mut World, turn: &mut Turn) -> Admitted {
        let mut parked: Option<Timestamp> = None;
        loop {
            let now = self.engine.now();
            let plan = decide(world, now);
            let account = plan.step().and_then(|step| step.turn_at(world));
            let Some(account) = account.map(|(kind, name)| (kind, name.to_owned())) else {
                turn.give_back_used();
                return Admitted { plan, permit: None, parked };
            };
            let provider = ProviderKey::resolve(account.0, &account.1, &key.namespace);
            let ask = Ask {
                lane: Lane::Steps,
                urgency: urgency(world, &plan, now),
                ends: self.engine.ends(key),
                at_once: self.engine.accounts.at_once(&provider),
                account: provider,
            };
            match turn.ask(ask, now, Instant::now()) {
                Ok(permit) => return Admitted { plan, permit: Some(permit), parked },
                Err(since) => {
                    parked = parked.into_iter().chain([since]).min();
                    if !world.set_busy(&account, since) {
                        // The step does not need the busy account: no check asks again, so it
                        // rests.
                        return Admitted { plan: Plan::Rest(plan.at_rest()), permit: None, parked };
                    }
                }
            }
        }
    }

    /// Returns how long an object waits for its provider, if it does. Nothing is decided, and no
    /// status written, before the provider has been probed once; then it wakes its credentials. A
    /// terminating object waits until its deadline: without the provider it is not known what
    /// Credwright can revoke there, and what it has to ask a person for.
    fn waits_for_provider(&self, key: &Key) -> Option<Wake> {
        let object = self.engine.stores.credentials.get(key)?;
        let provider = ProviderKey::wanted_by(&object, &key.namespace);
        if self.engine.stores.providers.get(&provider).is_none() || self.engine.accounts.is_known(&provider) {
            return None;
        }
        let Some(deleted) = &object.metadata.deletion_timestamp else { return Some(Wake::OnChange) };
        let deadline = deleted.0.later(self.engine.revocation_deadline());
        (self.engine.now() < deadline).then_some(Wake::At(deadline))
    }

    /// The providers of this object have other credentials now: they count them, and one that waits
    /// to be deleted is processed at once.
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

    async fn tend(&self, key: &ProviderKey, look: &mut Look) -> Result<Option<Timestamp>, EngineError> {
        match self.engine.stores.providers.get(key) {
            Some(_) => self.permits.know(key),
            None => self.permits.forget(key),
        }
        let before = self.engine.stores.providers.get(key);
        let tended = self.engine.tend_provider(key, look).await?;
        if tended.changed {
            self.wake_dependents(key);
        }
        if tended.overtaken {
            let secrets = before.map(|before| before.secrets(key)).unwrap_or_default();
            secrets.into_iter().for_each(|secret| self.queue.wake(Item::Login(secret)));
            self.queue.wake(Item::Provider(key.clone()));
        }
        if let Some(login) = self.engine.login_is_going(key) {
            self.queue.wake(Item::Login(login));
        }
        tended.strays.into_iter().for_each(|key| self.queue.wake(Item::Credential(key)));
        // Only now: a failed write keeps nobody from using the account.
        tended.failed.map_or(Ok(tended.wake), Err)
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

    /// Wakes objects, the one whose credential ends soonest first.
    fn wake_all(&self, mut keys: Vec<Key>) {
        keys.sort_by_cached_key(|key| self.engine.ends(key));
        for key in keys {
            self.queue.wake(Item::Credential(key));
        }
    }
}

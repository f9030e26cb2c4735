//! One of several operators works: the one that holds the Lease. The others keep their caches warm,
//! and wait.
//!
//! The rules are those of client-go's leader election. The holder renews the Lease every few
//! seconds. Others take it when it is free, or when it has not changed for as long as it lasts, by
//! the candidate's own clock, so that clocks which differ take it from nobody. Each attempt ends,
//! and the Lease counts from the beginning of the last attempt that succeeded.

mod claim;

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{
    api::FIELD_MANAGER,
    clock::Clock,
    engine::{
        leadership::{BELIEVED, LeaseHolder},
        post,
    },
    lifecycle::backoff::part_of,
};

use claim::{Claim, Seen, holder, released, with_our_name};

/// The duration of a Lease that is not renewed. If its holder dies without releasing it, another
/// process takes over after that.
const LASTS: Duration = Duration::from_secs(15);
/// The time that this process counts on it: nothing may begin in its last seconds, so there is
/// nothing to lead.
const COUNTS: Duration = LASTS.saturating_sub(BELIEVED);
/// The pause between two renewals, and between two checks of another's Lease.
const EVERY: Duration = Duration::from_secs(5);
/// The time that one attempt may take, all its calls together: a second and a third one must fit
/// into the time that is left.
const ATTEMPT: Duration = Duration::from_secs(3);
/// The pause after an error.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// The number of attempts that are started again because of a concurrent write.
const DISTURBANCES: usize = 3;
/// The longest time of releasing it.
const PARTING: Duration = Duration::from_secs(2);
/// An attempt ends within seconds, whatever the API server does. If none has ended for so long,
/// this process hangs.
const HANGS: Duration = Duration::from_mins(2);
/// The length of one request of the watch for a released Lease, in seconds; the check every five
/// seconds finds it, too.
const WATCHED: u32 = 20;

/// Another process has the Lease now: this one must stop, and its memory is worth nothing.
#[derive(Debug, thiserror::Error)]
#[error("another process has taken the Lease {0}")]
pub struct LeaseLost(String);

/// This process among those that would like to work.
pub(super) struct Candidate {
    leases: Api<Lease>,
    namespace: String,
    holder: LeaseHolder,
    clock: Arc<dyn Clock>,
    record: Mutex<Record>,
}

/// The record of the attempts.
#[derive(Default)]
struct Record {
    /// The end of the last attempt, while any are made.
    tried: Option<Instant>,
    /// The beginning of the last attempt that took or renewed the Lease.
    renewed: Option<Instant>,
    trouble: Option<String>,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Ours,
    Anothers,
}

impl Candidate {
    pub(super) fn new(client: Client, namespace: &str, holder: LeaseHolder, clock: Arc<dyn Clock>) -> Self {
        let leases = Api::namespaced(client, namespace);
        Self { leases, namespace: namespace.to_owned(), holder, clock, record: Mutex::default() }
    }

    /// The same over another connection.
    pub(super) fn over(self, client: Client) -> Self {
        Self { leases: Api::namespaced(client, &self.namespace), ..self }
    }

    /// The error for which the Lease can be neither taken nor renewed, if there is one.
    pub(super) fn trouble(&self) -> Option<String> {
        self.record.lock().trouble.clone()
    }

    /// Returns whether the Lease was renewed recently enough to count, independently of the task
    /// that does so.
    pub(super) fn counts(&self) -> bool {
        self.record.lock().renewed.is_some_and(|at| at.elapsed() < COUNTS)
    }

    /// The time for which no attempt has ended, if that cannot be the API server's fault.
    pub(super) fn hangs(&self) -> Option<Duration> {
        hanging(self.record.lock().tried, Instant::now())
    }

    /// Takes the Lease when it may be taken, and renews it; tells `leads` whether it counts. Ends
    /// once another process has it.
    pub(super) async fn stand(&self, leads: &watch::Sender<bool>) -> LeaseLost {
        leads.send_replace(false);
        self.record.lock().tried = Some(Instant::now());
        self.take().await;
        tracing::info!(lease = self.holder.lease, identity = self.holder.identity, "lease acquired, leading");
        leads.send_replace(true);
        self.renew(leads).await;
        leads.send_replace(false);
        self.record.lock().tried = None;
        LeaseLost(self.holder.lease.clone())
    }

    /// Waits until the Lease is ours.
    async fn take(&self) {
        let mut seen = Seen::default();
        let watched = watcher::Config::default()
            .fields(&format!("metadata.name={}", self.holder.lease))
            .timeout(WATCHED);
        let mut events = watcher(self.leases.clone(), watched).default_backoff().boxed();
        loop {
            let pause = match self.attempt(&mut Claim::Take(&mut seen)).await {
                Ok(Turn::Ours) => return,
                Ok(Turn::Anothers) => seen.left(Instant::now()).min(EVERY),
                Err(pause) => pause,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = is_released(&mut events) => {}
            }
        }
    }

    /// Renews the Lease until another process has it. While that fails for longer than it counts,
    /// this process does not lead; no other has in the meantime if it is still in our name
    /// afterwards.
    async fn renew(&self, leads: &watch::Sender<bool>) {
        let mut pause = EVERY;
        loop {
            let ends = self.record.lock().renewed.unwrap_or_else(Instant::now) + COUNTS;
            let attempt = async {
                tokio::time::sleep(pause).await;
                self.attempt(&mut Claim::Renew).await
            };
            let attempt = tokio::select! {
                attempt = attempt => attempt,
                () = tokio::time::sleep_until(ends), if *leads.borrow() => {
                    leads.send_replace(false);
                    tracing::error!(
                        lease = self.holder.lease,
                        "lease not renewed in time, starting nothing until it is"
                    );
                    Err(Duration::ZERO)
                }
            };
            pause = match attempt {
                Ok(Turn::Ours) => {
                    if !leads.send_replace(true) {
                        tracing::info!(lease = self.holder.lease, "lease renewed, leading again");
                    }
                    EVERY
                }
                Ok(Turn::Anothers) => return,
                Err(pause) => pause,
            };
        }
    }

    /// One attempt, which ends. The error is how long to wait before the next one.
    async fn attempt(&self, claim: &mut Claim<'_>) -> Result<Turn, Duration> {
        let began = Instant::now();
        let answered = tokio::time::timeout(ATTEMPT, self.try_once(claim)).await;
        let (error, asked) = match answered {
            Ok(Ok(turn)) => {
                let mut record = self.record.lock();
                record.tried = Some(Instant::now());
                record.trouble = None;
                if turn == Turn::Ours {
                    record.renewed = Some(began);
                }
                return Ok(turn);
            }
            Ok(Err(error)) => (error.to_string(), asked_for(&error)),
            Err(_) => (format!("the API server did not answer within {ATTEMPT:?}"), Duration::ZERO),
        };
        tracing::warn!(lease = self.holder.lease, error, "lease neither taken nor renewed, retrying");
        let mut record = self.record.lock();
        record.tried = Some(Instant::now());
        record.trouble = Some(error);
        // A longer wait for a busy API server would lose the Lease.
        let spread = part_of(AGAIN, (&self.holder.identity, began)).unsigned_abs();
        Err((AGAIN.unsigned_abs() + spread).max(asked.min(EVERY)))
    }

    /// Reads the Lease, and writes our name into it if it may be there.
    async fn try_once(&self, claim: &mut Claim<'_>) -> kube::Result<Turn> {
        let mut disturbed = 0;
        loop {
            let there = self.leases.get_opt(&self.holder.lease).await?;
            if !claim.may(there.as_ref(), &self.holder.identity, Instant::now()) {
                return Ok(Turn::Anothers);
            }
            match self.write(there).await {
                Ok(_) => return Ok(Turn::Ours),
                Err(error) if disturbed < DISTURBANCES && is_disturbance(&error) => disturbed += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn write(&self, there: Option<Lease>) -> kube::Result<Lease> {
        let Some(Lease { metadata, spec }) = there else {
            let spec = with_our_name(LeaseSpec::default(), &self.holder.identity, LASTS, self.clock.now());
            let name = Some(self.holder.lease.clone());
            let lease = Lease { metadata: ObjectMeta { name, ..ObjectMeta::default() }, spec: Some(spec) };
            return self.leases.create(&post(), &lease).await;
        };
        let spec = with_our_name(spec.unwrap_or_default(), &self.holder.identity, LASTS, self.clock.now());
        self.patch(metadata.resource_version, serde_json::json!(spec)).await
    }

    /// Changes the Lease, if it still has this version.
    async fn patch(&self, version: Option<String>, spec: serde_json::Value) -> kube::Result<Lease> {
        let patch = serde_json::json!({ "metadata": { "resourceVersion": version }, "spec": spec });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.leases.patch(&self.holder.lease, &params, &Patch::Merge(patch)).await
    }

    /// Releases the Lease, if it is ours, so that no process has to wait until it expires.
    pub(super) async fn step_down(&self) {
        let error = match tokio::time::timeout(PARTING, self.give_back()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the API server did not answer within {PARTING:?}"),
        };
        tracing::warn!(lease = self.holder.lease, error, "lease not released, it expires by itself");
    }

    async fn give_back(&self) -> kube::Result<()> {
        loop {
            let Some(Lease { metadata, spec }) = self.leases.get_opt(&self.holder.lease).await? else {
                return Ok(());
            };
            if holder(spec.as_ref()) != Some(&self.holder.identity) {
                return Ok(());
            }
            match self.patch(metadata.resource_version, released()).await {
                Ok(_) => return Ok(()),
                Err(error) if is_disturbance(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Returns for how long no attempt has ended, if that is too long; without attempts, there is
/// nothing to wait for.
fn hanging(tried: Option<Instant>, now: Instant) -> Option<Duration> {
    let since = now.saturating_duration_since(tried?);
    (since > HANGS).then_some(since)
}

/// Resolves once the Lease is seen to be free.
async fn is_released(events: &mut (impl Stream<Item = watcher::Result<Event<Lease>>> + Unpin)) {
    while let Some(event) = events.next().await {
        let free = match event {
            Ok(Event::Apply(lease) | Event::InitApply(lease)) => holder(lease.spec.as_ref()).is_none(),
            Ok(Event::Delete(_)) => true,
            Ok(Event::Init | Event::InitDone) | Err(_) => false,
        };
        if free {
            return;
        }
    }
    std::future::pending().await
}

/// A concurrent writer was quicker.
fn is_disturbance(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.is_conflict() || status.is_already_exists() || status.is_not_found()
}

fn asked_for(error: &kube::Error) -> Duration {
    let kube::Error::Api(status) = error else { return Duration::ZERO };
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_hangs_only_if_its_attempts_do_not_end() {
        let tried = Instant::now();
        assert_eq!(hanging(Some(tried), tried + HANGS), None, "an outage of a minute and two attempts");
        let longer = HANGS + Duration::from_secs(1);
        assert_eq!(hanging(Some(tried), tried + longer), Some(longer));
        assert_eq!(hanging(None, tried + longer), None, "it has lost the Lease, and finishes");
    }

    /// The rest of the time after a failure is enough for another attempt, so that one dead
    /// connection does not cost the Lease.
    #[test]
    fn the_lease_survives_two_failed_attempts() {
        let once_more = ATTEMPT + 2 * AGAIN.unsigned_abs();
        assert!(EVERY + once_more + ATTEMPT <= COUNTS && COUNTS < LASTS);
    }
}

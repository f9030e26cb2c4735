//! A workload: it reads its Secret and asks for an access token with what is in it, again and
//! again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::token::{Pair, TokenRequest, http};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The results that a workload has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Nobody answered: not a refusal, but no token either.
    pub(crate) unanswered: u64,
    /// The revisions that a token was got with.
    pub(crate) revisions: BTreeSet<u32>,
    pub(crate) current: Option<Pair>,
    previous: Option<Pair>,
    /// The old pairs that were seen to work on beside the new one, and those that were refused
    /// later.
    pub(crate) overlaps: BTreeSet<u32>,
    pub(crate) ends: BTreeSet<u32>,
}

/// A workload that runs until this is dropped.
pub(crate) struct Consumer {
    seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

impl Consumer {
    pub(crate) fn start(secrets: Api<Secret>, name: &str, request: TokenRequest) -> Result<Self> {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let workload =
            Workload { secrets, name: name.to_owned(), request, http: http()?, seen: seen.clone() };
        Ok(Self { seen, _task: AbortOnDropHandle::new(tokio::spawn(workload.run())) })
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Workload {
    secrets: Api<Secret>,
    name: String,
    request: TokenRequest,
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Workload {
    async fn run(self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked: Option<(u32, Instant)> = None;
        loop {
            ticks.tick().await;
            // A read of the API server that fails is no word of the provider's; it is read again.
            let Ok(Some(secret)) = self.secrets.get_opt(&self.name).await else { continue };
            let Ok(pair) = Pair::read(&secret) else { continue };
            let is_early = |(revision, at): (u32, Instant)| {
                revision == pair.revision && at.elapsed() < self.request.every
            };
            if asked.is_some_and(is_early) {
                continue;
            }
            asked = Some((pair.revision, Instant::now()));
            self.note(&pair);
            let answer = self.request.send(&self.http, &pair).await;
            self.count(pair.revision, answer.ok());
            self.ask_with_the_previous().await;
        }
    }

    fn note(&self, pair: &Pair) {
        let mut seen = lock(&self.seen);
        if seen.current.as_ref().is_none_or(|current| current.revision != pair.revision) {
            seen.previous = seen.current.replace(pair.clone());
        }
    }

    fn count(&self, revision: u32, answer: Option<u16>) {
        let mut seen = lock(&self.seen);
        match answer {
            Some(200) => {
                seen.accepted += 1;
                seen.revisions.insert(revision);
            }
            Some(_) => seen.refused += 1,
            None => seen.unanswered += 1,
        }
    }

    /// An old pair works on for the overlap, and then no longer. Once it was refused, it is left
    /// alone.
    async fn ask_with_the_previous(&self) {
        let Some(pair) = ({
            let seen = lock(&self.seen);
            seen.previous.clone().filter(|it| !seen.ends.contains(&it.revision))
        }) else {
            return;
        };
        let Ok(answer) = self.request.send(&self.http, &pair).await else { return };
        let mut seen = lock(&self.seen);
        match answer {
            200 => seen.overlaps.insert(pair.revision),
            400 | 401 => seen.ends.insert(pair.revision),
            _ => false,
        };
    }
}

//! A workload: it reads its Secret and asks for an access token with what is in it, again and again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use credwright::api::REVISION_ANNOTATION;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, ResourceExt};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::providers::{Pair, Which, ask_for_token, http};

const EVERY: Duration = Duration::from_millis(150);

/// What a workload has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Nobody answered: not a refusal, but no token either.
    pub(crate) unanswered: u64,
    /// The status of the last answer.
    pub(crate) last: Option<u16>,
    /// The revisions that a token was got with.
    pub(crate) revisions: BTreeSet<u32>,
    pub(crate) keys: Vec<String>,
    pub(crate) current: Option<(u32, Pair)>,
    /// The pair before the current one, and what the provider says to that.
    pub(crate) previous: Option<(u32, Pair)>,
    pub(crate) previous_answer: Option<u16>,
    /// How many old pairs were seen to work on beside the new one, and how many were refused later.
    pub(crate) overlaps: BTreeSet<u32>,
    pub(crate) ends: BTreeSet<u32>,
}

/// A workload that runs until this is dropped.
pub(crate) struct Consumer {
    seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

impl Consumer {
    pub(crate) fn start(secrets: Api<Secret>, name: &'static str, which: Which) -> Result<Self> {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let workload = Workload { secrets, name, which, http: http()?, seen: seen.clone() };
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
    name: &'static str,
    which: Which,
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Workload {
    async fn run(self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A read of the API server that fails is no word of the provider's; it is read again.
            let Ok(Some(secret)) = self.secrets.get_opt(self.name).await else { continue };
            let Ok((revision, pair)) = read(&secret) else { continue };
            self.note(&secret, revision, &pair);
            let answer = ask_for_token(&self.http, self.which, &pair).await;
            self.count(revision, answer.ok());
            self.ask_with_the_previous().await;
        }
    }

    fn note(&self, secret: &Secret, revision: u32, pair: &Pair) {
        let mut seen = lock(&self.seen);
        seen.keys = secret.data.iter().flat_map(|data| data.keys().cloned()).collect();
        if seen.current.as_ref().is_none_or(|(_, current)| current != pair) {
            seen.previous = seen.current.replace((revision, pair.clone()));
            seen.previous_answer = None;
        }
    }

    fn count(&self, revision: u32, answer: Option<u16>) {
        let mut seen = lock(&self.seen);
        seen.last = answer.or(seen.last);
        match answer {
            Some(200) => {
                seen.accepted += 1;
                seen.revisions.insert(revision);
            }
            Some(_) => seen.refused += 1,
            None => seen.unanswered += 1,
        }
    }

    /// An old pair works on for the overlap, and then no longer. Once it was refused, it is left alone.
    async fn ask_with_the_previous(&self) {
        let Some((revision, pair)) = ({
            let seen = lock(&self.seen);
            seen.previous.clone().filter(|(revision, _)| !seen.ends.contains(revision))
        }) else {
            return;
        };
        let Ok(answer) = ask_for_token(&self.http, self.which, &pair).await else { return };
        let mut seen = lock(&self.seen);
        seen.previous_answer = Some(answer);
        let set = if answer == 200 { &mut seen.overlaps } else { &mut seen.ends };
        set.insert(revision);
    }
}

fn read(secret: &Secret) -> Result<(u32, Pair)> {
    let text = |key: &str| -> Result<String> {
        let ByteString(bytes) = secret.data.as_ref().and_then(|data| data.get(key)).context("a key")?;
        Ok(String::from_utf8(bytes.clone())?)
    };
    let revision = secret.annotations().get(REVISION_ANNOTATION).context("a revision")?.parse()?;
    let pair = Pair {
        client_id: text("client_id")?,
        client_secret: text("client_secret")?,
        token_url: text("token_url")?,
    };
    Ok((revision, pair))
}

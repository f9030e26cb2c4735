//! What keeps the operator from working, in words for an administrator.

use std::{collections::HashMap, time::Duration};

use kube::runtime::watcher;
use tokio::time::Instant;

use super::{
    Operator,
    watches::{Scoped, Watch},
};
use crate::ops::server::Show;

/// For how long an error of a watch counts: it is tried again sooner, and a watch that is taken up again says nothing until
/// something changes.
const RECENT: Duration = Duration::from_secs(60);

/// What went wrong with watches lately.
#[derive(Default)]
pub(super) struct Troubles(HashMap<Scoped, (Instant, Trouble)>);

/// Why a watch does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Unknown,
    Refused,
    Unanswered,
}

impl Trouble {
    pub(super) fn of(error: &watcher::Error) -> Self {
        use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
        let status = match error {
            InitialListFailed(kube::Error::Api(status))
            | WatchStartFailed(kube::Error::Api(status))
            | WatchFailed(kube::Error::Api(status))
            | WatchError(status) => status,
            _ => return Self::Unanswered,
        };
        match status.code {
            403 => Self::Refused,
            404 => Self::Unknown,
            _ => Self::Unanswered,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Unknown => "the API server does not know them; install Credwright's definitions",
            Self::Refused => "they may not be listed; give Credwright's ServiceAccount its roles",
            Self::Unanswered => "the API server does not answer",
        }
    }
}

impl Troubles {
    pub(super) fn note(&mut self, watch: &Scoped, trouble: Trouble) {
        self.0.insert(watch.clone(), (Instant::now(), trouble));
    }

    pub(super) fn clear(&mut self, watch: &Scoped) {
        self.0.remove(watch);
    }

    fn recent(&self, watch: &Scoped) -> Option<Trouble> {
        let (at, trouble) = self.0.get(watch)?;
        (at.elapsed() < RECENT).then_some(*trouble)
    }
}

impl Show for Operator {
    /// A process that stands by is ready: it would take over at once.
    fn missing(&self) -> Vec<String> {
        let Ok(synced) = self.synced.lock() else { return vec!["the operator has failed".to_owned()] };
        let mut missing = Vec::new();
        for watch in self.watches() {
            let trouble = synced.troubles.recent(&watch);
            let known = synced.complete.contains(&watch);
            let skipped = synced.refused.contains(&watch);
            match trouble {
                _ if skipped => {}
                Some(trouble) => missing.push(format!("{}: {}", described(&watch), trouble.advice())),
                None if !known => missing.push(format!("{}: the list is awaited", described(&watch))),
                None => {}
            }
        }
        drop(synced);
        if let Some(trouble) = self.candidate.as_ref().and_then(|it| it.trouble()) {
            missing.push(format!("the Lease can be neither taken nor renewed: {trouble}"));
        }
        missing
    }

    fn metrics(&self) -> String {
        let metrics = &self.engine.metrics;
        metrics.set_leader(self.leads());
        metrics.set_ready(self.missing().is_empty());
        metrics.text()
    }
}

fn described((watch, namespace): &Scoped) -> String {
    let what = match watch {
        Watch::Credentials => "ApiCredentials",
        Watch::Secrets => "Secrets",
        Watch::Providers => "CredentialProviders",
        Watch::ClusterProviders => "ClusterCredentialProviders",
        Watch::Namespaces => "Namespaces",
        Watch::Abandoned => "AbandonedCredentials",
    };
    namespace.as_ref().map_or_else(|| what.to_owned(), |namespace| format!("{what} in {namespace}"))
}

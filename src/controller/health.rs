//! What keeps the operator from working, in words for an administrator.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use kube::runtime::watcher;
use tokio::time::Instant;

use super::{
    Operator, Synced,
    watches::{Scoped, Watch},
};
use crate::ops::server::{Readiness, Show};

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

/// How the watches stand.
#[derive(Default)]
struct Standing {
    /// What keeps the operator from working.
    missing: Vec<String>,
    /// The namespaces that let it look no longer, or never did; one that has gone does so, too.
    closed: BTreeSet<String>,
}

impl Standing {
    fn of(watches: &[Scoped], synced: &Synced) -> Self {
        let mut standing = Self::default();
        for watch in watches {
            let trouble = synced.troubles.recent(watch);
            let refused = synced.refused.contains(watch) || trouble == Some(Trouble::Refused);
            match (watch, trouble) {
                ((kind, Some(namespace)), _) if refused && Watch::OF_A_NAMESPACE.contains(kind) => {
                    standing.closed.insert(namespace.clone());
                }
                (_, Some(trouble)) => {
                    standing.missing.push(format!("{}: {}", described(watch), trouble.advice()));
                }
                (_, None) if !synced.complete.contains(watch) => {
                    standing.missing.push(format!("{}: the list is awaited", described(watch)));
                }
                (_, None) => {}
            }
        }
        standing
    }
}

impl Show for Operator {
    /// A process that stands by is ready: it would take over at once.
    fn readiness(&self) -> Readiness {
        let Ok(synced) = self.synced.lock() else {
            return Readiness { missing: vec!["the operator has failed".to_owned()], left_alone: Vec::new() };
        };
        let Standing { mut missing, closed } = Standing::of(&self.watches(), &synced);
        drop(synced);
        if let Some(trouble) = self.candidate.as_ref().and_then(|it| it.trouble()) {
            missing.push(format!("the Lease can be neither taken nor renewed: {trouble}"));
        }
        let sentence = |namespace| {
            format!(
                "the namespace {namespace} is left alone, for nothing may be listed there: give Credwright's ServiceAccount its roles in it, \
                 or take it off the list if it has gone"
            )
        };
        Readiness { missing, left_alone: closed.into_iter().map(sentence).collect() }
    }

    fn metrics(&self) -> String {
        let metrics = &self.engine.metrics;
        metrics.set_leader(self.leads());
        metrics.set_ready(self.readiness().missing.is_empty());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_refuses_is_named_and_keeps_nobody_from_being_ready() {
        let of = |watch: Watch, namespace: &str| (watch, Some(namespace.to_owned()));
        let watches: Vec<Scoped> = ["shop", "web", "gone"]
            .iter()
            .flat_map(|namespace| Watch::OF_A_NAMESPACE.map(|watch| of(watch, namespace)))
            .chain([of(Watch::Abandoned, "home"), (Watch::ClusterProviders, None)])
            .collect();
        let mut synced = Synced { complete: watches.iter().cloned().collect(), ..Synced::default() };
        let never = of(Watch::Secrets, "web");
        synced.complete.remove(&never);
        synced.refused.insert(never);
        synced.troubles.note(&of(Watch::Providers, "gone"), Trouble::Refused);
        let standing = Standing::of(&watches, &synced);
        assert_eq!(standing.closed.into_iter().collect::<Vec<_>>(), ["gone", "web"]);
        assert_eq!(standing.missing, [""; 0]);

        // Without rights at home, or in all namespaces, nothing works.
        synced.troubles.note(&of(Watch::Abandoned, "home"), Trouble::Refused);
        synced.troubles.note(&(Watch::ClusterProviders, None), Trouble::Refused);
        synced.troubles.note(&of(Watch::Secrets, "shop"), Trouble::Unanswered);
        let missing = Standing::of(&watches, &synced).missing;
        assert!(
            missing.len() == 3 && missing[0].starts_with("Secrets in shop: the API server"),
            "{missing:?}"
        );
    }
}

//! Readiness: messages to an administrator about what keeps the operator from working.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Operator, Synced,
    boundary::{Task, contained_now},
    lease::Candidate,
    watches::{Scoped, Trouble, Watch},
};
use crate::ops::server::{Readiness, Show};

/// The time for which an error of a watch counts: it is retried sooner, and a watch that works
/// again reports nothing until something changes.
const RECENT: Duration = Duration::from_secs(60);

/// Recent failures of watches.
#[derive(Default)]
pub(super) struct Troubles(HashMap<Scoped, (Instant, Trouble)>);

impl Troubles {
    pub(super) fn note(&mut self, watch: &Scoped, trouble: Trouble) {
        self.0.insert(watch.clone(), (Instant::now(), trouble));
    }

    pub(super) fn clear(&mut self, watch: &Scoped) {
        self.0.remove(watch);
    }

    fn recent(&self, watch: &Scoped) -> Option<Trouble> {
        let (at, trouble) = self.0.get(watch)?;
        (at.elapsed() < RECENT).then(|| trouble.clone())
    }
}

/// The state of the watches.
#[derive(Default)]
struct WatchState {
    /// The reasons why the operator cannot work.
    missing: Vec<String>,
    /// Namespaces that Credwright may not list (any more), including deleted ones.
    closed: BTreeSet<String>,
}

impl WatchState {
    fn of(watches: &[Scoped], synced: &Synced) -> Self {
        let mut state = Self::default();
        for watch in watches {
            let trouble = synced.troubles.recent(watch);
            let refused = synced.refused.contains(watch) || trouble == Some(Trouble::Refused);
            match (watch, &trouble) {
                ((kind, Some(namespace)), _) if refused && Watch::OF_A_NAMESPACE.contains(kind) => {
                    state.closed.insert(namespace.clone());
                }
                (_, Some(trouble)) => {
                    state.missing.push(format!("{}: {}", described(watch), trouble.advice()));
                }
                (_, None) if !synced.complete.contains(watch) => {
                    state.missing.push(format!("{}: waiting for the list", described(watch)));
                }
                (_, None) => {}
            }
        }
        state
    }
}

impl Show for Operator {
    /// A process that stands by is ready: it would take over at once.
    fn readiness(&self) -> Readiness {
        contained_now(Task::Scrape, || self.ready()).unwrap_or_else(|panicked| Readiness {
            missing: vec![format!("readiness could not be determined: {panicked}")],
            left_alone: Vec::new(),
        })
    }

    /// An API server that does not answer is no fault of this process, and a process that stands by
    /// works, too.
    fn hanging(&self) -> Vec<String> {
        let lease = self.candidate.as_ref().and_then(Candidate::hangs);
        let lease = lease.map(|since| {
            format!(
                "no attempt to take or renew the Lease has ended for {} s: the process hangs",
                since.as_secs()
            )
        });
        let answered = !self.must_rest() && self.readiness().missing.is_empty();
        let items = self.queue.stuck_for().filter(|it| answered && *it > self.options.hang_after);
        let items = items.map(|since| {
            format!(
                "no item was processed for {} s although some are ready: the process hangs",
                since.as_secs()
            )
        });
        lease.into_iter().chain(items).collect()
    }

    fn metrics(&self) -> String {
        contained_now(Task::Scrape, || self.metrics_now())
            .unwrap_or_else(|panicked| format!("# the metrics could not be collected: {panicked}\n"))
    }
}

impl Operator {
    fn ready(&self) -> Readiness {
        let synced = self.synced.lock();
        let WatchState { mut missing, closed } = WatchState::of(&self.watches(), &synced);
        drop(synced);
        if let Some(trouble) = self.candidate.as_ref().and_then(|it| it.trouble()) {
            missing.push(format!("the Lease can be neither taken nor renewed: {trouble}"));
        } else if *self.leads.borrow() && !self.leads() {
            missing.push("the Lease was not renewed in time, and nothing is started until it is".to_owned());
        }
        let sentence = |namespace| {
            format!(
                "the namespace {namespace} is skipped, because listing is forbidden there: give \
                 Credwright's ServiceAccount its roles in it, or remove it from the list if it was \
                 deleted"
            )
        };
        Readiness { missing, left_alone: closed.into_iter().map(sentence).collect() }
    }

    fn metrics_now(&self) -> String {
        let metrics = &self.engine.metrics;
        metrics.set_leader(self.leads());
        let (working, parked) = self.permits.count();
        metrics.set_permits(working, parked);
        metrics.set_ready(self.readiness().missing.is_empty());
        metrics.text()
    }
}

fn described((watch, namespace): &Scoped) -> String {
    let what = match watch {
        Watch::Credentials => "ApiCredentials",
        Watch::Secrets => "Secrets",
        Watch::CaBundles => "ConfigMaps",
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
    fn a_forbidden_namespace_is_named_and_does_not_block_readiness() {
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
        let state = WatchState::of(&watches, &synced);
        assert_eq!(state.closed.into_iter().collect::<Vec<_>>(), ["gone", "web"]);
        assert_eq!(state.missing, [""; 0]);

        // Without rights at home, or in all namespaces, nothing works.
        synced.troubles.note(&of(Watch::Abandoned, "home"), Trouble::Refused);
        synced.troubles.note(&(Watch::ClusterProviders, None), Trouble::Refused);
        synced.troubles.note(&of(Watch::Secrets, "shop"), Trouble::Unanswered);
        let missing = WatchState::of(&watches, &synced).missing;
        assert!(
            missing.len() == 3 && missing[0].starts_with("Secrets in shop: the API server"),
            "{missing:?}"
        );
    }
}

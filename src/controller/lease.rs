//! One of several operators works: the one that holds the Lease. The others keep their caches warm, and wait.

use std::{sync::Mutex, time::Duration};

use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;

use crate::engine::leadership::LeaseHolder;

/// How long a Lease lasts that is not renewed, in seconds. Whoever dies without giving it back is succeeded after that.
const LASTS: u64 = 15;
/// How long before its end it is renewed, in seconds.
const GRACE: u64 = 10;
/// When to try again after an error.
const AGAIN: Duration = Duration::from_secs(1);
/// How long giving it back may take.
const PARTING: Duration = Duration::from_secs(2);

/// The Lease is another's now: this process must not go on, and what it remembers is worth nothing.
#[derive(Debug, thiserror::Error)]
#[error("another process has taken the Lease {0}")]
pub struct LeaseLost(String);

/// This process among those that would like to work.
pub(super) struct Candidate {
    client: Client,
    namespace: String,
    holder: LeaseHolder,
    manager: tokio::sync::Mutex<Option<LeaseManager>>,
    trouble: Mutex<Option<String>>,
}

impl Candidate {
    pub(super) fn new(client: Client, namespace: &str, holder: LeaseHolder) -> Self {
        let namespace = namespace.to_owned();
        Self { client, namespace, holder, manager: tokio::sync::Mutex::default(), trouble: Mutex::default() }
    }

    /// Why the Lease can be neither taken nor renewed, if something is wrong.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok()?.clone()
    }

    /// Takes the Lease when it is free, says so to `leads`, and renews it until another process has it.
    pub(super) async fn stand(&self, leads: &watch::Sender<bool>) -> LeaseLost {
        let mut manager = self.manager.lock().await;
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut seen = watcher::watch_object(leases, &self.holder.lease).default_backoff().boxed();
        loop {
            // What it knows of a Lease that another held is believed until that runs out, so it begins anew.
            let fresh = match self.fresh().await {
                Ok(fresh) => manager.insert(fresh),
                Err(error) => {
                    self.has_failed(&error).await;
                    continue;
                }
            };
            if self.take(fresh, &mut seen).await {
                break;
            }
        }
        tracing::info!(lease = self.holder.lease, identity = self.holder.identity, "this process leads");
        leads.send_replace(true);
        if let Some(manager) = manager.as_ref() {
            while self.changed(manager).await {}
        }
        leads.send_replace(false);
        LeaseLost(self.holder.lease.clone())
    }

    async fn fresh(&self) -> Result<LeaseManager, LeaseManagerError> {
        LeaseManagerBuilder::new(self.client.clone(), &self.holder.lease)
            .with_namespace(&self.namespace)
            .with_identity(&self.holder.identity)
            .with_field_manager(field_manager(&self.holder.identity))
            .with_duration(LASTS)
            .with_grace(GRACE)
            .build()
            .await
    }

    /// Waits until the Lease is ours. Returns `false` when somebody has given it back: it is free now.
    async fn take(&self, manager: &LeaseManager, seen: &mut (impl Stream<Item = Seen> + Unpin)) -> bool {
        loop {
            tokio::select! {
                ours = self.changed(manager) => if ours { return true },
                event = seen.next() => {
                    let Some(Ok(lease)) = event else { continue };
                    let holder = lease.and_then(|lease| lease.spec?.holder_identity);
                    if holder.is_none_or(|holder| holder.is_empty()) {
                        return false;
                    }
                }
            }
        }
    }

    /// Waits until the Lease becomes ours or another's, and renews it meanwhile; errors are waited out.
    async fn changed(&self, manager: &LeaseManager) -> bool {
        loop {
            match manager.changed().await {
                Ok(ours) => {
                    self.set_trouble(None);
                    return ours;
                }
                Err(error) => self.has_failed(&error).await,
            }
        }
    }

    async fn has_failed(&self, error: &LeaseManagerError) {
        tracing::warn!(lease = self.holder.lease, %error, "the Lease can be neither taken nor renewed; it is tried again");
        self.set_trouble(Some(error.to_string()));
        tokio::time::sleep(AGAIN).await;
    }

    fn set_trouble(&self, trouble: Option<String>) {
        if let Ok(mut now) = self.trouble.lock() {
            *now = trouble;
        }
    }

    /// Gives the Lease back, if it is ours, so that nobody has to wait until it runs out.
    pub(super) async fn step_down(&self) {
        let mut manager = self.manager.lock().await;
        let Some(manager) = manager.take() else { return };
        let failure = match tokio::time::timeout(PARTING, manager.release()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the API server did not answer within {PARTING:?}"),
        };
        tracing::warn!(
            lease = self.holder.lease,
            failure,
            "the Lease was not given back, and runs out by itself"
        );
    }
}

type Seen = watcher::Result<Option<Lease>>;

/// One for each process: two that take the Lease at once conflict. It has at most 128 bytes, and names of pods differ at their end.
fn field_manager(identity: &str) -> String {
    let end: String = identity.chars().rev().take(100).collect::<Vec<_>>().into_iter().rev().collect();
    format!("credwright-{end}")
}

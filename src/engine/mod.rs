//! Side effects, one place each. The engine gathers a [`World`](crate::lifecycle::world::World),
//! performs the one step that the lifecycle decided on, and writes down the outcome. It decides
//! nothing.

mod abandoned;
pub mod accounts;
mod asking;
pub mod connection;
mod consent;
mod credential;
pub mod detach;
mod ending;
mod events;
mod fence;
mod finalizer;
mod intake;
mod issue;
mod keep;
mod kubernetes;
pub mod leadership;
mod ledger;
mod meter;
mod metrics;
mod observe;
mod pass;
mod perform;
mod publish;
mod recent_mints;
mod recovery;
mod rights;
pub mod seal;
pub mod server_time;
pub mod slot;
pub mod startup;
mod status;
pub mod stores;
mod target;
mod telling;
pub mod turns;
pub mod watched;
pub mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub use accounts::Accounts;
pub use kubernetes::{EngineError, post, version};
pub use pass::Pass;
pub use stores::{Key, ProviderKey};
pub use turns::{Turns, Work};
pub use wire::{ConfigMap, Decoded, Partial, Secret};

// The words that all files of the engine use.
use kubernetes::{call, carries, ignore_absence, metadata_version, only, owner_uid, put, without};
use seal::{Material, Sealer, Secrets, random_id};
use stores::{
    DOCUMENT_KEY, LedgerEntry, ProviderObject, SEALED_KEY, Stores, Tally, TargetEntry, copy_entry,
    ledger_entry, open_ledger, target_entry,
};

use crate::{
    clock::Clock,
    lifecycle::Memory,
    ops::metrics::Metrics,
    providers::registry::{EgressPolicy, EgressRanges, MoreRoots, ProviderProxy, TlsMaterial},
};

/// The settings of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Credwright's own namespace.
    pub namespace: String,
    /// The cluster's id, which is part of every name at a provider.
    pub cluster_id: String,
    /// Random text that tells this process from all others.
    pub writer: String,
    /// The ranges by which it is judged where drivers may connect to.
    pub egress: Arc<EgressRanges>,
    /// The addresses from which requests leave the cluster; empty if nobody says.
    pub egress_addresses: Arc<[ipnet::IpNet]>,
    /// Roots that may vouch for providers, besides those of the system.
    pub more_roots: Option<MoreRoots>,
    /// The proxy before all providers that name no other way.
    pub provider_proxy: Option<ProviderProxy>,
    /// The time that the deletion of an object waits for its credentials to be revoked.
    pub revocation_deadline: jiff::SignedDuration,
    /// The name of the RoleBinding that gives Credwright its rights in each namespace, if it works
    /// in some only.
    pub role_binding: Option<String>,
    /// The Lease that has to be held before anything is changed at a provider, if several processes
    /// take turns.
    pub lease: Option<leadership::LeaseHolder>,
}

impl Settings {
    /// Returns where a driver may connect to; `private_allowed` for a provider that an
    /// administrator made.
    fn egress_policy(&self, private_allowed: bool) -> EgressPolicy {
        EgressPolicy {
            ranges: self.egress.clone(),
            private_allowed,
            more_roots: self.more_roots.clone(),
            proxy: self.provider_proxy.clone(),
            tls: TlsMaterial::default(),
        }
    }
}

/// Everything that has side effects, and the state that it needs.
pub struct Engine {
    client: Client,
    clock: Arc<dyn Clock>,
    settings: Settings,
    started: OnceLock<Timestamp>,
    sealer: Arc<Sealer>,
    /// The objects, as last seen.
    pub stores: Arc<Stores>,
    /// The provider accounts.
    pub accounts: Arc<Accounts>,
    /// The metrics.
    pub metrics: Metrics,
    /// Boxed: up to half of a table is empty, and a memory has many fields.
    memories: Mutex<HashMap<Key, Box<Memory>>>,
    gathered_mints: recent_mints::Gathered<stores::PastMint>,
    rights: rights::Rights,
    led: leadership::LastSeen,
    telling: telling::Telling,
    ending: OnceLock<CancellationToken>,
}

impl Engine {
    /// An engine over empty stores.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>, settings: Settings, sealer: Sealer) -> Self {
        let (stores, accounts) = (Arc::<Stores>::default(), Arc::<Accounts>::default());
        let sealer = Arc::new(sealer);
        let seen = metrics::MetricsSource {
            stores: stores.clone(),
            accounts: accounts.clone(),
            clock: clock.clone(),
            sealer: sealer.clone(),
        };
        Self {
            client,
            clock,
            settings,
            started: OnceLock::new(),
            sealer,
            stores,
            accounts,
            metrics: Metrics::over(seen),
            memories: Mutex::default(),
            gathered_mints: recent_mints::Gathered::default(),
            rights: rights::Rights::default(),
            led: leadership::LastSeen::default(),
            telling: telling::Telling::default(),
            ending: OnceLock::new(),
        }
    }

    /// Credwright's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// Returns how long the deletion of an object waits for its credentials to be revoked.
    #[must_use]
    pub fn revocation_deadline(&self) -> jiff::SignedDuration {
        self.settings.revocation_deadline
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes note that this process works from now on: all caches are complete, and it leads.
    pub fn begin_work(&self) {
        let _ = self.started.set(self.now());
    }

    fn started(&self) -> Timestamp {
        self.started.get().copied().unwrap_or_else(|| self.now())
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the sealer, which opens ledgers and recognises targets.
    #[must_use]
    pub fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    fn remembered(&self, key: &Key) -> Memory {
        self.memories.lock().get(key).map(|it| (**it).clone()).unwrap_or_default()
    }

    fn remember(&self, key: &Key, memory: Memory) {
        let mut all = self.memories.lock();
        if memory == Memory::default() {
            all.remove(key);
        } else {
            all.insert(key.clone(), Box::new(memory));
        }
    }
}

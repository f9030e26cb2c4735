//! A provider object of either kind.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;
use serde::Serialize;

use crate::{
    api::{
        Allow, ClusterCredentialProvider, CredentialProvider, PROVIDER_FINALIZER, ProviderKind,
        ProviderSettings, ProviderStatus,
    },
    engine::{
        kubernetes::{carries, version},
        wire::Decoded,
    },
    lifecycle::naming,
};

use super::{
    answers::Asks,
    keys::{Key, ProviderKey},
};

/// A provider object of either kind.
#[derive(Clone, Debug)]
pub enum ProviderObject {
    /// The keys of one namespace.
    Namespaced(Arc<Decoded<CredentialProvider>>),
    /// Shared.
    Cluster(Arc<Decoded<ClusterCredentialProvider>>),
}

impl Asks for ProviderObject {
    fn asks_the_same(&self, other: &Self) -> bool {
        let asks = |it: &Self| (it.uid(), it.generation(), it.deleting(), it.annotations().clone());
        asks(self) == asks(other)
    }
}

impl ProviderObject {
    /// Returns where it is stored.
    #[must_use]
    pub fn key(&self) -> ProviderKey {
        match self {
            Self::Namespaced(it) => ProviderKey::resolve(
                ProviderKind::CredentialProvider,
                &it.name_any(),
                &it.namespace().unwrap_or_default(),
            ),
            Self::Cluster(it) => {
                ProviderKey::resolve(ProviderKind::ClusterCredentialProvider, &it.name_any(), "")
            }
        }
    }

    /// Its resourceVersion.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Namespaced(it) => version(&**it),
            Self::Cluster(it) => version(&**it),
        }
    }

    pub(in crate::engine) fn uid(&self) -> String {
        let uid = match self {
            Self::Namespaced(it) => it.uid(),
            Self::Cluster(it) => it.uid(),
        };
        uid.unwrap_or_default()
    }

    /// Returns why its spec cannot be read, if it cannot.
    pub(in crate::engine) fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Namespaced(it) => it.unreadable.as_deref(),
            Self::Cluster(it) => it.unreadable.as_deref(),
        }
    }

    fn annotations(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Namespaced(it) => it.annotations(),
            Self::Cluster(it) => it.annotations(),
        }
    }

    pub(in crate::engine) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations().get(name).map(String::as_str)
    }

    pub(in crate::engine) fn generation(&self) -> i64 {
        let generation = match self {
            Self::Namespaced(it) => it.metadata.generation,
            Self::Cluster(it) => it.metadata.generation,
        };
        generation.unwrap_or_default()
    }

    /// Returns whether it has our finalizer.
    pub(in crate::engine) fn held(&self) -> bool {
        match self {
            Self::Namespaced(it) => carries(it.as_ref(), PROVIDER_FINALIZER),
            Self::Cluster(it) => carries(it.as_ref(), PROVIDER_FINALIZER),
        }
    }

    /// Returns whether it is being deleted.
    pub(in crate::engine) fn deleting(&self) -> bool {
        match self {
            Self::Namespaced(it) => it.metadata.deletion_timestamp.is_some(),
            Self::Cluster(it) => it.metadata.deletion_timestamp.is_some(),
        }
    }

    pub(in crate::engine) fn settings(&self) -> &ProviderSettings {
        match self {
            Self::Namespaced(it) => &it.spec.settings,
            Self::Cluster(it) => &it.spec.settings,
        }
    }

    /// A hash of all that its spec says, and of its login by the keyed hash `login` of the content.
    /// The failures of credentials hang on it, so no field may be left out.
    pub(in crate::engine) fn setup(&self, login: &str) -> String {
        match self {
            Self::Namespaced(it) => setup(&it.spec, login),
            Self::Cluster(it) => setup(&it.spec, login),
        }
    }

    pub(in crate::engine) fn status(&self) -> Option<&ProviderStatus> {
        match self {
            Self::Namespaced(it) => it.status.as_ref(),
            Self::Cluster(it) => it.status.as_ref(),
        }
    }

    /// Returns who may use it: for a shared provider that does not say so, nobody.
    pub(in crate::engine) fn allow(&self) -> Option<Allow> {
        match self {
            Self::Namespaced(_) => None,
            Self::Cluster(it) => Some(it.spec.allow.clone().unwrap_or_default()),
        }
    }

    /// Returns where its login is stored.
    #[must_use]
    pub fn login(&self, key: &ProviderKey) -> Option<Key> {
        match self {
            Self::Namespaced(it) => {
                let name = it.spec.login.as_ref()?.secret_ref.name.clone();
                Some(Key { namespace: key.namespace.clone(), name })
            }
            Self::Cluster(it) => {
                let secret = &it.spec.login.as_ref()?.secret_ref;
                Some(Key { namespace: secret.namespace.clone(), name: secret.name.clone() })
            }
        }
    }
}

fn setup(spec: &impl Serialize, login: &str) -> String {
    naming::fingerprint(&[&serde_json::to_string(spec).unwrap_or_default(), login])
}

#[cfg(test)]
mod tests;

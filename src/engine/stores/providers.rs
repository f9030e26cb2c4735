//! A provider object of either kind.

use std::sync::Arc;

use kube::core::ObjectMeta;
use serde::Serialize;

use crate::{
    api::{
        Allow, ClusterCredentialProvider, CredentialProvider, PROVIDER_FINALIZER, ProviderKind,
        ProviderSettings, ProviderStatus,
    },
    engine::{Decoded, metadata_version},
    lifecycle::naming,
};

use super::keys::{Key, ProviderKey};

/// A provider object of either kind.
#[derive(Clone, Debug)]
pub enum ProviderObject {
    /// The keys of one namespace.
    Namespaced(Arc<Decoded<CredentialProvider>>),
    /// Shared.
    Cluster(Arc<Decoded<ClusterCredentialProvider>>),
}

impl ProviderObject {
    /// Returns whether both versions ask for the same: they differ at most in fields that
    /// Credwright itself writes.
    pub(in crate::engine) fn asks_the_same(&self, other: &Self) -> bool {
        let asks = |it: &Self| {
            (it.uid(), it.generation(), it.deleting(), it.meta().annotations.clone().unwrap_or_default())
        };
        asks(self) == asks(other)
    }

    /// Its metadata.
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Namespaced(it) => &it.metadata,
            Self::Cluster(it) => &it.metadata,
        }
    }

    /// Returns where it is stored.
    #[must_use]
    pub fn key(&self) -> ProviderKey {
        let kind = match self {
            Self::Namespaced(_) => ProviderKind::CredentialProvider,
            Self::Cluster(_) => ProviderKind::ClusterCredentialProvider,
        };
        let ObjectMeta { name, namespace, .. } = self.meta();
        ProviderKey::resolve(
            kind,
            name.as_deref().unwrap_or_default(),
            namespace.as_deref().unwrap_or_default(),
        )
    }

    /// Its resourceVersion.
    #[must_use]
    pub fn version(&self) -> u64 {
        metadata_version(self.meta())
    }

    pub(in crate::engine) fn uid(&self) -> String {
        self.meta().uid.clone().unwrap_or_default()
    }

    /// Returns why its spec cannot be read, if it cannot.
    pub(in crate::engine) fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Namespaced(it) => it.unreadable.as_deref(),
            Self::Cluster(it) => it.unreadable.as_deref(),
        }
    }

    pub(in crate::engine) fn annotation(&self, name: &str) -> Option<&str> {
        self.meta().annotations.as_ref()?.get(name).map(String::as_str)
    }

    pub(in crate::engine) fn generation(&self) -> i64 {
        self.meta().generation.unwrap_or_default()
    }

    /// Returns whether it has our finalizer.
    pub(in crate::engine) fn held(&self) -> bool {
        self.meta().finalizers.iter().flatten().any(|it| it == PROVIDER_FINALIZER)
    }

    /// Returns whether it is being deleted.
    pub(in crate::engine) fn deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
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
            Self::Namespaced(it) => Some(Key::new(&key.namespace, &it.spec.login.as_ref()?.secret_ref.name)),
            Self::Cluster(it) => {
                let secret = &it.spec.login.as_ref()?.secret_ref;
                Some(Key::new(&secret.namespace, &secret.name))
            }
        }
    }
}

fn setup(spec: &impl Serialize, login: &str) -> String {
    naming::fingerprint(&[&serde_json::to_string(spec).unwrap_or_default(), login])
}

#[cfg(test)]
mod tests;

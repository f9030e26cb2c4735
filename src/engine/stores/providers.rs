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

use super::{
    keys::{Key, ProviderKey},
    sources::{Purpose, Source},
};

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

    /// A hash of all that its spec says, and of what it refers to by the keyed hash `content`. The
    /// failures of credentials hang on it, so no field may be left out.
    pub(in crate::engine) fn setup(&self, content: &str) -> String {
        match self {
            Self::Namespaced(it) => setup(&it.spec, content),
            Self::Cluster(it) => setup(&it.spec, content),
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

    /// Returns the objects that it refers to. One in a namespace refers to nothing outside of it,
    /// whatever its spec says.
    #[must_use]
    pub fn sources(&self, key: &ProviderKey) -> Vec<Source> {
        let within = |named: Option<&str>, name: &str| match self {
            Self::Namespaced(_) => Key::new(&key.namespace, name),
            Self::Cluster(_) => Key::new(named.unwrap_or_default(), name),
        };
        let login = match self {
            Self::Namespaced(it) => it.spec.login.as_ref().map(|it| within(None, &it.secret_ref.name)),
            Self::Cluster(it) => {
                let secret = it.spec.login.as_ref().map(|it| &it.secret_ref);
                secret.map(|it| within(Some(&it.namespace), &it.name))
            }
        };
        let login = login.map(|at| Source { at, purpose: Purpose::Login });
        let Some(tls) = &self.settings().tls else { return login.into_iter().collect() };
        let bundle = tls.ca_bundle_ref.as_ref().map(|it| Source {
            at: within(it.namespace.as_deref(), &it.name),
            purpose: Purpose::CaBundle(it.key().to_owned()),
        });
        let certificate = tls.client_certificate_ref.as_ref().map(|it| Source {
            at: within(it.namespace.as_deref(), &it.name),
            purpose: Purpose::ClientCertificate,
        });
        login.into_iter().chain(bundle).chain(certificate).collect()
    }

    /// Returns the Secrets that it refers to.
    #[must_use]
    pub fn secrets(&self, key: &ProviderKey) -> Vec<Key> {
        self.sources(key).into_iter().filter(Source::is_secret).map(|it| it.at).collect()
    }
}

fn setup(spec: &impl Serialize, content: &str) -> String {
    naming::fingerprint(&[&serde_json::to_string(spec).unwrap_or_default(), content])
}

#[cfg(test)]
mod tests;

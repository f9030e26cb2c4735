//! The keys of objects.
//!
//! Each object's key is kept in several stores, in the queue, and where it waits: their texts are
//! shared.

use std::sync::Arc;

use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use crate::{
    api::{ApiCredential, ProviderKind},
    lifecycle::Account,
};

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of this name in a namespace.
    #[must_use]
    pub fn new(namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        Self { namespace: namespace.as_ref().into(), name: name.as_ref().into() }
    }

    /// The key of an object.
    #[must_use]
    pub fn of<K: kube::Resource>(object: &K) -> Self {
        Self::new(object.meta().namespace.as_deref().unwrap_or_default(), object.name_any())
    }
}

/// A provider object of either kind; a cluster-scoped one has an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProviderKey {
    /// The kind.
    pub kind: ProviderKind,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ProviderKey {
    /// The provider that an object in `namespace` means by `kind` and `name`.
    #[must_use]
    pub fn resolve(kind: ProviderKind, name: &str, namespace: &str) -> Self {
        let namespace = match kind {
            ProviderKind::CredentialProvider | ProviderKind::Other(_) => namespace,
            ProviderKind::ClusterCredentialProvider => "",
        };
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// Returns the provider of the credentials in a ledger in `namespace`.
    #[must_use]
    pub fn of_account(account: &Account, namespace: &str) -> Self {
        Self::resolve(account.kind, &account.name, namespace)
    }

    /// The provider that an object in `namespace` refers to.
    #[must_use]
    pub fn wanted_by(object: &ApiCredential, namespace: &str) -> Self {
        let reference = &object.spec.provider_ref;
        Self::resolve(reference.kind, &reference.name, namespace)
    }
}

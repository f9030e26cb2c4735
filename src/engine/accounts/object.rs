//! What a provider object of either kind says.

use kube::ResourceExt;

use crate::{
    api::{Allow, ProviderKind, ProviderSettings, ProviderStatus},
    engine::{
        kubernetes::version,
        stores::{Key, ProviderKey, ProviderObject},
    },
};

impl ProviderObject {
    /// Where it is kept.
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

    pub(in crate::engine) fn annotation(&self, name: &str) -> Option<&str> {
        let annotations = match self {
            Self::Namespaced(it) => it.annotations(),
            Self::Cluster(it) => it.annotations(),
        };
        annotations.get(name).map(String::as_str)
    }

    pub(in crate::engine) fn generation(&self) -> i64 {
        let generation = match self {
            Self::Namespaced(it) => it.metadata.generation,
            Self::Cluster(it) => it.metadata.generation,
        };
        generation.unwrap_or_default()
    }

    /// Whether it is being deleted.
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

    pub(in crate::engine) fn status(&self) -> Option<&ProviderStatus> {
        match self {
            Self::Namespaced(it) => it.status.as_ref(),
            Self::Cluster(it) => it.status.as_ref(),
        }
    }

    /// Who may use it: for a shared provider that does not say so, nobody.
    pub(in crate::engine) fn allow(&self) -> Option<Allow> {
        match self {
            Self::Namespaced(_) => None,
            Self::Cluster(it) => Some(it.spec.allow.clone().unwrap_or_default()),
        }
    }

    pub(in crate::engine) fn login(&self, key: &ProviderKey) -> Option<Key> {
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

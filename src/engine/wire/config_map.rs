//! ConfigMaps.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{ByteString, api::core::v1 as upstream};
use kube::{Resource, ResourceExt, core::ObjectMeta};
use serde::Deserialize;

use super::{metadata::slim, secret::Secret};

/// A ConfigMap, without `managedFields`.
#[derive(Resource, Clone, Default, Deserialize)]
#[resource(inherit = "upstream::ConfigMap")]
pub struct ConfigMap {
    /// Its metadata.
    #[serde(default, deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    /// The data.
    #[serde(default)]
    pub data: Option<BTreeMap<String, String>>,
}

impl ConfigMap {
    /// The same content as a Secret.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        let bytes = |(key, text): (String, String)| (key, ByteString(text.into_bytes()));
        let data = self.data.map(|data| data.into_iter().map(bytes).collect());
        Secret { metadata: self.metadata, data, ..Secret::default() }
    }
}

impl fmt::Debug for ConfigMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConfigMap({:?}, {:?})", self.namespace(), self.metadata.name)
    }
}

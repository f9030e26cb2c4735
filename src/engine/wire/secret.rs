//! Secrets: their content can be read whatever their metadata are.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{ByteString, api::core::v1 as upstream};
use kube::{Resource, ResourceExt, core::ObjectMeta};
use serde::{Deserialize, Serialize, Serializer};

use super::metadata::slim;

/// A Secret, without `managedFields`.
#[derive(Resource, Clone, Default, PartialEq, Deserialize)]
#[resource(inherit = "upstream::Secret")]
pub struct Secret {
    /// Its metadata.
    #[serde(default, deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    /// Its type.
    #[serde(default, rename = "type")]
    pub type_: Option<String>,
    /// The data.
    #[serde(default)]
    pub data: Option<BTreeMap<String, ByteString>>,
    /// True if it is immutable.
    #[serde(default)]
    pub immutable: Option<bool>,
}

impl Secret {
    /// The value of a key in its data.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.data.as_ref()?.get(key).map(|ByteString(bytes)| bytes.as_slice())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({:?}, {:?})", self.namespace(), self.metadata.name)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { metadata, type_, data, immutable } = self.clone();
        let secret = upstream::Secret { metadata, type_, data, immutable, ..upstream::Secret::default() };
        secret.serialize(serializer)
    }
}

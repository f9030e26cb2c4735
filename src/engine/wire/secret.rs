//! Secrets: their content can be read whatever their metadata are.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::{ByteString, api::core::v1 as upstream};
use kube::{
    Resource, ResourceExt,
    core::{NamespaceResourceScope, ObjectMeta},
};
use serde::{Deserialize, Serialize, Serializer};

use super::metadata::slim;

/// A Secret, without `managedFields`.
#[derive(Clone, Default, PartialEq, Deserialize)]
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

impl Resource for Secret {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(kind: &()) -> Cow<'_, str> {
        upstream::Secret::kind(kind)
    }
    fn group(kind: &()) -> Cow<'_, str> {
        upstream::Secret::group(kind)
    }
    fn version(kind: &()) -> Cow<'_, str> {
        upstream::Secret::version(kind)
    }
    fn plural(kind: &()) -> Cow<'_, str> {
        upstream::Secret::plural(kind)
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

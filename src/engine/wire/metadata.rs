//! An object's metadata, without the parts that Credwright never reads.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::{ObjectMeta, Resource, TypeMeta};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use crate::api::instant;

/// The metadata that are read. `managedFields` are not: they may hold times that are no valid
/// instant here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Slim {
    name: Option<String>,
    generate_name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
    deletion_grace_period_seconds: Option<i64>,
}

/// Decodes metadata without `managedFields`.
///
/// An update that leaves them out keeps those that the object has.
pub(super) fn slim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let slim = Option::<Slim>::deserialize(deserializer)?.unwrap_or_default();
    Ok(ObjectMeta {
        name: slim.name,
        generate_name: slim.generate_name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        generation: slim.generation,
        labels: slim.labels,
        annotations: slim.annotations,
        owner_references: slim.owner_references,
        finalizers: slim.finalizers,
        creation_timestamp: slim.creation_timestamp.and_then(|text| instant::parsed(&text)).map(Time),
        // A terminating object stays one, even if its time is invalid.
        deletion_timestamp: slim
            .deletion_timestamp
            .map(|text| Time(instant::parsed(&text).unwrap_or(Timestamp::UNIX_EPOCH))),
        deletion_grace_period_seconds: slim.deletion_grace_period_seconds,
        ..ObjectMeta::default()
    })
}

/// The metadata of an object of any kind: no other part of it is requested.
#[derive(Clone, Deserialize)]
pub struct Partial<K> {
    /// The metadata.
    #[serde(default, deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for Partial<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Partial({:?}, {:?})", self.metadata.namespace, self.metadata.name)
    }
}

stands_for!(
    Partial<K: Resource<DynamicType = ()>>,
    metadata only: true,
    |it| &it.metadata,
    |it| &mut it.metadata
);

impl<K: Resource<DynamicType = ()>> Serialize for Partial<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let types = TypeMeta::resource::<K>();
        let mut object = serializer.serialize_struct("Partial", 3)?;
        object.serialize_field("apiVersion", &types.api_version)?;
        object.serialize_field("kind", &types.kind)?;
        object.serialize_field("metadata", &self.metadata)?;
        object.end()
    }
}

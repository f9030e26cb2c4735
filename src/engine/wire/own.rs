//! Objects of our own kinds: each is decoded by itself, and the error of an unreadable part is kept
//! beside it.

use std::{collections::BTreeMap, fmt, ops::Deref};

use kube::{Resource, core::ObjectMeta};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::metadata::slim;
use crate::api::{
    AbandonedCredential, AbandonedCredentialSpec, AbandonedStatus, ApiCredential, ApiCredentialSpec,
    ApiCredentialStatus, ClusterCredentialProvider, ClusterCredentialProviderSpec, CredentialProvider,
    CredentialProviderSpec, ProviderStatus,
};

/// The longest spec that is kept, in bytes of JSON. The schema allows less, except for texts of
/// long characters.
const SPEC_MAX: usize = 160 * 1024;
/// The longest status that is read. A longer one was not written by Credwright, and is replaced.
const STATUS_MAX: usize = 64 * 1024;
/// The longest member that is kept of a spec that cannot be read completely: it is not acted on,
/// but its login keeps its finalizer.
const MEMBER_MAX: usize = 4 * 1024;
/// The size up to which the finalizers and our own annotations of an object are kept.
const METADATA_MAX: usize = 8 * 1024;
/// The prefix of our own annotations.
const OUR_OWN: &str = "credwright.dev/";
/// The length up to which a decoder's message is shown: it may quote the text that it refuses.
const WHY_MAX: usize = 200;

/// A kind of ours.
pub trait Own: Resource<DynamicType = ()> + Clone + fmt::Debug + Serialize + Send + 'static {
    /// Its spec.
    type Spec: DeserializeOwned + Default;
    /// Its status.
    type Status: DeserializeOwned;

    /// Puts an object together.
    fn whole(metadata: ObjectMeta, spec: Self::Spec, status: Option<Self::Status>) -> Self;
}

macro_rules! own {
    ($($kind:ident, $spec:ident, $status:ident;)*) => {$(
        impl Own for $kind {
            type Spec = $spec;
            type Status = $status;

            fn whole(metadata: ObjectMeta, spec: $spec, status: Option<$status>) -> Self {
                Self { metadata, spec, status }
            }
        }
    )*};
}

own! {
    ApiCredential, ApiCredentialSpec, ApiCredentialStatus;
    CredentialProvider, CredentialProviderSpec, ProviderStatus;
    ClusterCredentialProvider, ClusterCredentialProviderSpec, ProviderStatus;
    AbandonedCredential, AbandonedCredentialSpec, AbandonedStatus;
}

/// An object of a kind of ours, as far as it can be read.
#[derive(Clone, Debug)]
pub struct Decoded<K> {
    /// The object. An unreadable part of its spec is treated as absent.
    pub object: K,
    /// The cause for which its spec cannot be read completely: it must not be acted on.
    pub unreadable: Option<String>,
}

impl<K> From<K> for Decoded<K> {
    fn from(object: K) -> Self {
        Self { object, unreadable: None }
    }
}

impl<K> Deref for Decoded<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.object
    }
}

/// An object in parts, each of which is decoded by itself.
#[derive(Deserialize)]
struct Parts {
    #[serde(default, deserialize_with = "slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

impl<'de, K: Own> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { mut metadata, spec, status } = Parts::deserialize(deserializer)?;
        let overweight = trim(&mut metadata);
        let (spec, unreadable) = match spec.as_deref().map_or_else(|| Err("there is none".to_owned()), read) {
            Ok(spec) => (spec, None),
            Err(why) => {
                (spec.as_deref().and_then(|raw| readable(raw, MEMBER_MAX)).unwrap_or_default(), Some(why))
            }
        };
        // A status is ours, and can be written again: an unreadable part is left out.
        let status =
            status.filter(|raw| raw.get().len() <= STATUS_MAX).and_then(|raw| readable(&raw, STATUS_MAX));
        Ok(Self { object: K::whole(metadata, spec, status), unreadable: overweight.or(unreadable) })
    }
}

/// Removes unused parts of an object's metadata, which anyone who may write the object may fill.
/// Returns why the object is to be skipped, if even the rest is too much.
fn trim(metadata: &mut ObjectMeta) -> Option<String> {
    (metadata.labels, metadata.owner_references, metadata.generate_name) = (None, None, None);
    let annotations = metadata.annotations.take().unwrap_or_default();
    let ours: BTreeMap<_, _> = annotations.into_iter().filter(|(key, _)| key.starts_with(OUR_OWN)).collect();
    let annotated: usize = ours.iter().map(|(key, value)| key.len() + value.len()).sum();
    let finalizers: usize = metadata.finalizers.iter().flatten().map(String::len).sum();
    if annotated <= METADATA_MAX && finalizers <= METADATA_MAX {
        metadata.annotations = (!ours.is_empty()).then_some(ours);
        return None;
    }
    metadata.finalizers.iter_mut().for_each(|all| all.retain(|it| it.starts_with(OUR_OWN) && it.len() <= 63));
    metadata.finalizers.iter_mut().for_each(|all| all.dedup());
    let most = METADATA_MAX / 1024;
    Some(format!("its finalizers, or its annotations under {OUR_OWN}, are longer than {most} KiB together"))
}

fn read<T: DeserializeOwned>(spec: &RawValue) -> Result<T, String> {
    if spec.get().len() > SPEC_MAX {
        return Err(format!("it is longer than {} KiB", SPEC_MAX / 1024));
    }
    serde_json::from_str(spec.get()).map_err(|error| error.to_string().chars().take(WHY_MAX).collect())
}

/// Returns the readable part: all, or those members that are no longer than this and can be read by
/// themselves.
fn readable<T: DeserializeOwned>(raw: &RawValue, longest: usize) -> Option<T> {
    if raw.get().len() <= longest
        && let Ok(whole) = serde_json::from_str(raw.get())
    {
        return Some(whole);
    }
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    members.retain(|name, value| {
        value.get().len() <= longest && of(&BTreeMap::from([(name.clone(), *value)])).is_some_and(|_: T| true)
    });
    of(&members)
}

fn of<T: DeserializeOwned>(members: &BTreeMap<String, &RawValue>) -> Option<T> {
    serde_json::from_str(&serde_json::to_string(members).ok()?).ok()
}

impl<K: Own> Serialize for Decoded<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

stands_for!(Decoded<K: Own>, metadata only: false, |it| it.object.meta(), |it| it.object.meta_mut());

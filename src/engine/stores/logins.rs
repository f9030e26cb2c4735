//! Login Secrets, as far as they are kept: without their content.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::ResourceExt;

use crate::{
    api::LOGIN_FINALIZER,
    engine::{Sealer, Secret, carries, version},
};

/// A login Secret, without its content.
#[derive(Clone, Debug)]
pub struct LoginEntry {
    /// Its UID.
    pub uid: String,
    /// Keyed hash of its content.
    pub content: String,
    /// Its resourceVersion.
    pub version: u64,
    /// True if it has our finalizer.
    pub held: bool,
    /// The time at which its deletion began.
    pub terminating: Option<Timestamp>,
}

/// Returns the keyed hash of a login Secret's content.
pub(in crate::engine) fn login_content(secret: &Secret, sealer: &Sealer) -> String {
    let data = secret.data.iter().flatten();
    sealer.digest(data.flat_map(|(key, ByteString(value))| [key.as_bytes(), value.as_slice()]))
}

/// Returns the part of a login Secret that is kept.
#[must_use]
pub fn login_entry(secret: &Secret, sealer: &Sealer) -> LoginEntry {
    LoginEntry {
        uid: secret.uid().unwrap_or_default(),
        content: login_content(secret, sealer),
        version: version(secret),
        held: carries(secret, LOGIN_FINALIZER),
        terminating: secret.metadata.deletion_timestamp.as_ref().map(|time| time.0),
    }
}

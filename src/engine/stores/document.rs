//! From a ledger Secret, or a copy of one, to its document: opened once to see that it is genuine,
//! and kept without its secrets.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Deserialize;

use crate::{
    api::{LEDGER_FINALIZER, ROLE_LABEL, ROLE_LEDGER, ledger_name},
    engine::{Material, Sealer, Secret, carries, owner_uid, seal::Place, version},
    lifecycle::{Document, SCHEMA, growth::DOCUMENT_MAX},
};

/// The key of a ledger Secret that holds the document.
pub(in crate::engine) const DOCUMENT_KEY: &str = "document";
/// The key of a ledger Secret that holds the sealed material.
pub(in crate::engine) const SEALED_KEY: &str = "sealed";

/// A ledger, without its secrets.
#[derive(Clone, Debug)]
pub struct LedgerEntry {
    /// True if it belongs to an ApiCredential.
    pub owned: bool,
    /// True if it carries our label, and is sealed with the current key. Also true if it is not
    /// genuine, because Credwright does not write that.
    pub up_to_date: bool,
    /// The Secret's UID.
    pub uid: String,
    /// The Secret's version.
    pub version: u64,
    /// True if it has our finalizer.
    pub held: bool,
    /// The time at which its deletion began.
    pub terminating: Option<Timestamp>,
    /// The length of the sealed part.
    pub sealed: usize,
    /// The document, or why it cannot be used.
    pub document: Result<Arc<Document>, String>,
}

/// A copy of a ledger, without its secrets.
#[derive(Clone, Debug)]
pub struct CopyEntry {
    /// The Secret's version.
    pub version: u64,
    /// The document, if it opens.
    pub document: Option<Arc<Document>>,
}

/// A ledger Secret as it is kept: opened once to see that it is genuine, and stripped.
#[must_use]
pub fn ledger_entry(secret: &Secret, sealer: &Sealer) -> LedgerEntry {
    let document = open_ledger(secret, sealer).map(|(document, _)| Arc::new(document));
    LedgerEntry {
        owned: owner_uid(secret).is_some(),
        up_to_date: document.is_err() || is_up_to_date(secret, sealer),
        uid: secret.uid().unwrap_or_default(),
        version: version(secret),
        held: carries(secret, LEDGER_FINALIZER),
        terminating: secret.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        sealed: secret.value(SEALED_KEY).map_or(0, <[u8]>::len),
        document,
    }
}

/// Returns whether nothing of a genuine ledger is mended by writing it once more.
fn is_up_to_date(secret: &Secret, sealer: &Sealer) -> bool {
    let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
    let current = |(document, sealed)| {
        sealer.is_current(sealed, Place { namespace: &namespace, name: &name, document })
    };
    secret.labels().get(ROLE_LABEL).is_some_and(|role| role == ROLE_LEDGER)
        && secret.value(DOCUMENT_KEY).zip(secret.value(SEALED_KEY)).is_none_or(current)
}

/// A copy of the ledger of `credential` as it is kept. It is sealed for the ledger's place, not for
/// its own.
#[must_use]
pub fn copy_entry(secret: &Secret, credential: &str, sealer: &Sealer) -> CopyEntry {
    let opened = open_as(secret, &ledger_name(credential), sealer);
    CopyEntry { version: version(secret), document: opened.ok().map(|(document, _)| Arc::new(document)) }
}

/// Opens a ledger Secret.
///
/// # Errors
/// A sentence that says why it cannot be used.
pub(in crate::engine) fn open_ledger(
    secret: &Secret,
    sealer: &Sealer,
) -> Result<(Document, Material), String> {
    open_as(secret, &secret.name_any(), sealer)
}

/// The part of a ledger's document that every version can decode.
#[derive(Deserialize)]
struct Header {
    schema: u32,
}

/// Opens the material that was sealed for a ledger of this name.
pub(in crate::engine) fn open_as(
    secret: &Secret,
    name: &str,
    sealer: &Sealer,
) -> Result<(Document, Material), String> {
    let missing = |key| format!("the ledger {name} has no key {key}; restore it from a backup");
    let document = secret.value(DOCUMENT_KEY).ok_or_else(|| missing(DOCUMENT_KEY))?;
    let sealed = secret.value(SEALED_KEY).ok_or_else(|| missing(SEALED_KEY))?;
    if document.len() > DOCUMENT_MAX {
        return Err(format!(
            "the ledger {name} is larger than Credwright ever writes; restore it from a backup"
        ));
    }
    let namespace = secret.namespace().unwrap_or_default();
    let material = sealer.open(sealed, Place { namespace: &namespace, name, document }).map_err(|error| {
        format!(
            "the ledger {name} cannot be opened: {error}; restore it, or the key it was sealed with, from \
             a backup"
        )
    })?;
    let decoded = serde_json::from_slice::<Document>(document);
    // A newer Credwright may have written words that this one cannot decode.
    let schema = match &decoded {
        Ok(decoded) => decoded.schema,
        Err(_) => serde_json::from_slice::<Header>(document).map_or(SCHEMA, |it| it.schema),
    };
    if schema > SCHEMA {
        return Err(format!(
            "the ledger {name} has schema {schema}, written by a newer Credwright; upgrade this one"
        ));
    }
    let mut decoded = decoded.map_err(|error| format!("the ledger {name} cannot be decoded: {error}"))?;
    // Decoding makes room for four.
    decoded.revisions.shrink_to_fit();
    decoded.mints.shrink_to_fit();
    Ok((decoded, material))
}

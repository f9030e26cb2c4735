//! The origin of credentials that a ledger lists and that this object on this cluster did not
//! request.

use serde::{Deserialize, Serialize};

use crate::api::Word;

use super::Document;

/// The origin of the older credentials of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inherited {
    /// The way in which they were inherited.
    pub how: Inheritance,
    /// The revisions up to this one are meant.
    pub through: u32,
    /// The last borrowed revision, however the later ones came: a ledger that had borrowed them was
    /// restored in turn.
    #[serde(default, skip_serializing_if = "is_none")]
    pub borrowed_through: u32,
    /// The tags in the names at the provider, of the objects that made them.
    pub tags: Vec<String>,
    /// The UIDs of the objects that they were made for.
    pub objects: Vec<String>,
}

fn is_none(revision: &u32) -> bool {
    *revision == 0
}

impl Inherited {
    /// The revisions up to this one are another cluster's, which may be using them. So may those be
    /// that came in a way that this version does not know.
    #[must_use]
    pub fn borrowed(&self) -> u32 {
        let ours = matches!(self.how, Inheritance::Adopted | Inheritance::Rebuilt);
        if ours { self.borrowed_through } else { self.through }
    }
}

/// The way in which a ledger inherited credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inheritance {
    /// It was restored or put back on the cluster that it was written on: they are this object's.
    Adopted,
    /// It was written on another cluster, which may be using them: they are never touched.
    Borrowed,
    /// It was lost and has been rebuilt from status and the Secret that workloads read: they are
    /// this object's, as far as is known.
    Rebuilt,
    /// A word of a newer version.
    #[serde(untagged)]
    Other(Word),
}

impl Document {
    /// Returns how `revision` was inherited, if it was.
    #[must_use]
    pub fn inheritance(&self, revision: u32) -> Option<Inheritance> {
        let inherited = self.inherited.as_ref().filter(|it| revision <= it.through)?;
        Some(if revision <= inherited.borrowed() { Inheritance::Borrowed } else { inherited.how })
    }
}

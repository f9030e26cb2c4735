//! The origin of credentials that a ledger lists and that this object on this cluster did not
//! request.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::Word;

use super::{Document, Edit, IllegalEdit, State};

/// The number of earlier objects remembered of a ledger that is restored again and again.
const PREDECESSORS_KEPT: usize = 8;

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

    /// The edits that concern inherited credentials.
    pub(super) fn edit_inherited(&mut self, edit: &Edit, now: Timestamp) -> Result<(), IllegalEdit> {
        match edit {
            Edit::Inherit { cluster_id, object_uid, inherited } => {
                self.inherit(cluster_id, object_uid, inherited);
            }
            Edit::Claim => {
                if let Some(inherited) = &mut self.inherited {
                    (inherited.how, inherited.borrowed_through) = (Inheritance::Adopted, 0);
                }
            }
            Edit::Disinherit => self.inherited = None,
            Edit::Rebuild { inherited, revisions, mints } => {
                self.mints.extend(mints);
                for revision in revisions {
                    self.add(revision)?;
                }
                let (cluster_id, object_uid) = (self.cluster_id.clone(), self.object_uid.clone());
                self.inherit(&cluster_id, &object_uid, inherited);
            }
            Edit::Stray(revision) => self.add(revision)?,
            Edit::Leave { revisions } => {
                for revision in revisions {
                    self.step(*revision, State::Left)?.ended_at = Some(now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Inherits the revisions listed for another object. Calls that another cluster had left open
    /// there are that cluster's to finish.
    fn inherit(&mut self, cluster_id: &str, object_uid: &str, inherited: &Inherited) {
        let mut inherited = inherited.clone();
        if let Some(before) = self.inherited.take() {
            inherited.borrowed_through = inherited.borrowed_through.max(before.borrowed());
            // A credential with another cluster's tag is not looked for.
            if before.how != Inheritance::Borrowed || inherited.how == Inheritance::Borrowed {
                inherited.tags.extend(before.tags);
            }
            inherited.objects.extend(before.objects);
            inherited.through = inherited.through.max(before.through);
        }
        for list in [&mut inherited.tags, &mut inherited.objects] {
            let mut seen = Vec::new();
            list.retain(|it| {
                !seen.contains(it) && {
                    seen.push(it.clone());
                    true
                }
            });
            list.truncate(PREDECESSORS_KEPT);
        }
        if inherited.how == Inheritance::Borrowed {
            self.mints.clear();
            for it in &mut self.revisions {
                if matches!(it.state, State::Intended | State::Unconfirmed | State::Revoking) {
                    it.state = State::Left;
                }
            }
        }
        self.inherited = Some(inherited);
        self.failures.clear();
        (self.closed, self.orphaned_at) = (false, None);
        cluster_id.clone_into(&mut self.cluster_id);
        object_uid.clone_into(&mut self.object_uid);
    }
}

//! The states of a revision, and the arrows between them.

use serde::{Deserialize, Serialize};

/// The state of a revision. See the diagram above [`crate::lifecycle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// About to be made, or being made.
    Intended,
    /// Asked for without an answer that can be used.
    Unconfirmed,
    /// Made, and its secret is kept.
    Issued,
    /// Replaced; it works until the overlap is over.
    Retiring,
    /// Being revoked. There is no way back.
    Revoking,
    /// Over: the provider refuses it.
    Revoked,
    /// Over: it was never made.
    Absent,
    /// Over for us: it belongs to another cluster, and was not touched.
    Left,
    /// Over for this ledger: it may live, and an AbandonedCredential records it.
    Abandoned,
}

impl State {
    /// Returns whether the provider may hold a credential that this ledger has to account for.
    #[must_use]
    pub fn may_be_alive(self) -> bool {
        !matches!(self, Self::Revoked | Self::Absent | Self::Left | Self::Abandoned)
    }

    /// Returns whether its secret is kept and workloads may use it.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Issued | Self::Retiring)
    }

    /// The arrows of the diagram.
    pub(super) fn may_become(self, next: Self) -> bool {
        use State::{Abandoned, Absent, Intended, Issued, Left, Retiring, Revoked, Revoking, Unconfirmed};
        matches!(
            (self, next),
            (Intended, Issued | Unconfirmed | Revoking | Absent)
                | (Unconfirmed, Revoking | Absent)
                // An answer after its intent was given up: the credential is revoked in any case.
                | (Absent, Revoking)
                | (Issued, Retiring | Revoking)
                | (Retiring, Revoking)
                | (Revoking, Revoked)
                | (Intended | Unconfirmed | Issued | Retiring | Revoking, Left)
                // The record of it exists elsewhere.
                | (Intended | Unconfirmed | Revoking, Abandoned)
        )
    }
}

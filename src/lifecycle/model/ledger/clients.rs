//! The client of a revision. A client ID names a client only together with the account: servers
//! that number their clients all have a client 1.

use super::{Account, Document, Revision, State, may_be};

impl Account {
    /// Returns whether both may be the same account: an empty fingerprint means that it is unknown.
    #[must_use]
    pub fn may_be_same(&self, other: &Self) -> bool {
        other.fingerprint.is_empty() || may_be(&self.fingerprint, &other.fingerprint)
    }
}

impl Revision {
    /// Returns whether it may be the client `client_id` of `account`.
    #[must_use]
    pub fn is_client(&self, client_id: &str, account: &Account) -> bool {
        self.client_id.as_deref() == Some(client_id) && self.account.may_be_same(account)
    }

    /// Returns whether its client must not be revoked or taken by others. A client left to another
    /// cluster is in use there. One that was revoked, never made, or is recorded elsewhere belongs
    /// to nobody.
    #[must_use]
    pub fn holds_its_client(&self) -> bool {
        self.state.may_be_alive() || self.state == State::Left
    }
}

impl Document {
    /// Returns another revision than `it` with the client `client_id` at the same account, if it
    /// may be alive: an action on one affects both.
    #[must_use]
    pub fn sibling(&self, it: &Revision, client_id: &str) -> Option<&Revision> {
        let is_same =
            |other: &&Revision| other.revision != it.revision && other.is_client(client_id, &it.account);
        self.revisions.iter().filter(is_same).find(|other| other.state.may_be_alive())
    }

    /// Returns the revisions whose clients no other object may have: a closed ledger has none.
    pub fn holding(&self) -> impl Iterator<Item = &Revision> {
        self.revisions.iter().filter(|it| !self.closed && it.holds_its_client())
    }
}

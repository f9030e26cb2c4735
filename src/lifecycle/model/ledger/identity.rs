//! The identity of a credential at its account. A client ID alone is not enough: servers that
//! number their clients all have a client 1, and some let one client have several secrets, each of
//! which is a credential.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Account, Document, Revision, State, may_be};

/// The values with which `spec.parameters` says where at the provider a credential is made, by
/// name: a project, a role, a zone.
pub type Parameters = BTreeMap<String, String>;

/// The thing at a provider that is a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialKind {
    /// A client with its only secret.
    #[default]
    Client,
    /// One of several secrets of a client that stays.
    Secret,
}

impl CredentialKind {
    pub(super) fn is_client(&self) -> bool {
        *self == Self::Client
    }
}

/// The parts that tell a credential from all others of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The public half of the pair.
    pub client_id: &'a str,
    /// The provider's ID of the secret, if it is one of several.
    pub secret_id: Option<&'a str>,
    /// The parameters that it was made with, as far as they are known: IDs may be unique in one
    /// project only.
    pub parameters: &'a Parameters,
}

impl<'a> Identity<'a> {
    /// The identity of a client, wherever it was made.
    #[must_use]
    pub fn of_client(client_id: &'a str) -> Self {
        const ANYWHERE: &Parameters = &Parameters::new();
        Self { client_id, secret_id: None, parameters: ANYWHERE }
    }

    /// Returns whether both may be the same credential. A client stands for all of its secrets.
    #[must_use]
    pub fn may_be(&self, other: &Identity<'_>) -> bool {
        let secrets = self.secret_id.zip(other.secret_id);
        self.client_id == other.client_id
            && secrets.is_none_or(|(one, another)| one == another)
            && agree(self.parameters, other.parameters)
    }

    /// Returns whether it may be the client `login`. One of its other secrets is not that login.
    #[must_use]
    pub fn is_login(&self, login: Option<&str>) -> bool {
        self.secret_id.is_none() && login == Some(self.client_id)
    }
}

/// Returns whether no parameter has two values. One that is missing is not known.
#[must_use]
pub fn agree(one: &Parameters, another: &Parameters) -> bool {
    one.iter().all(|(name, value)| another.get(name).is_none_or(|it| it == value))
}

impl Account {
    /// Returns whether both may be the same account: an empty fingerprint means that it is unknown.
    #[must_use]
    pub fn may_be_same(&self, other: &Self) -> bool {
        other.fingerprint.is_empty() || may_be(&self.fingerprint, &other.fingerprint)
    }
}

impl Revision {
    /// Returns its identity, if that is known. A secret without its ID may be any of its client's.
    #[must_use]
    pub fn identity(&self) -> Option<Identity<'_>> {
        self.identity_with(self.client_id.as_deref()?)
    }

    /// Returns its identity if it is of the client `client_id`, and if that is enough to know it.
    #[must_use]
    pub fn identity_with<'a>(&'a self, client_id: &'a str) -> Option<Identity<'a>> {
        let secret_id = self.secret_id.as_deref();
        self.is_certain().then_some(Identity { client_id, secret_id, parameters: &self.parameters })
    }

    /// Returns whether it is certain which of its client's credentials it is.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.kind == CredentialKind::Client || self.secret_id.is_some()
    }

    /// Returns whether it may be the credential `identity` of `account`.
    #[must_use]
    pub fn is(&self, identity: &Identity<'_>, account: &Account) -> bool {
        self.identity().is_some_and(|it| it.may_be(identity)) && self.account.may_be_same(account)
    }

    /// Returns whether it may be the same credential as `other`.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        other.identity().is_some_and(|it| self.is(&it, &other.account))
    }

    /// Returns the ID by which a person finds it at the provider.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self.kind {
            CredentialKind::Client => self.client_id.as_deref(),
            CredentialKind::Secret => self.secret_id.as_deref(),
        }
    }

    /// Returns its name and its IDs, for people.
    #[must_use]
    pub fn described(&self) -> String {
        let client = self.client_id.as_deref().unwrap_or("unknown");
        match (self.kind, self.secret_id.as_deref()) {
            (CredentialKind::Client, _) => format!("{} (client {client})", self.name),
            (CredentialKind::Secret, id) => {
                format!("{} (secret {} of client {client})", self.name, id.unwrap_or("unknown"))
            }
        }
    }

    /// Returns whether its credential must not be revoked or taken by others. One that was left to
    /// another cluster is in use there. One that was revoked, never made, or is recorded elsewhere
    /// belongs to nobody.
    #[must_use]
    pub fn holds_its_credential(&self) -> bool {
        self.state.may_be_alive() || self.state == State::Left
    }
}

impl Document {
    /// Returns another revision than `it` that may be alive and is the credential `identity` of the
    /// same account: an action on one affects both.
    #[must_use]
    pub fn sibling(&self, it: &Revision, identity: &Identity<'_>) -> Option<&Revision> {
        let is_same = |other: &&Revision| other.revision != it.revision && other.is(identity, &it.account);
        self.revisions.iter().filter(is_same).find(|other| other.state.may_be_alive())
    }

    /// Returns the revisions whose credentials no other object may have: a closed ledger has none.
    pub fn holding(&self) -> impl Iterator<Item = &Revision> {
        self.revisions.iter().filter(|it| !self.closed && it.holds_its_credential())
    }

    /// Returns whether it lists `found`, other than as a credential that was never made.
    #[must_use]
    pub fn expects(&self, found: &Found) -> bool {
        match self.revisions.iter().find(|it| found.is_named(it)) {
            Some(known) => known.state != State::Absent,
            None => self.lists(found),
        }
    }

    /// Returns whether it lists `found` by its name or by its identity, in any state.
    #[must_use]
    pub fn lists(&self, found: &Found) -> bool {
        let same = |it: &Revision| it.identity().is_some_and(|it| it.may_be(&found.identity()));
        self.revisions.iter().any(|it| found.is_named(it) || same(it))
    }
}

/// A credential that exists at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its name there.
    pub name: String,
    /// The public half of the pair.
    pub client_id: String,
    /// The provider's ID of the secret, if it is one of several of its client.
    pub secret_id: Option<String>,
    /// Provider-side ids, as in [`Revision::ids`].
    pub ids: BTreeMap<String, String>,
    /// The place where it was found: a part of the parameters that it was made with.
    pub place: Parameters,
}

impl Found {
    /// Returns its identity.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        let secret_id = self.secret_id.as_deref();
        Identity { client_id: &self.client_id, secret_id, parameters: &self.place }
    }

    /// Returns whether it has the name of `revision`, in the same place.
    #[must_use]
    pub fn is_named(&self, revision: &Revision) -> bool {
        self.name == revision.name && agree(&self.place, &revision.parameters)
    }
}

//! The parts from which a lost ledger is rebuilt.

use jiff::Timestamp;

use super::ledger::{Inherited, Revision};

/// The parts from which a lost ledger is rebuilt.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// The origin of its credentials.
    pub inherited: Inherited,
    /// The credentials in status, oldest first. None has a secret yet.
    pub revisions: Vec<Revision>,
    /// The revision that the target holds.
    pub published: Option<Published>,
    /// The mints of the last hour that nothing else counts.
    pub mints: Vec<Timestamp>,
}

/// A target whose pair is taken into the ledger again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The Secret's name.
    pub target: String,
    /// The revision in it.
    pub revision: u32,
    /// The client ID that the target has to hold, if that is known.
    pub client_id: Option<String>,
}

//! Providers that lie or fail, one after the other, each in a scene of its own for an hour of
//! injected time.
//!
//! Each lie is a row: the false response, the phase of the object, and the allowed cost. One runner
//! plays it beside two that must not notice: a neighbour in the same account and a bystander at
//! another one. What it prints is the table of figures in docs/reliability.md.

mod answers;
mod lists;
mod logins;
mod revocations;
mod runner;

use credwright_simulator::Faults;

use crate::stage::Said;

/// One lie.
struct Lie {
    /// The lie of the provider.
    name: &'static str,
    at: Place,
    during: During,
    /// Makes the provider do it, until its faults are cleared.
    tell: fn(&Faults, &Known),
    /// The fewest and the most creates within the hour.
    creates: (usize, usize),
    /// The most calls of all kinds within the hour, by all users of that account.
    calls: usize,
    /// The condition at the end of the hour, with a part of its message.
    says: Option<(Said, &'static str)>,
}

/// The provider that lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Spreetail,
    Expereo,
}

/// The state of the object at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    /// Its first credential is asked for.
    Issue,
    /// Its credential is due to be replaced in a minute.
    Renewal,
    /// Its credential has been replaced, and the old one is to be revoked within the hour.
    Revocation,
}

/// The values that a lying provider may use.
struct Known {
    /// The pair that the neighbour's workloads read.
    neighbour: String,
    /// The pair that Credwright logs in with.
    login: String,
    /// The pair that the object's own workloads read.
    own: Option<String>,
    /// The address of the bystander's account.
    elsewhere: String,
    now: jiff::Timestamp,
}

//! Providers that lie or fail, one after the other, each in a scene of its own for an hour of injected time.
//!
//! Each lie is a row: what is told, during what, and how much it may cost. One runner plays it beside two that must not notice:
//! a neighbour in the same account and a bystander at another one. What it prints is the table of figures in
//! docs/reliability.md.

mod answers;
mod lists;
mod logins;
mod revocations;
mod runner;

use credwright_simulator::Faults;

use crate::stage::Said;

/// One lie.
struct Lie {
    /// What the provider does.
    name: &'static str,
    at: Place,
    during: During,
    /// Makes the provider do it, until its faults are cleared.
    tell: fn(&Faults, &Known),
    /// How often a create may be asked for within the hour.
    creates: (usize, usize),
    /// How often the provider may be called within the hour, whatever for, by all who use that account.
    calls: usize,
    /// What is said at the end of the hour, with a part of the message.
    says: Option<(Said, &'static str)>,
}

/// Which provider lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Spreetail,
    Expereo,
}

/// What the object is in when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    /// Its first credential is asked for.
    Issue,
    /// Its credential is due to be replaced in a minute.
    Renewal,
    /// Its credential has been replaced, and the old one is to be revoked within the hour.
    Revocation,
}

/// What a liar may make use of.
struct Known {
    /// What the neighbour's workloads read.
    neighbour: String,
    /// What Credwright logs in with.
    login: String,
    /// What the object's own workloads read.
    own: Option<String>,
    /// Where the bystander's account is.
    elsewhere: String,
    now: jiff::Timestamp,
}

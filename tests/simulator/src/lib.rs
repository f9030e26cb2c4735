//! Imitations of credential providers, spoken to over real HTTP on the loopback interface.
//!
//! A simulator is built from the provider's public documentation alone and never imports the
//! product: one that shared the product's wire types would only prove that the product agrees with
//! itself. Each keeps a record of its own of everything it ever made, and tests judge the operator
//! by that record.
//!
//! * [`simulator`] puts one provider, its record, its clock and its faults behind a port.
//! * [`record`] is what the provider knows: credentials made and revoked. [`traffic`] is who asked
//!   for what.
//! * [`clock`] moves by hand, so that a credential of ninety days expires in no time.
//! * [`faults`] go wrong on demand, round every operation of every provider; [`gate`] holds a
//!   request still, and [`mutation`] makes answers that are almost right.
//! * [`spreetail`], [`expereo`], [`cloud_director`], [`cloud_connexa`] and [`vonage`] are
//!   providers, and so is every other file that implements [`simulator::Provider`]. The last two
//!   have a [`portal`] instead of an API for credentials.
//! * [`hostile`] are servers of tenants who mean harm: as slow as they can be, or with answers of a
//!   mebibyte.
//! * [`oidc`] starts a real registration server, which is not a simulator but is used like one.
//!
//! Hooks in a provider do not belong here if a test can assert the same through the record.
#![expect(
    clippy::disallowed_methods,
    reason = "the bans keep the product's effects in one place; the simulator is not the product"
)]

mod admin;
mod boundary;
pub mod clock;
pub mod cloud_connexa;
pub mod cloud_director;
pub mod expereo;
pub mod faults;
pub mod gate;
pub mod hostile;
pub mod mutation;
pub mod oidc;
pub mod portal;
mod random;
pub mod record;
mod server;
pub mod simulator;
pub mod spreetail;
pub mod traffic;
pub mod vonage;

pub use clock::Clock;
pub use faults::{Fault, Faults, Matching, RetryAfter, Rule};
pub use gate::Gate;
pub use mutation::Mutator;
pub use portal::{Form, Portal};
pub use record::{Credential, Record};
pub use simulator::{Login, Simulator};
pub use traffic::{Operation, Outcome, SeenRequest};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even after a panic elsewhere: a test that already failed should not fail again as a
/// poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Drivers: how to issue, find, verify and revoke credentials at each provider.
//!
//! A driver turns calls of [`Provider`] into HTTP and answers into facts. It never decides
//! anything: the next step is decided by the lifecycle, which knows drivers by their
//! [`Capabilities`] only. Kubernetes is not known here.
//!
//! Each of these uses only those before it: `contract`, `setup`, `stopwatch` and `turns`, `http`,
//! `usual`, the drivers, `border`, `registry`.

mod app_role;
mod border;
mod by_hand;
mod cloud_connexa;
mod cloud_director;
mod contract;
mod deadline;
mod expereo;
pub mod http;
mod lenient;
mod listing;
mod oauth_registration;
pub mod registry;
mod setup;
mod spreetail;
pub mod stopwatch;
mod turns;
mod usual;
mod vonage_contact_center;

pub use contract::{
    Capabilities, CreateRequest, CredentialKind, Failure, FailureKind, FindRequest, Found, Issued, Issuer,
    Lister, NotIssued, Parameters, Provider, RetryAfter, Revocation, RevokeRequest, Revoker, Verdict,
    VerifyRequest, needed,
};
use contract::{Driver, is_half};

//! Credwright: a Kubernetes operator that issues, publishes, rotates and revokes API credentials.
//!
//! The layers, each of which may use only those before it:
//!
//! ```text
//! api  <-  lifecycle  <-  ops  <-  providers  <-  engine  <-  controller  <-  cli
//! ```
//!
//! Beside them is `ops`, which uses `api` only, and which all from `providers` on may tell
//! something.
//!
//! Everything to the left can be understood without the right. If a change needs an arrow the other
//! way, the thing belongs in a different layer. `tests/architecture.rs` holds the code to it.

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod engine;
pub mod lifecycle;
pub mod ops;
pub mod providers;

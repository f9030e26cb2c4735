//! The operator on a real API server, against providers over real HTTP. One file for each theme.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

mod abandoned;
mod admission;
#[path = "../support/awkward.rs"]
mod awkward;
mod bad_input;
mod budgets;
mod by_hand;
mod canary;
mod clocks;
mod clones;
mod cloud_director;
mod connections;
mod consumer;
mod deletion;
mod echo;
mod elsewhere;
mod environment;
mod examples;
mod expereo;
mod failures;
#[path = "../conformance/front.rs"]
mod front;
mod holding;
mod hostile;
mod kubectl;
mod label_attack;
mod leadership;
mod lease;
mod ledger_surgery;
mod lifecycle;
mod liveness;
mod metrics;
mod networks;
mod panics;
mod poison;
mod records;
mod recovery;
mod refusals;
mod refused;
mod restores;
mod rights;
mod secrets_of_a_client;
mod sharing;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod suspect;
mod target;
mod target_taken;
mod tenancy;
mod throttled;
mod undeletable;
mod uninstall;
mod unwritten;

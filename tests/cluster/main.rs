//! The operator on a real API server, against providers over real HTTP. One file for each theme.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

mod abandoned;
mod admission;
mod bad_input;
mod budgets;
mod by_hand;
mod canary;
mod clocks;
mod clones;
mod cloud_director;
mod consumer;
mod deletion;
mod elsewhere;
mod examples;
mod expereo;
mod failures;
mod holding;
mod hostile;
mod kubectl;
mod label_attack;
mod leadership;
mod ledger_surgery;
mod lifecycle;
mod metrics;
mod recovery;
mod restores;
mod rights;
mod sharing;
mod spec_changes;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod suspect;
mod target;
mod target_taken;
mod tenancy;
mod uninstall;

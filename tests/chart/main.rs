//! The chart: what it says of its values is true, what it renders is what Kubernetes takes, and
//! installed on a real API server it runs.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

mod alerts;
mod conform;
mod dashboard;
mod generated;
mod helm;
mod install;
mod kubelet;
mod platform;
mod pod;
mod quickstart;
mod render;
#[path = "../support/mod.rs"]
mod support;
mod values;

//! The container image: what is in it, what its bill of materials says, and that the operator works
//! in it as in a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

mod archive;
mod content;
mod materials;
mod namespace;
mod network;
mod pod;
mod push;
mod recipe;
#[path = "../support/mod.rs"]
mod support;
mod work;

//! What tests, benchmarks and the demo need around the product: a real Kubernetes control plane, the product's
//! binary as a process, free ports, random numbers that can be repeated, and a way to wait for a condition.
//!
//! This crate never imports the product: it would otherwise have to be rebuilt with it, and a harness that
//! shares code with what it checks shares its mistakes.

pub mod controlplane;
mod leash;
pub mod operator;
pub mod port;
pub mod process;
pub mod random;
pub mod wait;

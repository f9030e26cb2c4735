//! The surroundings of the product in tests, benchmarks and the demo: a real Kubernetes control
//! plane with CRDs, faults between it and the operator, hostile tenants, the product's binary as a
//! process, servers of other projects, a proxy, certificates, free ports, random numbers that can
//! be repeated, and a way to wait for a condition.
//!
//! This crate never imports the product: it would otherwise have to be rebuilt with it, and a
//! harness that shares code with what it checks shares its mistakes.

pub mod balancer;
pub mod build;
pub mod controlplane;
pub mod crds;
pub mod gateway;
pub mod hostile;
mod leash;
pub mod openbao;
pub mod operator;
pub mod poison;
pub mod port;
pub mod process;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod server;
pub mod tls;
pub mod wait;

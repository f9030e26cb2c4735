//! Metrics and probes, for those who run Credwright. Every layer may report to this one, and it
//! calls none of them.

pub mod metrics;
pub mod server;

//! What those who run Credwright see of it: metrics and probes. Whoever does something tells it here; nothing here asks back.

pub mod metrics;
pub mod server;

//! What those who run Credwright see of it. Whoever does something tells it here; nothing here asks back.

pub mod metrics;

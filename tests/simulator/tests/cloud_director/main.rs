//! The simulated Cloud Director, over real HTTP: its documented oddities.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod quirks;
mod support;

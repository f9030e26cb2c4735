//! The simulated Spreetail, over real HTTP: its documented oddities, and every fault.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients and tasks of their own")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod faults;
mod quirks;
mod support;

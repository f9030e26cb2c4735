//! What holds a secret cannot be printed, and what is in the operator's memory is not written to a disk.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait in real time"
)]

mod memory;
mod types;

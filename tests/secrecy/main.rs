//! Types with a secret cannot be printed, and the operator's memory is never written to a disk.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait in real time"
)]

#[path = "../support/file.rs"]
mod file;
mod memory;
mod types;

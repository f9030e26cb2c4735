//! The cases of `main.rs` at the servers that need Java: Keycloak and Spring Authorization Server.
//!
//! They take minutes to fetch and to start, so `make test-servers` runs them, and `make test` does
//! not.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]

#[macro_use]
mod cases;
mod child;
mod keycloak;
mod spring;
mod subject;

use std::process::Command;

/// Java, set up to start fast on few cores.
fn java() -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"]);
    command
}

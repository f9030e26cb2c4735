//! The command line.

mod check;
mod crds;
mod detach;
mod log;
mod memory;
mod place;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Issues, publishes, rotates and revokes API credentials for Kubernetes workloads.
#[derive(Debug, Parser)]
#[command(name = "credwright", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator until a signal stops it.
    Run(Box<run::Arguments>),
    /// Print the CRDs, for `kubectl apply --server-side -f -`.
    Crds,
    /// Check manifests without a cluster: types, unknown fields, and every rule of the CRDs.
    Check(check::Arguments),
    /// Remove finalizers and owner references from everything, so that Credwright can be
    /// uninstalled and every Secret and credential stays. Stop the operator first.
    Detach(detach::Arguments),
    /// Print the version.
    Version,
}

/// Returns the command line, for its page of documentation.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Parses the command line, runs the command, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::main(&arguments),
        Command::Check(arguments) => check::main(&arguments),
        Command::Detach(arguments) => detach::main(&arguments),
        Command::Crds => {
            print!("{}", crds::yaml());
            ExitCode::SUCCESS
        }
        Command::Version => {
            println!("credwright {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
    }
}

/// Runs a command to its end, and returns its exit code. One TLS provider serves the whole process.
/// Installing it can fail only if one was installed before.
fn block_on(command: impl Future<Output = Result<ExitCode, Box<dyn std::error::Error>>>) -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::warn!("TLS provider already installed");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(command)) {
        Ok(code) => code,
        Err(error) => failed(error.as_ref()),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    eprintln!("credwright: {error}{causes}");
    ExitCode::FAILURE
}

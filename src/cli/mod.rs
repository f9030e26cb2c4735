//! The command line.

mod crds;
mod memory;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Issues, publishes, rotates and revokes API credentials for Kubernetes workloads.
#[derive(Debug, Parser)]
#[command(name = "credwright", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator until it is told to stop.
    Run(run::Arguments),
    /// Print the custom resource definitions, for `kubectl apply --server-side -f -`.
    Crds,
    /// Print the version.
    Version,
}

/// Parses the command line, does what it says, and says how that ended.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::main(&arguments),
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

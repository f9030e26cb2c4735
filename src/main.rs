//! The `credwright` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    credwright::cli::main()
}

//! The paths of what cargo has built beside the demo.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The folder that cargo builds into: examples are in `release/examples` below it.
pub(crate) fn folder() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    Ok(example.ancestors().nth(3).context("an example lies in the folder that cargo builds into")?.to_owned())
}

/// The operator's binary, which cargo has built beside this example.
pub(crate) fn binary() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.ancestors().nth(2).map(|profile| profile.join("credwright"));
    let binary = binary.context("an example lies in the folder that cargo builds into")?;
    ensure!(binary.exists(), "{} is not there: build it with `cargo build --release`", binary.display());
    Ok(binary)
}

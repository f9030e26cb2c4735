//! Where the control plane's binaries are.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Names a folder with ready binaries; set by `controlplane up` for the command it runs.
pub(super) const FOLDER_VARIABLE: &str = "CREDWRIGHT_CONTROLPLANE";

const BUILD_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/build.sh");

/// Finds the folder of binaries, building them first if need be.
#[expect(clippy::disallowed_methods, reason = "a test harness has no command line of its own")]
pub(super) async fn locate() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return Ok(folder.into());
    }
    let build = Command::new(BUILD_SCRIPT).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = build.await.context(BUILD_SCRIPT)?;
    ensure!(output.status.success(), "building the control plane failed with {}", output.status);
    let stdout = String::from_utf8(output.stdout)?;
    let folder = stdout.lines().last().context("the build named no folder")?;
    Ok(folder.into())
}

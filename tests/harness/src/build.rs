//! Binaries of others that a script builds or fetches once, and keeps.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Runs a build script and returns the folder that its last line on stdout names. Progress goes to
/// stderr.
///
/// # Errors
/// If the script fails or names no folder.
pub async fn folder_of(script: &Path) -> Result<PathBuf> {
    let build = Command::new(script).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = build.await.with_context(|| script.display().to_string())?;
    ensure!(output.status.success(), "{} failed with {}", script.display(), output.status);
    let stdout = String::from_utf8(output.stdout)?;
    let folder = stdout.lines().last().context("the build named no folder")?;
    Ok(folder.into())
}

//! The paths of the control plane's binaries.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::build;

/// Names a folder with ready binaries; set by `controlplane up` for the command it runs.
pub(super) const FOLDER_VARIABLE: &str = "CREDWRIGHT_CONTROLPLANE";

const BUILD_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/build.sh");

/// Finds the folder of binaries, building them first if need be.
#[expect(clippy::disallowed_methods, reason = "a test harness has no command line of its own")]
pub(super) async fn locate() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return Ok(folder.into());
    }
    build::folder_of(Path::new(BUILD_SCRIPT)).await
}

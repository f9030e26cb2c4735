//! Servers as child processes.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;
use credwright_harness::{build, port, server};

/// The deadline of a start. It is generous, because a server that ends early is noticed at once:
/// only a crowded machine waits this long.
const READY_DEADLINE: Duration = Duration::from_secs(600);

/// A server that answers.
pub(crate) struct Child {
    /// Its address, as a URL without a path.
    pub(crate) origin: String,
    _process: server::Server,
}

/// Starts the server whose command `command` makes from a folder for its files and a free address.
/// Waits until it answers at `ready`, a path.
pub(crate) async fn start(
    name: &'static str,
    command: impl FnOnce(&Path, SocketAddr) -> Result<Command>,
    ready: &str,
) -> Result<Child> {
    let folder = tempfile::Builder::new().prefix("credwright-server-").tempdir()?;
    let address = port::free_address()?;
    let command = command(folder.path(), address)?;
    let mut process = server::Server::start(name, folder, &command)?;
    let origin = format!("http://{address}");
    let url = format!("{origin}{ready}");
    let http = http()?;
    let answers = async || {
        let answer = http.get(&url).send().await.and_then(reqwest::Response::error_for_status);
        Ok(answer.ok().map(drop))
    };
    process.until(&format!("{name} to answer"), READY_DEADLINE, answers).await?;
    Ok(Child { origin, _process: process })
}

/// Returns the folder that `tests/NAME/build.sh` fills, once it is filled.
pub(crate) async fn built(name: &str) -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    build::folder_of(&tests.join(name).join("build.sh")).await
}

/// A client for what a server's administrator does.
pub(crate) fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

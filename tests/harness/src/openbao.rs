//! OpenBao in memory as a child process, for tests that speak to the real one.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{build, port, server::Server};

/// The deadline of a start. It is generous, because a server that ends early is noticed at once:
/// only a crowded machine waits this long.
const READY_DEADLINE: Duration = Duration::from_secs(300);

/// The token that may do everything.
pub const ROOT_TOKEN: &str = "Canary-Root-Token";

/// A server that answers. It is killed when this value is dropped or when this process ends in any
/// way, and has no files.
pub struct OpenBao {
    address: SocketAddr,
    _process: Server,
}

impl OpenBao {
    /// Fetches the server, if that was never done, and starts it. It is unsealed.
    ///
    /// # Errors
    /// If it cannot be fetched, or does not start.
    pub async fn start() -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openbao/build.sh");
        let program = build::folder_of(&script).await?.join("bao");
        let folder = tempfile::Builder::new().prefix("credwright-openbao-").tempdir()?;
        let address = port::free_address()?;
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-no-store-token"]);
        command.arg(format!("-dev-listen-address={address}"));
        command.arg(format!("-dev-root-token-id={ROOT_TOKEN}"));
        let mut process = Server::start("openbao", folder, &command)?;
        let answers = async || Ok(is_ready(address).await.unwrap_or_default().then_some(()));
        process.until("OpenBao to answer", READY_DEADLINE, answers).await?;
        Ok(Self { address, _process: process })
    }

    /// Its URL without a path.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Returns whether the server is initialized and unsealed: otherwise the status is another.
async fn is_ready(address: SocketAddr) -> Result<bool> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET /v1/sys/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).context("no status")?;
    Ok(status == "200")
}

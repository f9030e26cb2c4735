//! Starts the real RFC 7591 / 7592 server that lives in `tests/oidc`: an npm package, run by Node.
//!
//! It is not a simulator: it has no faults on demand and no movable clock. It shows what a real
//! server answers.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

/// The behaviour of the server. The default lets anyone register, with secrets that never expire.
#[derive(Clone, Debug, Default)]
pub struct OidcOptions {
    /// Registration demands this bearer token.
    pub initial_access_token: Option<String>,
    /// Secrets expire after so long, in whole seconds.
    pub secret_ttl: Option<Duration>,
    /// The server accepts what expired this long ago: none unless said so, 15 seconds in the
    /// library's own default.
    pub clock_tolerance: Duration,
}

/// A running server, until this is dropped. Its process also ends when this one does, whatever
/// happens.
#[derive(Debug)]
pub struct OidcServer {
    pub issuer: String,
    pub registration_endpoint: String,
    pub token_endpoint: String,
    process: Child,
    /// The server ends when this closes, which the kernel sees to even if this process is killed.
    _lifeline: Option<ChildStdin>,
}

/// A client that the server holds.
#[derive(Clone, Debug, Deserialize)]
pub struct OidcClient {
    pub client_id: String,
    pub client_name: Option<String>,
    pub scope: Option<String>,
}

/// A request that the server got.
#[derive(Clone, Debug, Deserialize)]
pub struct OidcRequest {
    pub at: Timestamp,
    /// `Token`, `Create`, `Read`, `Update`, `Delete` or `Other`.
    pub operation: String,
    pub path: String,
    /// None while it is being answered.
    pub status: Option<u16>,
}

#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("{program} cannot be run; the tests need Node 20 or later and npm")]
    Program { program: &'static str, source: io::Error },
    #[error("the packages of {} cannot be installed: {reason}", directory().display())]
    Install { reason: String },
    #[error("the server ended or said something odd before it was ready: {said:?}")]
    NotReady { said: String },
    #[error("the server's own records cannot be read")]
    Records(#[from] reqwest::Error),
}

/// The line the server prints when it is ready.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    issuer: String,
    registration_endpoint: String,
    token_endpoint: String,
}

impl OidcServer {
    /// Starts a server on a free port, and installs its packages if nobody has yet.
    pub async fn start(options: OidcOptions) -> Result<Self, OidcError> {
        spawn_blocking(move || {
            install()?;
            launch(&options)
        })
        .await
        .unwrap_or_else(|panic| Err(OidcError::NotReady { said: panic.to_string() }))
    }

    /// The clients that were registered and not deleted. Those with an expired secret are among
    /// them.
    pub async fn live_clients(&self) -> Result<Vec<OidcClient>, OidcError> {
        self.records("clients").await
    }

    /// Every request so far, in order of arrival.
    pub async fn requests(&self) -> Result<Vec<OidcRequest>, OidcError> {
        self.records("log").await
    }

    async fn records<T: DeserializeOwned>(&self, what: &str) -> Result<T, OidcError> {
        let url = format!("{}/_server/{what}", self.issuer);
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(client.get(url).send().await?.error_for_status()?.json().await?)
    }
}

impl Drop for OidcServer {
    fn drop(&mut self) {
        // It fails only if the server is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../oidc")
}

/// Runs `npm ci` unless it has been run. Tests of several processes may get here at once: the lock
/// file that npm reads and never writes is locked meanwhile.
///
/// # Errors
/// If npm cannot be run, or fails.
pub fn install() -> Result<(), OidcError> {
    let failed = |error: io::Error| OidcError::Install { reason: error.to_string() };
    let lock = File::open(directory().join("package-lock.json")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    // npm writes this last, so an installation that was cut short is repeated.
    if directory().join("node_modules/.package-lock.json").exists() {
        return Ok(());
    }
    eprintln!("installing the packages of {} (once)", directory().display());
    let output = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(directory())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| OidcError::Program { program: "npm", source })?;
    if output.status.success() {
        Ok(())
    } else {
        Err(OidcError::Install { reason: String::from_utf8_lossy(&output.stderr).into_owned() })
    }
}

fn launch(options: &OidcOptions) -> Result<OidcServer, OidcError> {
    let mut command = Command::new("node");
    command.arg("server.mjs").current_dir(directory()).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.args(["--clock-tolerance", &options.clock_tolerance.as_secs().to_string()]);
    if let Some(token) = &options.initial_access_token {
        command.args(["--initial-access-token", token]);
    }
    if let Some(ttl) = options.secret_ttl {
        command.args(["--secret-ttl", &ttl.as_secs().to_string()]);
    }
    let mut process = command.spawn().map_err(|source| OidcError::Program { program: "node", source })?;
    let lifeline = process.stdin.take();
    let mut said = String::new();
    if let Some(stdout) = process.stdout.take() {
        // An error leaves the line empty, which is not what a server that is ready says.
        let _ = BufReader::new(stdout).read_line(&mut said);
    }
    let Ok(Ready { issuer, registration_endpoint, token_endpoint }) = serde_json::from_str(&said) else {
        let _ = process.kill();
        let _ = process.wait();
        return Err(OidcError::NotReady { said });
    };
    Ok(OidcServer { issuer, registration_endpoint, token_endpoint, process, _lifeline: lifeline })
}

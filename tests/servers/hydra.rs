//! Ory Hydra, built from its Go module by `tests/hydra`. Its admin port is not opened.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result};
use credwright::providers::{FailureKind, Verdict};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    child::{self, Child},
    subject::{Calls, Server, pair, shown},
};

async fn server() -> Result<&'static Server> {
    static SERVER: OnceCell<(Server, Child)> = OnceCell::const_new();
    let start = async || {
        let binary = child::built("hydra").await?.join("hydra");
        let command = |folder: &Path, address| command(&binary, folder, address);
        let process = child::start("Hydra", command, "/health/ready").await?;
        let server = Server {
            title: "Ory Hydra",
            origin: process.origin.clone(),
            login: vec![],
            scopes: &["read", "write"],
            scopes_by_default: &["openid", "offline"],
            unknown_scope: None,
            revokes: true,
        };
        anyhow::Ok((server, process))
    };
    Ok(&SERVER.get_or_try_init(start).await?.0)
}

/// Its clients are in memory. `--dev` lets it serve plain HTTP.
fn command(binary: &Path, folder: &Path, address: SocketAddr) -> Result<Command> {
    let settings = json!({
        "dsn": "memory",
        "serve": { "public": { "host": address.ip(), "port": address.port() } },
        "urls": { "self": { "issuer": format!("http://{address}/") } },
        "oidc": { "dynamic_client_registration": { "enabled": true } },
        "webfinger": { "oidc_discovery": {
            "client_registration_url": format!("http://{address}/oauth2/register"),
        } },
        "secrets": { "system": ["Canary-System-Secret"] },
    });
    let file = folder.join("hydra.json");
    fs::write(&file, settings.to_string())?;
    let mut command = Command::new(binary);
    command.args(["serve", "public", "--dev", "--sqa-opt-out", "--config"]).arg(file);
    Ok(command)
}

cases!();

#[tokio::test]
async fn hydra_gives_a_token_for_an_audience_only_where_that_was_registered() -> Result<()> {
    let server = server().await?;
    let asked = server.request();
    let provider = server.provider()?;
    let issued = provider.create(&asked).await.map_err(|it| shown(it.failure))?;
    assert_eq!(issued.fields["audience"], "https://api.example.com");
    assert_eq!(provider.verify(&pair(&issued, &asked)).await.map_err(shown)?, Verdict::Accepted);

    let provider = server.provider_with(&[], |block| block.metadata.clear())?;
    let issued = provider.create(&asked).await.map_err(|it| shown(it.failure))?;
    let failure = provider.verify(&pair(&issued, &asked)).await.err().context("it got a token")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.contains("correct oauthRegistration.tokenParameters"), "{}", failure.message);
    Ok(())
}

//! oidc-provider, from npm: `tests/oidc`.

use anyhow::Result;
use credwright::providers::FailureKind;
use credwright_simulator::oidc::{OidcOptions, OidcServer};
use tokio::sync::OnceCell;

use crate::subject::Server;

const INITIAL_ACCESS_TOKEN: &str = "Canary-Initial-Access-Token";

async fn server() -> Result<&'static Server> {
    static SERVER: OnceCell<(Server, OidcServer)> = OnceCell::const_new();
    let start = async || {
        let options =
            OidcOptions { initial_access_token: Some(INITIAL_ACCESS_TOKEN.into()), ..OidcOptions::default() };
        let process = OidcServer::start(options).await?;
        let server = Server {
            title: "oidc-provider",
            origin: process.issuer.clone(),
            login: vec![("initial_access_token", INITIAL_ACCESS_TOKEN.into())],
            scopes: &["read", "write"],
            scopes_by_default: &[],
            unknown_scope: Some((FailureKind::Rejected, "correct oauthRegistration.metadata")),
            revokes: true,
        };
        anyhow::Ok((server, process))
    };
    Ok(&SERVER.get_or_try_init(start).await?.0)
}

cases!();

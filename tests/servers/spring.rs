//! Spring Authorization Server, built from Maven Central by `tests/spring`.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use credwright::providers::FailureKind;
use tokio::sync::OnceCell;

use crate::{
    child::{self, Child},
    java,
    subject::{Calls, Server, shown},
};

const SECRET: &str = "Canary-Registrar-Secret";

async fn server() -> Result<&'static Server> {
    static SERVER: OnceCell<(Server, Child)> = OnceCell::const_new();
    let start = async || {
        let binary = child::built("spring").await?.join("server.jar");
        let command = |_: &_, address: SocketAddr| {
            let mut command = java();
            command.arg("-jar").arg(&binary);
            command.arg(format!("--server.address={}", address.ip()));
            command.arg(format!("--server.port={}", address.port()));
            command.arg(format!("--registrar.secret={SECRET}"));
            Ok(command)
        };
        let process = child::start("Spring", command, "/.well-known/oauth-authorization-server").await?;
        let server = Server {
            title: "Spring Authorization Server",
            origin: process.origin.clone(),
            login: vec![
                ("client_id", "registrar".into()),
                ("client_secret", SECRET.into()),
                ("scope", "client.create".into()),
            ],
            scopes: &[],
            scopes_by_default: &[],
            unknown_scope: Some((FailureKind::Rejected, "with error invalid_scope")),
            revokes: false,
        };
        anyhow::Ok((server, process))
    };
    Ok(&SERVER.get_or_try_init(start).await?.0)
}

cases!();

#[tokio::test]
async fn spring_refuses_each_member_that_the_page_leaves_out() -> Result<()> {
    let server = server().await?;
    for number in 0..2 {
        let mut sent = String::new();
        let provider = server.provider_with(&server.login, |block| {
            assert_eq!(block.metadata_without.len(), 2);
            sent = block.metadata_without.remove(number);
        })?;
        let failure = provider.create(&server.request()).await.err().context("it was registered")?.failure;
        assert_eq!(failure.kind, FailureKind::Rejected, "{sent}: {}", failure.message);
    }
    Ok(())
}

#[tokio::test]
async fn spring_lets_only_a_login_register_that_asks_for_client_create() -> Result<()> {
    let server = server().await?;
    let login: Vec<_> = server.login.iter().filter(|(key, _)| *key != "scope").cloned().collect();
    let provider = server.provider_with(&login, |_| {})?;
    provider.probe().await.map_err(shown)?;
    let failure = provider.create(&server.request()).await.err().context("it was registered")?.failure;
    assert_eq!(failure.kind, FailureKind::Forbidden, "{}", failure.message);
    assert!(failure.message.contains("the key scope of the login Secret"), "{}", failure.message);
    Ok(())
}

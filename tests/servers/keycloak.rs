//! Keycloak, fetched from Maven Central by `tests/keycloak`.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result};
use credwright::providers::FailureKind;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    child::{self, Child},
    java,
    subject::{Calls, Server, request},
};

const ADMIN: (&str, &str) = ("admin", "Canary-Admin-Password");

async fn server() -> Result<&'static Server> {
    static SERVER: OnceCell<(Server, Child)> = OnceCell::const_new();
    let start = async || {
        let home = child::built("keycloak").await?;
        let command = |_: &_, address| Ok(command(&home, address));
        let process = child::start("Keycloak", command, "/realms/master").await?;
        let token = set_up(&process.origin).await.context("setting up the realm")?;
        let server = Server {
            title: "Keycloak",
            origin: process.origin.clone(),
            login: vec![("initial_access_token", token.into())],
            scopes: &["read", "write"],
            scopes_by_default: &["offline_access", "read"],
            unknown_scope: Some((FailureKind::Forbidden, "the scopes in spec.scopes")),
            revokes: true,
        };
        anyhow::Ok((server, process))
    };
    Ok(&SERVER.get_or_try_init(start).await?.0)
}

/// Returns what `kc.sh start` runs. The script itself would leave Java behind when it is killed.
fn command(home: &Path, address: SocketAddr) -> Command {
    let mut command = java();
    command.arg(format!("-Dkc.home.dir={}", home.display()));
    command.arg("-Djava.util.logging.manager=org.jboss.logmanager.LogManager");
    command.arg("-cp").arg(home.join("lib/quarkus-run.jar"));
    command.args(["io.quarkus.bootstrap.runner.QuarkusEntryPoint", "start", "--optimized"]);
    command.args(["--cache=local", "--http-enabled=true"]);
    command.arg(format!("--http-host={}", address.ip()));
    command.arg(format!("--http-port={}", address.port()));
    command.arg(format!("--hostname=http://{address}"));
    command.env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN.0).env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN.1);
    command
}

/// Prepares the server as an administrator does: makes the realm `acme` with client scopes of each
/// type that the realm can assign to them. Returns an initial access token.
async fn set_up(origin: &str) -> Result<String> {
    let admin = Admin::login(origin).await?;
    admin.send(Method::POST, "", json!({ "realm": "acme", "enabled": true })).await?;
    for (name, assigned) in [("read", Some("optional")), ("write", Some("default")), ("unassigned", None)] {
        let scope = json!({
            "name": name,
            "protocol": "openid-connect",
            "attributes": { "include.in.token.scope": "true" },
        });
        let made = admin.send(Method::POST, "/acme/client-scopes", scope).await?;
        let place = made.headers().get("location").context("no location")?.to_str()?;
        let id = place.rsplit('/').next().unwrap_or_default();
        if let Some(assigned) = assigned {
            let path = format!("/acme/default-{assigned}-client-scopes/{id}");
            admin.send(Method::PUT, &path, Value::Null).await?;
        }
    }
    let wanted = json!({ "count": 1000, "expiration": 3600 });
    let token: Value = admin.send(Method::POST, "/acme/clients-initial-access", wanted).await?.json().await?;
    Ok(token["token"].as_str().context("no token")?.to_owned())
}

/// Keycloak's administrator.
struct Admin {
    http: reqwest::Client,
    origin: String,
    token: String,
}

impl Admin {
    async fn login(origin: &str) -> Result<Self> {
        let http = child::http()?;
        let url = format!("{origin}/realms/master/protocol/openid-connect/token");
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", ADMIN.0),
            ("password", ADMIN.1),
        ];
        let answer: Value = http.post(url).form(&form).send().await?.error_for_status()?.json().await?;
        let token = answer["access_token"].as_str().context("no access token")?.to_owned();
        Ok(Self { http, origin: origin.to_owned(), token })
    }

    /// Sends a request for a path below the realms.
    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Response> {
        let url = format!("{}/admin/realms{path}", self.origin);
        let request = self.http.request(method, &url).bearer_auth(&self.token).json(&body);
        Ok(request.send().await?.error_for_status()?)
    }
}

cases!();

#[tokio::test]
async fn keycloak_refuses_a_client_scope_that_is_not_assigned_in_the_realm() -> Result<()> {
    let server = server().await?;
    let asked = request(&["unassigned"]);
    let failure = server.provider()?.create(&asked).await.err().context("it was registered")?.failure;
    assert_eq!(failure.kind, FailureKind::Forbidden, "{}", failure.message);
    assert!(failure.message.contains("Not permitted to use specified clientScope"), "{}", failure.message);
    Ok(())
}

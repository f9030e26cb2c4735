//! Servers that a hostile tenant runs. None of them is a provider, and each ends with its process.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Json, Router, http::StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::simulator::ANY_PORT;

/// The client secret in the answers of [`talkative`], which must not be found anywhere.
pub const CANARY: &str = "CANARY-of-a-talkative-server";

/// The time between two bytes of a tarpit: just too short for a read timeout of 20 seconds.
const DRIP: Duration = Duration::from_secs(19);

/// Starts a server that takes every request and answers a byte each 19 seconds. Returns its URL.
///
/// # Errors
/// If it cannot listen.
pub async fn tarpit() -> io::Result<String> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(drip(stream));
        }
    });
    Ok(url(address))
}

async fn drip(mut stream: TcpStream) {
    let mut request = [0; 4096];
    // What is asked for makes no difference.
    let _ = stream.read(&mut request).await;
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" {
        tokio::time::sleep(DRIP).await;
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Starts a token endpoint that grants everything after `delay`. Returns its URL.
///
/// # Errors
/// If it cannot listen.
pub async fn slow(delay: Duration) -> io::Result<String> {
    serve(Router::new().fallback(async move || {
        tokio::time::sleep(delay).await;
        Json(json!({ "access_token": "granted", "token_type": "Bearer", "expires_in": 3600 }))
    }))
    .await
}

/// Starts a registration server whose answers have a client ID of nearly a mebibyte, and [`CANARY`]
/// as the secret. Returns its URL.
///
/// # Errors
/// If it cannot listen.
pub async fn talkative() -> io::Result<String> {
    let client_id = "a".repeat(1024 * 1024 - 200);
    serve(Router::new().fallback(async move || {
        (StatusCode::CREATED, Json(json!({ "client_id": client_id, "client_secret": CANARY })))
    }))
    .await
}

async fn serve(router: Router) -> io::Result<String> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url(address))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

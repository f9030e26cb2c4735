//! Probes, over plain HTTP: `/livez` says that the process works, whatever the cluster does; `/readyz` says what is missing.

use std::{io, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

/// What is shown.
pub trait Show: Send + Sync + 'static {
    /// What keeps the operator from working or from standing by, a sentence each; nothing if it is ready.
    fn missing(&self) -> Vec<String>;
}

/// Serves until it is dropped.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, shown: Arc<dyn Show>) -> io::Result<()> {
    let router =
        Router::new().route("/livez", get(async || "ok\n")).route("/readyz", get(readyz)).with_state(shown);
    axum::serve(listener, router).await
}

async fn readyz(State(shown): State<Arc<dyn Show>>) -> (StatusCode, String) {
    let missing = shown.missing();
    match missing.as_slice() {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        missing => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
    }
}

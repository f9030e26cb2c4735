//! Probes and metrics, over plain HTTP: `/livez` says that the process works, whatever the cluster does; `/readyz` says what is
//! missing.

use std::{io, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    routing::get,
};
use tokio::net::TcpListener;

/// Whether an operator is ready.
#[derive(Debug)]
pub struct Readiness {
    /// What keeps it from working or from standing by, a sentence each; nothing if it is ready.
    pub missing: Vec<String>,
    /// What it leaves alone meanwhile, a sentence each, though it may well be ready.
    pub left_alone: Vec<String>,
}

/// What is shown.
pub trait Show: Send + Sync + 'static {
    /// Whether it is ready, and what is in the way.
    fn readiness(&self) -> Readiness;

    /// The metrics, in the text format of OpenMetrics.
    fn metrics(&self) -> String;
}

/// Serves until it is dropped.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, shown: Arc<dyn Show>) -> io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown);
    axum::serve(listener, router).await
}

async fn readyz(State(shown): State<Arc<dyn Show>>) -> (StatusCode, String) {
    let Readiness { missing: mut lines, left_alone } = shown.readiness();
    let status = if lines.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if lines.is_empty() {
        lines.push("ok".to_owned());
    }
    lines.extend(left_alone);
    (status, lines.join("\n") + "\n")
}

async fn metrics(State(shown): State<Arc<dyn Show>>) -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], shown.metrics())
}

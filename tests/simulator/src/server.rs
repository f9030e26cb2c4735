//! Serves HTTP/1.1 connections in a way that lets one be torn, which `axum::serve` does not.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use http::request::Parts;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use crate::lock;

/// Tears the connection a request came on.
#[derive(Clone, Default)]
pub(crate) struct Tear(Arc<Notify>);

impl Tear {
    /// Never returns: the connection's task is dropped, and this future with it.
    pub(crate) async fn now(self) -> Response {
        self.0.notify_one();
        pending().await
    }
}

impl<S: Sync> FromRequestParts<S> for Tear {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// A router behind a port. While it is stopped, connections are refused.
pub(crate) struct Server {
    address: SocketAddr,
    router: Router,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    pub(crate) async fn start(listen: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, router.clone()));
        Ok(Self { address, router, accepting: Mutex::new(Some(accepting)) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and every connection. Requests that are being worked on still have their
    /// effect.
    pub(crate) async fn stop(&self) {
        let accepting = lock(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The port is closed once the task is gone; that it was cancelled is the point.
            let _ = accepting.await;
        }
    }

    /// Opens the same port again.
    pub(crate) async fn start_again(&self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        *lock(&self.accepting) = Some(tokio::spawn(accept(listener, self.router.clone())));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(accepting) = lock(&self.accepting).take() {
            accepting.abort();
        }
    }
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client may be gone before it is accepted; that is its own affair.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, router.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let tear = Tear::default();
    let service = service_fn(|request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(tear.clone());
        router.clone().oneshot(request)
    });
    tokio::select! {
        // An error is the client's leaving or a body that was cut on purpose.
        _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
        () = tear.0.notified() => {}
    }
}

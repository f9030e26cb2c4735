//! A proxy before a real server, which has faults on demand like any simulator.

use std::{io, net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
    routing::any,
};
use credwright_simulator::{
    Clock, Login, Operation, Simulator,
    simulator::{ANY_PORT, Provider, World},
    traffic::Call,
};
use futures::future::{BoxFuture, FutureExt};
use http::{Method, StatusCode};

/// Starts a front for the server at `origin`.
pub(crate) async fn start(origin: &str) -> io::Result<Simulator> {
    let http = reqwest::Client::builder().no_proxy().local_address(Some(Ipv4Addr::LOCALHOST.into()));
    let http = http.redirect(reqwest::redirect::Policy::none()).build().map_err(io::Error::other)?;
    let nobody = Login { client_id: String::new(), client_secret: String::new() };
    let front = Arc::new(Front { origin: origin.to_owned(), http });
    Simulator::start(ANY_PORT, World::new(Clock::real()), nobody, front).await
}

struct Front {
    origin: String,
    http: reqwest::Client,
}

impl Provider for Front {
    fn routes(self: Arc<Self>) -> Router {
        Router::new().route("/{*path}", any(pass_on)).with_state(self)
    }

    /// Registration servers and OpenBao have no path in common.
    fn identify(&self, request: Request) -> BoxFuture<'_, Call> {
        let path = request.uri().path();
        let operation = match *request.method() {
            Method::POST if path == "/token" || path.ends_with("/login") => Operation::Token,
            Method::POST if path == "/reg" || path.ends_with("/secret-id") => Operation::Create,
            Method::GET if path.ends_with("/secret-id") => Operation::List,
            Method::POST if path.ends_with("/destroy") => Operation::Delete,
            Method::DELETE => Operation::Delete,
            _ => Operation::Other,
        };
        async move { Call { operation, client: None, by_login: false } }.boxed()
    }
}

/// The Host header is passed on too, so that the URLs in answers lead back here.
async fn pass_on(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let url = format!("{}{}", front.origin, parts.uri);
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let passed = front.http.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let mut answer = Response::new(Body::empty());
    match passed {
        Ok(passed) => {
            *answer.status_mut() = passed.status();
            let json = passed.headers().get(http::header::CONTENT_TYPE).cloned();
            answer.headers_mut().extend(json.map(|json| (http::header::CONTENT_TYPE, json)));
            *answer.body_mut() = passed.bytes().await.unwrap_or_default().into();
        }
        Err(_) => *answer.status_mut() = StatusCode::BAD_GATEWAY,
    }
    answer
}

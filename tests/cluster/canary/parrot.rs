//! A server that repeats whatever it was sent, in body and headers, with every status there is a
//! rule for; then it behaves.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

/// The login of the operator at this provider.
pub(super) const LOGIN: &str = "parrots-keeper";
pub(super) const PASSWORD: &str = r#"keeper's "pass\word" & 100% + more = secret"#;
/// A secret in a URL, where some people put one by mistake.
pub(super) const IN_A_QUERY: &str = "key-in-a-query-that-nobody-may-see";

/// Answers to everything but what it is asked for.
const STATUSES: [u16; 16] = [200, 201, 204, 301, 302, 308, 400, 401, 403, 404, 405, 409, 422, 429, 500, 503];

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Login,
    Register,
    Verify,
    Delete,
}

pub(super) struct Parrot {
    pub(super) base_url: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    base_url: String,
    echoes: VecDeque<(Kind, u16)>,
    made: u32,
    secrets: Vec<String>,
}

impl Parrot {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Kept { base_url: base_url.clone(), ..Kept::default() };
        let kept = Arc::new(Mutex::new(kept));
        let router = Router::new().fallback(any(answer)).with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, kept }
    }

    /// The next requests of this kind are answered by echoes.
    pub(super) fn mock(&self, kind: Kind) {
        // Whatever the body says, these revoke.
        let fits = |status: &u16| kind != Kind::Delete || !(matches!(status, 200..=299 | 404));
        self.kept
            .lock()
            .unwrap()
            .echoes
            .extend(STATUSES.into_iter().filter(fits).map(|status| (kind, status)));
    }

    /// Those that it has not made yet.
    pub(super) fn left(&self) -> Vec<(Kind, u16)> {
        self.kept.lock().unwrap().echoes.iter().copied().collect()
    }

    /// Everything secret that it gave away.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.kept.lock().unwrap().secrets.clone()
    }
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let kind = match (&head.method, head.uri.path()) {
        (&Method::POST, "/token") if body.contains(LOGIN) => Kind::Login,
        (&Method::POST, "/token") => Kind::Verify,
        (&Method::POST, "/register") => Kind::Register,
        (&Method::DELETE, _) => Kind::Delete,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut kept = kept.lock().unwrap();
    match kept.echoes.iter().position(|(of, _)| *of == kind).and_then(|at| kept.echoes.remove(at)) {
        Some((_, status)) => echo(status, &head.headers, &body),
        None => kept.proper(kind),
    }
}

/// Returns a response that repeats the request everywhere: as it is, and with its secrets decoded.
fn echo(status: u16, headers: &HeaderMap, body: &str) -> Response {
    let authorization =
        headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let decoded: Vec<String> =
        url::form_urlencoded::parse(body.as_bytes()).map(|(_, value)| value.into_owned()).collect();
    let secret = decoded.iter().max_by_key(|it| it.len()).cloned().unwrap_or_default();
    let whole = format!("{authorization} {body} {}", decoded.join(" "));
    let members = json!({
        "error": secret, "error_description": whole, "message": whole, "minorErrorCode": authorization,
        // Of the wrong type, so that the decoder has something to quote.
        "access_token": { "you sent": whole }, "client_secret": [whole], "expires_in": secret,
    });
    let mut response = (StatusCode::from_u16(status).unwrap(), members.to_string()).into_response();
    let text: String = whole.chars().filter(|it| (' '..='~').contains(it)).take(2000).collect();
    let value = HeaderValue::from_str(text.trim()).unwrap();
    for name in ["x-you-sent", "www-authenticate", "retry-after", "location", "server"] {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

impl Kept {
    fn proper(&mut self, kind: Kind) -> Response {
        self.made += 1;
        let (number, base) = (self.made, self.base_url.clone());
        let mut secret = |what: &str| {
            let secret = format!(r#"{what}-"{number}"\\<&+%>-of-a-parrot"#);
            self.secrets.push(secret.clone());
            secret
        };
        let answer: Value = match kind {
            Kind::Login | Kind::Verify => {
                json!({ "access_token": secret("token"), "token_type": "Bearer", "expires_in": 300 })
            }
            Kind::Register => json!({
                "client_id": format!("bird-{number}"), "client_secret": secret("secret"),
                "client_secret_expires_at": 0,
                "registration_client_uri": format!("{base}/register/bird-{number}"),
                "registration_access_token": secret("registration"),
            }),
            Kind::Delete => return StatusCode::NO_CONTENT.into_response(),
        };
        let status = if kind == Kind::Register { StatusCode::CREATED } else { StatusCode::OK };
        (status, answer.to_string()).into_response()
    }
}

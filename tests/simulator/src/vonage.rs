//! Vonage Contact Center: a portal for people, and a token endpoint. There is no API for
//! credentials.
//!
//! Sources: the portal
//! <https://newvoicemedia.atlassian.net/wiki/spaces/DP/pages/1125646628/Configuring+API+credentials>;
//! the token request
//! <https://docs-vcc.atlassian.net/wiki/spaces/VCCA/pages/3566174948/Requests+Authentication+API>;
//! its answers
//! <https://docs-vcc.atlassian.net/wiki/spaces/VCCA/pages/3565192752/Responses+Authentication+API>;
//! Basic from the vendor's samples `newvoicemedia/vcc-node-code-snippets`.
//!
//! The regions are host names; one port stands for all of them. A 429 comes without `Retry-After`,
//! and when is not documented: that is what [`crate::Fault::rate_limited`] is for. The answer to a
//! wrong secret is an option.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use crate::portal::PERSON;
use crate::random::{hex, uuid};
use crate::record::NewCredential;
use crate::simulator::{ANY_PORT, Provider, World};
use crate::traffic::Call;
use crate::{Clock, Form, Login, Operation, Portal, Simulator, lock};

pub const TOKEN_PATH: &str = "/Auth/connect/token";

#[derive(Debug)]
pub struct Options {
    pub clock: Clock,
    pub listen: SocketAddr,
    /// Undocumented: the status of `invalid_client`.
    pub invalid_client_status: StatusCode,
}

impl Options {
    /// On any port.
    pub fn new(clock: Clock) -> Self {
        Self { clock, listen: ANY_PORT, invalid_client_status: StatusCode::BAD_REQUEST }
    }
}

/// Starts a Vonage Contact Center. Its base URL stands for `https://REGION.cc.vonage.com`.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let world = World::new(options.clock);
    let account = Vonage {
        world: world.clone(),
        invalid_client_status: options.invalid_client_status,
        scopes: Mutex::default(),
    };
    Simulator::start(options.listen, world, Login::default(), Arc::new(account)).await
}

struct Vonage {
    world: World,
    invalid_client_status: StatusCode,
    /// The scopes of each client.
    scopes: Mutex<HashMap<String, Vec<String>>>,
}

impl Provider for Vonage {
    fn routes(self: Arc<Self>) -> Router {
        Router::new().route(TOKEN_PATH, post(token)).with_state(self)
    }

    fn identify(&self, request: Request) -> BoxFuture<'_, Call> {
        async move {
            if request.method() != Method::POST || request.uri().path() != TOKEN_PATH {
                return Call { operation: Operation::Other, client: None, by_login: false };
            }
            let client = TokenRequest::read(request).await.and_then(|request| request.client_id);
            Call { operation: Operation::Token, client, by_login: false }
        }
        .boxed()
    }

    fn portal(self: Arc<Self>) -> Option<Arc<dyn Portal>> {
        Some(self)
    }
}

impl Portal for Vonage {
    fn create(&self, form: &Form) -> Result<Login, String> {
        if form.name.is_empty() || form.scopes.is_empty() {
            return Err("a name and one or more scopes are required".into());
        }
        if form.term.is_some() || !form.subnets.is_empty() {
            return Err("the form asks for no lifetime and for no subnets".into());
        }
        let pair = Login { client_id: uuid(), client_secret: new_secret() };
        lock(&self.scopes).insert(pair.client_id.clone(), form.scopes.clone());
        self.world.record.issue(NewCredential {
            id: uuid(),
            client_id: pair.client_id.clone(),
            secret: pair.client_secret.clone(),
            name: Some(form.name.clone()),
            expires: None,
            created_by: Some(PERSON.into()),
        });
        Ok(pair)
    }

    fn delete(&self, client_id: &str) -> bool {
        self.world.record.revoke(client_id)
    }

    fn change_scopes(&self, client_id: &str, scopes: &[String]) -> Result<(), String> {
        let mut kept = lock(&self.scopes);
        let kept = kept.get_mut(client_id).ok_or("there is no such credential")?;
        scopes.clone_into(kept);
        Ok(())
    }
}

/// A token request with the pair in the form, or in Basic.
#[derive(Default)]
struct TokenRequest {
    client_id: Option<String>,
    client_secret: Option<String>,
    grant_type: Option<String>,
    scope: Option<String>,
}

impl TokenRequest {
    /// None if the body is not a form.
    async fn read(request: Request) -> Option<Self> {
        let content_type = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        let basic = basic(request.headers());
        let body = to_bytes(request.into_body(), usize::MAX).await.ok()?;
        let mut form = form(&String::from_utf8(body.to_vec()).ok()?)?;
        let mut take = |name: &str| form.remove(name);
        let (client_id, client_secret) = match basic {
            Some((client_id, client_secret)) => (Some(client_id), Some(client_secret)),
            None => (take("client_id"), take("client_secret")),
        };
        Some(Self { client_id, client_secret, grant_type: take("grant_type"), scope: take("scope") })
    }
}

/// A form is written like a query.
fn form(text: &str) -> Option<HashMap<String, String>> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{text}")).ok()?;
    Some(url.query_pairs().into_owned().collect())
}

/// Both halves are form-encoded (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    let mut halves = form(&format!("id={client_id}&secret={client_secret}"))?;
    Some((halves.remove("id")?, halves.remove("secret")?))
}

async fn token(State(account): State<Arc<Vonage>>, request: Request) -> Response {
    let Some(request) = TokenRequest::read(request).await else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_request");
    };
    let TokenRequest { client_id, client_secret, grant_type, scope } = request;
    let (client_id, client_secret) = (client_id.unwrap_or_default(), client_secret.unwrap_or_default());
    if !account.world.record.accepts(&client_id, &client_secret) {
        return refusal(account.invalid_client_status, "invalid_client");
    }
    if grant_type.as_deref() != Some("client_credentials") {
        return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let scope = scope.unwrap_or_default();
    let granted = lock(&account.scopes).get(&client_id).cloned().unwrap_or_default();
    let mut asked = scope.split_ascii_whitespace().peekable();
    if asked.peek().is_none() || !asked.all(|scope| granted.iter().any(|granted| granted == scope)) {
        return refusal(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let token = hex(&rand::random::<[u8; 32]>());
    Json(json!({ "access_token": token, "expires_in": 7200, "token_type": "Bearer" })).into_response()
}

fn refusal(status: StatusCode, error: &str) -> Response {
    let description = format!("the simulated token endpoint says {error}");
    (status, Json(json!({ "error": error, "error_description": description }))).into_response()
}

/// With characters that a form has to encode.
fn new_secret() -> String {
    format!("{}&+%/{}=", hex(&rand::random::<[u8; 12]>()), hex(&rand::random::<[u8; 12]>()))
}

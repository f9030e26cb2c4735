//! Spreetail's `/api/v0/client-credentials`, as documented and as odd as documented.
//!
//! Sources: create <https://developer.spreetail.com/reference/postapiv0clientcredentials>,
//! list <https://developer.spreetail.com/reference/getapiv0clientcredentials>,
//! delete <https://developer.spreetail.com/reference/deleteapiv0clientcredentialsclientid>,
//! token <https://developer.spreetail.com/reference/postapiv0oauthtoken>.
//!
//! The status of a create, the life of tokens after that of their credential, and the bodies of
//! errors are not documented. Each is an option here, or marked as our choice.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::multipart::MultipartRejection;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::random::{hex, uuid};
use crate::record::NewCredential;
use crate::simulator::{ANY_PORT, Provider, World};
use crate::traffic::Call;
use crate::{Clock, Credential, Login, Operation, Simulator, lock};

/// The page's example and the only lifetime it knows: `expiresIn: 3600`.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

const TOKEN_PATH: &str = "/api/v0/oauth/token";
const CREDENTIALS_PATH: &str = "/api/v0/client-credentials";

#[derive(Debug)]
pub struct Options {
    pub clock: Clock,
    pub listen: SocketAddr,
    pub login: Login,
    /// Undocumented. By default tokens outlive their credential and die of age, the worse of the
    /// two.
    pub tokens_die_with_credential: bool,
    /// Undocumented; the page prints no status for success.
    pub created_status: StatusCode,
}

impl Options {
    /// On any port, with a login of its own.
    pub fn new(clock: Clock) -> Self {
        let login = Login { client_id: new_client_id(), client_secret: new_secret() };
        Self {
            clock,
            listen: ANY_PORT,
            login,
            tokens_die_with_credential: false,
            created_status: StatusCode::OK,
        }
    }
}

/// Starts a Spreetail. Its base URL is the host alone, as in the documentation: paths start with
/// `/api/v0`.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let world = World::new(options.clock);
    let Login { client_id, client_secret } = options.login.clone();
    world.record.issue(NewCredential {
        id: uuid(),
        client_id: client_id.clone(),
        secret: client_secret,
        name: Some("operator login".into()),
        expires: None,
        created_by: None,
    });
    let provider = Spreetail {
        world: world.clone(),
        login_id: client_id,
        tokens_die_with_credential: options.tokens_die_with_credential,
        created_status: options.created_status,
        sessions: Mutex::default(),
    };
    Simulator::start(options.listen, world, options.login, Arc::new(provider)).await
}

struct Spreetail {
    world: World,
    login_id: String,
    tokens_die_with_credential: bool,
    created_status: StatusCode,
    sessions: Mutex<HashMap<String, Session>>,
}

/// The holder of an access token.
#[derive(Clone)]
struct Session {
    client_id: String,
    expires: Timestamp,
}

impl Provider for Spreetail {
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route(TOKEN_PATH, post(token))
            .route(CREDENTIALS_PATH, post(create).get(list))
            .route(&format!("{CREDENTIALS_PATH}/{{client_id}}"), delete(revoke))
            .with_state(self)
    }

    fn identify(&self, request: Request) -> BoxFuture<'_, Call> {
        async move {
            let path = request.uri().path();
            let operation = match *request.method() {
                Method::POST if path == TOKEN_PATH => Operation::Token,
                Method::POST if path == CREDENTIALS_PATH => Operation::Create,
                Method::GET if path == CREDENTIALS_PATH => Operation::List,
                Method::DELETE if path.starts_with(CREDENTIALS_PATH) => Operation::Delete,
                _ => Operation::Other,
            };
            let client = match operation {
                Operation::Token => TokenRequest::read(request).await.ok().map(|request| request.client_id),
                _ => self.session(request.headers()).map(|session| session.client_id),
            };
            let by_login = client.as_ref() == Some(&self.login_id);
            Call { operation, client, by_login }
        }
        .boxed()
    }
}

impl Spreetail {
    /// The session of a bearer token that works now.
    fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let session = lock(&self.sessions).get(token)?.clone();
        let now = self.world.clock.now();
        let holder_lives =
            || self.world.record.credential(&session.client_id).is_some_and(|holder| holder.is_live(now));
        (now < session.expires && (!self.tokens_die_with_credential || holder_lives())).then_some(session)
    }
}

/// The parts of a token request, in the PascalCase of the page, and multipart only.
struct TokenRequest {
    grant_type: String,
    client_id: String,
    client_secret: String,
}

impl TokenRequest {
    async fn read(request: Request) -> Result<Self, Refusal> {
        let unsupported = |_: MultipartRejection| {
            let reason = "the token endpoint takes multipart/form-data";
            Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason.into())
        };
        let malformed = |_| Refusal(StatusCode::BAD_REQUEST, "the form cannot be read".into());
        let mut form = Multipart::from_request(request, &()).await.map_err(unsupported)?;
        let mut parts = HashMap::new();
        while let Some(part) = form.next_field().await.map_err(malformed)? {
            let name = part.name().unwrap_or_default().to_owned();
            parts.insert(name, part.text().await.map_err(malformed)?);
        }
        let mut part = |name: &str| {
            parts.remove(name).ok_or_else(|| Refusal(StatusCode::BAD_REQUEST, format!("{name} is required")))
        };
        Ok(Self {
            grant_type: part("GrantType")?,
            client_id: part("ClientId")?,
            client_secret: part("ClientSecret")?,
        })
    }
}

struct Refusal(StatusCode, String);

async fn token(State(spreetail): State<Arc<Spreetail>>, request: Request) -> Response {
    let accept = request.headers().clone();
    let request = match TokenRequest::read(request).await {
        Ok(request) => request,
        Err(Refusal(status, reason)) => return problem(status, &reason),
    };
    if request.grant_type != "client_credentials" {
        return problem(StatusCode::BAD_REQUEST, "GrantType must be client_credentials");
    }
    if !spreetail.world.record.accepts(&request.client_id, &request.client_secret) {
        return problem(StatusCode::UNAUTHORIZED, "ClientId or ClientSecret is wrong");
    }
    let access_token = hex(&rand::random::<[u8; 32]>());
    let expires = spreetail.world.clock.now() + TOKEN_LIFETIME;
    let session = Session { client_id: request.client_id, expires };
    lock(&spreetail.sessions).insert(access_token.clone(), session);
    // Three departures from RFC 6749: multipart, PascalCase names asked for, camelCase names
    // answered.
    let body =
        json!({ "accessToken": access_token, "tokenType": "bearer", "expiresIn": TOKEN_LIFETIME.as_secs() });
    answer(&accept, StatusCode::OK, &body)
}

#[derive(Deserialize)]
struct CreateRequest {
    /// Neither unique nor required.
    name: Option<String>,
    /// None: never.
    expires: Option<Timestamp>,
}

/// Creates a credential. There are no scopes: every token may create credentials, also one of such
/// a credential.
async fn create(
    State(spreetail): State<Arc<Spreetail>>,
    headers: HeaderMap,
    Json(request): Json<CreateRequest>,
) -> Response {
    let Some(session) = spreetail.session(&headers) else { return unauthorized() };
    if request.expires.is_some_and(|expires| expires <= spreetail.world.clock.now()) {
        return problem(StatusCode::BAD_REQUEST, "expires must be in the future");
    }
    let credential = spreetail.world.record.issue(NewCredential {
        id: uuid(),
        client_id: new_client_id(),
        secret: new_secret(),
        name: request.name,
        expires: request.expires,
        created_by: Some(session.client_id),
    });
    let body = view(&credential, Some(credential.secret()));
    answer(&headers, spreetail.created_status, &body)
}

/// A bare array, without paging, of active credentials only; the caller's own is among them.
async fn list(State(spreetail): State<Arc<Spreetail>>, headers: HeaderMap) -> Response {
    if spreetail.session(&headers).is_none() {
        return unauthorized();
    }
    let credentials: Vec<_> =
        spreetail.world.record.listed().iter().map(|credential| view(credential, None)).collect();
    answer(&headers, StatusCode::OK, &json!(credentials))
}

/// The key is the `clientId`, not the `credentialId`. Nothing protects the caller's own.
async fn revoke(
    State(spreetail): State<Arc<Spreetail>>,
    headers: HeaderMap,
    Path(client_id): Path<String>,
) -> Response {
    if spreetail.session(&headers).is_none() {
        return unauthorized();
    }
    if spreetail.world.record.revoke(&client_id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        problem(StatusCode::NOT_FOUND, "there is no such active credential")
    }
}

/// The secret is shown at creation only. The page's prose calls it clientSecret; its JSON says
/// `secret`.
fn view(credential: &Credential, secret: Option<&str>) -> Value {
    json!({
        "credentialId": credential.id,
        "clientId": credential.client_id,
        "name": credential.name,
        "expires": credential.expires.map(instant),
        "created": instant(credential.created),
        "secret": secret,
    })
}

/// `2028-06-21T00:00:00.000Z`
fn instant(timestamp: Timestamp) -> String {
    format!("{timestamp:.3}")
}

/// The pages offer text/plain, application/json and text/json: who does not ask for JSON gets it as
/// plain text.
fn answer(request: &HeaderMap, status: StatusCode, body: &Value) -> Response {
    let accept = request.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let content_type = if accept.contains("application/json") { "application/json" } else { "text/plain" };
    (status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response()
}

fn unauthorized() -> Response {
    problem(StatusCode::UNAUTHORIZED, "a bearer token is required")
}

/// Undocumented; RFC 9457 is our choice.
fn problem(status: StatusCode, title: &str) -> Response {
    let body = json!({ "title": title, "status": status.as_u16() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

fn new_client_id() -> String {
    hex(&rand::random::<[u8; 16]>())
}

/// Base64 that always has what a client must encode properly in forms: `+`, `/` and `=`.
fn new_secret() -> String {
    let mut secret = BASE64_STANDARD.encode(rand::random::<[u8; 32]>());
    secret.replace_range(7..8, "+");
    secret.replace_range(23..24, "/");
    secret
}

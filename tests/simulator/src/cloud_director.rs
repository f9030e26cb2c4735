//! VMware Cloud Director's user API tokens, as documented and as odd as documented.
//!
//! Sources: sessions and tokens
//! <https://developer.broadcom.com/xapis/vmware-cloud-director-openapi/latest/>, versions
//! <https://developer.broadcom.com/xapis/vmware-cloud-director-api/latest/doc/operations/GET-SupportedVersions.html>,
//! what API tokens may not do
//! <https://docs.vmware.com/en/VMware-Cloud-Director/10.6/VMware-Cloud-Director-Tenant-Guide/GUID-A1B3B2FA-7B2C-4EE1-9D1B-188BE703EEDE.html>,
//! and the vendor's Go client, go-vcloud-director, for the OAuth calls and the encodings.
//!
//! The status of a name that is taken, of `invalid_grant` and of a delete are not documented and
//! are options here. In the record a token is a credential whose `client_id` is the UUID and whose
//! `created_by` is its owner. It is there from its registration on; its secret works, and is shown,
//! only after the exchange, which is possible once.

mod filter;
mod login;
mod oauth;
mod tokens;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;

use crate::random::{hex, uuid};
use crate::simulator::{ANY_PORT, Provider, World};
use crate::traffic::Call;
use crate::{Clock, Login, Operation, Simulator, lock};

const SESSIONS_PATH: &str = "/cloudapi/1.0.0/sessions";
const TOKENS_PATH: &str = "/cloudapi/1.0.0/tokens";

/// The vendor's default for an idle session. Here use does not prolong it.
pub const SESSION_LIFETIME: Duration = Duration::from_mins(30);
/// The documented example's `expires_in`.
const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(2_592_000);

/// A version of the API, as `/api/versions` lists it.
#[derive(Clone, Debug)]
pub struct Version {
    pub number: String,
    pub deprecated: bool,
}

impl Version {
    pub fn new(number: &str, deprecated: bool) -> Self {
        Self { number: number.to_owned(), deprecated }
    }
}

#[derive(Debug)]
pub struct Options {
    pub clock: Clock,
    pub listen: SocketAddr,
    /// The operator's user: name and password.
    pub login: Login,
    /// More users of the organization.
    pub others: Vec<Login>,
    /// The token of the organization's identity provider for the operator's user.
    pub id_token: Option<String>,
    pub org: String,
    /// The bare UUID that a tenant context has to name.
    pub org_id: String,
    /// `true` if calls without a tenant context see nothing, as those of a system administrator.
    pub demands_context: bool,
    pub versions: Vec<Version>,
    /// `true` if users have the right to manage their own API tokens.
    pub may_manage_tokens: bool,
    /// Undocumented: 200 or 201.
    pub registered_status: StatusCode,
    /// Undocumented: what comes of a name that the user has given to another token.
    pub duplicate_status: StatusCode,
    /// Undocumented: the status of `invalid_grant`.
    pub invalid_grant_status: StatusCode,
    /// Some endpoints omit the `Link` header, and pages have to be counted.
    pub links: bool,
    /// Deletes are tasks that are done when they have been looked at this often.
    pub tasks: Option<Tasks>,
}

/// The course of a delete that is a task.
#[derive(Clone, Copy, Debug)]
pub struct Tasks {
    pub looks: usize,
    pub fails: bool,
}

impl Options {
    /// On any port, with an organization and users of its own.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            listen: ANY_PORT,
            login: Login { client_id: "credwright".to_owned(), client_secret: password() },
            others: Vec::new(),
            id_token: None,
            org: "acme".to_owned(),
            org_id: uuid(),
            demands_context: false,
            versions: ["35.2", "36.3", "37.0", "37.3"].map(|it| Version::new(it, it == "35.2")).to_vec(),
            may_manage_tokens: true,
            registered_status: StatusCode::OK,
            duplicate_status: StatusCode::CONFLICT,
            invalid_grant_status: StatusCode::BAD_REQUEST,
            links: true,
            tasks: None,
        }
    }
}

/// Starts a Cloud Director.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let world = World::new(options.clock.clone());
    let (listen, login) = (options.listen, options.login.clone());
    let provider = CloudDirector { world: world.clone(), options, kept: Mutex::default() };
    Simulator::start(listen, world, login, Arc::new(provider)).await
}

struct CloudDirector {
    world: World,
    options: Options,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By access token.
    sessions: HashMap<String, Session>,
    /// The API tokens whose secret was fetched, by that secret.
    exchanged: HashMap<String, String>,
    /// The UUIDs of those.
    spent: HashSet<String>,
    /// By the UUID of the task: whose token is deleted, and how often the task was looked at.
    tasks: HashMap<String, (String, usize)>,
}

#[derive(Clone)]
struct Session {
    user: String,
    /// The API token that opened it. Such a session may do nothing with API tokens.
    by_api_token: Option<String>,
    expires: Timestamp,
}

impl Provider for CloudDirector {
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/versions", get(login::versions))
            .route("/api/task/{id}", get(tokens::task))
            .route(SESSIONS_PATH, post(login::tenant))
            .route(&format!("{SESSIONS_PATH}/provider"), post(login::provider))
            .route(&format!("{SESSIONS_PATH}/current"), get(login::current).delete(login::end))
            .route("/oauth/tenant/{org}/register", post(oauth::register))
            .route("/oauth/provider/register", post(oauth::register))
            .route("/oauth/tenant/{org}/token", post(oauth::token))
            .route("/oauth/provider/token", post(oauth::token))
            .route(TOKENS_PATH, get(tokens::list).post(tokens::create))
            .route(&format!("{TOKENS_PATH}/{{urn}}"), get(tokens::one).delete(tokens::delete))
            .with_state(self)
    }

    fn identify(&self, request: Request) -> BoxFuture<'_, Call> {
        async move {
            let path = request.uri().path();
            let is_oauth = path.starts_with("/oauth/");
            let (operation, client) = match *request.method() {
                Method::POST if path.starts_with(SESSIONS_PATH) => {
                    (Operation::Token, self.user_of_login(request.headers()))
                }
                Method::POST if is_oauth && path.ends_with("/token") => self.identify_grant(request).await,
                Method::POST if is_oauth && path.ends_with("/register") => {
                    (Operation::Create, self.caller(request.headers()))
                }
                Method::GET if path == TOKENS_PATH => (Operation::List, self.caller(request.headers())),
                Method::DELETE if path.starts_with(TOKENS_PATH) => {
                    (Operation::Delete, self.caller(request.headers()))
                }
                _ => (Operation::Other, self.caller(request.headers())),
            };
            let by_login = client.as_ref() == Some(&self.options.login.client_id);
            Call { operation, client, by_login }
        }
        .boxed()
    }
}

impl CloudDirector {
    /// The session of a bearer token that works now.
    fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.session_of(token)
    }

    fn session_of(&self, token: &str) -> Option<Session> {
        let session = lock(&self.kept).sessions.get(token)?.clone();
        (self.world.clock.now() < session.expires).then_some(session)
    }

    /// Ends the session of a bearer token.
    fn close(&self, headers: &HeaderMap) {
        let token = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        if let Some(token) = token.and_then(|it| it.strip_prefix("Bearer ")) {
            lock(&self.kept).sessions.remove(token);
        }
    }

    /// Returns the caller: a user, or the API token that opened the session.
    fn caller(&self, headers: &HeaderMap) -> Option<String> {
        let session = self.session(headers)?;
        Some(session.by_api_token.unwrap_or(session.user))
    }

    fn open(&self, user: &str, by_api_token: Option<String>, lifetime: Duration) -> String {
        // What a JWT looks like: three parts, and longer than other tokens.
        let part = || hex(&rand::random::<[u8; 24]>());
        let token = format!("{}.{}.{}", part(), part(), part());
        let session =
            Session { user: user.to_owned(), by_api_token, expires: self.world.clock.now() + lifetime };
        lock(&self.kept).sessions.insert(token.clone(), session);
        token
    }

    /// Returns the session, if it may manage tokens: that of a user with the right, not opened by
    /// an API token.
    fn manager(&self, headers: &HeaderMap) -> Result<Session, Refusal> {
        let session = self.session(headers).ok_or(UNAUTHORIZED)?;
        if session.by_api_token.is_some() || !self.options.may_manage_tokens {
            return Err(FORBIDDEN);
        }
        Ok(session)
    }

    /// Checks the version, which every call to `/cloudapi` and `/api` has to name in `Accept`.
    fn version(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let asked = accept(headers)
            .split([',', ';'])
            .find_map(|part| part.trim().strip_prefix("version=").map(str::to_owned));
        if !self.options.versions.iter().any(|version| asked.as_deref() == Some(&version.number)) {
            let message = "The request has invalid accept header: Invalid API version requested.";
            return Err(Refusal(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", message));
        }
        Ok(())
    }

    /// Checks the version and the tenant context of a call with a session.
    fn admitted(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.version(headers)?;
        match headers.get("x-vmware-vcloud-tenant-context").map(|value| value.to_str().unwrap_or_default()) {
            None if self.options.demands_context => Err(FORBIDDEN),
            // A URN is no id here, and is told so in an unexpected way.
            Some(id) if id.starts_with("urn:") => Err(UNAUTHORIZED),
            Some(id) if id != self.options.org_id => Err(FORBIDDEN),
            _ => Ok(()),
        }
    }

    fn is_system(&self) -> bool {
        self.options.org.eq_ignore_ascii_case("system")
    }
}

fn accept(headers: &HeaderMap) -> String {
    let values = headers.get_all(header::ACCEPT).iter();
    values.map(|value| value.to_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
}

/// A status, and what the error says: its code and its text.
struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    /// Errors are not problem+json.
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let body = json!({ "minorErrorCode": code, "message": message, "stackTrace": null });
        (status, Json(body)).into_response()
    }
}

const UNAUTHORIZED: Refusal =
    Refusal(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "The credentials are wrong, or the session has ended.");

/// Means "not allowed" and "no such thing" alike.
const FORBIDDEN: Refusal = Refusal(
    StatusCode::FORBIDDEN,
    "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
    "Either you need some or all of the rights or the target entity is invalid.",
);

/// Returns a password that a client has to encode properly for Basic.
fn password() -> String {
    format!("pw:@+ä{}", hex(&rand::random::<[u8; 12]>()))
}

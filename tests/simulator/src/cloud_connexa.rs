//! OpenVPN CloudConnexa: a portal for people, and a token endpoint. There is no API for
//! credentials.
//!
//! Sources: the portal
//! <https://openvpn.net/cloud-docs/owner/api---logs/api---logs---api/create-api-credentials-and-enable-api-access.html>
//! and <https://openvpn.net/cloud-docs/owner/api-documentation/creating-api-credentials.html>;
//! Basic with JSON at the token endpoint and the rate headers, in seconds, from the official client
//! `OpenVPN/cloudconnexa-go-client`; the bucket of each key, and 429 without a body, from
//! <https://github.com/OpenVPN/terraform-provider-openvpn-cloud/issues/131>.
//!
//! The statuses of refusals, their bodies and the form of client IDs are not documented. Each is an
//! option here, or our choice.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::json;

use crate::portal::PERSON;
use crate::random::{hex, uuid};
use crate::record::NewCredential;
use crate::simulator::{ANY_PORT, Provider, World};
use crate::traffic::Call;
use crate::{Clock, Form, Login, Operation, Portal, Simulator, lock};

pub const TOKEN_PATH: &str = "/api/v1/oauth/token";

/// One token comes back to the bucket of a key in this time, up to so many.
const REPLENISH_TIME: Duration = Duration::from_secs(15);
const BURST: u32 = 20;

#[derive(Debug)]
pub struct Options {
    pub clock: Clock,
    pub listen: SocketAddr,
    /// Undocumented: the answer to everybody while *Enable API* is off.
    pub api_disabled_status: StatusCode,
    /// `true` if callers are in the subnets that keys are limited to. All of them come from the
    /// loopback interface here.
    pub callers_are_inside: bool,
    /// Undocumented: the answer to a caller outside of its key's subnets.
    pub outside_status: StatusCode,
}

impl Options {
    /// On any port, with callers inside of whatever subnets a key has.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            listen: ANY_PORT,
            api_disabled_status: StatusCode::FORBIDDEN,
            callers_are_inside: true,
            outside_status: StatusCode::FORBIDDEN,
        }
    }
}

/// Starts a CloudConnexa. Its base URL stands for `https://CLOUD-ID.api.openvpn.com`. The API is
/// switched on, as the first credential does by itself according to the newest pages.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let world = World::new(options.clock.clone());
    let listen = options.listen;
    let account = CloudConnexa {
        world: world.clone(),
        options,
        api_is_on: AtomicBool::new(true),
        keys: Mutex::default(),
    };
    Simulator::start(listen, world, Login::default(), Arc::new(account)).await
}

struct CloudConnexa {
    world: World,
    options: Options,
    api_is_on: AtomicBool,
    keys: Mutex<HashMap<String, Key>>,
}

/// The data of a key that the record does not have.
struct Key {
    is_limited_to_subnets: bool,
    bucket: Bucket,
}

/// The remaining calls of a key, and the time from which they count.
struct Bucket {
    tokens: u32,
    counted_at: Timestamp,
}

impl Bucket {
    /// Takes a token if there is one; false if there is none.
    fn take(&mut self, now: Timestamp) -> bool {
        let elapsed = now.duration_since(self.counted_at).as_secs().max(0) / REPLENISH_TIME.as_secs() as i64;
        self.tokens = BURST.min(self.tokens.saturating_add(u32::try_from(elapsed).unwrap_or(BURST)));
        self.counted_at += REPLENISH_TIME * u32::try_from(elapsed).unwrap_or(u32::MAX);
        let has_one = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        has_one
    }

    fn headers(&self) -> [(&'static str, String); 4] {
        [
            ("x-ratelimit-burst-capacity", BURST.to_string()),
            ("x-ratelimit-replenish-rate", "1".to_owned()),
            ("x-ratelimit-replenish-time", REPLENISH_TIME.as_secs().to_string()),
            ("x-ratelimit-remaining", self.tokens.to_string()),
        ]
    }
}

impl Provider for CloudConnexa {
    fn routes(self: Arc<Self>) -> Router {
        Router::new().route(TOKEN_PATH, post(token)).with_state(self)
    }

    fn identify(&self, request: Request) -> BoxFuture<'_, Call> {
        async move {
            if request.method() != Method::POST || request.uri().path() != TOKEN_PATH {
                return Call { operation: Operation::Other, client: None, by_login: false };
            }
            let client = TokenRequest::read(request).await.map(|request| request.client_id);
            Call { operation: Operation::Token, client, by_login: false }
        }
        .boxed()
    }

    fn portal(self: Arc<Self>) -> Option<Arc<dyn Portal>> {
        Some(self)
    }
}

impl Portal for CloudConnexa {
    fn create(&self, form: &Form) -> Result<Login, String> {
        if form.name.is_empty() {
            return Err("a name is required".into());
        }
        let now = self.world.clock.now();
        let expires = end_of(form.term.as_deref().unwrap_or_default(), now)
            .ok_or("the lifetime is one of: two weeks, one month, six months, one year")?;
        let pair = Login { client_id: new_client_id(), client_secret: new_secret() };
        let bucket = Bucket { tokens: BURST, counted_at: now };
        let key = Key { is_limited_to_subnets: !form.subnets.is_empty(), bucket };
        lock(&self.keys).insert(pair.client_id.clone(), key);
        self.world.record.issue(NewCredential {
            id: uuid(),
            client_id: pair.client_id.clone(),
            secret: pair.client_secret.clone(),
            name: Some(form.name.clone()),
            expires: Some(expires),
            created_by: Some(PERSON.into()),
        });
        Ok(pair)
    }

    fn delete(&self, client_id: &str) -> bool {
        self.world.record.revoke(client_id)
    }

    fn switch_api(&self, is_on: bool) -> Result<(), String> {
        self.api_is_on.store(is_on, Ordering::SeqCst);
        Ok(())
    }
}

/// The end of a term by the calendar: a month has 28 to 31 days.
fn end_of(term: &str, from: Timestamp) -> Option<Timestamp> {
    let span = match term {
        "two weeks" => 2.weeks(),
        "one month" => 1.month(),
        "six months" => 6.months(),
        "one year" => 1.year(),
        _ => return None,
    };
    Some(from.to_zoned(TimeZone::UTC).checked_add(span).ok()?.timestamp())
}

/// A token request in either of its forms: all of it in the query, or Basic with a body of JSON.
struct TokenRequest {
    client_id: String,
    client_secret: String,
    grant_type: String,
}

#[derive(Deserialize)]
struct Body {
    grant_type: String,
}

impl TokenRequest {
    async fn read(request: Request) -> Option<Self> {
        match basic(request.headers()) {
            Some((client_id, client_secret)) => {
                let body = to_bytes(request.into_body(), usize::MAX).await.ok()?;
                let Body { grant_type } = serde_json::from_slice(&body).ok()?;
                Some(Self { client_id, client_secret, grant_type })
            }
            None => {
                let url = reqwest::Url::parse(&format!("http://localhost{}", request.uri())).ok()?;
                let mut query: HashMap<_, _> = url.query_pairs().into_owned().collect();
                let mut take = |name: &str| query.remove(name);
                Some(Self {
                    client_id: take("client_id")?,
                    client_secret: take("client_secret")?,
                    grant_type: take("grant_type")?,
                })
            }
        }
    }
}

/// As the official client sends it: the two halves as they are, without the form-encoding of RFC
/// 6749.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    Some((client_id.to_owned(), client_secret.to_owned()))
}

async fn token(State(account): State<Arc<CloudConnexa>>, request: Request) -> Response {
    if !account.api_is_on.load(Ordering::SeqCst) {
        return account.options.api_disabled_status.into_response();
    }
    let Some(request) = TokenRequest::read(request).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if request.grant_type != "client_credentials" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if !account.world.record.accepts(&request.client_id, &request.client_secret) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let now = account.world.clock.now();
    let mut keys = lock(&account.keys);
    let Some(key) = keys.get_mut(&request.client_id) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    if key.is_limited_to_subnets && !account.options.callers_are_inside {
        return account.options.outside_status.into_response();
    }
    let has_one = key.bucket.take(now);
    let headers = key.bucket.headers();
    if !has_one {
        return (StatusCode::TOO_MANY_REQUESTS, headers).into_response();
    }
    let body = json!({
        "access_token": hex(&rand::random::<[u8; 32]>()),
        "token_type": "bearer",
        "expires_in": 43199,
        "scope": "read write",
    });
    (headers, Json(body)).into_response()
}

/// With a prefix that belongs to it.
fn new_client_id() -> String {
    format!("cc-{}.{}", hex(&rand::random::<[u8; 3]>()), hex(&rand::random::<[u8; 12]>()))
}

/// With characters that come out otherwise when somebody form-encodes them first.
fn new_secret() -> String {
    format!("{}~+/{}=", hex(&rand::random::<[u8; 12]>()), hex(&rand::random::<[u8; 12]>()))
}

//! expereoOne's API V2: `/v2/api-clients` and its token endpoint, as far as they are documented.
//!
//! Sources: creation <https://expereo.helpjuice.com/3749494>, tokens and resources
//! <https://expereo.helpjuice.com/en_US/expereoone-api-document-hub/onboarding-guide-api-v2>, the
//! scopes as the token endpoint spells them
//! <https://knowledge.expereo.com/en_US/expereoOne-api/getting-started>.
//!
//! Documented are: form-encoded token requests that must name a scope, two spellings of every
//! scope, scopes that never change, a pair that is shown once. Almost everything else is not, down
//! to the names of an answer's members and whether there is a list or a delete: all of that is an
//! option.

mod options;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::random::hex;
use crate::record::NewCredential;
use crate::simulator::{Provider, World};
use crate::traffic::Call;
use crate::{Credential, Operation, Simulator, lock};

pub use options::{Answers, Options, Paging};

pub const TOKEN_PATH: &str = "/oauth2/token";

/// Undocumented.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// In the record, who a person in the portal is.
const PERSON: &str = "a person in the Developer Portal";

/// Starts an expereoOne. Its base URL is the host alone; tokens are asked for at [`TOKEN_PATH`].
pub async fn start(options: Options) -> io::Result<Simulator> {
    let (listen, login) = (options.listen, options.login.clone());
    let world = World::new(options.clock.clone());
    world.record.issue(NewCredential {
        id: login.client_id.clone(),
        client_id: login.client_id.clone(),
        secret: login.client_secret.clone(),
        name: Some("operator login".into()),
        expires: None,
        created_by: None,
    });
    let login_scopes = options.login_scope.split(' ').map(str::to_owned).collect();
    let scopes = HashMap::from([(login.client_id.clone(), login_scopes)]);
    let provider =
        Expereo { world: world.clone(), options, scopes: Mutex::new(scopes), sessions: Mutex::default() };
    Simulator::start(listen, world, login, Arc::new(provider)).await
}

/// A person removes a client in the Developer Portal. False if there is no such live client.
pub fn portal_delete(simulator: &Simulator, client_id: &str) -> bool {
    simulator.record().revoke(client_id)
}

struct Expereo {
    world: World,
    options: Options,
    /// The scopes of each client, as the token endpoint spells them.
    scopes: Mutex<HashMap<String, Vec<String>>>,
    sessions: Mutex<HashMap<String, Session>>,
}

/// The holder of an access token.
#[derive(Clone)]
struct Session {
    client_id: String,
    expires: Timestamp,
}

/// A known caller.
struct Caller {
    client_id: String,
    may_manage: bool,
}

impl Provider for Expereo {
    fn routes(self: Arc<Self>) -> Router {
        let clients = &self.options.clients_path;
        Router::new()
            .route(TOKEN_PATH, post(token))
            .route(clients, post(create).get(list))
            .route(&format!("{clients}/{{client_id}}"), delete(remove))
            .with_state(self)
    }

    fn identify(&self, request: Request) -> BoxFuture<'_, Call> {
        async move {
            let path = request.uri().path();
            let clients = &self.options.clients_path;
            let operation = match *request.method() {
                Method::POST if path == TOKEN_PATH => Operation::Token,
                Method::POST if path == clients => Operation::Create,
                Method::GET if path == clients => Operation::List,
                Method::DELETE if path.starts_with(clients) => Operation::Delete,
                _ => Operation::Other,
            };
            let client = match operation {
                Operation::Token => TokenRequest::read(request).await.ok().map(|request| request.client_id),
                _ => self.caller(request.headers()).map(|caller| caller.client_id),
            };
            let login = &self.options.login.client_id;
            let by_login = client.as_ref().is_some_and(|client| client == login || client == PERSON);
            Call { operation, client, by_login }
        }
        .boxed()
    }
}

impl Expereo {
    /// Returns the holder of the bearer token of a request, if it works now.
    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        if self.options.bearer_token.as_deref() == Some(token) {
            return Some(Caller { client_id: PERSON.to_owned(), may_manage: true });
        }
        let session = lock(&self.sessions).get(token)?.clone();
        let may_manage =
            self.options.manage_by_client_credentials && session.client_id == self.options.login.client_id;
        let works = self.world.clock.now() < session.expires;
        works.then_some(Caller { client_id: session.client_id, may_manage })
    }

    /// The name of somebody who may manage clients, or the refusal of everybody else.
    fn manager(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let caller =
            self.caller(headers).ok_or(Refusal(StatusCode::UNAUTHORIZED, "a bearer token is required"))?;
        if !caller.may_manage {
            return Err(Refusal(StatusCode::FORBIDDEN, "Developer Portal (API) is required"));
        }
        Ok(caller.client_id)
    }

    /// The scopes as the token endpoint spells them; an error names the first that does not exist.
    fn spelt(&self, scopes: &[String]) -> Result<Vec<String>, String> {
        scopes.iter().map(|it| self.options.scopes.get(it).cloned().ok_or_else(|| it.clone())).collect()
    }

    /// A client, as answers show it; the secret at creation only.
    fn view(&self, client: &Credential, secret: Option<&str>) -> Value {
        let Answers { client_id, id, client_secret, name, pair_only, wrapper, .. } = &self.options.answers;
        let mut view = Map::new();
        view.insert(client_id.clone(), json!(client.client_id));
        if let (Some(id), Ok(number)) = (id, client.id.parse::<u64>()) {
            view.insert(id.clone(), json!(number));
        }
        if let Some(secret) = secret {
            view.insert(client_secret.clone(), json!(secret));
        }
        if secret.is_none() || !pair_only {
            let asked = lock(&self.scopes).get(&client.client_id).cloned().unwrap_or_default();
            let spelling = |asked: &String| self.options.scopes.iter().find(|(_, it)| *it == asked);
            let scopes: Vec<&str> = asked.iter().filter_map(spelling).map(|(it, _)| it.as_str()).collect();
            view.insert(name.clone(), json!(client.name));
            view.insert("scopes".to_owned(), json!(scopes));
        }
        match wrapper {
            Some(wrapper) => json!({ wrapper: view }),
            None => Value::Object(view),
        }
    }
}

struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, reason) = self;
        problem(status, reason)
    }
}

/// A token request (RFC 6749, section 4.4); the pair comes in the form or as HTTP Basic.
struct TokenRequest {
    client_id: String,
    client_secret: String,
    grant_type: Option<String>,
    scope: Option<String>,
}

impl TokenRequest {
    async fn read(request: Request) -> Result<Self, Response> {
        let basic = basic(request.headers());
        let form: Result<Form<HashMap<String, String>>, FormRejection> =
            Form::from_request(request, &()).await;
        let Form(mut form) = form.map_err(IntoResponse::into_response)?;
        let pair = basic.or_else(|| Some((form.remove("client_id")?, form.remove("client_secret")?)));
        let (client_id, client_secret) = pair.ok_or_else(|| invalid_request("a pair is required"))?;
        let (grant_type, scope) = (form.remove("grant_type"), form.remove("scope"));
        Ok(Self { client_id, client_secret, grant_type, scope })
    }
}

/// Both halves of HTTP Basic, which were form-encoded before they were joined (RFC 6749, section
/// 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let joined = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let joined = String::from_utf8(BASE64_STANDARD.decode(joined).ok()?).ok()?;
    let (client_id, client_secret) = joined.split_once(':')?;
    let decoded = |half: &str| {
        let url = Url::parse(&format!("http://localhost/?half={half}")).ok()?;
        url.query_pairs().next().map(|(_, half)| half.into_owned())
    };
    Some((decoded(client_id)?, decoded(client_secret)?))
}

async fn token(State(expereo): State<Arc<Expereo>>, request: Request) -> Response {
    let request = match TokenRequest::read(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if request.grant_type.as_deref() != Some("client_credentials") {
        return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    if !expereo.world.record.accepts(&request.client_id, &request.client_secret) {
        return oauth_error(expereo.options.invalid_client_status, "invalid_client");
    }
    let Some(scope) = request.scope else { return invalid_request("scope is required") };
    let granted = lock(&expereo.scopes).get(&request.client_id).cloned().unwrap_or_default();
    if !scope.split(' ').all(|scope| granted.iter().any(|granted| granted == scope)) {
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let access_token = hex(&rand::random::<[u8; 32]>());
    let expires = expereo.world.clock.now() + TOKEN_LIFETIME;
    let session = Session { client_id: request.client_id, expires };
    lock(&expereo.sessions).insert(access_token.clone(), session);
    Json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME.as_secs(),
    }))
    .into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateRequest {
    api_client_name: String,
    scopes: Vec<String>,
}

async fn create(
    State(expereo): State<Arc<Expereo>>,
    headers: HeaderMap,
    Json(request): Json<CreateRequest>,
) -> Response {
    let manager = match expereo.manager(&headers) {
        Ok(manager) => manager,
        Err(refusal) => return refusal.into_response(),
    };
    let scopes = match expereo.spelt(&request.scopes) {
        Ok(scopes) if !scopes.is_empty() => scopes,
        Ok(_) => return problem(StatusCode::BAD_REQUEST, "scopes must not be empty"),
        Err(unknown) => return problem(StatusCode::BAD_REQUEST, &format!("there is no scope {unknown}")),
    };
    let client_id = new_client_id();
    lock(&expereo.scopes).insert(client_id.clone(), scopes);
    let number = expereo.world.record.all().len();
    let client = expereo.world.record.issue(NewCredential {
        id: expereo.options.answers.id.as_ref().map_or_else(|| client_id.clone(), |_| number.to_string()),
        client_id,
        secret: new_secret(),
        name: Some(request.api_client_name),
        expires: None,
        created_by: Some(manager),
    });
    let view = expereo.view(&client, Some(client.secret()));
    (expereo.options.created_status, Json(view)).into_response()
}

/// The caller's own client is among them.
async fn list(
    State(expereo): State<Arc<Expereo>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(status) = expereo.options.no_list {
        return status.into_response();
    }
    if let Err(refusal) = expereo.manager(&headers) {
        return refusal.into_response();
    }
    let Paging { page, page_size, first, largest, total, endless } = &expereo.options.paging;
    let number = |name: &str, otherwise: usize| query.get(name).map_or(Ok(otherwise), |text| text.parse());
    let (Ok(page), Ok(size)) = (number(page, *first), number(page_size, *largest)) else {
        return problem(StatusCode::BAD_REQUEST, "that is no number");
    };
    let size = size.clamp(1, *largest);
    // A page before the first is the first.
    let skipped = page.saturating_sub(*first).saturating_mul(size);
    let listed = expereo.world.record.listed();
    let mut clients: Vec<Value> =
        listed.iter().skip(skipped).take(size).map(|it| expereo.view(it, None)).collect();
    if *endless {
        clients = vec![json!({ &expereo.options.answers.client_id: new_client_id() })];
    }
    let Some(items) = &expereo.options.answers.items else { return Json(json!(clients)).into_response() };
    let mut body = json!({ items: clients });
    if *total {
        body["totalItems"] = json!(listed.len());
    }
    Json(body).into_response()
}

/// Nothing protects the caller's own.
async fn remove(State(expereo): State<Arc<Expereo>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Some(status) = expereo.options.no_delete {
        return status.into_response();
    }
    if let Err(refusal) = expereo.manager(&headers) {
        return refusal.into_response();
    }
    let numbered = expereo.world.record.all().into_iter().find(|it| it.id == id).map(|it| it.client_id);
    let client_id = if expereo.options.answers.id.is_some() { numbered } else { Some(id) };
    if client_id.is_some_and(|it| expereo.world.record.revoke(&it)) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        problem(StatusCode::NOT_FOUND, "there is no such client")
    }
}

fn invalid_request(description: &str) -> Response {
    let body = json!({ "error": "invalid_request", "error_description": description });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn oauth_error(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "error": code }))).into_response()
}

/// Undocumented; RFC 9457 is our choice.
fn problem(status: StatusCode, title: &str) -> Response {
    let body = json!({ "title": title, "status": status.as_u16() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

fn new_client_id() -> String {
    hex(&rand::random::<[u8; 13]>())
}

/// With all that a client must encode properly in forms.
fn new_secret() -> String {
    format!("{}+/&= %{}", hex(&rand::random::<[u8; 12]>()), hex(&rand::random::<[u8; 12]>()))
}

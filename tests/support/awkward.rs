//! A registration server with habits that real ones have: it moves, splits its metadata, spells
//! numbers as texts, and reports errors with status 200.

use std::{
    collections::HashMap,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Form, Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// The habits of a server, and its clients.
pub(crate) struct Habits {
    pub(crate) origin: String,
    /// The path that its endpoints are below.
    pub(crate) place: &'static str,
    /// Changes of the first document of metadata; null takes a member away.
    pub(crate) first: Value,
    /// Changes of each token answer.
    pub(crate) token: Value,
    /// The error that token and delete requests are answered with, with status 200.
    pub(crate) error: Option<&'static str>,
    /// The secret of each client.
    pub(crate) clients: HashMap<String, String>,
}

pub(crate) type Server = Arc<Mutex<Habits>>;

pub(crate) fn locked(server: &Server) -> MutexGuard<'_, Habits> {
    server.lock().unwrap()
}

fn edited(mut answer: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().into_iter().flatten() {
        answer[name] = value.clone();
    }
    if let Some(members) = answer.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    answer
}

pub(crate) async fn start() -> io::Result<(Server, AbortOnDropHandle<()>)> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = Arc::new(Mutex::new(Habits {
        origin: format!("http://{}", listener.local_addr()?),
        place: "old",
        first: json!({}),
        token: json!({}),
        error: None,
        clients: HashMap::new(),
    }));
    let routes = Router::new()
        .route("/.well-known/oauth-authorization-server", get(first_metadata))
        .route("/.well-known/openid-configuration", get(second_metadata))
        .route("/{place}/register", post(register))
        .route("/{place}/register/{id}", axum::routing::delete(remove))
        .route("/{place}/token", post(token))
        .with_state(server.clone());
    let serving = tokio::spawn(async move {
        let _ = axum::serve(listener, routes).await;
    });
    Ok((server, AbortOnDropHandle::new(serving)))
}

fn metadata(habits: &Habits) -> Value {
    let Habits { origin, place, .. } = habits;
    json!({
        "issuer": origin,
        "registration_endpoint": format!("{origin}/{place}/register"),
        "token_endpoint": format!("{origin}/{place}/token"),
    })
}

async fn first_metadata(State(server): State<Server>) -> Json<Value> {
    let habits = locked(&server);
    Json(edited(metadata(&habits), &habits.first))
}

async fn second_metadata(State(server): State<Server>) -> Json<Value> {
    Json(metadata(&locked(&server)))
}

async fn register(State(server): State<Server>, Path(place): Path<String>) -> (StatusCode, Json<Value>) {
    let mut habits = locked(&server);
    if place != habits.place {
        return (StatusCode::NOT_FOUND, Json(Value::Null));
    }
    let id = format!("client-{}", habits.clients.len());
    let secret = format!("secret-of-{id}");
    habits.clients.insert(id.clone(), secret.clone());
    let answer = json!({
        "client_id": id, "client_secret": secret, "client_secret_expires_at": "0",
        "registration_client_uri": format!("register/{id}"), "registration_access_token": "rat",
    });
    (StatusCode::CREATED, Json(answer))
}

async fn remove(
    State(server): State<Server>,
    Path((_, id)): Path<(String, String)>,
) -> (StatusCode, Json<Value>) {
    let mut habits = locked(&server);
    if let Some(error) = habits.error {
        return (StatusCode::OK, Json(json!({ "error": error })));
    }
    let status =
        if habits.clients.remove(&id).is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND };
    (status, Json(Value::Null))
}

async fn token(
    State(server): State<Server>,
    Path(place): Path<String>,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    let habits = locked(&server);
    if place != habits.place {
        return (StatusCode::NOT_FOUND, Json(Value::Null));
    }
    if let Some(error) = habits.error {
        return (StatusCode::OK, Json(json!({ "error": error })));
    }
    let known = form.get("client_id").and_then(|id| habits.clients.get(id));
    if known.is_none() || known != form.get("client_secret") {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" })));
    }
    let answer = json!({ "access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "read" });
    (StatusCode::OK, Json(edited(answer, &habits.token)))
}

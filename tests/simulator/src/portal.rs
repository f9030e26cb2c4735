//! The actions of a person in a provider's portal, where there is no API for them.
//!
//! Tests play the person by calling a [`Portal`]; another process does so over HTTP, under
//! `/_simulator/portal/`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Login;

/// The creator of a portal's credential in the record.
pub(crate) const PERSON: &str = "a person";

/// The pages of a portal. Each method is what a person does there; an error is what the page says
/// to it.
pub trait Portal: Send + Sync {
    /// Fills in the form, and copies the pair that is shown once.
    fn create(&self, form: &Form) -> Result<Login, String>;

    /// Deletes a credential; false if there is none of this client id.
    fn delete(&self, client_id: &str) -> bool;

    /// Chooses other scopes for a credential. Not every portal has that.
    fn change_scopes(&self, _client_id: &str, _scopes: &[String]) -> Result<(), String> {
        Err("this portal does not let anybody change a credential".into())
    }

    /// Turns the account's API on or off. Not every portal has that.
    fn switch_api(&self, _is_on: bool) -> Result<(), String> {
        Err("this portal has no such switch".into())
    }
}

/// The fields of a form. A portal rejects a field that its form does not have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    pub name: String,
    /// The boxes that are ticked, by the names that the API has for them.
    pub scopes: Vec<String>,
    /// One of the portal's own words, such as "six months".
    pub term: Option<String>,
    pub subnets: Vec<String>,
}

pub(crate) fn routes(portal: Arc<dyn Portal>) -> Router {
    Router::new()
        .route("/_simulator/portal/credentials", post(create))
        .route("/_simulator/portal/credentials/{client_id}", delete(remove))
        .route("/_simulator/portal/credentials/{client_id}/scopes", put(change_scopes))
        .route("/_simulator/portal/api", put(switch_api))
        .with_state(portal)
}

/// `{"name": "orders", "scopes": [], "term": "one month", "subnets": []}` makes a credential and
/// answers with `{"clientId": "…", "clientSecret": "…"}`.
async fn create(State(portal): State<Arc<dyn Portal>>, Json(form): Json<Form>) -> Response {
    match portal.create(&form) {
        Ok(Login { client_id, client_secret }) => {
            let pair: Value = json!({ "clientId": client_id, "clientSecret": client_secret });
            Json(pair).into_response()
        }
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
    }
}

async fn remove(State(portal): State<Arc<dyn Portal>>, Path(client_id): Path<String>) -> StatusCode {
    if portal.delete(&client_id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// `["users:read"]`
async fn change_scopes(
    State(portal): State<Arc<dyn Portal>>,
    Path(client_id): Path<String>,
    Json(scopes): Json<Vec<String>>,
) -> Response {
    done(portal.change_scopes(&client_id, &scopes))
}

/// `true` or `false`
async fn switch_api(State(portal): State<Arc<dyn Portal>>, Json(is_on): Json<bool>) -> Response {
    done(portal.switch_api(is_on))
}

fn done(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
    }
}

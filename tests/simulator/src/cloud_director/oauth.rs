//! The OAuth calls: registering an API token, fetching its secret once, and what workloads do with
//! that.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, FromRequest, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ACCESS_TOKEN_LIFETIME, CloudDirector, FORBIDDEN, Refusal, UNAUTHORIZED};
use crate::random::{hex, uuid};
use crate::record::NewCredential;
use crate::{Credential, Operation, lock};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// `tenant/{org}` or `provider` in a path: it must be the organization's own.
type Context = Path<HashMap<String, String>>;

#[derive(Deserialize)]
pub(super) struct Registration {
    client_name: String,
    /// Makes it a service account, which is another story.
    software_id: Option<Value>,
}

/// The first step: an API token without a secret. It looks like RFC 7591 and is not.
pub(super) async fn register(
    State(director): State<Arc<CloudDirector>>,
    Path(context): Context,
    headers: HeaderMap,
    Json(registration): Json<Registration>,
) -> Result<Response, Refusal> {
    let session = director.manager(&headers)?;
    if !director.is_own(&context) || registration.software_id.is_some() {
        return Err(FORBIDDEN);
    }
    let now = director.world.clock.now();
    let mut theirs = director
        .world
        .record
        .all()
        .into_iter()
        .filter(|token| token.created_by.as_ref() == Some(&session.user) && token.is_live(now));
    if theirs.any(|token| token.name.as_ref() == Some(&registration.client_name)) {
        let message = "There is another token of this name.";
        return Err(Refusal(director.options.duplicate_status, "DUPLICATE_NAME", message));
    }
    let token = director.world.record.issue(NewCredential {
        id: uuid(),
        client_id: uuid(),
        secret: hex(&rand::random::<[u8; 16]>()),
        name: Some(registration.client_name),
        expires: None,
        created_by: Some(session.user),
    });
    let body = json!({
        "client_id": token.client_id,
        "client_name": token.name,
        "grant_types": [JWT_BEARER, "refresh_token"],
        "token_endpoint_auth_method": "none",
        "redirect_uris": null,
    });
    Ok((director.options.registered_status, Json(body)).into_response())
}

/// The grant of a token request.
enum Grant {
    /// The second step, possible once: the session's JWT for the secret.
    Exchange {
        client_id: String,
        assertion: String,
    },
    Refresh {
        secret: String,
    },
    Unknown,
}

async fn grant(request: Request) -> Grant {
    let Ok(Form(mut form)) = Form::<HashMap<String, String>>::from_request(request, &()).await else {
        return Grant::Unknown;
    };
    let mut field = |name: &str| form.remove(name);
    match field("grant_type").as_deref() {
        Some(JWT_BEARER) => match (field("client_id"), field("assertion")) {
            (Some(client_id), Some(assertion)) => Grant::Exchange { client_id, assertion },
            _ => Grant::Unknown,
        },
        Some("refresh_token") => {
            field("refresh_token").map_or(Grant::Unknown, |secret| Grant::Refresh { secret })
        }
        _ => Grant::Unknown,
    }
}

pub(super) async fn token(
    State(director): State<Arc<CloudDirector>>,
    Path(context): Context,
    request: Request,
) -> Result<Response, Refusal> {
    if !director.is_own(&context) {
        return Err(director.invalid_grant());
    }
    let headers = request.headers().clone();
    match grant(request).await {
        Grant::Exchange { client_id, assertion } => director.exchange(&headers, &client_id, &assertion),
        Grant::Refresh { secret } => director.refresh(&secret),
        Grant::Unknown => Err(Refusal(StatusCode::BAD_REQUEST, "invalid_request", "This is no known grant.")),
    }
}

impl CloudDirector {
    pub(super) async fn identify_grant(&self, request: Request) -> (Operation, Option<String>) {
        match grant(request).await {
            Grant::Exchange { assertion, .. } => {
                (Operation::Exchange, self.session_of(&assertion).map(|session| session.user))
            }
            Grant::Refresh { secret } => (Operation::Token, self.holder(&secret)),
            Grant::Unknown => (Operation::Other, None),
        }
    }

    fn is_own(&self, context: &HashMap<String, String>) -> bool {
        match context.get("org") {
            Some(org) => !self.is_system() && org.eq_ignore_ascii_case(&self.options.org),
            None => self.is_system(),
        }
    }

    /// The token whose secret this is.
    fn holder(&self, secret: &str) -> Option<String> {
        lock(&self.kept).exchanged.get(secret).cloned()
    }

    fn exchange(&self, headers: &HeaderMap, client_id: &str, assertion: &str) -> Result<Response, Refusal> {
        if headers.contains_key(header::AUTHORIZATION) && self.session(headers).is_none() {
            return Err(UNAUTHORIZED);
        }
        let session = self.session_of(assertion).filter(|session| session.by_api_token.is_none());
        let token = self.world.record.credential(client_id).filter(|it| it.is_live(self.world.clock.now()));
        let Some((session, token)) = session.zip(token) else { return Err(self.invalid_grant()) };
        if token.created_by.as_ref() != Some(&session.user) {
            return Err(self.invalid_grant());
        }
        {
            let mut kept = lock(&self.kept);
            if !kept.spent.insert(token.client_id.clone()) {
                drop(kept);
                return Err(self.invalid_grant());
            }
            kept.exchanged.insert(token.secret().to_owned(), token.client_id.clone());
        }
        Ok(self.granted(&session.user, &token.client_id, Some(token.secret())))
    }

    /// A user's API token stays what it is: no new one comes back.
    fn refresh(&self, secret: &str) -> Result<Response, Refusal> {
        let token = self.holder(secret).and_then(|id| self.world.record.credential(&id));
        let works = |token: &Credential| self.world.record.accepts(&token.client_id, secret);
        let token = token.filter(works).ok_or_else(|| self.invalid_grant())?;
        Ok(self.granted(token.created_by.as_deref().unwrap_or_default(), &token.client_id, None))
    }

    fn granted(&self, user: &str, client_id: &str, refresh_token: Option<&str>) -> Response {
        let access_token = self.open(user, Some(client_id.to_owned()), ACCESS_TOKEN_LIFETIME);
        let body = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_LIFETIME.as_secs(),
            "refresh_token": refresh_token,
        });
        Json(body).into_response()
    }

    fn invalid_grant(&self) -> Refusal {
        let message = "The grant is invalid, expired or revoked.";
        Refusal(self.options.invalid_grant_status, "invalid_grant", message)
    }
}

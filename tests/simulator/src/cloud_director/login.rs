//! Versions and sessions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{CloudDirector, FORBIDDEN, Refusal, SESSION_LIFETIME, UNAUTHORIZED, accept};
use crate::Login;

/// Needs no login. XML unless JSON is asked for by the one media type that is documented for it.
pub(super) async fn versions(State(director): State<Arc<CloudDirector>>, headers: HeaderMap) -> Response {
    let versions = &director.options.versions;
    if accept(&headers).contains("application/*+json") {
        let infos: Vec<Value> = versions
            .iter()
            .map(|it| {
                json!({
                    "mediaTypeMapping": [],
                    "version": it.number,
                    "loginUrl": "https://director.example/cloudapi/1.0.0/sessions",
                    "providerLoginUrl": "https://director.example/cloudapi/1.0.0/sessions/provider",
                    "deprecated": it.deprecated,
                    "otherAttributes": {},
                })
            })
            .collect();
        let alpha = json!({ "version": "40.0.0-alpha", "deprecated": false });
        return Json(json!({ "versionInfo": infos, "schemaRoot": null, "alphaVersion": alpha }))
            .into_response();
    }
    let infos: String = versions
        .iter()
        .map(|it| {
            format!(
                r#"<VersionInfo deprecated="{}"><Version>{}</Version></VersionInfo>"#,
                it.deprecated, it.number
            )
        })
        .collect();
    let body = format!(
        r#"<SupportedVersions xmlns="http://www.vmware.com/vcloud/versions">{infos}</SupportedVersions>"#
    );
    ([(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

/// For the users of an organization.
pub(super) async fn tenant(
    State(director): State<Arc<CloudDirector>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if director.is_system() { Err(UNAUTHORIZED) } else { director.login(&headers) }
}

/// For system administrators.
pub(super) async fn provider(
    State(director): State<Arc<CloudDirector>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if director.is_system() { director.login(&headers) } else { Err(UNAUTHORIZED) }
}

/// The session of who asks.
pub(super) async fn current(
    State(director): State<Arc<CloudDirector>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    director.version(&headers)?;
    let session = director.session(&headers).ok_or(UNAUTHORIZED)?;
    Ok(Json(json!({ "id": "urn:vcloud:session:1", "user": { "name": session.user } })).into_response())
}

/// Ends it.
pub(super) async fn end(
    State(director): State<Arc<CloudDirector>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    director.version(&headers)?;
    director.session(&headers).ok_or(UNAUTHORIZED)?;
    director.close(&headers);
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl CloudDirector {
    /// Returns the user whose login a request tries, right or wrong.
    pub(super) fn user_of_login(&self, headers: &HeaderMap) -> Option<String> {
        match credentials(headers)? {
            Credentials::Password { user, .. } => Some(user),
            Credentials::IdToken { token, .. } => (self.options.id_token.as_deref() == Some(&token))
                .then(|| self.options.login.client_id.clone()),
        }
    }

    fn login(&self, headers: &HeaderMap) -> Result<Response, Refusal> {
        self.version(headers)?;
        if !headers.contains_key(header::AUTHORIZATION) {
            return Err(FORBIDDEN);
        }
        let user = credentials(headers).and_then(|it| self.user(it)).ok_or(UNAUTHORIZED)?;
        let token = self.open(&user, None, SESSION_LIFETIME);
        let headers =
            [("x-vmware-vcloud-access-token", token.as_str()), ("x-vmware-vcloud-token-type", "Bearer")];
        let body = json!({
            "id": "urn:vcloud:session:1",
            "user": { "name": user, "id": format!("urn:vcloud:user:{user}") },
            "org": { "name": self.options.org, "id": format!("urn:vcloud:org:{}", self.options.org_id) },
            "location": "here",
            "roles": ["Organization Administrator"],
            "sessionIdleTimeoutMinutes": SESSION_LIFETIME.as_secs() / 60,
        });
        Ok((headers, Json(body)).into_response())
    }

    /// Returns the owner of the credentials, if they are right.
    fn user(&self, credentials: Credentials) -> Option<String> {
        let users = || self.options.others.iter().chain([&self.options.login]);
        let (org, user) = match credentials {
            Credentials::Password { user, org, password } => {
                let is_right = |it: &&Login| it.client_id == user && it.client_secret == password;
                (org, users().find(is_right)?.client_id.clone())
            }
            Credentials::IdToken { token, org } => {
                let is_right = self.options.id_token.as_deref() == Some(&token);
                (org, is_right.then(|| self.options.login.client_id.clone())?)
            }
        };
        org.eq_ignore_ascii_case(&self.options.org).then_some(user)
    }
}

enum Credentials {
    Password { user: String, org: String, password: String },
    IdToken { token: String, org: String },
}

/// `Basic user@org:password`, or `Bearer <token>; org=<org>`.
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(encoded) = value.strip_prefix("Basic ") {
        let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
        let (who, password) = decoded.split_once(':')?;
        let (user, org) = who.rsplit_once('@')?;
        let [user, org, password] = [user, org, password].map(str::to_owned);
        return Some(Credentials::Password { user, org, password });
    }
    let (token, org) = value.strip_prefix("Bearer ")?.split_once(';')?;
    let org = org.trim().strip_prefix("org=")?.to_owned();
    Some(Credentials::IdToken { token: token.to_owned(), org })
}

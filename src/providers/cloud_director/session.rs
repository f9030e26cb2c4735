//! Logging in: a version, then a session, whose token is in a header of the answer.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::{
    Method, RequestBuilder, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

use super::{versions, wire};
use crate::providers::{
    Failure, FailureKind,
    http::{Call, Grant, Granted, Http, Operation},
};

const ACCESS_TOKEN: &str = "x-vmware-vcloud-access-token";
const TENANT_CONTEXT: HeaderName = HeaderName::from_static("x-vmware-vcloud-tenant-context");
const AUTH_CONTEXT: HeaderName = HeaderName::from_static("x-vmware-vcloud-auth-context");

/// The time for which a session is kept if its answer does not say when it ends: the vendor's
/// default. Should it end earlier, the 401 says so.
const LIFE: Duration = Duration::from_mins(30);
/// The longest time for ending a session.
const CLOSING: Duration = Duration::from_secs(5);

/// The addresses of an organization, and its API version.
pub(super) struct Site {
    pub(super) http: Arc<Http>,
    pub(super) versions: Url,
    pub(super) sessions: Url,
    /// The address of the current session.
    pub(super) session: Url,
    pub(super) org: String,
    pub(super) org_id: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) known: Mutex<Known>,
}

/// The results of the last login.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub(super) version: String,
    /// The user's name, as the server spells it.
    pub(super) user: Option<String>,
    /// The token of the last session.
    session: Option<SecretString>,
}

impl Site {
    /// A request with the API version of the last login; `media` is the type of answer that it
    /// accepts.
    fn versioned(&self, method: Method, url: &Url, media: &str) -> RequestBuilder {
        let accept = format!("{media};version={}", self.known.lock().version);
        accepting(self.http.request(method, url), &accept)
    }

    /// A request inside of the organization.
    pub(super) fn request(&self, method: Method, url: &Url, media: &str) -> RequestBuilder {
        let request = self.versioned(method, url, media);
        match &self.org_id {
            Some(id) => request.header(TENANT_CONTEXT, id).header(AUTH_CONTEXT, &self.org),
            None => request,
        }
    }

    /// A request about the session whose token it is sent with.
    pub(super) fn current_session(&self, method: Method) -> RequestBuilder {
        self.versioned(method, &self.session, "application/json")
    }

    /// Ends the current session, if there is one.
    pub(super) async fn close_current(&self) {
        let session = self.known.lock().session.take();
        if let Some(token) = session {
            self.close(&token).await;
        }
    }

    /// Ends a session that is no longer needed. Sites limit how many a user may have. One that
    /// cannot be ended is over when it has been idle for long enough.
    async fn close(&self, token: &SecretString) {
        let call = Call::read(Operation::Login, "the request that ends a session");
        let delete = || self.current_session(Method::DELETE).bearer_auth(token.expose_secret());
        let ended = self.http.send(&call, delete);
        let _ = tokio::time::timeout(CLOSING, ended).await;
    }

    /// Asks the server again for its versions, and uses the newest from now on.
    pub(super) async fn negotiate(&self) -> Result<(), Failure> {
        let version = self.negotiated().await?;
        self.known.lock().version = version;
        Ok(())
    }

    async fn negotiated(&self) -> Result<String, Failure> {
        let call = Call::read(Operation::Discover, "the request for its API versions");
        // XML comes back to everything else, application/json included.
        let get = || accepting(self.http.request(Method::GET, &self.versions), "application/*+json");
        let answer = self.http.send(&call, get).await?.success(&call)?;
        let versions: wire::Versions = answer.json(&call)?;
        versions::chosen(&versions.version_info, self.api_version.as_deref())
    }
}

/// Replaces the header that every request has; an added one would stand beside it.
fn accepting(request: RequestBuilder, accept: &str) -> RequestBuilder {
    match HeaderValue::from_str(accept) {
        Ok(value) => request.headers(HeaderMap::from_iter([(ACCEPT, value)])),
        Err(_) => request,
    }
}

/// The credentials that Credwright logs in with.
pub(super) enum Credentials {
    Password {
        username: String,
        password: SecretString,
    },
    /// A token of the organization's identity provider.
    IdToken(SecretString),
}

impl Credentials {
    fn apply(&self, request: RequestBuilder, org: &str) -> RequestBuilder {
        match self {
            Self::Password { username, password } => {
                request.basic_auth(format!("{username}@{org}"), Some(password.expose_secret()))
            }
            Self::IdToken(token) => {
                request.header(AUTHORIZATION, format!("Bearer {}; org={org}", token.expose_secret()))
            }
        }
    }

    /// Returns the advice for a login that is refused.
    fn advice(&self) -> &'static str {
        match self {
            Self::Password { .. } => "check username and password, and that org is the user's organization",
            Self::IdToken(_) => "the id_token may have expired: such tokens live for minutes or hours",
        }
    }
}

/// The session of a login.
pub(super) struct Login {
    pub(super) site: Arc<Site>,
    pub(super) credentials: Credentials,
}

impl Grant for Login {
    /// None where an identity provider vouches for the user.
    fn identity(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Password { username, .. } => Some(username),
            Credentials::IdToken(_) => None,
        }
    }

    async fn grant(&self) -> Result<Granted, Failure> {
        let Self { site, credentials } = self;
        site.negotiate().await?;
        let call = Call::read(Operation::Login, "the login");
        let post =
            || credentials.apply(site.versioned(Method::POST, &site.sessions, "application/json"), &site.org);
        let answer = site.http.send(&call, post).await?;
        if matches!(answer.said(), 400 | 401 | 403) {
            let refusal = answer.failure(&call);
            let message = format!("{}; {}", refusal.message, credentials.advice());
            return Err(Failure { kind: FailureKind::LoginRefused, message, ..refusal });
        }
        let answer = answer.success(&call)?;
        let Some(token) = answer.header(ACCESS_TOKEN).filter(|token| !token.is_empty()) else {
            let message = "Cloud Director answered the login without a session token";
            return Err(Failure::new(FailureKind::Malformed, message));
        };
        let session: wire::Session = answer.json(&call).unwrap_or_default();
        site.known.lock().user = session.user.and_then(|user| user.name);
        let minutes = session.session_idle_timeout_minutes.filter(|minutes| *minutes > 0);
        let expires_in = minutes.map_or(LIFE, |minutes| Duration::from_mins(minutes.into()));
        let token = SecretString::from(token);
        let earlier = site.known.lock().session.replace(token.clone());
        if let Some(earlier) = earlier {
            site.close(&earlier).await;
        }
        Ok(Granted { token, expires_in: Some(expires_in) })
    }
}

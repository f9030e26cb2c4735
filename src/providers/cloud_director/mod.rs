//! VMware Cloud Director: API tokens of the user who logs in, several at once, with that user's
//! role and without an end.
//!
//! Pitfalls: a token is made in two calls, of which the second shows the secret and is possible
//! once; a missing object is answered with 403; and a session that an API token has opened may not
//! make, list or revoke any, so the login is a password or a token of the organization's identity
//! provider.

mod session;
mod tokens;
mod versions;
mod wire;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use self::session::{Credentials, Login, Site};
use super::{
    contract::*,
    http::{self, Answer, Call, Http, Operation, Tokens},
    setup::{self, LoginData, SetupError, below, value_below},
    usual,
};
use crate::{api, lifecycle::Creation};

/// The driver's name, as in the spec.
const NAME: &str = "cloudDirector";
const NEEDS: &str = "username and password, or id_token";

/// The keys that are read of a login. The last two are refused if they are given.
pub(super) const KEYS: &[&str] = &["username", "password", "id_token", REFRESH_TOKEN, "api_token"];

const URN: &str = "urn";
const URN_PREFIX: &str = "urn:vcloud:token:";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The name under which workloads know the secret.
const REFRESH_TOKEN: &str = "refresh_token";

/// The time for the calls after the token was registered: fetching its secret, and deleting it
/// again if that is refused.
const SECOND_STEP: Duration = Duration::from_secs(45);

/// The longest that a create can take: the registration, which is one create by itself, then
/// [`SECOND_STEP`].
const CREATE_TIMEOUT: SignedDuration = SignedDuration::from_secs(90);
const _: () =
    assert!(CREATE_TIMEOUT.as_secs() as u64 >= http::CREATE_TIMEOUT.as_secs() as u64 + SECOND_STEP.as_secs());

/// The immutable fields of a block.
pub(super) fn account(block: &api::CloudDirector) -> Vec<String> {
    vec![block.base_url.clone(), block.org.clone()]
}

/// The driver for an account.
pub(super) fn driver(
    block: &api::CloudDirector,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<CloudDirector, SetupError> {
    let base = setup::base_url("cloudDirector.baseUrl", &block.base_url)?;
    let credentials = credentials(&setup::Login::new((NAME, NEEDS), KEYS, login)?)?;
    let is_system = block.org.eq_ignore_ascii_case("system");
    let sessions = below(&base, &["cloudapi", "1.0.0", "sessions"]);
    let oauth = below(&base, &["oauth"]);
    let oauth = if is_system {
        below(&oauth, &["provider"])
    } else {
        value_below(&below(&oauth, &["tenant"]), &block.org)
            .ok_or(SetupError::Path { field: "cloudDirector.org" })?
    };
    let site = Arc::new(Site {
        http,
        versions: below(&base, &["api", "versions"]),
        session: below(&sessions, &["current"]),
        sessions: if is_system { below(&sessions, &["provider"]) } else { sessions },
        org: block.org.clone(),
        org_id: block.org_id.clone(),
        api_version: block.api_version.clone(),
        known: Default::default(),
    });
    Ok(CloudDirector {
        tokens: Tokens::new(Login { site: Arc::clone(&site), credentials }),
        site,
        register_url: below(&oauth, &["register"]),
        token_url: below(&oauth, &["token"]),
        tokens_url: below(&base, &["cloudapi", "1.0.0", "tokens"]),
        base,
        capabilities: Capabilities {
            creation: Creation::Api { timeout: CREATE_TIMEOUT, list: Some(usual::LIST) },
            ..usual::by_api("Cloud Director")
        },
    })
}

fn credentials(login: &setup::Login<'_>) -> Result<Credentials, SetupError> {
    for key in [REFRESH_TOKEN, "api_token"] {
        if login.get(key)?.is_some() {
            let why = "a session that an API token or a service account has opened may not make API tokens; \
                       log in with username and password, or with id_token";
            return Err(SetupError::Unusable { key, why });
        }
    }
    if let Some(token) = login.get("id_token")? {
        login.excludes("id_token", ["username", "password"])?;
        return Ok(Credentials::IdToken(token));
    }
    let username = login.require("username")?.expose_secret().to_owned();
    if username.contains(':') {
        let why = "a user name with a colon cannot be sent (RFC 7617)";
        return Err(SetupError::Unusable { key: "username", why });
    }
    Ok(Credentials::Password { username, password: login.require("password")? })
}

/// An account: a user of an organization.
pub(super) struct CloudDirector {
    site: Arc<Site>,
    tokens: Tokens<Login>,
    base: Url,
    register_url: Url,
    token_url: Url,
    tokens_url: Url,
    capabilities: Capabilities,
}

#[async_trait]
impl Driver for CloudDirector {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn identity(&self) -> Option<&str> {
        self.tokens.identity()
    }

    fn fields(&self, _scopes: &[String]) -> BTreeMap<String, String> {
        // Before the first login it is not known which version is spoken.
        let version = self.site.known.lock().version.clone();
        if version.is_empty() { BTreeMap::new() } else { self.fields_of(version) }
    }

    /// A session that works proves the login, so none is opened for each look: they are few at some
    /// sites, and each is in the audit log.
    async fn probe(&self) -> Result<(), Failure> {
        self.site.negotiate().await?;
        let call = Call::read(Operation::Login, "the request for its session");
        let answer = self.call(&call, || self.site.current_session(Method::GET)).await?;
        match answer.said() {
            429 | 500.. => answer.success(&call).map(drop),
            // Even if this request is wrong, a login shows whether there is one.
            400.. => self.tokens.renew().await,
            _ => Ok(()),
        }
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        let call = Call::read(Operation::Verify, "the token request for the new token");
        let secret = request.client_secret.expose_secret();
        let form = [("grant_type", "refresh_token"), ("refresh_token", secret)];
        let post = || self.site.http.request(Method::POST, &self.token_url).form(&form);
        let answer = self.site.http.send(&call, post).await?;
        if is_refusal(&answer) {
            return Ok(Verdict::Refused);
        }
        let token: wire::Token = answer.success(&call)?.json(&call)?;
        if token.access_token.is_none_or(|token| token.expose_secret().is_empty()) {
            let message = "Cloud Director answered a token request without an access token";
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        // Null is documented. Another one would mean that this one has just been used up.
        if token.refresh_token.is_some_and(|token| !["", secret].contains(&token.expose_secret())) {
            let message = "Cloud Director answered a token request with another refresh token: tokens that change with \
                           each use (token rotation) cannot be handed to workloads";
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        Ok(Verdict::Accepted)
    }

    async fn close(&self) {
        self.site.close_current().await;
    }

    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        let registered = self.register(&request.name).await?;
        let name = registered.client_name.as_deref().unwrap_or(&request.name);
        let is_ours = is_uuid(&registered.client_id) && is_named_alike(name, &request.name);
        let untrue = check(&registered, &request.name);
        let registered = NotIssued::unless(untrue, self.issued(registered.client_id), is_ours)?;
        let client_id = registered.client_id.as_str();
        let client_secret = match timeout(SECOND_STEP, self.secret_of(client_id, &request.name)).await {
            Ok(secret) => secret?,
            Err(_) => {
                let message = "the API token was registered, but fetching its secret took too long";
                return Err(Failure::new(FailureKind::Ambiguous, message).into());
            }
        };
        let wrong = [(!is_half(client_secret.expose_secret()), "without one")];
        let untrue = believed("Cloud Director answered the request for the API token's secret", wrong);
        NotIssued::unless(untrue, Issued { client_secret, ..registered }, true)
    }

    async fn find(&self, FindRequest { tag, .. }: &FindRequest) -> Result<Vec<Found>, Failure> {
        let wanted = |_: &str, name: Option<&str>| name.is_some_and(|name| name.contains(tag));
        let found = self.list(wanted).await?.into_iter().filter_map(|(urn, name)| {
            let name = name?;
            let client_id = urn.strip_prefix(URN_PREFIX).filter(|id| is_uuid(id))?.to_owned();
            Some(Found { name, ids: ids(&client_id), client_id, ..Found::default() })
        });
        Ok(found.collect())
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        if !is_uuid(&request.client_id) {
            let message = "the API token to revoke is not named by a UUID, as those of Cloud Director are";
            return Err(Failure::new(FailureKind::Rejected, message));
        }
        self.delete(&Call::revoke("the delete request"), &request.client_id).await
    }
}

impl CloudDirector {
    /// The credential with this UUID, without its secret.
    fn issued(&self, client_id: String) -> Issued {
        Issued {
            ids: ids(&client_id),
            client_id,
            fields: self.fields(&[]),
            secret_aliases: vec![REFRESH_TOKEN.to_owned()],
            ..Issued::default()
        }
    }

    /// Makes a call in a session of the login.
    async fn call(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        self.tokens.call(&self.site.http, call, request).await
    }

    /// The first step: a token that has a name and no secret.
    async fn register(&self, name: &str) -> Result<wire::Registered, Failure> {
        let call = Call::create("the register request");
        let post = || {
            let request = named(self.site.http.request(Method::POST, &self.register_url), name);
            request.json(&wire::Registration { client_name: name })
        };
        let answer = self.call(&call, post).await?;
        if !answer.is_success() {
            return Err(self.refused(&call, &answer, name).await);
        }
        answer.json(&call)
    }

    /// Returns the failure for a refusal to register. A name that is taken is refused with an
    /// undocumented status.
    async fn refused(&self, call: &Call, answer: &Answer, name: &str) -> Failure {
        let refusal = answer.failure(call);
        match answer.status {
            StatusCode::FORBIDDEN if refusal.kind == FailureKind::Forbidden => {
                let message = format!(
                    "{}; the user's role needs the right Manage user's own API token, in a rights bundle that is published \
                     to the organization, and the login must not be that of an API token or a service account",
                    refusal.message
                );
                Failure { message, ..refusal }
            }
            StatusCode::BAD_REQUEST => {
                let same = self.list(|_, listed| listed == Some(name));
                let tokens = timeout(SECOND_STEP, same).await.ok().and_then(Result::ok);
                let is_taken = tokens.is_some_and(|tokens| !tokens.is_empty());
                if is_taken { Failure { kind: FailureKind::Conflict, ..refusal } } else { refusal }
            }
            _ => refusal,
        }
    }

    /// The second step, which is possible once: shows the token's secret, which is empty if the
    /// answer has none. If it certainly was refused, the token is deleted again. A token whose
    /// secret may have been shown is left for the settling of lost responses.
    async fn secret_of(&self, client_id: &str, name: &str) -> Result<SecretString, Failure> {
        let call = Call::create("the request for the API token's secret");
        let post = |token: &SecretString| {
            let assertion = token.expose_secret();
            let form = [("grant_type", JWT_BEARER), ("client_id", client_id), ("assertion", assertion)];
            let request = named(self.site.http.request(Method::POST, &self.token_url), name);
            request.bearer_auth(assertion).form(&form)
        };
        let answer = self.tokens.call_with_grant(&self.site.http, &call, post).await;
        let answer = match answer.and_then(|answer| answer.success(&call)) {
            Ok(answer) => answer,
            Err(failure) if failure.kind == FailureKind::Ambiguous => return Err(failure),
            Err(failure) => return Err(self.undone(client_id, failure).await),
        };
        Ok(answer.json::<wire::Token>(&call)?.refresh_token.unwrap_or_default())
    }

    /// Deletes a token whose secret was refused. Only if that succeeds, nothing has been made.
    async fn undone(&self, client_id: &str, refusal: Failure) -> Failure {
        let call = Call::revoke("the delete request for the API token without a secret");
        let deleted = match self.send_delete(&call, client_id).await {
            Ok(answer) => self.deleted(&call, answer).await,
            Err(failure) => Err(failure),
        };
        match deleted {
            // Conflict would speak of the name.
            Ok(_) if refusal.kind == FailureKind::Conflict => {
                Failure { kind: FailureKind::Unexplained, ..refusal }
            }
            Ok(_) => refusal,
            Err(why) => {
                let message = format!("{}; it was not deleted again: {}", refusal.message, why.message);
                Failure { kind: FailureKind::Ambiguous, message, ..refusal }
            }
        }
    }

    /// The fields that workloads need besides the secret.
    fn fields_of(&self, version: String) -> BTreeMap<String, String> {
        let host = self.base.host_str().unwrap_or_default();
        let host = self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        [
            ("host", host),
            ("org", self.site.org.clone()),
            ("token_url", self.token_url.to_string()),
            ("api_version", version),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

/// Names a request in the server's logs: letters, digits and dashes, 128 of them at most.
fn named(request: RequestBuilder, name: &str) -> RequestBuilder {
    let id = name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' });
    request.header("x-vmware-vcloud-client-request-id", id.take(128).collect::<String>())
}

fn ids(client_id: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(URN.to_owned(), urn(client_id))])
}

fn urn(client_id: &str) -> String {
    format!("{URN_PREFIX}{client_id}")
}

fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Returns an error if an answer to a registration cannot be true.
fn check(registered: &wire::Registered, asked: &str) -> Result<(), String> {
    let has_other_name = registered.client_name.as_ref().is_some_and(|name| name != asked);
    let wrong = [
        (!is_uuid(&registered.client_id), "without a UUID"),
        (has_other_name, "with another name than requested"),
    ];
    believed("Cloud Director answered the register request", wrong)
}

/// Returns whether a token request was refused because of the token. A code that finds fault with
/// the request as such says nothing of the token.
fn is_refusal(answer: &Answer) -> bool {
    matches!(answer.said(), 400 | 401)
        && answer.error_code().is_none_or(|code| {
            !["invalid_request", "unsupported_grant_type", "invalid_scope"].contains(&code.as_str())
        })
}

#[cfg(test)]
mod tests;

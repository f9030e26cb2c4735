//! Any server with OAuth 2.0 Dynamic Client Registration (RFC 7591) and its management (RFC 7592).
//!
//! A credential is a client of its own. It is registered, and it is deleted; it is never read or
//! updated: a GET may show a hash or change the secret, a PUT kills the registration access token,
//! and neither rotates on most servers. There is no list, so a client whose response is lost stays
//! behind.

mod discovery;
mod token;
mod wire;

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde_json::Value;

use self::{
    discovery::{Discovery, Endpoints},
    token::TokenEndpoint,
    wire::{Handle, Registered},
};
use super::{
    contract::*,
    http::{Access, Answer, CREATE_TIMEOUT, Call, Client, Http},
    lenient,
    setup::{self, LoginData, SetupError},
    usual,
};
use crate::{
    api::{Duration, OauthRegistration, TokenEndpointAuthMethod, instant},
    lifecycle::{Creation, LoginCheck, Scopes},
};

/// The driver's name, as in the spec.
pub(super) const NAME: &str = "oauthRegistration";
const NEEDS: &str = "initial_access_token, or client_id and client_secret, or no login at all";

/// The keys that are read of a login.
pub(super) const KEYS: &[&str] = &["initial_access_token", "client_id", "client_secret", "scope"];

/// The time that a server may take to accept a new client, where the provider object does not say.
const PROPAGATION: SignedDuration = SignedDuration::from_mins(1);

/// The members that the provider object may not put into a registration: each is checked, or would
/// be a secret in a spec.
const OUR_METADATA: [&str; 5] =
    ["client_id", "client_name", "client_secret", "scope", "token_endpoint_auth_method"];
/// The longest registration metadata: servers repeat it beside the pair, and answers have a bound.
const METADATA_MAX: usize = 32 * 1024;
/// The parameters that it may not put into a token request.
const OUR_PARAMETERS: [&str; 4] = ["client_id", "client_secret", "grant_type", "scope"];
/// Token parameters that workloads have to send too, and find in their Secret.
const SHARED_PARAMETERS: [&str; 2] = ["audience", "resource"];

/// The immutable fields of a block.
pub(super) fn account(block: &OauthRegistration) -> Vec<String> {
    [&block.issuer, &block.registration_endpoint].map(|it| it.clone().unwrap_or_default()).to_vec()
}

/// The driver for an account.
pub(super) fn driver(
    block: &OauthRegistration,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<OauthServer, SetupError> {
    let reserved = |field, ours: &[&'static str], has: &dyn Fn(&str) -> bool| {
        let member = ours.iter().copied().find(|member| has(member));
        member.map_or(Ok(()), |member| Err(SetupError::Reserved { field, member }))
    };
    reserved("metadata", &OUR_METADATA, &|member| block.metadata.contains_key(member))?;
    let left_out = |member: &str| block.metadata_without.iter().any(|it| it == member);
    reserved("metadataWithout", &OUR_METADATA, &left_out)?;
    if serde_json::to_string(&block.metadata).map_or(0, |text| text.len()) > METADATA_MAX {
        return Err(SetupError::TooLong { field: "metadata", max: METADATA_MAX });
    }
    reserved("tokenParameters", &OUR_PARAMETERS, &|member| block.token_parameters.contains_key(member))?;
    let discovery = Arc::new(Discovery::new(block, Arc::clone(&http))?);
    let tokens = TokenEndpoint {
        http: Arc::clone(&http),
        discovery: Arc::clone(&discovery),
        method: block.token_endpoint_auth_method,
        parameters: block.token_parameters.clone(),
    };
    let login = login_of(login, &tokens)?;
    let propagation = block.propagation.map_or(PROPAGATION, Duration::signed);
    let capabilities = capabilities(propagation, check_of(&login));
    Ok(OauthServer { http, discovery, login, tokens, metadata: members(block), capabilities })
}

/// Returns the additions to the registration, with a null for each member that is left out of it.
/// Nulls of the spec itself do not survive a client-side apply, so it has a list of those.
fn members(block: &OauthRegistration) -> BTreeMap<String, Value> {
    let left_out = block.metadata_without.iter().map(|member| (member.clone(), Value::Null));
    block.metadata.clone().into_iter().chain(left_out).collect()
}

fn capabilities(propagation: SignedDuration, login: LoginCheck) -> Capabilities {
    Capabilities {
        creation: Creation::Api { timeout: CREATE_TIMEOUT, list: None },
        login,
        scopes: Scopes::Free,
        name_max: 255,
        propagation,
        ..usual::by_api("the registration server")
    }
}

/// A server.
pub(super) struct OauthServer {
    http: Arc<Http>,
    discovery: Arc<Discovery>,
    tokens: TokenEndpoint,
    login: Login,
    metadata: BTreeMap<String, Value>,
    capabilities: Capabilities,
}

/// The ways to register clients (RFC 7591, section 3): openly, with an initial access token, or as
/// a client that may register others.
type Login = Access<Client<TokenEndpoint>>;

fn login_of(data: Option<&LoginData>, endpoint: &TokenEndpoint) -> Result<Login, SetupError> {
    if data.is_none() {
        return Ok(Login::Open);
    }
    let login = setup::Login::new((NAME, NEEDS), KEYS, data)?;
    match (login.get("initial_access_token")?, login.get("client_id")?) {
        (Some(_), Some(_)) => {
            Err(SetupError::Contradiction { one: "initial_access_token", other: "client_id" })
        }
        (Some(token), None) => Ok(Login::Token(token)),
        (None, Some(_)) => Client::new(&login, endpoint.clone()).map(Login::granted_to),
        (None, None) => {
            Err(SetupError::MissingKey { key: "initial_access_token", driver: NAME, needs: NEEDS })
        }
    }
}

/// Returns the proof that a probe gives about a login.
fn check_of(login: &Login) -> LoginCheck {
    match login {
        Login::Open => LoginCheck::None,
        Login::Token(_) => LoginCheck::Untried,
        Login::Login(_) => LoginCheck::Tried,
    }
}

#[async_trait]
impl Driver for OauthServer {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn identity(&self) -> Option<&str> {
        self.login.identity()
    }

    fn fields(&self, scopes: &[String]) -> BTreeMap<String, String> {
        let endpoints = self.discovery.known();
        endpoints.map(|it| self.fields_at(&it.token, joined(scopes))).unwrap_or_default()
    }

    /// An initial access token cannot be tried without using it: there, a server that answers has
    /// to do.
    async fn probe(&self) -> Result<(), Failure> {
        match &self.login {
            Login::Login(tokens) => tokens.renew().await,
            Login::Open | Login::Token(_) => self.discovery.probe().await,
        }
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        self.tokens.verify(request).await
    }

    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        let call = Call::create("the registration request");
        let endpoints = call.preparing(self.discovery.endpoints()).await?;
        let answer = self.register(&call, &endpoints.registration, request).await?;
        if !answer.is_success() {
            self.discovery.forget_after(&answer).await;
            let refusal = answer.failure_with(&call, self.advice(&answer));
            return Err(refusal.into());
        }
        self.issued(answer.json(&call)?, request, &endpoints)
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        let rejected = |message: &str| Failure::new(FailureKind::Rejected, message);
        let Some(sealed) = &request.handle else {
            return Err(rejected(
                "the server gave no registration access token: the client has to be deleted there",
            ));
        };
        let handle =
            Handle::opened(sealed).ok_or_else(|| rejected("the kept registration cannot be read"))?;
        let call = Call::revoke("the delete request");
        let endpoints = call.preparing(self.discovery.endpoints()).await?;
        let uri = client_uri(&handle.uri, &endpoints.registration).map_err(rejected)?;
        let token = handle.token.expose_secret();
        let delete = || self.http.request(Method::DELETE, &uri).bearer_auth(token);
        let answer = self.http.send(&call, delete).await?;
        match answer.said() {
            // An unknown client is a 401 (RFC 7592, section 2.3), and so is a wrong token: neither
            // proves anything.
            401 | 404 | 410 => Ok(Revocation::NotFound),
            405 => Err(rejected("the server does not let clients be deleted: it answered 405")),
            403 => Err(Failure::new(
                FailureKind::Forbidden,
                "the server does not let this client be deleted: it answered 403",
            )),
            _ => answer.success(&call).map(|_| Revocation::Revoked),
        }
    }
}

impl OauthServer {
    /// Returns the advice after a registration that was refused.
    fn advice(&self, answer: &Answer) -> &'static str {
        let code = answer.error_code();
        match (answer.said(), code.as_deref(), &self.login) {
            (401 | 403, _, Login::Open) => {
                "the server may require a login for registrations: name one in login.secretRef, best with \
                 an initial_access_token"
            }
            (401, _, Login::Token(_)) => {
                "the initial_access_token of the login may have expired, or may have been used up"
            }
            (403, ..) => {
                "the login may not register clients, or not with the scopes in spec.scopes: give it that right at the \
                 server (a client may need a scope, which the key scope of the login Secret asks for)"
            }
            (404 | 405 | 410, ..) => {
                "check oauthRegistration.registrationEndpoint, or the metadata of oauthRegistration.issuer"
            }
            (_, Some("invalid_scope"), _) => "correct spec.scopes",
            (_, Some("invalid_client_metadata"), _) => {
                "correct oauthRegistration.metadata of the provider, or spec.scopes"
            }
            (400 | 422, Some(_), _) => "correct oauthRegistration.metadata of the provider",
            _ => "check oauthRegistration.metadata of the provider, and spec.scopes",
        }
    }

    async fn register(&self, call: &Call, url: &Url, request: &CreateRequest) -> Result<Answer, Failure> {
        let method: TokenEndpointAuthMethod = self.tokens.method;
        let scope = joined(&request.scopes);
        let body = wire::registration(&request.name, scope.as_deref(), method, &self.metadata);
        let post = || self.http.request(Method::POST, url).json(&body);
        self.login.call(&self.http, call, post).await
    }

    /// The credential that an answer speaks of. If the answer cannot be true, that is revoked.
    fn issued(
        &self,
        registered: Registered,
        asked: &CreateRequest,
        endpoints: &Endpoints,
    ) -> Result<Issued, NotIssued> {
        let expires_at = expiry(&registered.client_secret_expires_at, &registered.client_id_issued_at);
        let untrue = self
            .check(&registered, asked, &endpoints.registration)
            .and(expires_at.map(drop).map_err(str::to_owned));
        // The client that we log in with is no new client.
        let is_ours = self.login.identity() != Some(registered.client_id.as_str());
        let at = registered.registration_client_uri;
        let uri = at.and_then(|uri| own_client_uri(&uri, &endpoints.registration).ok());
        let handle = uri.zip(registered.registration_access_token).map(|(uri, token)| Handle { uri, token });
        let scope = joined(&asked.scopes).or(registered.scope).filter(|scope| !scope.is_empty());
        let issued = Issued {
            client_id: registered.client_id,
            client_secret: registered.client_secret.unwrap_or_default(),
            expires_at: expires_at.ok().flatten(),
            handle: handle.map(|handle| handle.sealed()),
            fields: self.fields_at(&endpoints.token, scope),
            ..Issued::default()
        };
        NotIssued::unless(untrue, issued, is_ours)
    }

    /// Checks that an answer to a registration can be true, and the client of use.
    fn check(
        &self,
        registered: &Registered,
        asked: &CreateRequest,
        registration: &Url,
    ) -> Result<(), String> {
        let has_secret = registered.client_secret.as_ref().is_some_and(|it| is_half(it.expose_secret()));
        let is_own = self.identity() == Some(&registered.client_id);
        let wrong = [
            (is_own, "answered the registration with our own client ID"),
            (!has_secret, "registered a client without a secret"),
            (!is_half(&registered.client_id), "registered a client without an ID"),
        ];
        believed("the server", wrong)?;
        check_scopes(&asked.scopes, registered.scope.as_deref())?;
        if let (Some(uri), Some(_)) =
            (&registered.registration_client_uri, &registered.registration_access_token)
        {
            client_uri(uri, registration)?;
        }
        Ok(())
    }

    /// Returns the fields that a workload needs, besides the pair, to request a token.
    fn fields_at(&self, token: &Url, scope: Option<String>) -> BTreeMap<String, String> {
        let parameters = SHARED_PARAMETERS.into_iter().filter_map(|key| {
            let value = self.tokens.parameters.get(key)?;
            Some((key.to_owned(), value.clone()))
        });
        let scope = scope.map(|scope| ("scope".to_owned(), scope));
        parameters.chain(scope).chain([("token_url".to_owned(), token.to_string())]).collect()
    }
}

/// Scopes as one text (RFC 6749, section 3.3); none if there are none, which means the server's
/// default.
fn joined(scopes: &[String]) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

/// A server may change a registration, but says so (RFC 7591, section 3.2.1): neither more nor
/// fewer scopes are accepted.
fn check_scopes(asked: &[String], registered: Option<&str>) -> Result<(), &'static str> {
    // Several scopes may be in one entry, as OAuth spells them.
    let asked: BTreeSet<&str> = asked.iter().flat_map(|it| it.split_ascii_whitespace()).collect();
    let registered: BTreeSet<&str> = registered.unwrap_or_default().split_ascii_whitespace().collect();
    if asked.is_empty() || asked == registered {
        Ok(())
    } else if asked.is_subset(&registered) {
        Err("the server registered more scopes than requested")
    } else {
        Err("the server did not register all requested scopes")
    }
}

/// `client_secret_expires_at`: 0, like its absence, means never.
fn expiry(expires_at: &Value, issued_at: &Value) -> Result<Option<Timestamp>, &'static str> {
    let impossible = "the server registered a client whose secret expires at an impossible time";
    if expires_at.is_null() {
        return Ok(None);
    }
    let seconds = match lenient::whole(expires_at).ok_or(impossible)? {
        0 => return Ok(None),
        seconds => seconds,
    };
    if lenient::whole(issued_at).is_some_and(|issued_at| seconds <= issued_at) {
        return Err("the server registered a client whose secret has expired");
    }
    instant::of_second(seconds).map(Some).ok_or(impossible)
}

/// The URL that manages a client, if it has the same origin as the registration endpoint: its token
/// goes there. It may be relative to that (RFC 3986, section 5).
fn client_uri(uri: &str, registration: &Url) -> Result<Url, &'static str> {
    let unusable = "registration_client_uri in the server's answer is not a usable URL";
    let url = registration.join(uri).map_err(|_| unusable)?;
    let url = setup::endpoint_url("registration_client_uri", url.as_str()).map_err(|_| unusable)?;
    if url.origin() != registration.origin() {
        return Err(
            "registration_client_uri in the server's answer has another origin than the registration \
             endpoint: check the server's public URL",
        );
    }
    Ok(url)
}

/// The same URL at the origin of the registration endpoint, whatever the answer says: behind a
/// proxy, the server may name itself otherwise. Its token goes nowhere else.
fn own_client_uri(uri: &str, registration: &Url) -> Result<String, &'static str> {
    let unusable = "registration_client_uri in the server's answer is not a usable URL";
    let elsewhere = registration.join(uri).map_err(|_| unusable)?;
    let mut own = registration.clone();
    own.set_path(elsewhere.path());
    own.set_query(elsewhere.query());
    client_uri(own.as_str(), registration).map(String::from)
}

#[cfg(test)]
mod tests;

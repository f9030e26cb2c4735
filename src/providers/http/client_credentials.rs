//! The client-credentials grant (RFC 6749, section 4.4), as most token endpoints have it: for our
//! own logins, and for trying the pairs that were issued.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    Answer, Call, Http, Operation,
    token::{Grant, Granted},
};
use crate::{
    api::TokenEndpointAuthMethod,
    providers::{
        Failure, FailureKind, Verdict, lenient,
        setup::{Login, SetupError},
    },
};

/// A driver's token endpoint.
pub(in crate::providers) trait Endpoint: Send + Sync {
    /// Asks for a token.
    fn ask(
        &self,
        call: &Call,
        request: TokenRequest<'_>,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Returns the token that a login is granted by an answer.
    fn granted(&self, answer: Answer, call: &Call) -> Result<Granted, Failure>;
}

/// A client that Credwright logs in as.
pub(in crate::providers) struct Client<E> {
    endpoint: E,
    client_id: String,
    client_secret: SecretString,
    scope: Option<String>,
}

impl<E> Client<E> {
    /// The client in a login Secret, with its scope if the driver reads that.
    pub(in crate::providers) fn new(login: &Login<'_>, endpoint: E) -> Result<Self, SetupError> {
        let client_id = login.require("client_id")?.expose_secret().to_owned();
        let client_secret = login.require("client_secret")?;
        let scope = login.get("scope")?.map(|scope| scope.expose_secret().to_owned());
        Ok(Self { endpoint, client_id, client_secret, scope })
    }
}

impl<E: Endpoint> Grant for Client<E> {
    fn identity(&self) -> Option<&str> {
        Some(&self.client_id)
    }

    async fn grant(&self) -> Result<Granted, Failure> {
        let call = Call::read(Operation::Login, "the token request of the login");
        let Self { endpoint, client_id, client_secret, scope } = self;
        let request = TokenRequest::post(client_id, client_secret, scope.as_deref());
        let answer = endpoint.ask(&call, request).await?;
        endpoint.granted(answer, &call)
    }
}

/// The parameters of a token request.
pub(in crate::providers) struct TokenRequest<'a> {
    pub(in crate::providers) method: TokenEndpointAuthMethod,
    pub(in crate::providers) client_id: &'a str,
    pub(in crate::providers) client_secret: &'a SecretString,
    pub(in crate::providers) scope: Option<&'a str>,
    /// The further parameters that the endpoint requires.
    pub(in crate::providers) parameters: &'a BTreeMap<String, String>,
}

impl<'a> TokenRequest<'a> {
    /// A request with the pair in its form.
    pub(in crate::providers) fn post(
        client_id: &'a str,
        client_secret: &'a SecretString,
        scope: Option<&'a str>,
    ) -> Self {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        let method = TokenEndpointAuthMethod::ClientSecretPost;
        Self { method, client_id, client_secret, scope, parameters: NONE }
    }

    /// Begins the request.
    pub(in crate::providers) fn begin(&self, http: &Http, url: &Url) -> RequestBuilder {
        let Self { method, client_id, client_secret, scope, parameters } = self;
        let secret = client_secret.expose_secret();
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.map(|scope| ("scope", scope)));
        form.extend(parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let request = http.request(Method::POST, url);
        match method {
            TokenEndpointAuthMethod::ClientSecretBasic => {
                request.basic_auth(basic_half(client_id), Some(basic_half(secret))).form(&form)
            }
            TokenEndpointAuthMethod::ClientSecretPost => {
                form.extend([("client_id", *client_id), ("client_secret", secret)]);
                request.form(&form)
            }
        }
    }
}

/// A half of the pair, as it goes into HTTP Basic: form-encoded first (RFC 6749, section 2.3.1),
/// without which Keycloak and Hydra refuse a secret with special characters.
fn basic_half(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// An access token (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(in crate::providers) struct Token {
    access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "lenient::seconds")]
    expires_in: Option<u32>,
    /// Absent: the requested scope.
    #[serde(default, deserialize_with = "lenient::words")]
    scope: Option<String>,
    /// Absent: a bearer token, as RFC 6749 demands that it is said.
    token_type: Option<String>,
}

impl Token {
    /// The token in an answer.
    pub(in crate::providers) fn of(answer: Answer, call: &Call) -> Result<Self, Failure> {
        let answer = answer.success(call)?;
        let token: Self = answer.json(call)?;
        if token.access_token.as_ref().is_none_or(|token| token.expose_secret().is_empty()) {
            let message = format!("{} without an access_token", answer.answered(call));
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        Ok(token)
    }

    /// The token that a login is granted. A 400 is a refusal, too: it may be about the pair or
    /// about its scope. `setting` says where tokens are asked for.
    pub(in crate::providers) fn of_login(
        answer: Answer,
        call: &Call,
        setting: &str,
    ) -> Result<Granted, Failure> {
        if let Some(refusal) = refused_login(&answer, call, &format!("check {setting}")) {
            return Err(refusal);
        }
        let answered = answer.answered(call);
        let Self { access_token, expires_in, token_type, .. } = Self::of(answer, call)?;
        // A token of another type cannot be used as one (RFC 6749, section 7.1).
        if token_type.is_some_and(|it| !it.eq_ignore_ascii_case("bearer")) {
            let message = format!("{answered} with a token that is no bearer token (token_type)");
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        let expires_in = expires_in.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Granted { token: access_token.unwrap_or_default(), expires_in })
    }

    /// The first of these scopes that it was granted without: a server may drop some without a
    /// word.
    fn lacks<'a>(&self, scopes: &[&'a str]) -> Option<&'a str> {
        let got: BTreeSet<&str> = self.scope.as_deref()?.split_ascii_whitespace().collect();
        scopes.iter().find(|scope| !got.contains(**scope)).copied()
    }
}

/// Returns the failure of a login that was refused, or whose endpoint does not exist; `advice` says
/// what to do about that.
pub(in crate::providers) fn refused_login(answer: &Answer, call: &Call, advice: &str) -> Option<Failure> {
    match answer.said() {
        404 | 405 | 410 => Some(answer.failure_with(call, advice)),
        400 | 401 | 403 => Some(Failure { kind: FailureKind::LoginRefused, ..answer.failure(call) }),
        _ => None,
    }
}

/// Checks that a token endpoint answers. A token request is a POST (RFC 6749, section 3.2), so a
/// GET has no effect, and any refusal is a sign of life.
pub(in crate::providers) async fn answers(http: &Http, url: &Url) -> Result<(), Failure> {
    let call = Call::read(Operation::Login, "a probe of the token endpoint");
    let answer = http.send(&call, || http.request(Method::GET, url)).await?;
    if answer.is_down() { Err(answer.failure(&call)) } else { Ok(()) }
}

/// Returns the verdict of a token endpoint on a pair that asked for scopes, in its spelling.
/// `advice` says for an error code what to correct, if the pair is not to blame; `without` is the
/// sentence about a scope that was dropped without a word.
pub(in crate::providers) fn verdict(
    answer: Answer,
    call: &Call,
    scopes: &[&str],
    advice: impl Fn(&str) -> Option<String>,
    without: impl Fn(&str) -> String,
) -> Result<Verdict, Failure> {
    if refuses_pair(&answer) {
        return Ok(Verdict::Refused);
    }
    if let Some(advice) = answer.error_code().and_then(|code| advice(&code)) {
        return Err(answer.failure_with(call, &advice));
    }
    match Token::of(answer, call)?.lacks(scopes) {
        Some(scope) => Err(Failure::new(FailureKind::Rejected, without(scope))),
        None => Ok(Verdict::Accepted),
    }
}

/// Returns whether a token endpoint refuses a pair as such.
fn refuses_pair(answer: &Answer) -> bool {
    match answer.said() {
        // With any code: Keycloak says unauthorized_client to a wrong secret, Spring says nothing.
        401 => true,
        400 => answer.error_code().as_deref() == Some("invalid_client"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_basic_are_form_encoded() {
        assert_eq!(basic_half("p@ss+w%41rd:x y"), "p%40ss%2Bw%2541rd%3Ax+y");
        assert_eq!(basic_half("a._-Z9"), "a._-Z9");
    }

    #[test]
    fn a_token_that_does_not_say_its_scopes_has_those_asked_for() {
        let token = |scope: Option<&str>| Token {
            access_token: None,
            expires_in: None,
            scope: scope.map(str::to_owned),
            token_type: None,
        };
        let asked = ["read", "write"];
        assert_eq!(token(None).lacks(&asked), None);
        assert_eq!(token(Some("write more read")).lacks(&asked), None);
        assert_eq!(token(Some("read")).lacks(&asked), Some("write"));
        assert_eq!(token(Some("")).lacks(&asked), Some("read"));
    }
}

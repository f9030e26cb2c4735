//! What the drivers share whose credentials a person makes: there is nothing to log in to, and a token is the proof.

use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Failure, FailureKind, Verdict,
    http::{Answer, Call, Http, failure},
    registry::{LoginData, SetupError},
};

/// The pages state no longest name. Those that people type into a form had better be short.
pub(super) const NAME_MAX: usize = 64;

/// Refuses a login: whoever gives one expects it to be used.
pub(super) fn no_login(driver: &'static str, login: Option<&LoginData>) -> Result<(), SetupError> {
    if login.is_some() { Err(SetupError::UnwantedLogin { driver }) } else { Ok(()) }
}

/// Whether the provider answers. What it says to a GET of its token endpoint does not matter: that is no token request.
pub(super) async fn probe(http: &Http, token_url: &Url) -> Result<(), Failure> {
    let call = Call::read("the look at its token endpoint");
    let answer = http.send(&call, || http.request(Method::GET, token_url)).await?;
    if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(answer.failure(&call));
    }
    Ok(())
}

/// The verdict of a token request that nothing else is known to be wrong with: it takes a token to accept a pair.
pub(super) fn accepted(answer: Answer, call: &Call) -> Result<Verdict, Failure> {
    #[derive(Deserialize)]
    struct Token {
        access_token: SecretString,
    }
    let token: Token = answer.success(call)?.json(call)?;
    if token.access_token.expose_secret().is_empty() {
        let message = "the provider answered a token request with an empty token";
        return Err(failure(FailureKind::Malformed, message));
    }
    Ok(Verdict::Accepted)
}

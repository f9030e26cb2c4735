//! The common part of drivers whose credentials a person makes: there is nothing to log in to.

use reqwest::{Method, StatusCode, Url};

use super::{
    Failure,
    http::{Call, Http, Operation},
    setup::{LoginData, SetupError},
};

/// The pages state no longest name. Those that people type into a form had better be short.
pub(super) const NAME_MAX: usize = 64;

/// Refuses a login: a person who gives one expects it to be used.
pub(super) fn no_login(driver: &'static str, login: Option<&LoginData>) -> Result<(), SetupError> {
    if login.is_some() { Err(SetupError::UnwantedLogin { driver }) } else { Ok(()) }
}

/// Returns whether the provider answers. Its answer to a GET of the token endpoint does not matter:
/// that is no token request.
pub(super) async fn probe(http: &Http, token_url: &Url) -> Result<(), Failure> {
    let call = Call::read(Operation::Login, "the probe of its token endpoint");
    let answer = http.send(&call, || http.request(Method::GET, token_url)).await?;
    if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(answer.failure(&call));
    }
    Ok(())
}

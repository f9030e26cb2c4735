//! Where a server registers clients and where it issues tokens: from the spec, or from the issuer's metadata.

use std::sync::Arc;

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::{
    api::OauthRegistration,
    providers::{
        Failure, FailureKind,
        http::{Call, Http, Operation, failure},
        registry::{SetupError, base_url, endpoint_url},
    },
};

/// A server's endpoints.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoints {
    pub(super) registration: Url,
    pub(super) token: Url,
}

/// Finds a server's endpoints, once.
pub(super) struct Discovery {
    http: Arc<Http>,
    issuer: Option<Issuer>,
    /// Only what was found is kept; failures are not.
    found: OnceCell<Endpoints>,
}

struct Issuer {
    /// As the spec has it, and as the metadata must have it, to the letter (RFC 8414, section 3.3).
    text: String,
    url: Url,
}

/// What is needed of a server's metadata (RFC 8414, section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: Option<String>,
    registration_endpoint: Option<String>,
}

impl Discovery {
    pub(super) fn new(block: &OauthRegistration, http: Arc<Http>) -> Result<Self, SetupError> {
        if let Some(text) = &block.issuer {
            let url = base_url("oauthRegistration.issuer", text)?;
            let issuer = Some(Issuer { text: text.clone(), url });
            return Ok(Self { http, issuer, found: OnceCell::new() });
        }
        let given = |field, text: &Option<String>| endpoint_url(field, text.as_deref().unwrap_or_default());
        let registration = given("oauthRegistration.registrationEndpoint", &block.registration_endpoint)?;
        let token = given("oauthRegistration.tokenEndpoint", &block.token_endpoint)?;
        Ok(Self { http, issuer: None, found: OnceCell::new_with(Some(Endpoints { registration, token })) })
    }

    pub(super) async fn endpoints(&self) -> Result<&Endpoints, Failure> {
        self.found.get_or_try_init(|| self.look_up()).await
    }

    /// Whether the server is there, whatever is remembered.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        if self.issuer.is_some() {
            return self.look_up().await.map(drop);
        }
        // A token request is a POST (RFC 6749, section 3.2): this has no effect, and any refusal is a sign of life.
        let call = Call::read(Operation::Login, "a look at the token endpoint");
        let token = &self.endpoints().await?.token;
        let answer = self.http.send(&call, || self.http.request(Method::GET, token)).await?;
        if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(answer.failure(&call));
        }
        Ok(())
    }

    async fn look_up(&self) -> Result<Endpoints, Failure> {
        let mut last = failure(FailureKind::Unavailable, "neither issuer nor endpoints are set");
        let Some(issuer) = &self.issuer else { return Err(last) };
        let call = Call::read(Operation::Discover, "the metadata request");
        for url in well_known(&issuer.url) {
            let answer = self.http.send(&call, || self.http.request(Method::GET, &url)).await?;
            let is_final = answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
            // Some servers answer with a page for people where there is nothing.
            last = match answer.success(&call).and_then(|answer| answer.json::<Metadata>(&call)) {
                Ok(metadata) => return issuer.endpoints(metadata),
                Err(failure) if is_final => return Err(failure),
                // A wrong status here is no verdict on a login or a credential.
                Err(failure) => Failure { kind: FailureKind::Unavailable, ..failure },
            };
        }
        Err(last)
    }
}

impl Issuer {
    /// The endpoints of this issuer. Wherever they are, they are not less encrypted than the issuer.
    fn endpoints(&self, metadata: Metadata) -> Result<Endpoints, Failure> {
        if metadata.issuer != self.text {
            let message = "the metadata is another issuer's: spec.issuer must be what the server calls itself, to the letter";
            return Err(failure(FailureKind::Malformed, message));
        }
        let endpoint = |name: &'static str, text: Option<String>| {
            let Some(text) = text else {
                let message = format!("the server's metadata has no {name}: set both endpoints in the spec");
                return Err(failure(FailureKind::Rejected, message));
            };
            let url = endpoint_url(name, &text)
                .map_err(|unusable| failure(FailureKind::Malformed, unusable.message()))?;
            if self.url.scheme() == "https" && url.scheme() != "https" {
                let message = format!("the {name} in the server's metadata is not https");
                return Err(failure(FailureKind::Malformed, message));
            }
            Ok(url)
        };
        Ok(Endpoints {
            registration: endpoint("registration_endpoint", metadata.registration_endpoint)?,
            token: endpoint("token_endpoint", metadata.token_endpoint)?,
        })
    }
}

/// Where an issuer's metadata is: RFC 8414 puts its name before the issuer's path, OpenID Connect Discovery behind.
fn well_known(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ]
    .map(|path| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    })
}

#[cfg(test)]
mod tests;

//! The token endpoint: for our own login, and for trying the pairs that were issued.

use std::{collections::BTreeMap, sync::Arc};

use super::{discovery::Discovery, joined};
use crate::{
    api::TokenEndpointAuthMethod,
    providers::{
        Failure, Verdict, VerifyRequest,
        http::{Answer, Call, Endpoint, Granted, Http, Operation, Token, TokenRequest, verdict},
    },
};

/// The token endpoint, and how to authenticate there.
#[derive(Clone)]
pub(super) struct TokenEndpoint {
    pub(super) http: Arc<Http>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) method: TokenEndpointAuthMethod,
    pub(super) parameters: BTreeMap<String, String>,
}

impl TokenEndpoint {
    /// Tries a pair by asking for a token with its scopes, and reading back which of them it got: a
    /// server may drop some without a word.
    pub(super) async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        let call = Call::read(Operation::Verify, "the token request for the new pair");
        let scope = joined(&request.scopes);
        let asked = TokenRequest::post(&request.client_id, &request.client_secret, scope.as_deref());
        let answer = self.ask(&call, asked).await?;
        let advice = |code: &str| advice(code, &request.scopes).map(str::to_owned);
        let without = |scope: &str| {
            format!(
                "the server issues tokens to the new pair, but without the scope {scope}: correct spec.scopes"
            )
        };
        let scopes: Vec<&str> = request.scopes.iter().map(String::as_str).collect();
        verdict(answer, &call, &scopes, advice, without)
    }
}

impl Endpoint for TokenEndpoint {
    async fn ask(&self, call: &Call, request: TokenRequest<'_>) -> Result<Answer, Failure> {
        let endpoints = self.discovery.endpoints().await?;
        let Self { http, method, parameters, discovery } = self;
        let request = TokenRequest { method: *method, parameters, ..request };
        let answer = http.send(call, || request.begin(http, &endpoints.token)).await?;
        discovery.forget_after(&answer).await;
        Ok(answer)
    }

    fn granted(&self, answer: Answer, call: &Call) -> Result<Granted, Failure> {
        let setting = "oauthRegistration.tokenEndpoint, or the metadata of oauthRegistration.issuer";
        Token::of_login(answer, call, setting)
    }
}

/// Returns the correction for a token request that is refused, but not because of the pair.
fn advice(code: &str, scopes: &[String]) -> Option<&'static str> {
    Some(match code {
        "invalid_scope" if scopes.is_empty() => {
            "the server requires scopes, and none are requested: set spec.scopes"
        }
        "invalid_scope" => "the server knows the pair, but not these scopes: correct spec.scopes",
        "invalid_target" | "invalid_request" => {
            "the server knows the pair, but requires other parameters: correct \
             oauthRegistration.tokenParameters of the provider"
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            "the client may not use the grant client_credentials: correct grant_types in \
             oauthRegistration.metadata of the provider"
        }
        _ => return None,
    })
}

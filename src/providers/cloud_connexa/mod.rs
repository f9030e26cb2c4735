//! OpenVPN CloudConnexa (<https://openvpn.net/cloud-docs/>): a person makes credentials in the
//! Administration portal.
//!
//! Pitfalls: one of four lives has to be chosen and no call reveals it; a switch of the account,
//! *Enable API*, makes good credentials fail; and every credential has a small bucket of calls of
//! its own, which verifying drains too.

mod pace;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde_json::json;

use self::pace::Paces;
use super::{
    Capabilities, Driver, Failure, FailureKind, Verdict, VerifyRequest, by_hand,
    http::{Call, Http, Operation, Token, answers},
    setup::{self, LoginData, SetupError},
    usual,
};
use crate::{
    api,
    lifecycle::{Expiry, Portal, Scopes, Term, Text},
};

/// The driver's name, as in the spec.
const NAME: &str = "cloudConnexa";

/// The lives that the portal offers, by the calendar.
const TERMS: &[Term] = &[
    term("two weeks", 14, 14),
    term("one month", 30, 28),
    term("six months", 183, 181),
    term("one year", 365, 365),
];

const fn term(words: &'static str, covers_days: i64, at_least_days: i64) -> Term {
    Term {
        words: Text::Borrowed(words),
        covers: SignedDuration::from_hours(24 * covers_days),
        at_least: SignedDuration::from_hours(24 * at_least_days),
    }
}

/// The immutable fields of a block.
pub(super) fn account(block: &api::CloudConnexa) -> Vec<String> {
    [&block.cloud_id, &block.base_url].map(|it| it.clone().unwrap_or_default()).to_vec()
}

/// The driver for an account.
pub(super) fn driver(
    block: &api::CloudConnexa,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<CloudConnexa, SetupError> {
    by_hand::no_login(NAME, login)?;
    let base = base_url(block)?;
    Ok(CloudConnexa {
        http,
        token_url: setup::below(&base, &["api", "v1", "oauth", "token"]),
        base,
        cloud_id: block.cloud_id.clone(),
        api_disabled_status: block.api_disabled_status,
        paces: Paces::default(),
        capabilities: capabilities(block.cloud_id.as_deref()),
    })
}

fn base_url(block: &api::CloudConnexa) -> Result<Url, SetupError> {
    let Some(cloud_id) = &block.cloud_id else {
        return setup::base_url("cloudConnexa.baseUrl", block.base_url.as_deref().unwrap_or_default());
    };
    let is_label = cloud_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if cloud_id.is_empty() || !is_label {
        let why = "CLOUD-ID.api.openvpn.com takes letters, digits and dashes";
        return Err(SetupError::Url { field: "cloudConnexa.cloudId", why });
    }
    setup::base_url("cloudConnexa.cloudId", &format!("https://{cloud_id}.api.openvpn.com"))
}

/// The API answers all of this alike, unless `apiDisabledStatus` says how it answers while it is
/// off.
const WHEN_REFUSED: &str = "It is also refused while the switch Enable API at API & Logs > API is off, \
                            and while its allowed subnets exclude Credwright's address \
                            (spec.intake.verify: Skip takes it untried).";

fn capabilities(cloud_id: Option<&str>) -> Capabilities {
    let account = cloud_id.map(|id| format!(" of {id}")).unwrap_or_default();
    let page =
        format!("API & Logs > API (once Settings > API) in the CloudConnexa Administration portal{account}");
    let notes = [
        "Pick the lifetime yourself: which one is preselected has changed over time.",
        "Copy the client ID with its prefix. The secret is shown only once.",
        "The switch Enable API on the same page has to be on, or no credential of the account works.",
        "If you set allowed subnets, include Credwright's own address, or set spec.intake.verify to Skip.",
        "If support has raised the rate limit of the credential that is replaced, ask for it again: a limit belongs to \
         one credential.",
    ];
    let portal = Portal {
        create_at: page,
        scopes_called: "permissions".into(),
        notes: notes.map(str::to_owned).to_vec(),
        when_refused: WHEN_REFUSED.to_owned(),
    };
    Capabilities {
        expiry: Expiry::OneOf(TERMS.into()),
        scopes: Scopes::Free,
        subnets: true,
        limits_per_credential: true,
        ..usual::by_hand("CloudConnexa", portal)
    }
}

/// An account.
pub(super) struct CloudConnexa {
    http: Arc<Http>,
    base: Url,
    token_url: Url,
    cloud_id: Option<String>,
    api_disabled_status: u16,
    paces: Paces,
    capabilities: Capabilities,
}

#[async_trait]
impl Driver for CloudConnexa {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn fields(&self, _scopes: &[String]) -> BTreeMap<String, String> {
        let base = self.base.as_str().trim_end_matches('/').to_owned();
        let mut fields = BTreeMap::from([
            ("token_url".to_owned(), self.token_url.to_string()),
            ("base_url".to_owned(), base),
        ]);
        fields.extend(self.cloud_id.clone().map(|id| ("cloud_id".to_owned(), id)));
        fields
    }

    async fn probe(&self) -> Result<(), Failure> {
        answers(&self.http, &self.token_url).await
    }

    /// Never by the query string that the pages show: URLs end up in logs. The official client
    /// sends the halves as they are, not form-encoded.
    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        let call = Call::read(Operation::Verify, "the token request for the pair").of_one_credential();
        self.paces.check(&request.client_id).await?;
        let post = || {
            self.http
                .request(Method::POST, &self.token_url)
                .basic_auth(&request.client_id, Some(request.client_secret.expose_secret()))
                .json(&json!({ "grant_type": "client_credentials", "scope": "default" }))
        };
        let answer = self.http.send(&call, post).await?;
        let wait = self.paces.note(&request.client_id, &answer).await;
        match answer.said() {
            429 => {
                let failure = answer.failure(&call);
                Err(Failure { retry_after: failure.retry_after.or(wait), ..failure })
            }
            status if status == self.api_disabled_status => Err(switched_off(status)),
            400 | 401 => Ok(Verdict::Refused),
            _ => Token::of(answer, &call).map(|_| Verdict::Accepted),
        }
    }
}

/// It says nothing about the pair: good and bad ones get this answer.
fn switched_off(status: u16) -> Failure {
    let message = format!(
        "CloudConnexa answered {status} to the token request for the pair: turn on Enable API at API & \
         Logs > API in the Administration portal, or, if it is on, check whether the credential is \
         limited to subnets without Credwright's address (spec.intake.verify: Skip takes it untried)"
    );
    Failure::new(FailureKind::Forbidden, message)
}

#[cfg(test)]
mod tests;

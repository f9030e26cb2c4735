//! Vonage Contact Center (<https://docs-vcc.atlassian.net/wiki/spaces/VCCA/>): a person makes
//! credentials in the portal.
//!
//! Pitfalls: a credential belongs to the person who makes it, a token request must name a scope,
//! and the portal shows scopes as sentences while tokens are asked for by their values.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use reqwest::Url;

use super::{
    Capabilities, Driver, Failure, FailureKind, Verdict, VerifyRequest, by_hand,
    http::{Call, Http, Operation, Token, TokenRequest, answers},
    setup::{self, LoginData, SetupError},
    usual,
};
use crate::{
    api::{self, VonageHosts, VonageRegion},
    lifecycle::{Portal, Scopes},
};

/// The driver's name, as in the spec.
const NAME: &str = "vonageContactCenter";

const PAGE: &str = "Account Settings > API Credentials in Vonage Contact Center";

/// Single APIs may have more.
const SCOPES: [&str; 8] = [
    "agents-availability:read",
    "globalpci",
    "interaction-content:delete",
    "interaction-content:read",
    "interactions:write",
    "stats",
    "users:read",
    "users:write",
];

/// The immutable fields of a block.
pub(super) fn account(block: &api::VonageContactCenter) -> Vec<String> {
    let region = block.region.map(|region| format!("{region:?}"));
    vec![region.unwrap_or_default(), block.base_url.clone().unwrap_or_default()]
}

/// The driver for an account.
pub(super) fn driver(
    block: &api::VonageContactCenter,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<VonageContactCenter, SetupError> {
    by_hand::no_login(NAME, login)?;
    let base = match block.region {
        Some(region) => host(region, block.hosts),
        None => block.base_url.clone().unwrap_or_default(),
    };
    let base = setup::base_url("vonageContactCenter.baseUrl", &base)?;
    Ok(VonageContactCenter {
        http,
        token_url: setup::below(&base, &["Auth", "connect", "token"]),
        region: block.region,
        capabilities: capabilities(block.region),
    })
}

fn host(region: VonageRegion, hosts: VonageHosts) -> String {
    let region = subdomain(region);
    match hosts {
        VonageHosts::Vonage => format!("https://{region}.cc.vonage.com"),
        VonageHosts::NewVoiceMedia => format!("https://{region}.newvoicemedia.com"),
    }
}

fn subdomain(region: VonageRegion) -> &'static str {
    match region {
        VonageRegion::Emea => "emea",
        VonageRegion::Nam => "nam",
        VonageRegion::Apac => "apac",
    }
}

/// Every region refuses the credentials of the others.
fn of_another_region(region: VonageRegion) -> String {
    format!(
        "It may also belong to another region than {}, which is vonageContactCenter.region of the provider.",
        subdomain(region)
    )
}

fn capabilities(region: Option<VonageRegion>) -> Capabilities {
    let notes = [
        "The credential belongs to the user who makes it: log in as a user who stays, best as one created \
         for this.",
        "That user needs an admin licence. A supervisor sees the page too, but can only choose to read or download \
         interaction content and to read user details.",
        "If the page has tabs, choose Users. The page shows scopes as sentences, such as View agent availability.",
        "The secret is shown only once.",
    ];
    let portal = Portal {
        create_at: PAGE.to_owned(),
        scopes_called: "scopes".into(),
        notes: notes.map(str::to_owned).to_vec(),
        when_refused: region.map(of_another_region).unwrap_or_default(),
    };
    Capabilities {
        scopes: Scopes::Documented(SCOPES.map(str::to_owned).to_vec()),
        scopes_required: true,
        ..usual::by_hand("Vonage Contact Center", portal)
    }
}

/// An account.
pub(super) struct VonageContactCenter {
    http: Arc<Http>,
    token_url: Url,
    region: Option<VonageRegion>,
    capabilities: Capabilities,
}

#[async_trait]
impl Driver for VonageContactCenter {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn fields(&self, scopes: &[String]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::from([
            ("token_url".to_owned(), self.token_url.to_string()),
            ("scope".to_owned(), scopes.join(" ")),
        ]);
        fields.extend(self.region.map(|region| ("region".to_owned(), subdomain(region).to_owned())));
        fields
    }

    async fn probe(&self) -> Result<(), Failure> {
        answers(&self.http, &self.token_url).await
    }

    /// Asks for one token with each scope: the older pages allow one scope in a request, and a
    /// forgotten tick box is found now instead of by the workload.
    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        if request.scopes.is_empty() {
            let message =
                "Vonage Contact Center issues no token without a scope: name one or more in spec.scopes";
            return Err(Failure::new(FailureKind::Rejected, message));
        }
        let mut missing = vec![];
        for scope in &request.scopes {
            match self.tried(request, scope).await? {
                Tried::Accepted => {}
                Tried::Refused => return Ok(Verdict::Refused),
                Tried::ScopeRefused => missing.push(scope.as_str()),
            }
        }
        if missing.is_empty() { Ok(Verdict::Accepted) } else { Err(lacks(&missing, &request.scopes)) }
    }
}

/// The token endpoint's answer to a pair with one scope.
enum Tried {
    Accepted,
    Refused,
    ScopeRefused,
}

impl VonageContactCenter {
    async fn tried(&self, request: &VerifyRequest, scope: &str) -> Result<Tried, Failure> {
        let call = Call::read(Operation::Verify, "the token request for the pair");
        let ask = TokenRequest::post(&request.client_id, &request.client_secret, Some(scope));
        let answer = self.http.send(&call, || ask.begin(&self.http, &self.token_url)).await?;
        match (answer.said(), answer.error_code().as_deref()) {
            (401, _) | (400, Some("invalid_client" | "unauthorized_client")) => Ok(Tried::Refused),
            (400, Some("invalid_scope")) => Ok(Tried::ScopeRefused),
            // A 403 is a failure: it is not documented, and the account may lack the whole feature.
            _ => Token::of(answer, &call).map(|_| Tried::Accepted),
        }
    }
}

fn lacks(missing: &[&str], wanted: &[String]) -> Failure {
    let message = format!(
        "Vonage Contact Center issues no token with the scope {} to this credential: at {PAGE}, its owner has to edit it \
         so that it has {}; or correct spec.scopes",
        missing.join(", "),
        wanted.join(", ")
    );
    Failure::new(FailureKind::Rejected, message)
}

#[cfg(test)]
mod tests;

//! expereoOne API V2
//! (<https://expereo.helpjuice.com/en_US/expereoone-api-document-hub/onboarding-guide-api-v2>):
//! whole clients, several at once, a fixed set of scopes that never change, no expiry.
//!
//! Pitfalls: a scope is spelt in two ways, one at creation and one at the token endpoint, which
//! demands it. And little is documented beyond that: whether there is a list or a delete, what the
//! members of an answer are called and how a list is paged are settings, and each value taken from
//! an answer is checked.

mod login;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use reqwest::{Method, Url};
use serde_json::Value;

pub(super) use self::login::KEYS;
use self::{
    login::{Login, TokenEndpoint},
    wire::{Created, New, Page},
};
use super::{
    contract::*,
    http::{CREATE_TIMEOUT, Call, Endpoint, Http, Operation, TokenRequest, verdict},
    listing::Listing,
    setup::{self, LoginData, SetupError, path_below, value_below},
    usual,
};
use crate::{
    api,
    lifecycle::{Creation, Removal, Scopes},
};

/// The driver's name, as in the spec.
pub(super) const NAME: &str = "expereo";

/// The scopes at creation and as the token endpoint spells them. The last one is only likely.
const SPELLING: [(&str, &str); 4] = [
    ("BasicRead", "customerapi/basic.read"),
    ("SupportRead", "customerapi/support.read"),
    ("SupportReadWrite", "customerapi/support.read-write"),
    ("BillingRead", "customerapi/billing.read"),
];

/// The number of clients per page.
const PAGE_SIZE: &str = "100";
/// A list that continues after so many pages does not end at all.
const PAGES_MAX: usize = 200;
/// The name in a ledger of the id that a client is deleted by, where that is not its client ID.
const ID: &str = "id";

/// The immutable fields of a block.
pub(super) fn account(block: &api::Expereo) -> Vec<String> {
    vec![block.base_url.clone()]
}

/// The driver for an account.
pub(super) fn driver(
    block: &api::Expereo,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<Expereo, SetupError> {
    let base = setup::base_url("expereo.baseUrl", &block.base_url)?;
    let token_url = setup::endpoint_url("expereo.tokenUrl", &block.token_url)?;
    let endpoint = TokenEndpoint { http: Arc::clone(&http), url: token_url };
    let known = SPELLING.map(|(created, asked)| (created.to_owned(), asked.to_owned()));
    let mut spelling = BTreeMap::from(known);
    spelling.extend(block.scope_spelling.clone());
    Ok(Expereo {
        http,
        login: login::login(login, &endpoint)?,
        endpoint,
        clients: path_below(&base, "expereo.clientsPath", block.clients_path.trim_matches('/'))?,
        capabilities: capabilities(block, spelling.keys().cloned().collect()),
        spelling,
        base_url: block.base_url.trim_end_matches('/').to_owned(),
        answer: block.answer.clone(),
        paging: block.paging.clone(),
    })
}

fn capabilities(block: &api::Expereo, scopes: Vec<String>) -> Capabilities {
    let list = block.list.is_enabled().then_some(usual::LIST);
    Capabilities {
        place: "the Developer Portal (API) of expereoOne, under api-clients".to_owned(),
        creation: Creation::Api { timeout: CREATE_TIMEOUT, list },
        removal: if block.delete.is_enabled() { Removal::Api } else { Removal::Person },
        scopes: Scopes::Only(scopes),
        scopes_required: true,
        ..usual::by_api("expereoOne")
    }
}

/// An account.
pub(super) struct Expereo {
    http: Arc<Http>,
    login: Login,
    endpoint: TokenEndpoint,
    /// The address at which clients are created and listed.
    clients: Url,
    capabilities: Capabilities,
    /// From the scopes at creation to those of the token endpoint.
    spelling: BTreeMap<String, String>,
    base_url: String,
    answer: api::ExpereoAnswer,
    paging: api::ExpereoPaging,
}

#[async_trait]
impl Driver for Expereo {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn identity(&self) -> Option<&str> {
        self.login.identity()
    }

    fn fields(&self, scopes: &[String]) -> BTreeMap<String, String> {
        let token_url = self.endpoint.url.to_string();
        [("token_url", token_url), ("scope", self.spelt(scopes)), ("base_url", self.base_url.clone())]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }

    async fn probe(&self) -> Result<(), Failure> {
        use FailureKind::{LoginRefused, RateLimited, Unavailable};
        if let Login::Login(tokens) = &self.login {
            return tokens.renew().await;
        }
        match self.page(None).await {
            // Any other answer about a list that it does not have shows that it knows the token.
            Err(failure)
                if !self.capabilities.can_list()
                    && !matches!(failure.kind, LoginRefused | RateLimited | Unavailable) =>
            {
                Ok(())
            }
            listed => listed.map(drop),
        }
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        let call = Call::read(Operation::Verify, "the token request for the new pair");
        let scope = self.spelt(&request.scopes);
        let asked = TokenRequest::post(&request.client_id, &request.client_secret, Some(&scope));
        let answer = self.endpoint.ask(&call, asked).await?;
        // Only for a pair that it knows are the scopes tried.
        let advice = |code: &str| {
            (code == "invalid_scope").then(|| {
                format!(
                    "it knows the pair, but not its scopes as {scope}: correct expereo.scopeSpelling, which says how the \
                     token endpoint spells each scope"
                )
            })
        };
        let without =
            |scope: &str| format!("expereoOne issues tokens to the new pair, but without the scope {scope}");
        let scopes: Vec<&str> = scope.split(' ').collect();
        verdict(answer, &call, &scopes, advice, without)
    }

    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        if request.scopes.is_empty() || !request.scopes.iter().all(|it| self.spelling.contains_key(it)) {
            let message = "expereoOne needs a scope, and the token endpoint's spelling of each";
            return Err(Failure::new(FailureKind::Rejected, message).into());
        }
        let call = Call::create("the create request");
        let body = New { api_client_name: &request.name, scopes: &request.scopes };
        let post = || self.http.request(Method::POST, &self.clients).json(&body);
        let answer = self.call(&call, post).await?;
        let answer = match answer.status.as_u16() {
            404 | 405 => {
                let advice = "check expereo.baseUrl and expereo.clientsPath";
                return Err(answer.failure_with(&call, advice).into());
            }
            _ => answer.success(&call)?,
        };
        let created = Created::of(&answer.json(&call)?, &self.answer);
        let untrue = self.check(&created, request);
        let is_ours = is_client_id(&created.client_id)
            && self.identity() != Some(created.client_id.as_str())
            && created.name.as_ref().is_none_or(|name| is_named_alike(name, &request.name));
        let issued = Issued {
            ids: ids(created.id),
            client_id: created.client_id,
            client_secret: created.client_secret,
            fields: self.fields(&request.scopes),
            ..Issued::default()
        };
        NotIssued::unless(untrue, issued, is_ours)
    }

    async fn find(&self, FindRequest { tag, .. }: &FindRequest) -> Result<Vec<Found>, Failure> {
        let wanted = |_: &str, name: Option<&str>| name.is_some_and(|name| name.contains(tag));
        let (clients, mut ids_by_client) = self.all(wanted).await?;
        let found = clients.into_iter().map(|(client_id, name)| Found {
            name: name.unwrap_or_default(),
            ids: ids(ids_by_client.remove(&client_id)),
            client_id,
            ..Found::default()
        });
        Ok(found.collect())
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        let client_id = &request.client_id;
        let id = request.ids.get(ID).unwrap_or(client_id);
        let Some(url) = Some(id).filter(|id| is_client_id(id)).and_then(|id| value_below(&self.clients, id))
        else {
            let message = "the client ID to revoke cannot be one of expereoOne's";
            return Err(Failure::new(FailureKind::Rejected, message));
        };
        let call = Call::revoke("the delete request");
        let answer = self.call(&call, || self.http.request(Method::DELETE, &url)).await?;
        match answer.status.as_u16() {
            404 | 410 => Ok(Revocation::NotFound),
            405 | 501 => Err(answer
                .failure_with(&call, "where API clients cannot be deleted, set expereo.delete: Disabled")),
            _ => answer.success(&call).map(|_| Revocation::Revoked),
        }
    }
}

impl Expereo {
    /// Scopes as the token endpoint spells them, in one text (RFC 6749, section 3.3).
    fn spelt(&self, scopes: &[String]) -> String {
        let spelt: Vec<&str> =
            scopes.iter().map(|scope| self.spelling.get(scope).unwrap_or(scope).as_str()).collect();
        spelt.join(" ")
    }

    /// The clients that are `wanted` and the ids to delete them by, both by their client IDs. A
    /// client that is not listed counts as deleted, so a list that may have been read in part is a
    /// failure.
    async fn all(
        &self,
        wanted: impl Fn(&str, Option<&str>) -> bool,
    ) -> Result<(BTreeMap<String, Option<String>>, BTreeMap<String, String>), Failure> {
        let untrue = |message: String| Failure::new(FailureKind::Malformed, message);
        let (mut list, mut ids) = (Listing::new(self.capabilities.title.clone(), wanted), BTreeMap::new());
        // The first page is asked for without a number, and then those from 1 on: some count from
        // 0, some from 1.
        let mut total = self.page(None).await?.into_list(&mut list, &mut ids)?;
        let is_all = |listed: usize, total: Option<u64>| {
            total.is_some_and(|total| usize::try_from(total).is_ok_and(|total| listed >= total))
        };
        let mut is_over = list.len() == 0 || self.paging.page.is_empty();
        for number in 1..PAGES_MAX {
            if is_over || is_all(list.len(), total) {
                break;
            }
            let known = list.len();
            total = self.page(Some(number)).await?.into_list(&mut list, &mut ids)?;
            is_over = number > 1 && list.len() == known;
        }
        let listed = list.len();
        if is_over || is_all(listed, total) {
            match total.filter(|_| !is_all(listed, total)) {
                Some(total) => Err(untrue(format!(
                    "expereoOne says that there are {total} clients, but lists {listed}: correct expereo.paging"
                ))),
                None => Ok((list.kept(), ids)),
            }
        } else {
            Err(untrue(format!("expereoOne's list does not end after {PAGES_MAX} pages")))
        }
    }

    /// The first page, or the one with this number.
    async fn page(&self, number: Option<usize>) -> Result<Page, Failure> {
        let mut url = self.clients.clone();
        let number = number.map(|number| number.to_string());
        let parameters = [(&self.paging.page, number.as_deref()), (&self.paging.page_size, Some(PAGE_SIZE))];
        for (parameter, value) in parameters {
            if let Some(value) = value.filter(|_| !parameter.is_empty()) {
                url.query_pairs_mut().append_pair(parameter, value);
            }
        }
        let call = Call::read(Operation::List, "the list request");
        let answer = self.call(&call, || self.http.request(Method::GET, &url)).await?;
        let advice = match answer.status.as_u16() {
            400 | 422 => "check expereo.paging",
            404 | 405 | 501 => {
                "where API clients cannot be listed, set expereo.list: Disabled; where they can, check expereo.clientsPath"
            }
            _ => {
                let answer = answer.success(&call)?;
                let page = Page::of(&answer.json::<Value>(&call)?, &self.answer);
                let page = page.map_err(|why| Failure::new(FailureKind::Malformed, why))?;
                return Ok(Page { length: answer.length(), ..page });
            }
        };
        Err(answer.failure_with(&call, advice))
    }

    /// Returns an error if an answer to a create cannot be true.
    fn check(&self, created: &Created, asked: &CreateRequest) -> Result<(), String> {
        let is_asked = |scope: &String| {
            asked.scopes.iter().any(|asked| scope == asked || self.spelling.get(asked) == Some(scope))
        };
        let has_other_name = created.name.as_ref().is_some_and(|name| *name != asked.name);
        let wrong = [
            (!is_client_id(&created.client_id), "without a client ID: check expereo.answer.clientId"),
            (!created.has_secret(), "without a secret: check expereo.answer.clientSecret"),
            (self.identity() == Some(&created.client_id), "with our own client ID"),
            (has_other_name, "with another name than requested"),
            (!created.scopes.iter().flatten().all(is_asked), "with more scopes than requested"),
        ];
        believed("expereoOne answered the create request", wrong)
    }
}

fn ids(id: Option<String>) -> BTreeMap<String, String> {
    id.into_iter().map(|id| (ID.to_owned(), id)).collect()
}

/// Nothing is documented. Any text is accepted that does not change a path's meaning, encoded or
/// not.
fn is_client_id(id: &str) -> bool {
    (1..=256).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\' | b'?' | b'#' | b'%'))
        && id.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests;

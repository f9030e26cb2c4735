//! The addresses at which a server registers clients and issues tokens: from the spec, or from the
//! issuer's metadata.
//!
//! Metadata are cached for some minutes, and fetched again when an endpoint turns out to be gone.
//! While they cannot be fetched, the last ones are used.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use crate::{
    api::OauthRegistration,
    providers::{
        Failure, FailureKind,
        http::{Answer, Call, Http, Operation, answers},
        setup::{SetupError, base_url, endpoint_url},
    },
};

/// The time for which metadata are believed: longer than the pause between two probes, which ask
/// for them.
const BELIEVED: Duration = Duration::from_mins(10);
/// The time for which they are still used after they could not be fetched.
const HELD: Duration = Duration::from_mins(1);
/// The longest issuer that is shown.
const ISSUER_SHOWN: usize = 200;

/// A server's endpoints.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoints {
    pub(super) registration: Url,
    pub(super) token: Url,
}

/// Finds a server's endpoints.
pub(super) struct Discovery {
    http: Arc<Http>,
    place: Place,
}

/// The source of the endpoints.
enum Place {
    Spec(Arc<Endpoints>),
    Metadata(Box<Told>),
}

/// The metadata of an issuer.
struct Told {
    issuer: Issuer,
    /// The time until which they are cached. The caller holds the lock, so that they are fetched
    /// once.
    until: AsyncMutex<Option<Instant>>,
    last: Mutex<Option<Arc<Endpoints>>>,
}

struct Issuer {
    /// The issuer in the spec, which the metadata must repeat exactly (RFC 8414, section 3.3).
    text: String,
    url: Url,
}

/// The part of a server's metadata that is needed (RFC 8414, section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: Option<String>,
    registration_endpoint: Option<String>,
}

impl Metadata {
    fn is_complete(&self) -> bool {
        self.token_endpoint.is_some() && self.registration_endpoint.is_some()
    }

    /// Takes missing members from another document of the same issuer.
    fn completed_by(self, other: Option<Self>) -> Self {
        let other = other.filter(|other| other.issuer == self.issuer);
        let (token, registration) =
            other.map(|it| (it.token_endpoint, it.registration_endpoint)).unwrap_or_default();
        Self {
            token_endpoint: self.token_endpoint.or(token),
            registration_endpoint: self.registration_endpoint.or(registration),
            ..self
        }
    }
}

impl Discovery {
    pub(super) fn new(block: &OauthRegistration, http: Arc<Http>) -> Result<Self, SetupError> {
        if let Some(text) = &block.issuer {
            let url = base_url("oauthRegistration.issuer", text)?;
            let issuer = Issuer { text: text.clone(), url };
            let told = Told { issuer, until: AsyncMutex::default(), last: Mutex::default() };
            return Ok(Self { http, place: Place::Metadata(Box::new(told)) });
        }
        let given = |field, text: &Option<String>| endpoint_url(field, text.as_deref().unwrap_or_default());
        let registration = given("oauthRegistration.registrationEndpoint", &block.registration_endpoint)?;
        let token = given("oauthRegistration.tokenEndpoint", &block.token_endpoint)?;
        Ok(Self { http, place: Place::Spec(Arc::new(Endpoints { registration, token })) })
    }

    pub(super) async fn endpoints(&self) -> Result<Arc<Endpoints>, Failure> {
        let told = match &self.place {
            Place::Spec(endpoints) => return Ok(endpoints.clone()),
            Place::Metadata(told) => told,
        };
        let mut until = told.until.lock().await;
        let last = told.last.lock().clone();
        if let Some(last) = last.clone().filter(|_| until.is_some_and(|until| Instant::now() < until)) {
            return Ok(last);
        }
        let (found, held) = match (self.look_up(&told.issuer).await, last) {
            (Ok(found), _) => (found, BELIEVED),
            (Err(failure), Some(last)) if failure.kind == FailureKind::Unavailable => (last, HELD),
            (Err(failure), _) => return Err(failure),
        };
        *until = Some(Instant::now() + held);
        *told.last.lock() = Some(found.clone());
        Ok(found)
    }

    /// The cached endpoints, without a request.
    pub(super) fn known(&self) -> Option<Arc<Endpoints>> {
        match &self.place {
            Place::Spec(endpoints) => Some(endpoints.clone()),
            Place::Metadata(told) => told.last.lock().clone(),
        }
    }

    /// Drops the cached metadata, if an endpoint has answered that it does not exist, or not for
    /// that.
    pub(super) async fn forget_after(&self, answer: &Answer) {
        if let (404 | 405 | 410, Place::Metadata(told)) = (answer.said(), &self.place) {
            *told.until.lock().await = None;
        }
    }

    /// Checks that the server answers, whatever is cached.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        let token = match &self.place {
            Place::Metadata(told) => {
                let found = self.look_up(&told.issuer).await?;
                *told.last.lock() = Some(found.clone());
                *told.until.lock().await = Some(Instant::now() + BELIEVED);
                return Ok(());
            }
            Place::Spec(endpoints) => &endpoints.token,
        };
        answers(&self.http, token).await
    }

    /// Asks both places. The second is asked only if the first does not say all that is needed, or
    /// is not the issuer's.
    async fn look_up(&self, issuer: &Issuer) -> Result<Arc<Endpoints>, Failure> {
        let [first, second] = well_known(&issuer.url);
        let first = self.metadata(issuer, &first).await;
        let metadata = match first {
            Ok(metadata) if metadata.is_complete() => metadata,
            Ok(metadata) => metadata.completed_by(self.metadata(issuer, &second).await.ok()),
            Err(NoMetadata::Down(failure)) => return Err(failure),
            Err(NoMetadata::Unusable(why)) => match self.metadata(issuer, &second).await {
                Ok(metadata) => metadata,
                Err(NoMetadata::Down(failure)) => return Err(failure),
                // Metadata that name another issuer say more than a page that does not exist.
                Err(NoMetadata::Unusable(other)) => {
                    return Err(if why.kind == FailureKind::Malformed { why } else { other });
                }
            },
        };
        issuer.endpoints(metadata).map(Arc::new)
    }

    async fn metadata(&self, issuer: &Issuer, url: &Url) -> Result<Metadata, NoMetadata> {
        let call = Call::read(Operation::Discover, "the metadata request");
        let answer = self.http.send(&call, || self.http.request(Method::GET, url)).await;
        let answer = answer.map_err(NoMetadata::Down)?;
        let is_down = answer.is_down();
        // Some servers answer with a page for people where there is nothing.
        match answer.success(&call).and_then(|answer| answer.json::<Metadata>(&call)) {
            Ok(metadata) if metadata.issuer == issuer.text => Ok(metadata),
            Ok(metadata) => Err(NoMetadata::Unusable(issuer.is_not(&metadata.issuer))),
            Err(failure) if is_down => Err(NoMetadata::Down(failure)),
            // A wrong status here is no verdict on a login or a credential.
            Err(failure) => Err(NoMetadata::Unusable(Failure { kind: FailureKind::Unavailable, ..failure })),
        }
    }
}

/// The reason for which a place has no metadata of the issuer.
enum NoMetadata {
    /// The server is unreachable, or asks to wait: the other place is not tried.
    Down(Failure),
    Unusable(Failure),
}

impl Issuer {
    /// The failure where the metadata are another's. They say who that is, if it is a URL.
    fn is_not(&self, other: &str) -> Failure {
        let shown = Url::parse(other).ok().filter(|_| other.len() <= ISSUER_SHOWN);
        let is = shown.map(|_| format!(", which calls itself {other}")).unwrap_or_default();
        let message = format!(
            "the metadata of {} are another issuer's{is}: oauthRegistration.issuer must be exactly what \
             the server calls itself; it cannot be changed, so delete this provider and create another",
            self.text
        );
        Failure::new(FailureKind::Malformed, message)
    }

    /// The endpoints of this issuer. Wherever they are, they are not less encrypted than the
    /// issuer.
    fn endpoints(&self, metadata: Metadata) -> Result<Endpoints, Failure> {
        let endpoint = |name: &'static str, text: Option<String>| {
            let Some(text) = text else {
                let message = format!(
                    "the server's metadata have no {name}: delete this provider and create another, with \
                     oauthRegistration.registrationEndpoint and oauthRegistration.tokenEndpoint in place \
                     of issuer"
                );
                return Err(Failure::new(FailureKind::Rejected, message));
            };
            let url = endpoint_url(name, &text)
                .map_err(|unusable| Failure::new(FailureKind::Malformed, unusable.message()))?;
            if self.url.scheme() == "https" && url.scheme() != "https" {
                let message = format!("the {name} in the server's metadata is not https");
                return Err(Failure::new(FailureKind::Malformed, message));
            }
            Ok(url)
        };
        Ok(Endpoints {
            registration: endpoint("registration_endpoint", metadata.registration_endpoint)?,
            token: endpoint("token_endpoint", metadata.token_endpoint)?,
        })
    }
}

/// Returns the addresses of an issuer's metadata: RFC 8414 puts its name before the issuer's path,
/// OpenID Connect Discovery behind.
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

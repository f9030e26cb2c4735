//! The cast: six providers on loopback, and what a manifest and a workload have to know of each.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use credwright_simulator::{
    Clock, Portal, Simulator, cloud_connexa, cloud_director, expereo,
    oidc::{OidcOptions, OidcServer},
    spreetail, vonage,
};

use crate::{
    manifests::Change,
    token::{Body, TokenRequest, Value},
};

/// A token request after each read of the Secret.
const OFTEN: Duration = Duration::ZERO;
/// CloudConnexa lets a credential ask twenty times at once, and then every fifteen seconds.
const RARELY: Duration = Duration::from_secs(6);

const INITIAL_ACCESS_TOKEN: &str = "demo-initial-access-token";

/// A provider, and how it is used here.
pub(crate) struct Part {
    /// The name for people.
    pub(crate) title: &'static str,
    pub(crate) account: Account,
    /// The manifest in `examples/`, and what is filled in.
    pub(crate) file: &'static str,
    pub(crate) changes: Vec<Change>,
    pub(crate) request: TokenRequest,
    /// `true` if the person confirms the removal of the old credential. Otherwise Credwright checks
    /// it.
    pub(crate) says_so: bool,
}

/// The server behind an actor.
pub(crate) enum Account {
    Simulated(Simulator),
    Oidc(OidcServer),
}

impl Account {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Simulated(simulator) => simulator.base_url(),
            Self::Oidc(server) => server.issuer.clone(),
        }
    }

    /// Returns the portal in which a person creates credentials, if the provider has one.
    pub(crate) fn portal(&self) -> Option<&dyn Portal> {
        match self {
            Self::Simulated(simulator) => simulator.portal(),
            Self::Oidc(_) => None,
        }
    }

    /// The client IDs that it holds by its own account.
    pub(crate) async fn held(&self) -> Result<BTreeSet<String>> {
        Ok(match self {
            Self::Simulated(simulator) => {
                simulator.record().live().into_iter().map(|it| it.client_id).collect()
            }
            Self::Oidc(server) => server.live_clients().await?.into_iter().map(|it| it.client_id).collect(),
        })
    }
}

/// Starts them all.
pub(crate) async fn gather() -> Result<Vec<Part>> {
    Ok(vec![
        spreetail().await?,
        expereo().await?,
        cloud_director().await?,
        oauth_registration().await?,
        cloud_connexa().await?,
        vonage().await?,
    ])
}

async fn spreetail() -> Result<Part> {
    let simulator = spreetail::start(spreetail::Options::new(Clock::real())).await?;
    let login = simulator.login();
    let changes = vec![
        Change::new("https://api.spreetail.com", simulator.base_url()),
        Change::secret("REPLACE-WITH-YOUR-CLIENT-ID", &login.client_id),
        Change::secret("REPLACE-WITH-YOUR-CLIENT-SECRET", &login.client_secret),
    ];
    let members: &[_] = &[
        ("GrantType", Value::Text("client_credentials")),
        ("ClientId", Value::Key("client_id")),
        ("ClientSecret", Value::Key("client_secret")),
    ];
    Ok(Part {
        title: "Spreetail",
        file: "spreetail.yaml",
        changes: with_short_time(changes),
        request: TokenRequest { basic: false, body: Body::Multipart, members, every: OFTEN },
        account: Account::Simulated(simulator),
        says_so: false,
    })
}

async fn expereo() -> Result<Part> {
    let simulator = expereo::start(expereo::Options::new(Clock::real())).await?;
    let (login, url) = (simulator.login(), simulator.base_url());
    let changes = vec![
        Change::new("https://api.expereo.one", &url),
        Change::new("https://auth.expereo.one", &url),
        Change::new("delete: Disabled", "delete: Enabled"),
        Change::secret("REPLACE-WITH-YOUR-CLIENT-ID", &login.client_id),
        Change::secret("REPLACE-WITH-YOUR-CLIENT-SECRET", &login.client_secret),
    ];
    Ok(Part {
        title: "expereoOne",
        file: "expereo.yaml",
        changes: with_short_time(changes),
        request: TokenRequest { basic: false, body: Body::Form, members: WITH_SCOPE, every: OFTEN },
        account: Account::Simulated(simulator),
        says_so: false,
    })
}

async fn cloud_director() -> Result<Part> {
    let simulator = cloud_director::start(cloud_director::Options::new(Clock::real())).await?;
    let login = simulator.login();
    let changes = vec![
        Change::new("baseUrl: https://vcd.example.com", format!("baseUrl: {}", simulator.base_url())),
        Change::secret("REPLACE-WITH-THE-USER-NAME", &login.client_id),
        Change::secret("REPLACE-WITH-THE-PASSWORD", &login.client_secret),
    ];
    let members: &[_] =
        &[("grant_type", Value::Text("refresh_token")), ("refresh_token", Value::Key("refresh_token"))];
    Ok(Part {
        title: "Cloud Director",
        file: "cloud-director.yaml",
        changes: with_short_time(changes),
        request: TokenRequest { basic: false, body: Body::Form, members, every: OFTEN },
        account: Account::Simulated(simulator),
        says_so: false,
    })
}

async fn oauth_registration() -> Result<Part> {
    let token = Some(INITIAL_ACCESS_TOKEN.to_owned());
    let options = OidcOptions { initial_access_token: token, ..OidcOptions::default() };
    let server = OidcServer::start(options).await?;
    let changes = vec![
        Change::new("https://login.example.com", &server.issuer),
        Change::secret("REPLACE-WITH-YOUR-INITIAL-ACCESS-TOKEN", INITIAL_ACCESS_TOKEN),
    ];
    let members: &[_] = &[("grant_type", Value::Text("client_credentials")), ("scope", Value::Key("scope"))];
    Ok(Part {
        title: "oidc-provider",
        file: "oauth-registration.yaml",
        changes: with_short_time(changes),
        request: TokenRequest { basic: true, body: Body::Form, members, every: OFTEN },
        account: Account::Oidc(server),
        says_so: false,
    })
}

async fn cloud_connexa() -> Result<Part> {
    let simulator = cloud_connexa::start(cloud_connexa::Options::new(Clock::real())).await?;
    let members: &[_] = &[("grant_type", Value::Text("client_credentials"))];
    Ok(Part {
        title: "CloudConnexa",
        file: "cloud-connexa.yaml",
        changes: vec![
            Change::new("cloudId: acme", format!("baseUrl: {}", simulator.base_url())),
            Change::new("overlap: 24h", "overlap: 8s"),
        ],
        request: TokenRequest { basic: true, body: Body::Json, members, every: RARELY },
        account: Account::Simulated(simulator),
        says_so: false,
    })
}

async fn vonage() -> Result<Part> {
    let simulator = vonage::start(vonage::Options::new(Clock::real())).await?;
    Ok(Part {
        title: "Vonage",
        file: "vonage-contact-center.yaml",
        changes: vec![
            Change::new("region: emea", format!("baseUrl: {}", simulator.base_url())),
            Change::new("overlap: 24h", "overlap: 8s"),
        ],
        request: TokenRequest { basic: false, body: Body::Form, members: WITH_SCOPE, every: OFTEN },
        account: Account::Simulated(simulator),
        says_so: true,
    })
}

/// The pair and the scope in the form.
const WITH_SCOPE: &[(&str, Value)] = &[
    ("grant_type", Value::Text("client_credentials")),
    ("client_id", Value::Key("client_id")),
    ("client_secret", Value::Key("client_secret")),
    ("scope", Value::Key("scope")),
];

/// A month becomes twenty seconds.
fn with_short_time(mut changes: Vec<Change>) -> Vec<Change> {
    changes.extend([
        Change::hidden("lifetime: 720h", "lifetime: 20s"),
        Change::hidden("renewBefore: 240h", "renewBefore: 8s"),
        Change::hidden("overlap: 24h", "overlap: 4s"),
    ]);
    changes
}

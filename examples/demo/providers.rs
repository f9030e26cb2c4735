//! The two providers: a simulated Spreetail and a real OAuth registration server, both over HTTP on loopback.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result};
use credwright_simulator::{
    Clock, Simulator,
    oidc::{OidcOptions, OidcServer},
    spreetail,
};
use reqwest::multipart::Form;

const TOKEN: &str = "demo-initial-access-token";

pub(crate) struct Providers {
    pub(crate) spreetail: Simulator,
    pub(crate) oidc: OidcServer,
}

impl Providers {
    pub(crate) async fn start() -> Result<Self> {
        let spreetail = spreetail::start(spreetail::Options::new(Clock::real())).await?;
        let options = OidcOptions { initial_access_token: Some(TOKEN.to_owned()), ..OidcOptions::default() };
        Ok(Self { spreetail, oidc: OidcServer::start(options).await? })
    }

    pub(crate) fn initial_access_token(&self) -> &'static str {
        TOKEN
    }

    /// The client IDs that a provider holds by its own account.
    pub(crate) async fn held(&self, which: Which) -> Result<BTreeSet<String>> {
        Ok(match which {
            Which::Spreetail => self.spreetail.record().live().into_iter().map(|it| it.client_id).collect(),
            Which::Oidc => self.oidc.live_clients().await?.into_iter().map(|it| it.client_id).collect(),
        })
    }
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Spreetail,
    Oidc,
}

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spreetail => "Spreetail",
            Self::Oidc => "oidc-provider",
        }
    }
}

/// What a workload has from its Secret.
#[derive(Clone, PartialEq)]
pub(crate) struct Pair {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) token_url: String,
}

/// Asks for an access token as a workload does, and returns the status of the answer.
pub(crate) async fn ask_for_token(http: &reqwest::Client, which: Which, pair: &Pair) -> Result<u16> {
    let request = http.post(&pair.token_url);
    let request = match which {
        Which::Spreetail => request.multipart(
            Form::new()
                .text("GrantType", "client_credentials")
                .text("ClientId", pair.client_id.clone())
                .text("ClientSecret", pair.client_secret.clone()),
        ),
        Which::Oidc => request
            .basic_auth(&pair.client_id, Some(&pair.client_secret))
            .form(&[("grant_type", "client_credentials"), ("scope", "read")]),
    };
    let answer = request.send().await.context("the token endpoint does not answer")?;
    Ok(answer.status().as_u16())
}

pub(crate) fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?)
}

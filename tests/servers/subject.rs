//! A server, what differs about it, and the driver with the settings of its section on the page.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use credwright::{
    api::{CredentialProviderSpec, Limits, OauthRegistration},
    ops::metrics::Meter,
    providers::{
        CreateRequest, Failure, FailureKind, Issued, NotIssued, Provider, Revocation, RevokeRequest,
        VerifyRequest, needed,
        registry::{self, EgressPolicy, EgressRanges, LoginData},
    },
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

const PAGE: &str = "docs/providers/oauth-registration.md";

/// The calls that the driver has at every server.
pub(crate) trait Calls {
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued>;
    async fn revoke(&self, target: &RevokeRequest) -> Result<Revocation, Failure>;
}

impl Calls for dyn Provider + '_ {
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        needed(self.issuer())?.create(request).await
    }

    async fn revoke(&self, target: &RevokeRequest) -> Result<Revocation, Failure> {
        needed(self.revoker())?.revoke(target).await
    }
}

/// A running server, as the cases know it.
pub(crate) struct Server {
    /// The heading of its section on the page.
    pub(crate) title: &'static str,
    /// Its origin, which replaces the host on the page.
    pub(crate) origin: String,
    pub(crate) login: Vec<(&'static str, SecretString)>,
    /// Scopes that it knows.
    pub(crate) scopes: &'static [&'static str],
    /// Words of the scope that a client gets without asking. None: it gets no scope at all.
    pub(crate) scopes_by_default: &'static [&'static str],
    /// The failure of a registration with a scope that the server does not know, and a part of its
    /// message. None: the server registers any scope.
    pub(crate) unknown_scope: Option<(FailureKind, &'static str)>,
    pub(crate) revokes: bool,
}

/// A manifest of the page: nothing but `spec` is there.
#[derive(Deserialize)]
struct Manifest {
    spec: CredentialProviderSpec,
}

impl Server {
    /// The driver, with the settings of the page and the login of this server.
    pub(crate) fn provider(&self) -> Result<Arc<dyn Provider>> {
        self.provider_with(&self.login, |_| {})
    }

    /// The same with another login, or with settings that differ from those of the page.
    pub(crate) fn provider_with(
        &self,
        login: &[(&'static str, SecretString)],
        change: impl FnOnce(&mut OauthRegistration),
    ) -> Result<Arc<dyn Provider>> {
        let mut spec = self.manifest()?;
        spec.settings.limits = Some(Limits { requests_per_second: Some(1000), ..Limits::default() });
        change(spec.settings.oauth_registration.as_mut().context("the page names another driver")?);
        let login: LoginData = login.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let login = spec.login.is_some().then_some(&login);
        Ok(registry::build(&spec.settings, login, &loopback_allowed()?, Meter::default())?)
    }

    /// The manifest of this server's section on the page, with the host of `issuer` replaced.
    fn manifest(&self) -> Result<CredentialProviderSpec> {
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE))?;
        let sections = page.split("\n### ").skip(1);
        let mut sections = sections.filter_map(|it| it.strip_prefix(self.title)?.strip_prefix('\n'));
        let section = sections.next().with_context(|| format!("{PAGE} has no section {}", self.title))?;
        let (_, yaml) = section.split_once("```yaml\n").context("the section has no manifest")?;
        let (yaml, _) = yaml.split_once("```").context("the manifest has no end")?;
        let Manifest { mut spec } = serde_saphyr::from_str(yaml)?;
        let written: Value = serde_saphyr::from_str(yaml)?;
        ensure!(is_in(&written["spec"], &serde_json::to_value(&spec)?), "a field is not known: {yaml}");
        ensure!(spec.login.is_some() != self.login.is_empty(), "the login of the page is another");
        let block = spec.settings.oauth_registration.as_mut().context("the page names another driver")?;
        let issuer = block.issuer.as_deref().context("the page names no issuer")?;
        // A trailing slash counts, so the path is taken as it is written.
        let origin = issuer.parse::<reqwest::Url>()?.origin().ascii_serialization();
        let path = issuer.strip_prefix(&origin).context("the issuer of the page is no plain URL")?;
        block.issuer = Some(format!("{}{path}", self.origin));
        Ok(spec)
    }

    /// A request for a client with all scopes of this server.
    pub(crate) fn request(&self) -> CreateRequest {
        request(self.scopes)
    }

    /// The same login with wrong secrets.
    pub(crate) fn wrong_login(&self) -> Vec<(&'static str, SecretString)> {
        let is_secret = |key: &str| ["client_secret", "initial_access_token"].contains(&key);
        let login = self.login.iter().cloned();
        login.map(|(key, it)| (key, if is_secret(key) { "Canary-Wrong-Secret".into() } else { it })).collect()
    }
}

/// Returns whether `read` has all members of `written`. A member with a wrong name is lost in
/// reading.
fn is_in(written: &Value, read: &Value) -> bool {
    match written {
        Value::Object(members) => members.iter().all(|(name, it)| is_in(it, &read[name.as_str()])),
        other => other == read,
    }
}

/// A request for a client with these scopes.
pub(crate) fn request(scopes: &[&str]) -> CreateRequest {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    CreateRequest { name: "orders-at-a-real-server".to_owned(), scopes, ..CreateRequest::default() }
}

pub(crate) fn loopback_allowed() -> Result<EgressPolicy> {
    let ranges = EgressRanges { allow: vec!["127.0.0.0/8".parse()?], ..EgressRanges::default() };
    Ok(EgressPolicy { ranges: ranges.into(), ..EgressPolicy::default() })
}

/// The pair of a client, as it is tried with the scopes that were asked for.
pub(crate) fn pair(issued: &Issued, asked: &CreateRequest) -> VerifyRequest {
    VerifyRequest {
        client_id: issued.client_id.clone(),
        client_secret: issued.client_secret.clone(),
        scopes: asked.scopes.clone(),
        ..VerifyRequest::default()
    }
}

pub(crate) fn target(issued: &Issued) -> RevokeRequest {
    RevokeRequest {
        client_id: issued.client_id.clone(),
        ids: issued.ids.clone(),
        handle: issued.handle.clone(),
        ..RevokeRequest::default()
    }
}

/// A failure that should not be, as an error of the test.
pub(crate) fn shown(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{:?}: {}", failure.kind, failure.message)
}

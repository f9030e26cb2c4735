//! The drivers, each with a provider to speak to.

use std::{
    collections::BTreeMap,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use credwright::{
    api::{Limits, OauthRegistration, ProviderSettings, Spreetail},
    ops::metrics::Meter,
    providers::{
        CreateRequest, Failure, FindRequest, Found, Issued, NotIssued, Provider, RetryAfter, Revocation,
        RevokeRequest, VerifyRequest, needed,
        registry::{self, EgressPolicy, EgressRanges, LoginData, SetupError},
    },
};
use credwright_simulator::{
    Clock, Faults, Form, Simulator,
    oidc::{OidcOptions, OidcServer},
    spreetail,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use crate::{
    cases::{failed, shown},
    expereo, front,
};

/// The drivers under test. A new one gets a line here and an arm in [`Subject::start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Spreetail,
    OauthRegistration,
    CloudDirector,
    CloudConnexa,
    VonageContactCenter,
    Expereo,
    ExpereoWithoutListAndDelete,
}

impl Driver {
    pub(crate) const ALL: [Self; 7] = [
        Self::Spreetail,
        Self::OauthRegistration,
        Self::CloudDirector,
        Self::CloudConnexa,
        Self::VonageContactCenter,
        Self::Expereo,
        Self::ExpereoWithoutListAndDelete,
    ];
}

/// The calls of a provider that is known to have them.
pub(crate) trait Calls {
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued>;
    /// Makes a credential, and says of one that cannot be used only why.
    async fn created(&self, request: &CreateRequest) -> Result<Issued, Failure>;
    async fn find(&self, tag: &str) -> Result<Vec<Found>, Failure>;
    async fn revoke(&self, target: &RevokeRequest) -> Result<Revocation, Failure>;
}

impl Calls for dyn Provider + '_ {
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        needed(self.issuer())?.create(request).await
    }

    async fn created(&self, request: &CreateRequest) -> Result<Issued, Failure> {
        self.create(request).await.map_err(|it| it.failure)
    }

    async fn find(&self, tag: &str) -> Result<Vec<Found>, Failure> {
        needed(self.lister())?.find(&FindRequest { tag: tag.to_owned(), ..FindRequest::default() }).await
    }

    async fn revoke(&self, target: &RevokeRequest) -> Result<Revocation, Failure> {
        needed(self.revoker())?.revoke(target).await
    }
}

/// A driver and its provider.
pub(crate) struct Subject {
    pub(crate) driver: Driver,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) simulator: Simulator,
    pub(crate) settings: ProviderSettings,
    pub(crate) login: LoginData,
    /// In the name of everything that is made here.
    pub(crate) tag: String,
    named: AtomicUsize,
}

const INITIAL_ACCESS_TOKEN: &str = "Canary-Initial-Access-Token";

/// One real server for all cases: it takes longer to start than most of them run.
pub(crate) async fn oidc_server() -> anyhow::Result<&'static OidcServer> {
    static SERVER: OnceCell<OidcServer> = OnceCell::const_new();
    let options =
        OidcOptions { initial_access_token: Some(INITIAL_ACCESS_TOKEN.into()), ..OidcOptions::default() };
    Ok(SERVER.get_or_try_init(|| OidcServer::start(options)).await?)
}

impl Subject {
    pub(crate) async fn start(driver: Driver) -> anyhow::Result<Self> {
        let (simulator, settings, login) = match driver {
            Driver::Spreetail => {
                let simulator = spreetail::start(spreetail::Options::new(Clock::real())).await?;
                let block = Spreetail { base_url: simulator.base_url() };
                let settings = ProviderSettings { spreetail: Some(block), ..Default::default() };
                let login = simulator.login().clone();
                let login = [("client_id", login.client_id), ("client_secret", login.client_secret)];
                (simulator, settings, login.to_vec())
            }
            Driver::CloudDirector => return crate::cloud_director::start().await,
            Driver::CloudConnexa => return crate::cloud_connexa::start().await,
            Driver::VonageContactCenter => return crate::vonage::start().await,
            Driver::Expereo | Driver::ExpereoWithoutListAndDelete => {
                let there = driver == Driver::Expereo;
                return expereo::start_with(driver, |it| expereo::has(it, there), |_| {}).await;
            }
            Driver::OauthRegistration => {
                let simulator = front::start(&oidc_server().await?.issuer).await?;
                let block = OauthRegistration {
                    registration_endpoint: Some(format!("{}/reg", simulator.base_url())),
                    token_endpoint: Some(format!("{}/token", simulator.base_url())),
                    ..Default::default()
                };
                let settings = ProviderSettings { oauth_registration: Some(block), ..Default::default() };
                (simulator, settings, vec![("initial_access_token", INITIAL_ACCESS_TOKEN.to_owned())])
            }
        };
        Self::new(driver, simulator, settings, login)
    }

    /// A driver with a provider that is like no other.
    pub(crate) fn new(
        driver: Driver,
        simulator: Simulator,
        mut settings: ProviderSettings,
        login: Vec<(&str, String)>,
    ) -> anyhow::Result<Self> {
        settings.limits = Some(Limits { requests_per_second: Some(1000), ..Limits::default() });
        let login = login.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let provider = registry::build(&settings, given(&login), &loopback_allowed(), Meter::default())?;
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let tag = format!("kw{}x{}x", process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        Ok(Self { driver, provider, simulator, settings, login, tag, named: AtomicUsize::new(0) })
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.simulator.faults()
    }

    /// The same account as somebody else would set it up.
    pub(crate) fn rebuilt(
        &self,
        login: &LoginData,
        egress: &EgressPolicy,
    ) -> Result<Arc<dyn Provider>, SetupError> {
        registry::build(&self.settings, given(login), egress, Meter::default())
    }

    /// The login with a wrong secret.
    pub(crate) fn wrong_login(&self) -> LoginData {
        let mut login = self.login.clone();
        for key in ["client_secret", "initial_access_token", "password"] {
            login.entry(key.to_owned()).and_modify(|secret| *secret = "Canary-Wrong-Secret".into());
        }
        login
    }

    /// A request with a name of its own, for what this provider can do.
    pub(crate) fn request(&self) -> CreateRequest {
        let scopes = match self.driver {
            Driver::Spreetail | Driver::CloudDirector | Driver::CloudConnexa => vec![],
            Driver::VonageContactCenter => vec!["users:read".to_owned(), "stats".to_owned()],
            Driver::OauthRegistration => vec!["read".to_owned(), "write".to_owned()],
            Driver::Expereo | Driver::ExpereoWithoutListAndDelete => {
                vec!["BasicRead".to_owned(), "SupportReadWrite".to_owned()]
            }
        };
        let number = self.named.fetch_add(1, Ordering::SeqCst);
        CreateRequest { name: format!("orders-{}-{number}", self.tag), scopes, ..CreateRequest::default() }
    }

    /// A credential that the driver makes.
    pub(crate) async fn created(&self) -> anyhow::Result<Issued> {
        self.provider.created(&self.request()).await.map_err(shown)
    }

    /// The failure of a create that does not succeed.
    pub(crate) async fn refused(&self) -> anyhow::Result<Failure> {
        failed(self.provider.created(&self.request()).await)
    }

    /// A credential: the driver makes it or, where a person does, the person.
    pub(crate) async fn issue(&self, request: &CreateRequest) -> anyhow::Result<Issued> {
        let Some(portal) = self.simulator.portal() else {
            return self.provider.created(request).await.map_err(shown);
        };
        let form = Form {
            name: request.name.clone(),
            scopes: request.scopes.clone(),
            term: (self.driver == Driver::CloudConnexa).then(|| "one month".to_owned()),
            subnets: request.subnets.clone(),
        };
        let pair = portal.create(&form).map_err(anyhow::Error::msg)?;
        Ok(Issued {
            ids: no_ids(),
            client_id: pair.client_id,
            client_secret: pair.client_secret.into(),
            expires_at: None,
            handle: None,
            fields: self.provider.fields(&request.scopes),
            secret_aliases: vec![],
            ..Issued::default()
        })
    }

    /// A pair that nobody has made.
    pub(crate) fn invented_pair(&self) -> VerifyRequest {
        VerifyRequest {
            client_id: "invented".to_owned(),
            client_secret: "Canary-Invented-Secret".into(),
            scopes: self.request().scopes,
            ..VerifyRequest::default()
        }
    }

    /// Returns the driver's reading of a 429 without a Retry-After.
    pub(crate) fn wait_by_default(&self) -> Option<RetryAfter> {
        let fifteen_seconds = RetryAfter::Delay(SignedDuration::from_secs(15));
        (self.driver == Driver::CloudConnexa).then_some(fifteen_seconds)
    }

    /// The names of all that lives at the provider and was made here.
    pub(crate) async fn live(&self) -> anyhow::Result<Vec<String>> {
        let all: Vec<String> = if self.driver == Driver::OauthRegistration {
            let clients = oidc_server().await?.live_clients().await?;
            clients.into_iter().filter_map(|client| client.client_name).collect()
        } else {
            self.simulator.record().live().into_iter().filter_map(|credential| credential.name).collect()
        };
        Ok(all.into_iter().filter(|name| name.contains(&self.tag)).collect())
    }

    /// Every secret of the login.
    pub(crate) fn login_secrets(&self) -> Vec<String> {
        let is_secret = |key: &str| !["client_id", "scope", "username"].contains(&key);
        let secrets = self.login.iter().filter(|(key, _)| is_secret(key));
        secrets.map(|(_, secret)| secret.expose_secret().to_owned()).collect()
    }
}

/// A provider without a login is built without one.
fn given(login: &LoginData) -> Option<&LoginData> {
    (!login.is_empty()).then_some(login)
}

pub(crate) fn loopback_allowed() -> EgressPolicy {
    let allow = ["127.0.0.0/8", "::1/128"].iter().map(|range| range.parse().unwrap()).collect();
    EgressPolicy {
        ranges: EgressRanges { allow, ..EgressRanges::default() }.into(),
        ..EgressPolicy::default()
    }
}

pub(crate) fn pair(issued: &Issued, scopes: &[String]) -> VerifyRequest {
    VerifyRequest {
        client_id: issued.client_id.clone(),
        client_secret: issued.client_secret.clone(),
        scopes: scopes.to_vec(),
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

pub(crate) fn wrong_pair(issued: &Issued, scopes: &[String]) -> VerifyRequest {
    VerifyRequest { client_secret: SecretString::from("Canary-Wrong-Secret"), ..pair(issued, scopes) }
}

pub(crate) fn in_a_month() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(720)
}

pub(crate) fn no_ids() -> BTreeMap<String, String> {
    BTreeMap::new()
}

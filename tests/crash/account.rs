//! The accounts that credentials are made at: those that can list what exists, a real server that
//! cannot, and those where a person makes what is wanted, or removes what is retired.

use credwright_harness::openbao::ROOT_TOKEN;
use credwright_simulator::{
    Faults, Form, Record, Simulator, expereo,
    oidc::{OidcOptions, OidcServer},
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    front,
    support::{
        Scene,
        app_role::{self, Alive, Mount},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Spreetail,
    Registration,
    CloudDirector,
    Expereo,
    ExpereoWithoutListAndDelete,
    CloudConnexa,
    AppRole,
}

pub(crate) enum Account {
    /// The one that every scene has.
    Spreetail,
    /// A real server behind a front that loses requests and answers.
    Registration { front: Box<Simulator>, http: reqwest::Client },
    /// A provider where a create takes two calls.
    CloudDirector(Box<Simulator>),
    /// A provider where a person removes clients, unless list and delete are enabled.
    Expereo { simulator: Box<Simulator>, complete: bool },
    /// A provider where a person also creates credentials.
    CloudConnexa(Box<Simulator>),
    /// A real server where credentials are secrets of a client that stays, behind such a front.
    AppRole { front: Box<Simulator>, mount: Mount },
}

/// One real server for all cases, with open registration and secrets that never expire.
async fn server() -> &'static OidcServer {
    static SERVER: OnceCell<OidcServer> = OnceCell::const_new();
    SERVER.get_or_init(async || OidcServer::start(OidcOptions::default()).await.unwrap()).await
}

impl Account {
    /// The account, with a provider object for it.
    pub(crate) async fn new(kind: Kind, scene: &Scene) -> Self {
        match kind {
            Kind::Spreetail => Self::Spreetail,
            Kind::Registration => Self::registration(scene).await,
            Kind::CloudDirector => Self::CloudDirector(Box::new(scene.cloud_director().await)),
            Kind::Expereo => Self::expereo(scene, true).await,
            Kind::ExpereoWithoutListAndDelete => Self::expereo(scene, false).await,
            Kind::CloudConnexa => Self::CloudConnexa(Box::new(scene.cloud_connexa().await)),
            Kind::AppRole => Self::app_role(scene).await,
        }
    }

    async fn expereo(scene: &Scene, complete: bool) -> Self {
        let missing = (!complete).then_some(StatusCode::METHOD_NOT_ALLOWED);
        let switch = if complete { "Enabled" } else { "Disabled" };
        let simulator = scene
            .expereo(json!({ "list": switch, "delete": switch }), |options| {
                (options.no_list, options.no_delete) = (missing, missing);
            })
            .await;
        Self::Expereo { simulator: Box::new(simulator), complete }
    }

    async fn registration(scene: &Scene) -> Self {
        let front = front::start(&server().await.issuer).await.unwrap();
        let base = front.base_url();
        let endpoints = json!({ "registrationEndpoint": format!("{base}/reg"), "tokenEndpoint": format!("{base}/token") });
        scene.create_account("registration", json!({ "oauthRegistration": endpoints }), None).await;
        Self::Registration {
            front: Box::new(front),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn app_role(scene: &Scene) -> Self {
        let front = front::start(&app_role::server().await.origin()).await.unwrap();
        let mount = Mount::new(&scene.namespace).await;
        let settings = json!({ "appRole": { "baseUrl": front.base_url(), "mount": scene.namespace } });
        scene.create_account("app-role", settings, Some(json!({ "token": ROOT_TOKEN }))).await;
        Self::AppRole { front: Box::new(front), mount }
    }

    pub(crate) fn provider_name(&self) -> &'static str {
        match self {
            Self::Spreetail => "spreetail",
            Self::Registration { .. } => "registration",
            Self::CloudDirector(_) => "cloud-director",
            Self::Expereo { .. } => "expereo",
            Self::CloudConnexa(_) => "cloud-connexa",
            Self::AppRole { .. } => "app-role",
        }
    }

    /// Returns the scopes to request, where the provider requires some.
    pub(crate) fn scopes(&self) -> &'static [&'static str] {
        if matches!(self, Self::Expereo { .. }) { &["BasicRead"] } else { &[] }
    }

    /// Returns the parameters to request, before and after a change of the spec.
    pub(crate) fn parameters(&self, changed: bool) -> Option<Value> {
        let role = app_role::ROLES[usize::from(changed)];
        matches!(self, Self::AppRole { .. }).then(|| json!({ "role": role }))
    }

    /// Returns whether a lost response can be settled by listing.
    pub(crate) fn can_list(&self) -> bool {
        !matches!(
            self,
            Self::Registration { .. } | Self::Expereo { complete: false, .. } | Self::CloudConnexa(_)
        )
    }

    /// Returns whether Credwright can revoke its credentials.
    pub(crate) fn can_revoke(&self) -> bool {
        !matches!(self, Self::Expereo { complete: false, .. } | Self::CloudConnexa(_))
    }

    /// Returns whether a person creates the credentials.
    pub(crate) fn is_by_hand(&self) -> bool {
        matches!(self, Self::CloudConnexa(_))
    }

    /// A person makes a credential in the portal.
    pub(crate) fn make_in_portal(&self, scene: &Scene, name: &str) -> (String, String) {
        let (name, term) = (name.to_owned(), Some("two weeks".to_owned()));
        let form = Form { name, term, ..Form::default() };
        let pair = self.simulator(scene).portal().unwrap().create(&form).unwrap();
        (pair.client_id, pair.client_secret)
    }

    /// Returns whether the simulator records every credential that was ever created.
    pub(crate) fn is_on_record(&self) -> bool {
        !matches!(self, Self::Registration { .. } | Self::AppRole { .. })
    }

    /// A person removes a client in the portal.
    pub(crate) fn remove_in_portal(&self, client_id: &str) {
        match self {
            Self::Expereo { simulator, .. } => drop(expereo::portal_delete(simulator, client_id)),
            Self::CloudConnexa(simulator) => drop(simulator.portal().unwrap().delete(client_id)),
            _ => {}
        }
    }

    fn simulator<'a>(&'a self, scene: &'a Scene) -> &'a Simulator {
        match self {
            Self::Spreetail => &scene.provider,
            Self::Registration { front, .. } | Self::AppRole { front, .. } => front,
            Self::CloudDirector(simulator)
            | Self::Expereo { simulator, .. }
            | Self::CloudConnexa(simulator) => simulator,
        }
    }

    /// Returns the provider's record; for a real server, that of the proxy before it.
    pub(crate) fn record<'a>(&'a self, scene: &'a Scene) -> &'a Record {
        self.simulator(scene).record()
    }

    pub(crate) fn faults<'a>(&'a self, scene: &'a Scene) -> &'a Faults {
        self.simulator(scene).faults()
    }

    /// Returns the number of requests that have arrived.
    pub(crate) fn requests(&self, scene: &Scene) -> usize {
        self.record(scene).requests().len()
    }

    pub(crate) async fn accepts(&self, scene: &Scene, pair: &(String, String)) -> bool {
        if let Self::AppRole { mount, .. } = self {
            return mount.accepts(pair).await;
        }
        let (id, secret) = pair;
        let Self::Registration { http, .. } = self else {
            return self.record(scene).accepts(id, secret);
        };
        let request = http.post(&server().await.token_endpoint).basic_auth(id, Some(secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
        answer.status().is_success()
    }

    /// Returns the live credentials that were created for this scene.
    pub(crate) async fn alive(&self, scene: &Scene) -> Vec<Alive> {
        match self {
            Self::Spreetail | Self::CloudDirector(_) | Self::Expereo { .. } | Self::CloudConnexa(_) => {
                let live = self.record(scene).live().into_iter();
                live.map(|it| Alive { id: it.client_id, name: it.name.unwrap_or_default() }).collect()
            }
            Self::AppRole { mount, .. } => mount.alive().await,
            Self::Registration { .. } => {
                let clients = server().await.live_clients().await.unwrap().into_iter();
                let ours = format!("{}-", scene.namespace);
                let all =
                    clients.map(|it| Alive { id: it.client_id, name: it.client_name.unwrap_or_default() });
                all.filter(|it| it.name.starts_with(&ours)).collect()
            }
        }
    }

    /// Returns the number of credentials created for this scene; `None` where only live ones can be
    /// counted.
    pub(crate) fn created(&self, scene: &Scene) -> Option<usize> {
        self.is_on_record().then(|| self.record(scene).created_count())
    }
}

//! The accounts that credentials are made at: one that can list what exists, and a real server that cannot.

use credwright_simulator::{
    Faults, Simulator,
    oidc::{OidcOptions, OidcServer},
};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{front, support::Scene};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Spreetail,
    Registration,
}

pub(crate) enum Account {
    /// The one that every scene has.
    Spreetail,
    /// A real server behind a front that loses requests and answers.
    Registration { front: Box<Simulator>, http: reqwest::Client },
}

/// What lives at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alive {
    pub(crate) client_id: String,
    pub(crate) name: String,
}

/// One real server for all cases, with open registration and secrets that never expire.
async fn server() -> &'static OidcServer {
    static SERVER: OnceCell<OidcServer> = OnceCell::const_new();
    SERVER.get_or_init(async || OidcServer::start(OidcOptions::default()).await.unwrap()).await
}

impl Account {
    /// The account, with a provider object for it.
    pub(crate) async fn new(kind: Kind, scene: &Scene) -> Self {
        if kind == Kind::Spreetail {
            return Self::Spreetail;
        }
        let front = front::start(&server().await.issuer).await.unwrap();
        let base = front.base_url();
        let spec = json!({
            "oauthRegistration": { "registrationEndpoint": format!("{base}/reg"), "tokenEndpoint": format!("{base}/token") },
            "limits": { "requestsPerSecond": 1000 },
        });
        scene.create_provider("registration", spec).await;
        Self::Registration {
            front: Box::new(front),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn provider_name(&self) -> &'static str {
        match self {
            Self::Spreetail => "spreetail",
            Self::Registration { .. } => "registration",
        }
    }

    /// Whether a lost answer can be settled by looking.
    pub(crate) fn can_list(&self) -> bool {
        matches!(self, Self::Spreetail)
    }

    fn simulator<'a>(&'a self, scene: &'a Scene) -> &'a Simulator {
        match self {
            Self::Spreetail => &scene.provider,
            Self::Registration { front, .. } => front,
        }
    }

    pub(crate) fn faults<'a>(&'a self, scene: &'a Scene) -> &'a Faults {
        self.simulator(scene).faults()
    }

    /// How many requests have arrived.
    pub(crate) fn requests(&self, scene: &Scene) -> usize {
        self.simulator(scene).record().requests().len()
    }

    pub(crate) async fn accepts(&self, scene: &Scene, pair: &(String, String)) -> bool {
        let (id, secret) = pair;
        let Self::Registration { http, .. } = self else {
            return scene.provider.record().accepts(id, secret);
        };
        let request = http.post(&server().await.token_endpoint).basic_auth(id, Some(secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
        answer.status().is_success()
    }

    /// What lives that was made for this scene.
    pub(crate) async fn alive(&self, scene: &Scene) -> Vec<Alive> {
        match self {
            Self::Spreetail => {
                let live = scene.provider.record().live().into_iter();
                live.map(|it| Alive { client_id: it.client_id, name: it.name.unwrap_or_default() }).collect()
            }
            Self::Registration { .. } => {
                let clients = server().await.live_clients().await.unwrap().into_iter();
                let ours = format!("{}-", scene.namespace);
                let all = clients
                    .map(|it| Alive { client_id: it.client_id, name: it.client_name.unwrap_or_default() });
                all.filter(|it| it.name.starts_with(&ours)).collect()
            }
        }
    }

    /// How many credentials were made for this scene; `None` where only what lives can be counted.
    pub(crate) fn created(&self, scene: &Scene) -> Option<usize> {
        self.can_list().then(|| scene.provider.record().created_count())
    }
}

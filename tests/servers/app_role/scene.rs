//! A mount at a real OpenBao of its own for each test, and the driver with the policy of its page.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use credwright::{
    api::{CredentialProvider, Limits, ProviderSettings},
    ops::metrics::Meter,
    providers::{
        CreateRequest, Failure, FindRequest, Found, Issued, NotIssued, Provider, Revocation, RevokeRequest,
        Verdict, VerifyRequest, needed,
        registry::{self, LoginData},
    },
};
use credwright_harness::openbao::{OpenBao, ROOT_TOKEN};
use credwright_simulator::{Faults, Simulator};
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    child::http,
    front,
    subject::{Calls, loopback_allowed, shown},
};

const PAGE: &str = "docs/providers/app-role.md";
/// The role of the page.
pub(super) const ROLE: &str = "orders";
/// The tag in the names of these tests.
pub(super) const TAG: &str = "kwb3xq7f3a9c2e5k";

/// The answer of the server to an administrator.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// A mount with the role of the page, behind a relay that counts requests and has faults on demand.
pub(super) struct Scene {
    origin: String,
    pub(super) mount: String,
    pub(super) relay: Simulator,
    policy: String,
    named: AtomicUsize,
}

impl Scene {
    /// A mount at the server that all tests share.
    pub(super) async fn new() -> Result<Self> {
        static SERVER: OnceCell<OpenBao> = OnceCell::const_new();
        Self::at(SERVER.get_or_try_init(OpenBao::start).await?).await
    }

    /// A mount at this server.
    pub(super) async fn at(server: &OpenBao) -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mount = format!("teams/approle-{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let relay = front::start(&server.origin()).await?;
        let policy = mount.replace('/', "-");
        let scene = Self { origin: server.origin(), mount, relay, policy, named: AtomicUsize::new(0) };
        scene.root(Method::POST, &format!("sys/auth/{}", scene.mount), json!({ "type": "approle" })).await?;
        let of_page = block_of_page("hcl")?.replace("auth/approle/", &format!("auth/{}/", scene.mount));
        let path = format!("sys/policies/acl/{}", scene.policy);
        scene.root(Method::PUT, &path, json!({ "policy": of_page })).await?;
        scene.role(ROLE, json!({ "token_ttl": "10m" })).await?;
        Ok(scene)
    }

    /// Does what only an administrator may do. The relay does not see it.
    pub(super) async fn asked(&self, method: Method, path: &str, body: Value) -> Result<Told> {
        let request = http()?.request(method, format!("{}/v1/{path}", self.origin));
        let answer = request.header("x-vault-token", ROOT_TOKEN).json(&body).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        Ok(Told { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// The same for a request that has to succeed.
    pub(super) async fn root(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let told = self.asked(method, path, body).await?;
        ensure!(told.status.is_success(), "{path}: {} {}", told.status, told.body);
        Ok(told.body)
    }

    /// Makes a role, or changes it.
    pub(super) async fn role(&self, name: &str, settings: Value) -> Result<()> {
        self.root(Method::POST, &self.path(&format!("role/{name}")), settings).await.map(drop)
    }

    /// A path in the mount.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("auth/{}/{rest}", self.mount)
    }

    /// A token with the policy of the page.
    pub(super) async fn token(&self) -> Result<String> {
        self.token_with(&self.policy).await
    }

    pub(super) async fn token_with(&self, policy: &str) -> Result<String> {
        let asked = json!({ "policies": [policy], "no_default_policy": true, "ttl": "1h" });
        let answer = self.root(Method::POST, "auth/token/create-orphan", asked).await?;
        Ok(answer["auth"]["client_token"].as_str().context("no token")?.to_owned())
    }

    /// A pair with the policy of the page, as the login of a provider.
    pub(super) async fn pair(&self) -> Result<Vec<(&'static str, String)>> {
        self.role("credwright", json!({ "token_policies": [self.policy], "token_ttl": "10m" })).await?;
        let text = |answer: Value, member: &str| -> Result<String> {
            Ok(answer["data"][member].as_str().context("a member is missing")?.to_owned())
        };
        let role_id = self.root(Method::GET, &self.path("role/credwright/role-id"), json!({})).await?;
        let secret_id = self.root(Method::POST, &self.path("role/credwright/secret-id"), json!({})).await?;
        Ok(vec![("role_id", text(role_id, "role_id")?), ("secret_id", text(secret_id, "secret_id")?)])
    }

    /// The driver with the settings of the page and a token.
    pub(super) async fn provider(&self) -> Result<Arc<dyn Provider>> {
        self.provider_with(&[("token", self.token().await?)])
    }

    /// The same with another login.
    pub(super) fn provider_with(&self, login: &[(&str, String)]) -> Result<Arc<dyn Provider>> {
        self.built(login, |_| {})
    }

    /// The same with settings that differ from those of the page.
    pub(super) fn built(
        &self,
        login: &[(&str, String)],
        change: impl FnOnce(&mut ProviderSettings),
    ) -> Result<Arc<dyn Provider>> {
        let of_page: CredentialProvider = serde_saphyr::from_str(&block_of_page("yaml")?)?;
        let mut settings = of_page.spec.settings;
        let block = settings.app_role.as_mut().context("the page names another driver")?;
        block.base_url = self.relay.base_url();
        block.mount.clone_from(&self.mount);
        block.namespace = None;
        settings.limits = Some(Limits { requests_per_second: Some(1000), ..Limits::default() });
        change(&mut settings);
        let login: LoginData =
            login.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        Ok(registry::build(&settings, Some(&login), &loopback_allowed()?, Meter::default())?)
    }

    /// A request for a secret ID of the role, with a name of its own.
    pub(super) fn request(&self) -> CreateRequest {
        let number = self.named.fetch_add(1, Ordering::SeqCst);
        CreateRequest {
            name: format!("orders-{TAG}-{number}mz7p"),
            parameters: parameters(ROLE),
            now: Timestamp::now(),
            ..CreateRequest::default()
        }
    }

    pub(super) fn faults(&self) -> &Faults {
        self.relay.faults()
    }

    /// The number of requests of the driver so far.
    pub(super) fn count(&self) -> usize {
        self.relay.record().requests().len()
    }

    /// The accessors of all secret IDs of a role.
    pub(super) async fn listed(&self, role: &str) -> Result<Vec<String>> {
        let path = self.path(&format!("role/{role}/secret-id?list=true"));
        let told = self.asked(Method::GET, &path, json!({})).await?;
        if told.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        Ok(serde_json::from_value(told.body["data"]["keys"].clone())?)
    }

    /// Destroys all secret IDs of a role.
    pub(super) async fn empty(&self, role: &str) -> Result<()> {
        for accessor in self.listed(role).await? {
            let path = self.path(&format!("role/{role}/secret-id-accessor/destroy"));
            self.root(Method::POST, &path, json!({ "secret_id_accessor": accessor })).await?;
        }
        Ok(())
    }

    /// The accessors of all tokens that logins at this mount have made.
    pub(super) async fn tokens(&self) -> Result<Vec<String>> {
        let all = self.root(Method::GET, "auth/token/accessors?list=true", json!({})).await?;
        let all: Vec<String> = serde_json::from_value(all["data"]["keys"].clone())?;
        let mut here = Vec::new();
        for accessor in all {
            let look_up = json!({ "accessor": accessor });
            // Others come and go meanwhile.
            let told = self.asked(Method::POST, "auth/token/lookup-accessor", look_up).await?;
            if told.body["data"]["path"] == self.path("login") {
                here.push(accessor);
            }
        }
        Ok(here)
    }
}

/// The first block of code in this language on the page.
fn block_of_page(language: &str) -> Result<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE))?;
    let (_, rest) = page.split_once(&format!("```{language}\n")).context("the page has no such block")?;
    let (block, _) = rest.split_once("```").context("the block has no end")?;
    Ok(block.to_owned())
}

pub(super) fn parameters(role: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("role".to_owned(), role.to_owned())])
}

pub(super) async fn made(provider: &dyn Provider, asked: &CreateRequest) -> Result<Issued> {
    provider.create(asked).await.map_err(|it| shown(it.failure))
}

/// The failure of a create, and the credential that it made all the same.
pub(super) async fn refused(provider: &dyn Provider, asked: &CreateRequest) -> Result<NotIssued> {
    provider.create(asked).await.err().context("it was made")
}

pub(super) async fn find(
    provider: &dyn Provider,
    role: &str,
    tag: &str,
) -> std::result::Result<Vec<Found>, Failure> {
    let request = FindRequest { tag: tag.to_owned(), place: parameters(role) };
    needed(provider.lister())?.find(&request).await
}

pub(super) fn pair(issued: &Issued) -> VerifyRequest {
    VerifyRequest {
        client_id: issued.client_id.clone(),
        client_secret: issued.client_secret.clone(),
        parameters: parameters(ROLE),
        ..VerifyRequest::default()
    }
}

pub(super) async fn verdict(provider: &dyn Provider, issued: &Issued) -> Result<Verdict> {
    provider.verify(&pair(issued)).await.map_err(shown)
}

pub(super) fn target(issued: &Issued) -> RevokeRequest {
    RevokeRequest {
        client_id: issued.client_id.clone(),
        secret_id: issued.secret_id.clone(),
        parameters: parameters(ROLE),
        ..RevokeRequest::default()
    }
}

pub(super) async fn revoke(provider: &dyn Provider, issued: &Issued) -> Result<Revocation> {
    provider.revoke(&target(issued)).await.map_err(shown)
}

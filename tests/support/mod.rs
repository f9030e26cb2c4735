//! A scene for one test: a namespace on a real API server, a provider on real HTTP, a clock that
//! the test moves, and any number of operators that can be stopped, killed, or cut off from power
//! at a chosen call.
#![allow(dead_code, reason = "each test binary uses its part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

pub(crate) mod accounts;
pub(crate) mod app_role;
pub(crate) mod clock;
pub(crate) mod logs;
mod passing;
pub(crate) mod power;
pub(crate) mod rights;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use credwright::{
    api::{AbandonedCredential, ApiCredential, CredentialProvider},
    controller::{Operator, Options},
    engine::{Settings, leadership::LeaseHolder},
    lifecycle::ledger::Document,
    providers::registry::EgressRanges,
};
use credwright_harness::{
    controlplane::{self, Cluster, ControlPlane, ControlPlaneOptions},
    crds,
};
use credwright_simulator::{Credential, Simulator, spreetail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    core::v1::{Namespace, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    client::ClientBuilder,
};
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::OnceCell};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub(crate) use accounts::with;
pub(crate) use clock::TestClock;
pub(crate) use power::{Power, PowerLayer};

/// The time limit for a condition, in real time. It is generous, because CI has two cores.
const DEADLINE: Duration = Duration::from_secs(120);

static COUNTER: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// One test's world.
pub(crate) struct Scene {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) clock: TestClock,
    pub(crate) provider: Arc<Simulator>,
    cluster: Cluster,
}

/// An operator that runs in a task. Dropping it ends it as SIGTERM would.
pub(crate) struct Running {
    pub(crate) operator: Arc<Operator>,
    pub(crate) power: Power,
    shutdown: CancellationToken,
    task: Option<AbortOnDropHandle<()>>,
}

impl Running {
    /// Ends it as `kill -9` would: nothing that has begun is finished.
    pub(crate) async fn kill(mut self) {
        self.power.off();
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    /// Waits until it panics, and returns what it says.
    pub(crate) async fn dies(mut self) -> String {
        let task = self.task.take().unwrap();
        let died = tokio::time::timeout(DEADLINE, task).await.expect("it lives on").unwrap_err();
        let payload = died.into_panic();
        payload.downcast::<String>().map_or_else(|_| "something else".to_owned(), |text| *text)
    }

    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.take().unwrap().await.unwrap();
    }
}

impl Drop for Running {
    /// A test that ends well has an operator that ends well, too.
    fn drop(&mut self) {
        let task = self.task.take().filter(|_| !self.power.is_off() && !std::thread::panicking());
        let Some(task) = task else { return };
        self.shutdown.cancel();
        let ended = async { tokio::time::timeout(DEADLINE, task).await };
        tokio::task::block_in_place(|| Handle::current().block_on(ended)).expect("it does not end").unwrap();
    }
}

/// Installs the CRDs.
pub(crate) async fn install_crds(client: &Client) {
    crds::install(client, &credwright::api::crds::all()).await.unwrap();
}

pub(crate) async fn new_namespace(client: &Client, name: &str) -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let namespace = format!("{name}-{}-{number}", std::process::id());
    let meta = json!({ "metadata": { "name": namespace } });
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &serde_json::from_value(meta).unwrap()).await.unwrap();
    namespace
}

fn with_power(config: Config, power: &Power) -> Client {
    ClientBuilder::try_from(config).unwrap().with_layer(&PowerLayer::new(power.clone())).build()
}

/// Waits for a condition, with a deadline.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Scene {
    /// A namespace with a Spreetail account in it.
    pub(crate) async fn new(name: &str) -> Self {
        let cluster = controlplane::shared().await.unwrap();
        let client = cluster.client().await.unwrap();
        INSTALLED.get_or_init(|| install_crds(&client)).await;
        Self::on(cluster, name).await
    }

    /// The same with an operator that works there.
    pub(crate) async fn running(name: &str) -> (Self, Running) {
        let scene = Self::new(name).await;
        let operator = scene.operator().await;
        (scene, operator)
    }

    /// A scene on a control plane of its own.
    pub(crate) async fn apart(name: &str) -> (ControlPlane, Self) {
        let control_plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        install_crds(&control_plane.client().await.unwrap()).await;
        let scene = Self::on(control_plane.cluster(), name).await;
        (control_plane, scene)
    }

    /// The same on a control plane where the CRDs are installed.
    pub(crate) async fn on(cluster: &Cluster, name: &str) -> Self {
        logs::record();
        let client = cluster.client().await.unwrap();
        let namespace = new_namespace(&client, name).await;
        let clock = TestClock::new();
        let options = spreetail::Options::new(clock.of_a_provider());
        let provider = Arc::new(spreetail::start(options).await.unwrap());
        let scene = Self { namespace, client, clock, provider, cluster: cluster.clone() };
        scene.put_login("spreetail-admin").await;
        let spec = scene.spreetail(&scene.provider.base_url(), "spreetail-admin");
        scene.create_provider("spreetail", spec).await;
        scene
    }

    /// Another namespace beside this one, with nothing in it; clock and provider are the same ones.
    pub(crate) async fn neighbour(&self, name: &str) -> Self {
        let mut neighbour = self.seen_from(&self.cluster).await;
        neighbour.namespace = new_namespace(&self.client, name).await;
        neighbour
    }

    /// The same scene as another control plane has it: namespace, clock and provider are the same
    /// ones.
    pub(crate) async fn seen_from(&self, cluster: &Cluster) -> Self {
        Self {
            namespace: self.namespace.clone(),
            client: cluster.client().await.unwrap(),
            clock: self.clock.clone(),
            provider: self.provider.clone(),
            cluster: cluster.clone(),
        }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn put_secret(&self, secret: Value) {
        self.api::<Secret>()
            .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
            .await
            .unwrap();
    }

    pub(crate) async fn create_provider(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": "CredentialProvider",
            "metadata": { "name": name }, "spec": spec,
        });
        let object: CredentialProvider = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Applies an ApiCredential at the Spreetail account; `spec` adds to its spec.
    pub(crate) async fn apply(&self, name: &str, spec: Value) {
        let whole = with(json!({ "providerRef": { "name": "spreetail" } }), spec);
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
            "metadata": { "name": name }, "spec": whole,
        });
        let params = PatchParams::apply("tests").force();
        self.api::<ApiCredential>().patch(name, &params, &Patch::Apply(object)).await.unwrap();
    }

    pub(crate) async fn get(&self, name: &str) -> ApiCredential {
        self.api().get(name).await.unwrap()
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.api::<ApiCredential>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn secret(&self, name: &str) -> Option<Secret> {
        self.api().get_opt(name).await.unwrap()
    }

    /// The pair in a Secret.
    pub(crate) async fn pair(&self, name: &str) -> Option<(String, String)> {
        let data = self.secret(name).await?.data?;
        let text = |key: &str| Some(String::from_utf8(data.get(key)?.0.clone()).unwrap());
        Some((text("client_id")?, text("client_secret")?))
    }

    /// Returns whether the provider accepts the published pair.
    pub(crate) async fn secret_works(&self, name: &str) -> bool {
        self.secret_works_at(name).await
    }

    /// The same, for a Secret of another name than its object's.
    pub(crate) async fn secret_works_at(&self, secret: &str) -> bool {
        let pair = self.pair(secret).await;
        pair.is_some_and(|(id, secret)| self.provider.record().accepts(&id, &secret))
    }

    pub(crate) async fn document(&self, name: &str) -> Option<Document> {
        let secret = self.secret(&format!("{name}.credwright")).await?;
        Some(serde_json::from_slice(&secret.data?.get("document")?.0).unwrap())
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    /// Waits for an Event with this reason. It follows the write that it is about.
    pub(crate) async fn tells(&self, reason: &str) {
        eventually(&format!("an Event {reason}"), async || {
            self.events().await.iter().any(|it| it.reason.as_deref() == Some(reason))
        })
        .await;
    }

    /// The status and reason of a condition.
    pub(crate) async fn condition(&self, name: &str, type_: &str) -> Option<(String, String, String)> {
        let status = self.get(name).await.status?;
        let it = status.conditions.into_iter().find(|it| it.type_ == type_)?;
        Some((it.status, it.reason, it.message))
    }

    /// Starts an operator.
    pub(crate) async fn operator(&self) -> Running {
        self.operator_with(Power::on(), self.clock.clone()).await
    }

    /// Starts an operator with its own power supply and its own clock.
    pub(crate) async fn operator_with(&self, power: Power, clock: TestClock) -> Running {
        let (settings, options) = self.setup();
        self.start(power, clock, settings, options).await
    }

    /// Starts an operator that is set up otherwise.
    pub(crate) async fn operator_as(&self, change: impl FnOnce(&mut Settings, &mut Options)) -> Running {
        let (mut settings, mut options) = self.setup();
        change(&mut settings, &mut options);
        self.start(Power::on(), self.clock.clone(), settings, options).await
    }

    /// Starts an operator that stands for a Lease.
    pub(crate) async fn candidate(&self, power: Power, lease: &str, identity: &str) -> Running {
        let (mut settings, options) = self.setup();
        let (lease, identity) = (lease.to_owned(), identity.to_owned());
        settings.lease = Some(LeaseHolder { lease, identity });
        self.start(power, self.clock.clone(), settings, options).await
    }

    fn setup(&self) -> (Settings, Options) {
        let settings = Settings {
            egress_addresses: Default::default(),
            namespace: self.namespace.clone(),
            cluster_id: "test-cluster".to_owned(),
            writer: credwright::engine::seal::random_id(),
            egress: Arc::new(EgressRanges {
                allow: vec!["127.0.0.0/8".parse().unwrap()],
                ..EgressRanges::default()
            }),
            more_roots: None,
            provider_proxy: None,
            revocation_deadline: SignedDuration::from_mins(10),
            role_binding: Some(rights::ROLE_BINDING.to_owned()),
            lease: None,
        };
        let options = Options {
            namespaces: vec![self.namespace.clone()],
            cluster_providers: false,
            ..Options::default()
        };
        (settings, options)
    }

    async fn start(&self, power: Power, clock: TestClock, settings: Settings, options: Options) -> Running {
        rights::grant(&self.cluster, &self.client, &settings.namespace, &options).await;
        let config = rights::as_operator(self.cluster.config().await.unwrap(), &settings.namespace);
        let client = with_power(config, &power);
        let operator = tokio::select! {
            operator = Operator::new(client, Arc::new(clock), settings, options) => Arc::new(operator.unwrap()),
            () = power.went_off() => {
                // The power went before it could begin: there is nothing to run.
                return Running { operator: self.inert().await, power, shutdown: CancellationToken::new(), task: Some(AbortOnDropHandle::new(tokio::spawn(async {}))) };
            }
        };
        let shutdown = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn({
            let (operator, shutdown) = (operator.clone(), shutdown.clone());
            async move { operator.run(shutdown).await.unwrap() }
        }));
        Running { operator, power, shutdown, task: Some(task) }
    }

    /// A client of an administrator, whose calls this power supply counts.
    pub(crate) async fn client_with(&self, power: &Power) -> Client {
        with_power(self.cluster.config().await.unwrap(), power)
    }

    /// Returns what an operator says that cannot start.
    pub(crate) async fn fails_to_start(&self) -> String {
        let (settings, options) = self.setup();
        let started =
            Operator::new(self.client.clone(), Arc::new(self.clock.clone()), settings, options).await;
        started.err().map(|error| error.to_string()).expect("it starts")
    }

    /// An operator that is never run. It has its sealing key elsewhere: here, the key may not exist
    /// yet.
    async fn inert(&self) -> Arc<Operator> {
        let (mut settings, mut options) = self.setup();
        settings.namespace = "default".to_owned();
        options.namespaces = vec![settings.namespace.clone()];
        let clock = Arc::new(self.clock.clone());
        Arc::new(Operator::new(self.client.clone(), clock, settings, options).await.unwrap())
    }

    pub(crate) async fn fail(&self, name: &str, what: &str) -> ! {
        let object = self.api::<ApiCredential>().get_opt(name).await.unwrap();
        let status = object.map(|it| serde_json::to_string_pretty(&it.status).unwrap());
        let document = self.document(name).await.map(|it| serde_json::to_string_pretty(&it).unwrap());
        panic!(
            "never: {what}\nnow {}\nstatus {}\nledger {}\nprovider {:#?}",
            self.clock.now(),
            status.unwrap_or_default(),
            document.unwrap_or_default(),
            self.provider.record().all(),
        );
    }

    /// The records of what was abandoned.
    pub(crate) async fn abandoned(&self) -> Vec<AbandonedCredential> {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    /// Checks what must always hold at rest: every live credential at the provider is in a ledger.
    pub(crate) async fn assert_all_accounted_for(&self) {
        let mut listed = Vec::new();
        for secret in self
            .api::<Secret>()
            .list(&ListParams::default().labels("credwright.dev/role=ledger"))
            .await
            .unwrap()
        {
            let document: Document = serde_json::from_slice(&secret.data.unwrap()["document"].0).unwrap();
            listed.extend(
                document
                    .revisions
                    .into_iter()
                    .filter(|it| it.state.may_be_alive())
                    .filter_map(|it| it.client_id),
            );
        }
        let unlisted: Vec<Credential> =
            self.provider.record().live().into_iter().filter(|it| !listed.contains(&it.client_id)).collect();
        assert!(unlisted.is_empty(), "alive at the provider and in no ledger: {unlisted:#?}");
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

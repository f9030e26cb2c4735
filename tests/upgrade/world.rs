//! The accounts and objects of the test, and the waits for what becomes of them.

use std::time::Duration;

use credwright::api::{AbandonedCredential, ApiCredential, ClusterCredentialProvider};
use credwright_harness::{controlplane::Cluster, wait};
use credwright_simulator::{Fault, Form, Login, Operation, Record, Rule, Simulator, vonage};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    account::{self, Account},
    builds::Process,
    kinds::{self, AccountName, Kind, Then},
    picture::Picture,
    support::Scene,
};

/// The time that anything may take which the test waits for.
const DEADLINE: Duration = Duration::from_secs(120);
/// The name of an object whose credential cannot be revoked at first.
pub(crate) const ABANDONED: &str = "abandoned";

pub(crate) struct World {
    /// Credwright's own namespace, where most objects are.
    pub(crate) home: Scene,
    /// A namespace with another account of the same provider.
    beside: Scene,
    accounts: Vec<(AccountName, Account)>,
    vonage: Simulator,
    pub(crate) kinds: Vec<Kind>,
    /// The picture before the last change of version.
    pub(crate) before: Picture,
}

impl World {
    /// Two namespaces and all accounts, where CRDs are installed.
    pub(crate) async fn new(cluster: &Cluster) -> Self {
        let home = Scene::on(cluster, "upgrade").await;
        let beside = home.neighbour("beside").await;
        let mut accounts = Vec::new();
        for (name, kind, scene) in [
            (kinds::SPREETAIL, account::Kind::Spreetail, &home),
            (kinds::EXPEREO, account::Kind::Expereo, &home),
            (kinds::EXPEREO_BY_HAND, account::Kind::ExpereoWithoutListAndDelete, &beside),
            (kinds::CLOUD_DIRECTOR, account::Kind::CloudDirector, &home),
            (kinds::REGISTRATION, account::Kind::Registration, &home),
            (kinds::CLOUD_CONNEXA, account::Kind::CloudConnexa, &home),
        ] {
            accounts.push((name, Account::new(kind, scene).await));
        }
        let vonage = vonage::start(vonage::Options::new(home.clock.of_a_provider())).await.unwrap();
        let spec = json!({ "vonageContactCenter": { "baseUrl": vonage.base_url() } });
        home.create_provider(kinds::VONAGE, spec).await;
        let world = Self { home, beside, accounts, vonage, kinds: kinds::all(), before: Picture::default() };
        world.share().await;
        world
    }

    /// The Spreetail account, for every namespace.
    async fn share(&self) {
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": "ClusterCredentialProvider",
            "metadata": { "name": kinds::SHARED },
            "spec": {
                "spreetail": { "baseUrl": self.home.provider.base_url() },
                "login": { "secretRef": { "name": "spreetail-admin", "namespace": self.home.namespace } },
                "allow": { "namespaces": { "selector": {} } },
            },
        });
        let api: Api<ClusterCredentialProvider> = Api::all(self.home.client.clone());
        api.patch(kinds::SHARED, &PatchParams::apply("tests").force(), &Patch::Apply(object)).await.unwrap();
    }

    /// The namespaces.
    pub(crate) fn scenes(&self) -> [&Scene; 2] {
        [&self.home, &self.beside]
    }

    /// The namespace of an account.
    pub(crate) fn scene(&self, account: AccountName) -> &Scene {
        if account == kinds::EXPEREO_BY_HAND { &self.beside } else { &self.home }
    }

    fn account(&self, name: AccountName) -> &Account {
        let name = if name == kinds::SHARED { kinds::SPREETAIL } else { name };
        &self.accounts.iter().find(|(it, _)| *it == name).unwrap().1
    }

    /// The requests that each provider has seen, by account.
    pub(crate) fn records(&self) -> Vec<(AccountName, &Record)> {
        let known = self.accounts.iter().map(|(name, it)| (*name, it.record(self.scene(name))));
        known.chain([(kinds::VONAGE, self.vonage.record())]).collect()
    }

    /// The client IDs that live at an account.
    pub(crate) async fn alive(&self, account: AccountName) -> Vec<String> {
        if account == kinds::VONAGE {
            return self.vonage.record().live().into_iter().map(|it| it.client_id).collect();
        }
        let alive = self.account(account).alive(self.scene(account)).await;
        alive.into_iter().map(|it| it.id).collect()
    }

    async fn accepts(&self, account: AccountName, pair: &(String, String)) -> bool {
        if account == kinds::VONAGE {
            return self.vonage.record().accepts(&pair.0, &pair.1);
        }
        self.account(account).accepts(self.scene(account), pair).await
    }

    /// Waits for a condition. Meanwhile the providers' clocks follow the real one.
    pub(crate) async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let waited = wait::until(what, DEADLINE, async || {
            self.home.clock.move_to(Timestamp::now());
            Ok(condition().await.then_some(()))
        });
        if let Err(error) = waited.await {
            panic!("{error:#}\nhas changed meanwhile: {:#?}", self.changes().await);
        }
    }

    /// The differences from before the last change of version.
    pub(crate) async fn changes(&self) -> Vec<String> {
        self.before.differences(&Picture::of(self).await)
    }

    /// Applies an object as its spec says.
    async fn apply(&self, kind: &Kind) {
        self.scene(kind.account).apply(kind.name, kind.spec.clone()).await;
    }

    /// Waits until every object is Ready with its revision, its status speaks of its present
    /// generation, and its Secret holds a pair that the provider accepts.
    pub(crate) async fn all_work(&self, what: &str) {
        for kind in &self.kinds {
            let what = format!("{what}: {} to be Ready with revision {}", kind.name, kind.revision);
            self.until(&what, async || self.works(kind).await).await;
        }
    }

    async fn works(&self, kind: &Kind) -> bool {
        let object = self.scene(kind.account).get(kind.name).await;
        let generation = object.metadata.generation;
        let status = object.status.unwrap_or_default();
        let is_ready = status
            .conditions
            .iter()
            .any(|it| it.type_ == "Ready" && it.status == "True" && it.observed_generation == generation);
        let is_published = status.revision == Some(kind.revision) && status.observed_generation == generation;
        let Some(pair) = self.pair(kind).await else { return false };
        is_ready && is_published && self.accepts(kind.account, &pair).await
    }

    /// The pair that workloads read.
    async fn pair(&self, kind: &Kind) -> Option<(String, String)> {
        let data = self.scene(kind.account).secret(kind.secret()).await?.data?;
        let renamed = kind.spec["secret"]["keys"].as_object();
        let key = |key: &str| renamed.and_then(|it| it.get(key)?.as_str()).unwrap_or(key).to_owned();
        let text = |name: &str| Some(String::from_utf8(data.get(&key(name))?.0.clone()).unwrap());
        Some((text("client_id")?, text("client_secret")?))
    }

    /// Makes one object of each kind, and brings it into its state.
    pub(crate) async fn make(&mut self) {
        self.lose_an_answer().await;
        for kind in &self.kinds {
            self.give_what_a_person_makes(kind).await;
            self.apply(kind).await;
        }
        self.all_work("made").await;
        for kind in &mut self.kinds {
            match kind.then {
                Then::Rests | Then::Unanswered => {}
                Then::Rotated => kind.request("one"),
                Then::Suspended => kind.spec["suspend"] = true.into(),
            }
        }
        self.apply_all().await;
        self.all_work("brought into its state").await;
        self.abandon().await;
    }

    /// Applies an object whose first create is not answered. It would wait ten minutes for the
    /// next one; a request is heard at once.
    async fn lose_an_answer(&mut self) {
        let index = self.kinds.iter().position(|it| it.then == Then::Unanswered).unwrap();
        let kind = &self.kinds[index];
        let faults = self.account(kind.account).faults(self.scene(kind.account));
        faults.next(Operation::Create, Fault::LostAnswer);
        self.apply(kind).await;
        self.until("what was not answered to be on record", async || !self.home.abandoned().await.is_empty())
            .await;
        self.kinds[index].request("again");
    }

    async fn apply_all(&self) {
        for kind in &self.kinds {
            self.apply(kind).await;
        }
    }

    /// Has every credential replaced that needs no person, by a request.
    pub(crate) async fn rotate(&mut self, request: &str) {
        self.kinds.iter_mut().filter(|it| it.rotates()).for_each(|it| it.request(request));
        self.apply_all().await;
        self.all_work(&format!("request {request}")).await;
    }

    /// Has the running process look at every object: a change of the spec that concerns nothing but
    /// the time of the next renewal, and back again. Only that process can tell of the new
    /// generations.
    pub(crate) async fn have_all_looked_at(&mut self) {
        for renew_before in [Some(json!("1h")), None] {
            for kind in &mut self.kinds {
                let rotation = kind.spec["rotation"].as_object_mut().unwrap();
                rotation.remove("renewBefore");
                rotation.extend(renew_before.clone().map(|it| ("renewBefore".to_owned(), it)));
            }
            self.apply_all().await;
            self.all_work("looked at").await;
        }
    }

    /// A person makes a credential in the portal, and stores its pair.
    async fn give_what_a_person_makes(&self, kind: &Kind) {
        let Some(intake) = kind.intake() else { return };
        let (client_id, client_secret) = if kind.account == kinds::VONAGE {
            let scopes = vec!["users:read".to_owned()];
            let form = Form { name: kind.name.to_owned(), scopes, ..Form::default() };
            let Login { client_id, client_secret } = self.vonage.portal().unwrap().create(&form).unwrap();
            (client_id, client_secret)
        } else {
            self.account(kind.account).make_in_portal(self.scene(kind.account), kind.name)
        };
        let secret = json!({
            "metadata": { "name": intake, "labels": { "credwright.dev/role": "intake" } },
            "stringData": { "client_id": client_id, "client_secret": client_secret },
        });
        self.scene(kind.account).put_secret(secret).await;
    }

    /// Deletes an object whose credential the provider does not delete, until it is on record.
    async fn abandon(&self) {
        self.home.apply(ABANDONED, json!({})).await;
        self.until("the one that is abandoned to be issued", async || {
            self.home.secret_works(ABANDONED).await
        })
        .await;
        let (client_id, _) = self.home.pair(ABANDONED).await.unwrap();
        let rule = Rule::every(Operation::Delete, Fault::status(500));
        self.home.provider.faults().add(Rule { path_end: Some(client_id), ..rule });
        self.home.delete(ABANDONED).await;
        self.is_gone(&self.home, ABANDONED, Some(ABANDONED)).await;
        assert_eq!(self.home.abandoned().await.len(), 2, "it is on record, as is what was not answered");
    }

    /// Waits until an object, its ledger and a Secret are gone.
    async fn is_gone(&self, scene: &Scene, name: &str, secret: Option<&str>) {
        let ledger = format!("{name}.credwright");
        self.until(&format!("{name} to be gone"), async || {
            let object: Option<ApiCredential> = scene.api().get_opt(name).await.unwrap();
            let mut is_gone = object.is_none();
            for secret in secret.into_iter().chain([ledger.as_str()]) {
                is_gone &= scene.secret(secret).await.is_none();
            }
            is_gone
        })
        .await;
    }

    /// Deletes the objects that `which` chooses, and shows what becomes of their credentials.
    pub(crate) async fn delete(&mut self, which: impl Fn(&Kind) -> bool) {
        let (chosen, left) = std::mem::take(&mut self.kinds).into_iter().partition(which);
        self.kinds = left;
        for kind in &chosen {
            self.delete_one(kind).await;
        }
    }

    async fn delete_one(&self, kind: &Kind) {
        let scene = self.scene(kind.account);
        let credentials = scene.get(kind.name).await.status.unwrap_or_default().credentials;
        let ids: Vec<String> = credentials.into_iter().filter_map(|it| it.client_id).collect();
        let alive = self.alive(kind.account).await;
        let living: Vec<&String> = ids.iter().filter(|id| alive.contains(id)).collect();
        assert!(!living.is_empty(), "nothing of {} lives", kind.name);
        scene.delete(kind.name).await;
        self.is_gone(scene, kind.name, Some(kind.secret()).filter(|_| !kind.is_retained())).await;
        if kind.is_retained() {
            let pair = self.pair(kind).await.expect("the Secret stays");
            assert!(self.accepts(kind.account, &pair).await, "what {} keeps is refused", kind.name);
        } else if kind.is_removed_by_a_person() {
            let records = self.home.abandoned().await;
            let is_on_record =
                |id: &&&String| records.iter().any(|it| it.spec.client_id.as_ref() == Some(**id));
            assert!(living.iter().all(|id| is_on_record(&id)), "of {} not all is on record", kind.name);
        } else {
            let alive = self.alive(kind.account).await;
            assert!(!ids.iter().any(|id| alive.contains(id)), "{} is not revoked", kind.name);
        }
    }

    /// The provider deletes again what it refused to delete, and the record of it goes. Its next
    /// attempt is brought forward: it may be an hour away.
    pub(crate) async fn end_abandoned(&self) {
        self.home.provider.faults().clear();
        let mut records = self.home.abandoned().await.into_iter();
        let record = records.find(|it| it.spec.credential.name == ABANDONED).unwrap();
        let (name, client_id) = (record.name_any(), record.spec.client_id.unwrap());
        assert!(self.alive(kinds::SPREETAIL).await.contains(&client_id), "it lives");
        let due = json!({ "status": { "nextAttempt": record.spec.since } });
        let api = self.home.api::<AbandonedCredential>();
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(due)).await.unwrap();
        self.until("what was abandoned to be revoked", async || api.get_opt(&name).await.unwrap().is_none())
            .await;
        assert!(!self.alive(kinds::SPREETAIL).await.contains(&client_id), "it lives on");
    }

    /// Waits until a process has nothing to look at: none of its looks ends between two scrapes.
    pub(crate) async fn rests(&self, process: &Process) {
        let mut before = None;
        self.until("the process to be at rest", async || {
            let looks = process.looks().await;
            looks.is_some() && std::mem::replace(&mut before, looks) == looks
        })
        .await;
    }
}

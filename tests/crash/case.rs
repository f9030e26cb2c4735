//! One case of the matrix: a story in a scene of its own, and the promises that must hold at its
//! end.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use credwright::{
    api::{AbandonedCredential, ApiCredential},
    lifecycle::ledger::{Document, Revision, State},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    account::{Account, Kind},
    support::{Running, Scene, app_role::Alive},
};

/// The object's name.
const NAME: &str = "orders";
/// The Secret for the pair that a person creates.
const INTAKE: &str = "orders-intake";
/// The time in which old and new credential both work.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// No story takes longer, by the injected clock.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    Create,
    Rotate,
    Renew,
    Edit,
    Delete,
    Retain,
}

pub(crate) struct Case {
    pub(crate) scene: Scene,
    pub(crate) account: Account,
    story: Story,
    policy: &'static str,
    /// The pair that was published before the story began.
    first: Option<(String, String)>,
    /// Its ID at the provider.
    first_id: Option<String>,
    /// `true` once workloads have seen a Secret.
    published: AtomicBool,
    accepted: Mutex<Option<(String, String)>>,
}

impl Case {
    /// A scene in which the story is about to begin.
    pub(crate) async fn new(story: Story, kind: Kind) -> Self {
        let scene = Scene::new("crash").await;
        let account = Account::new(kind, &scene).await;
        let published = AtomicBool::new(false);
        let policy = if story == Story::Retain { "Retain" } else { "Revoke" };
        let accepted = Mutex::default();
        let mut case = Self {
            scene,
            account,
            story: Story::Create,
            policy,
            first: None,
            first_id: None,
            published,
            accepted,
        };
        case.apply(None, None).await;
        if story == Story::Create {
            return case;
        }
        let operator = case.scene.operator().await;
        case.run(&operator, "the first credential").await;
        operator.stop().await;
        case.first = case.scene.pair(NAME).await;
        case.first_id = case.published_id().await;
        case.story = story;
        case.begin().await;
        case
    }

    async fn begin(&self) {
        match self.story {
            Story::Create => {}
            Story::Rotate => self.apply(Some("now"), None).await,
            Story::Edit => self.apply(None, Some(format!("{}-renamed", self.scene.namespace))).await,
            Story::Renew => {
                let at = self.scene.get(NAME).await.status.unwrap().renewal_time.unwrap();
                self.scene.clock.move_to(at);
            }
            Story::Delete | Story::Retain => self.scene.delete(NAME).await,
        }
    }

    async fn apply(&self, request: Option<&str>, name: Option<String>) {
        let mut spec = json!({
            "providerRef": { "name": self.account.provider_name() },
            "lifetime": "2h",
            "rotation": { "overlap": "5m" },
            "deletionPolicy": self.policy,
        });
        if !self.account.scopes().is_empty() {
            spec["scopes"] = json!(self.account.scopes());
        }
        if self.account.is_by_hand() {
            spec["intake"] = json!({ "secretName": INTAKE });
        }
        if let Some(request) = request {
            spec["rotation"]["request"] = request.into();
        }
        if let Some(parameters) = self.account.parameters(name.is_some()) {
            spec["parameters"] = parameters;
        } else if let Some(name) = name {
            spec["name"] = name.into();
        }
        self.scene.apply(NAME, spec).await;
    }

    /// Runs to the end of the story, and looks over the operator's shoulder as a workload would.
    pub(crate) async fn run(&self, operator: &Running, what: &str) {
        let look = async || {
            let is_idle = operator.operator.is_idle();
            self.look(is_idle).await;
            if is_idle && !self.account.can_revoke() {
                self.do_what_is_asked_of_a_person().await;
            }
            is_idle && self.is_over().await
        };
        if !self.scene.reaches(&[operator], LONGEST, look).await {
            panic!("{what}: no end\n{}", self.picture().await);
        }
    }

    /// The person reads in status what is to be made and to be removed, and does so in the portal.
    /// Nobody has to tell Credwright.
    async fn do_what_is_asked_of_a_person(&self) {
        let document = self.scene.document(NAME).await;
        let status = self.object().await.and_then(|it| it.status).unwrap_or_default();
        let asked = status.conditions.iter().find(|it| it.type_ == "ActionRequired" && it.status == "True");
        let Some(asked) = asked else { return };
        if asked.reason == "IntakeAwaited" {
            self.make_what_is_asked(&asked.message, document.as_ref()).await;
        }
        let Some(document) = document else { return };
        let doomed = document.revisions.iter().filter(|it| it.state == State::Revoking);
        for client_id in doomed.filter_map(|it| it.client_id.as_deref()) {
            if asked.message.contains(client_id) {
                self.account.remove_in_portal(client_id);
            }
        }
    }

    /// Plays the person. One who has put a pair into the intake waits until it is taken before they
    /// create another.
    async fn make_what_is_asked(&self, asked: &str, document: Option<&Document>) {
        let there = self.scene.pair(INTAKE).await;
        let is_taken = |id: &String| {
            document.is_some_and(|it| it.revisions.iter().any(|it| it.client_id.as_ref() == Some(id)))
        };
        if there.as_ref().is_some_and(|(id, _)| !is_taken(id)) {
            return;
        }
        let after = asked.split("create a credential named ").nth(1).unwrap();
        let (client_id, client_secret) =
            self.account.make_in_portal(&self.scene, after.split(';').next().unwrap());
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": INTAKE, "labels": { "credwright.dev/role": "intake" } },
            "stringData": { "client_id": client_id, "client_secret": client_secret },
        });
        let params = PatchParams::apply("a person").force();
        self.scene.api::<Secret>().patch(INTAKE, &params, &Patch::Apply(secret)).await.unwrap();
    }

    /// Checks that the published pair is accepted, once there is one.
    async fn look(&self, closely: bool) {
        if self.story == Story::Delete {
            return;
        }
        let Some(pair) = self.scene.pair(NAME).await else {
            let gone = self.published.load(Ordering::SeqCst);
            assert!(!gone, "the Secret is gone\n{}", self.picture().await);
            return;
        };
        self.published.store(true, Ordering::SeqCst);
        let known = self.accepted.lock().unwrap().as_ref() == Some(&pair);
        if known && !closely {
            return;
        }
        let accepted = self.account.accepts(&self.scene, &pair).await;
        assert!(accepted, "the provider refuses what is published: {}\n{}", pair.0, self.picture().await);
        *self.accepted.lock().unwrap() = Some(pair);
    }

    /// The ID at the provider of what is published.
    async fn published_id(&self) -> Option<String> {
        let (document, status) = (self.scene.document(NAME).await?, self.object().await?.status?);
        document.revision(status.revision?)?.id().map(str::to_owned)
    }

    async fn object(&self) -> Option<ApiCredential> {
        self.scene.api().get_opt(NAME).await.unwrap()
    }

    async fn is_over(&self) -> bool {
        let (object, document) = (self.object().await, self.scene.document(NAME).await);
        match self.story {
            Story::Delete | Story::Retain => object.is_none() && document.is_none(),
            _ => object.zip(document).is_some_and(|(object, document)| self.is_at_rest(&object, &document)),
        }
    }

    /// Returns whether the object is Ready with the wanted credential, and its ledger lists no
    /// other that may be alive.
    fn is_at_rest(&self, object: &ApiCredential, document: &Document) -> bool {
        let status = object.status.clone().unwrap_or_default();
        let is_ready = status.conditions.iter().any(|it| {
            it.type_ == "Ready" && it.status == "True" && it.observed_generation == object.metadata.generation
        });
        let lost = |it: &Revision| it.state == State::Unconfirmed && !self.account.can_list();
        let alive: Vec<&Revision> =
            document.revisions.iter().filter(|it| it.state.may_be_alive() && !lost(it)).collect();
        let [only] = alive[..] else { return false };
        is_ready
            && only.state == State::Issued
            && status.revision == Some(only.revision)
            && self.is_wanted(only)
    }

    fn is_wanted(&self, revision: &Revision) -> bool {
        let is_new = revision.id() != self.first_id.as_deref();
        match self.story {
            Story::Rotate => revision.request.rotation_request.as_deref() == Some("now"),
            Story::Edit if !revision.parameters.is_empty() => {
                revision.parameters.get("role").map(String::as_str) == Some("reporting")
            }
            Story::Edit => revision.request.name.ends_with("renamed"),
            Story::Create | Story::Renew => is_new,
            Story::Delete | Story::Retain => true,
        }
    }

    /// Checks the state at rest after `cuts` cuts. Returns the number of credentials that were
    /// created and never used.
    pub(crate) async fn check(&self, cuts: usize) -> usize {
        let alive = self.account.alive(&self.scene).await;
        match self.story {
            Story::Delete => self.check_deleted(&alive).await,
            Story::Retain => self.check_retained(&alive).await,
            _ => self.check_published(&alive, cuts).await,
        }
        let needed = match self.story {
            Story::Create | Story::Delete | Story::Retain => 1,
            Story::Rotate | Story::Renew | Story::Edit => 2,
        };
        let wasted = match self.account.created(&self.scene) {
            Some(created) => created - needed,
            None => alive.len().saturating_sub(1),
        };
        assert!(wasted <= cuts, "{wasted} credentials too many\n{}", self.picture().await);
        wasted
    }

    async fn check_published(&self, alive: &[Alive], cuts: usize) {
        self.look(true).await;
        let id = self.published_id().await.unwrap();
        let document = self.scene.document(NAME).await.unwrap();
        let lost: Vec<&Revision> = document
            .revisions
            .iter()
            .filter(|it| matches!(it.state, State::Unconfirmed | State::Abandoned))
            .collect();
        self.check_on_record(&lost).await;
        let is_known = |it: &Alive| it.id == id || lost.iter().any(|lost| lost.name == it.name);
        let holds = alive.iter().any(|it| it.id == id) && alive.iter().all(is_known) && lost.len() <= cuts;
        assert!(holds, "alive: {alive:#?}\n{}", self.picture().await);
        assert!(lost.is_empty() || !self.account.can_list());
        if cuts == 1 && !lost.is_empty() {
            let events = self.scene.events().await;
            let told = |lost: &&Revision| {
                let says = |note: &str| note.contains(&lost.name);
                events
                    .iter()
                    .any(|it| it.type_.as_deref() == Some("Warning") && it.note.as_deref().is_some_and(says))
            };
            assert!(lost.iter().all(told), "nobody was told: {events:#?}");
        }
        self.check_overlap(&id).await;
    }

    /// Checks that a record lists the credentials that the ledger does not list any more.
    async fn check_on_record(&self, lost: &[&Revision]) {
        let records =
            self.scene.api::<AbandonedCredential>().list(&ListParams::default()).await.unwrap().items;
        let is_there = |it: &&&Revision| records.iter().any(|record| record.spec.name == it.name);
        let mut abandoned = lost.iter().filter(|it| it.state == State::Abandoned);
        assert!(abandoned.all(|it| is_there(&it)), "not on record: {lost:#?} {records:#?}");
    }

    /// The credential before was not revoked until the overlap was over.
    async fn check_overlap(&self, new: &str) {
        let Some((old, _)) = self.first.as_ref().filter(|_| self.account.is_on_record()) else { return };
        let record = self.account.record(&self.scene);
        let (old, new) = (record.credential(old).unwrap(), record.credential(new).unwrap());
        let revoked: Timestamp = old.revoked_at.unwrap();
        assert!(revoked >= new.created + OVERLAP, "revoked too early\n{}", self.picture().await);
    }

    async fn check_deleted(&self, alive: &[Alive]) {
        if self.account.can_revoke() {
            assert!(alive.is_empty(), "alive: {alive:#?}\n{}", self.picture().await);
        } else {
            self.check_told(alive).await;
        }
        // The garbage collector does the rest, in its own time.
        let secret = self.scene.secret(NAME).await;
        let is_garbage =
            secret.is_none_or(|it| it.owner_references().iter().any(|owner| owner.controller == Some(true)));
        assert!(is_garbage, "the Secret would stay");
    }

    /// Checks that an Event names the credentials that outlive the object, because only a person
    /// can remove them.
    async fn check_told(&self, alive: &[Alive]) {
        let events = self.scene.events().await;
        let told = |it: &Alive| {
            let says = |note: &str| note.contains(&it.id);
            events.iter().any(|event| {
                event.type_.as_deref() == Some("Warning") && event.note.as_deref().is_some_and(says)
            })
        };
        assert!(alive.iter().all(told), "nobody was told: {alive:#?} {events:#?}");
    }

    async fn check_retained(&self, alive: &[Alive]) {
        self.look(true).await;
        let pair = self.scene.pair(NAME).await;
        assert_eq!(pair, self.first, "the Secret was changed");
        let [only] = alive else { panic!("alive: {alive:#?}\n{}", self.picture().await) };
        assert_eq!(Some(&only.id), self.first_id.as_ref());
        let secret = self.scene.secret(NAME).await.unwrap();
        assert!(secret.owner_references().is_empty(), "the Secret would go");
    }

    async fn picture(&self) -> String {
        let status = self.object().await.map(|it| serde_json::to_string_pretty(&it.status).unwrap());
        let document = self.scene.document(NAME).await.map(|it| serde_json::to_string_pretty(&it).unwrap());
        let abandoned =
            self.scene.api::<AbandonedCredential>().list(&ListParams::default()).await.unwrap().items;
        let events = self.scene.events().await;
        let told: Vec<_> = events.iter().map(|it| (&it.type_, &it.reason, &it.note)).collect();
        format!(
            "now {}\nstatus {}\nledger {}\nprovider {:#?}\nabandoned {}\nevents {told:#?}",
            self.scene.now(),
            status.unwrap_or_default(),
            document.unwrap_or_default(),
            self.account.record(&self.scene).all(),
            serde_json::to_string_pretty(&abandoned).unwrap(),
        )
    }
}

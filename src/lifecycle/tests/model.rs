//! A small pure model of what surrounds the core: providers, a cluster, a clock, and all that can
//! go wrong between them. It performs what `decide` plans, and checks after every step what must
//! always hold.

mod promises;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    builders::*,
    disasters::{Backup, Ledger},
    story::{Case, Crash, Fault},
    table::*,
};
use crate::{
    api::{AbandonedKind, ApiCredential, DeletionPolicy, ProviderKind, Reason},
    lifecycle::{
        Budget, Standing,
        capability::Capabilities,
        conclude, decide,
        ledger::{CredentialKind, Document, Edit, Parameters, Revision, StepKind},
        naming,
        plan::{FoundCredential, Outcome, Plan, Step, Wake},
        status,
        world::{CopyView, LedgerView, Memory, Pause, ProviderView, TargetView, UsableProvider, World},
    },
};

/// Five, or three times what two hours' lifetime needs: see `backoff::mint_limit`.
const CREATES_PER_HOUR: usize = 5;

/// The time that deletion waits for revocation.
const DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// A credential at a provider, whether the ledger knows it or not.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) alive: bool,
    /// Ended by someone else.
    pub(super) killed: bool,
    pub(super) expires: Option<Timestamp>,
    pub(super) accepted_from: Timestamp,
    pub(super) listed_from: Timestamp,
    /// `true` if every trace of it was removed from outside. It can only be found by its tag.
    pub(super) forgotten: bool,
    /// `true` if nobody knows its tag either.
    pub(super) untraceable: bool,
    /// Another cluster may be using it.
    pub(super) elsewhere: bool,
    pub(super) parameters: Parameters,
}

impl Client {
    /// Returns whether `revision` is about it.
    pub(super) fn is(&self, revision: &Revision) -> bool {
        revision.id().map_or(self.name == revision.name, |id| self.id == id)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Remote {
    pub(super) clients: Vec<Client>,
    pub(super) down: bool,
    pub(super) paused_until: Option<Timestamp>,
}

/// A Secret, the pair in it, and the revision before it that it also holds.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) view: TargetView,
    /// The ID of the credential in it.
    pub(super) id: Option<String>,
    pub(super) previous: Option<u32>,
}

pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) story: Vec<String>,
    pub(super) remotes: BTreeMap<&'static str, Remote>,
    pub(super) object: Option<ApiCredential>,
    pub(super) ledger: Option<Ledger>,
    pub(super) copy: Option<Document>,
    pub(super) backup: Option<Backup>,
    pub(super) targets: Vec<Target>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) crash: Option<Crash>,
    pub(super) template_is_broken: bool,
    pub(super) propagation: SignedDuration,
    pub(super) provider_life: Option<SignedDuration>,
    /// The time until which the account's budget is used up.
    pub(super) budget_opens: Option<Timestamp>,
    pub(super) capabilities: Capabilities,
    pub(super) base: World,
    memory: Memory,
    processes: u32,
    passes: u128,
    /// The number of things made that have an id of their own.
    pub(super) made: u32,
    pub(super) creates: Vec<Timestamp>,
    /// True if the cluster was rolled back: then it may be a clone, and what it holds another's.
    pub(super) rolled_back: bool,
    /// Names of what is on record as abandoned.
    pub(super) abandoned: Vec<String>,
    /// The reason for which it came to rest last.
    pub(super) reason: Reason,
}

pub(super) enum Performed {
    Outcome(Outcome),
    Crashed,
}

impl Model {
    pub(super) fn new(case: &Case) -> Self {
        let scene = a_credential().with_spec(|it| {
            it.lifetime = lasting("12h");
            if case.several {
                it.parameters = reader();
            }
        });
        let mut capabilities = capabilities();
        if case.several {
            (capabilities.kind, capabilities.parameters) = (CredentialKind::Secret, vec![role()]);
        }
        capabilities.verify = case.verify;
        if !case.list {
            unlisted(&mut capabilities);
        }
        if !case.revoke {
            unrevocable(&mut capabilities);
        }
        Self {
            now: noon(),
            story: Vec::new(),
            remotes: BTreeMap::from([("acme", Remote::default()), ("other", Remote::default())]),
            object: Some(scene.object.clone()),
            ledger: None,
            copy: None,
            backup: None,
            targets: Vec::new(),
            faults: VecDeque::new(),
            crash: None,
            template_is_broken: false,
            propagation: SignedDuration::ZERO,
            provider_life: None,
            budget_opens: None,
            capabilities,
            base: scene.world(),
            memory: Memory::default(),
            processes: 1,
            passes: 0,
            made: 0,
            creates: Vec::new(),
            rolled_back: false,
            abandoned: Vec::new(),
            reason: Reason::FirstIssue,
        }
    }

    pub(super) fn document(&self) -> Option<&Document> {
        self.ledger.as_ref().map(|it| &it.document)
    }

    pub(super) fn tell(&mut self, what: impl Into<String>) {
        self.story.push(format!("{}  {}", self.now, what.into()));
    }

    pub(super) fn fail(&self, why: &str) -> ! {
        let tail = self.story.len().saturating_sub(120);
        panic!("{why}\nthe story:\n{}\n", self.story[tail..].join("\n"));
    }

    pub(super) fn restart(&mut self) {
        self.memory = Memory::default();
        self.processes += 1;
        self.base.operator.writer = format!("writer-{}", self.processes);
        self.base.operator.started = self.now;
    }

    pub(super) fn deleting(&self) -> bool {
        self.object.as_ref().is_none_or(|it| it.metadata.deletion_timestamp.is_some())
    }

    fn deleting_since(&self) -> Option<Timestamp> {
        Some(self.object.as_ref()?.metadata.deletion_timestamp.as_ref()?.0)
    }

    pub(super) fn is_alive(&self, client: &Client) -> bool {
        client.alive && client.expires.is_none_or(|at| at > self.now)
    }

    pub(super) fn uid(&self) -> String {
        self.object.as_ref().and_then(|it| it.metadata.uid.clone()).unwrap_or_default()
    }

    /// Returns whether the power fails at this moment.
    pub(super) fn crashes(&mut self, at: Crash) -> bool {
        self.crash.take_if(|crash| *crash == at).is_some()
    }

    /// All credentials at all providers.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.remotes.values().flat_map(|it| &it.clients)
    }

    pub(super) fn clients_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.remotes.values_mut().flat_map(|it| &mut it.clients)
    }

    pub(super) fn client(&self, revision: &Revision) -> Option<&Client> {
        self.remotes[&*revision.account.name].clients.iter().find(|it| it.is(revision))
    }

    fn observe(&mut self) -> World {
        self.passes += 1;
        let mut world = self.base.clone();
        world.operator.entropy = self.passes.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        world.subject.object = self.object.clone().map(Arc::new);
        world.memory = self.memory.clone();
        world.targets = self.targets.iter().map(|it| it.view.clone()).collect();
        world.ledger = self.ledger.as_ref().map_or(LedgerView::Absent, Ledger::view);
        world.copy = self.copy.clone().map(|it| CopyView { document: Some(Arc::new(it)) });
        world.strays = self.strays(&world);
        world.providers = self.remotes.iter().map(|(name, remote)| self.provider(name, remote)).collect();
        world
    }

    fn provider(&self, name: &str, remote: &Remote) -> ((ProviderKind, String), ProviderView) {
        let message = "it does not answer".to_owned();
        let paused = remote.paused_until.filter(|until| *until > self.now);
        let paused = paused.map(|_| Pause { reason: Reason::ProviderUnavailable, message: message.clone() });
        let view = if remote.down {
            ProviderView::Unusable { reason: Reason::ProviderMissing, message }
        } else {
            let capabilities = Arc::new(self.capabilities.clone());
            let fingerprint = account(name).fingerprint;
            let standing = Standing::default();
            ProviderView::Usable(Box::new(UsableProvider {
                fields: BTreeMap::new(),
                capabilities,
                fingerprint,
                setup: format!("setup of {name}"),
                allow: None,
                paused,
                busy: None,
                budget: Budget { limit: 100, opens: self.budget_opens, ..Budget::default() },
                standing,
                listed: Arc::new([(Parameters::new(), self.now)].into()),
                deleting: false,
            }))
        };
        ((ProviderKind::CredentialProvider, name.to_owned()), view)
    }

    /// Returns the credentials with this object's tags, at the provider that its spec names, that
    /// are not in its ledger.
    fn strays(&self, world: &World) -> Vec<FoundCredential> {
        let (Some(document), Some(object)) = (world.document(), &self.object) else { return Vec::new() };
        let remote = &self.remotes[&*object.spec.provider_ref.name];
        let away = remote.down || remote.paused_until.is_some_and(|until| until > self.now);
        if !self.capabilities.can_list() || away || object.spec.suspend {
            return Vec::new();
        }
        let tags = document.tags("prod", "orders");
        let is_tagged = |it: &FoundCredential| {
            naming::parts(&it.found.name).is_some_and(|(tag, _)| tags.iter().any(|one| one == tag))
        };
        let expected = |it: &FoundCredential| document.expects(&it.found);
        self.listed(remote).filter(|it| is_tagged(it) && !expected(it)).collect()
    }

    /// Passes until there is nothing to do; returns when to look again.
    pub(super) fn run_to_rest(&mut self) -> Option<Timestamp> {
        for _ in 0..300 {
            let world = self.observe();
            let plan = decide(&world, self.now);
            if plan != decide(&world, self.now) {
                self.fail("the same world led to two plans");
            }
            let Some(step) = plan.step().cloned() else { return self.rest(&world, &plan) };
            self.tell(in_words(&plan));
            self.check_plan(&world, &step);
            match self.perform(&step) {
                Performed::Crashed => {
                    self.tell("  and crashes");
                    self.restart();
                }
                Performed::Outcome(outcome) => self.conclude(&world, &step, &outcome),
            }
            self.check_world();
        }
        self.fail("300 passes do not come to rest");
    }

    fn conclude(&mut self, world: &World, step: &Step, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Done) {
            self.tell(format!("  {outcome:?}"));
        }
        let report = conclude(world, step, outcome, self.now);
        if let Some(trouble) = report.trouble {
            let remote = self.remotes.get_mut(&*trouble.account.1).unwrap();
            remote.paused_until = Some(self.now + seconds(30));
        }
        self.memory = report.memory;
        for edit in report.edits {
            self.write(&edit);
        }
    }

    pub(super) fn write(&mut self, edit: &Edit) {
        let mut ledger = match self.ledger.take() {
            Some(ledger) => ledger.written_again(),
            None => {
                let cluster = &self.base.operator.cluster_id;
                self.new_ledger(Document::new(cluster, &self.uid(), DeletionPolicy::Revoke))
            }
        };
        if let Err(error) = ledger.document.apply(edit, self.now) {
            self.fail(&format!("{edit:?} is refused: {error}"));
        }
        self.made += 1;
        ledger.document.write_id = format!("write-{}", self.made);
        self.ledger = Some(ledger);
        if let Edit::Leave(revisions) = edit {
            revisions.iter().for_each(|it| self.leave(*it));
        }
    }

    fn perform(&mut self, step: &Step) -> Performed {
        let done = Performed::Outcome(Outcome::Done);
        match step {
            Step::HoldObject => {
                let finalizers = self.object.as_mut().unwrap().metadata.finalizers.get_or_insert_default();
                finalizers.push(crate::api::CREDENTIAL_FINALIZER.to_owned());
            }
            Step::Mint(revision) => return self.mint(revision),
            Step::Settle { revision } => return Performed::Outcome(self.list(*revision)),
            Step::Verify { revision } => return Performed::Outcome(self.verify(*revision)),
            Step::Revoke { revision } => return Performed::Outcome(self.revoke(*revision)),
            Step::CheckRemoval { revision, beside } => {
                return Performed::Outcome(self.look_for_removal(*revision, *beside));
            }
            Step::Remind(_) => {}
            Step::Take(_) => self.fail("nobody makes credentials by hand here"),
            Step::Publish { revision, previous, from } => return self.publish(*revision, *previous, from),
            Step::Record(edit) => self.write(edit),
            Step::Abandon(it) => {
                self.abandoned.push(it.name.clone());
                if self.crashes(Crash::AfterRecord) {
                    return Performed::Crashed;
                }
            }
            Step::DeleteTarget { name } => self.targets.retain(|it| it.view.name != *name),
            Step::ReleaseTarget { name } => {
                self.targets
                    .iter_mut()
                    .filter(|it| it.view.name == *name)
                    .for_each(|it| it.view.ours = false);
            }
            Step::ReleaseObject => self.object_goes(),
            Step::ReleaseLedger => self.ledger = None,
            surgery => return self.operate(surgery),
        }
        done
    }

    /// At rest the next wake is in the future, and nothing becomes due before it.
    fn rest(&mut self, world: &World, plan: &Plan) -> Option<Timestamp> {
        let rest = rest_of(plan);
        let wake = match rest.wake {
            Wake::OnChange => None,
            Wake::At(at) if at <= self.now => self.fail("the next wake is not in the future"),
            Wake::At(at) => Some(at),
        };
        self.tell(format!("{} until {wake:?}", in_words(plan)));
        self.reason = rest.reason;
        if self.deleting_since().is_some_and(|at| self.now > at + DEADLINE + minutes(3)) {
            self.fail("deletion hangs");
        }
        let Some(object) = self.object.clone() else { return wake };
        let status = status::view(world, &object, &rest, self.now);
        let is_ready = status.conditions[0].status == "True";
        if is_ready && !self.a_secret_works() {
            self.fail("it is Ready without a Secret that works");
        }
        for ahead in [1, 11, 61, 601, 3601, 6 * 3600, 86_400, 100 * 86_400] {
            let later = self.now + seconds(ahead);
            // Objects that wait for a budget do not all look again at one moment.
            let spread =
                |opens| rest.reason == Reason::MintBudget && later >= opens && later < opens + minutes(5);
            if wake.is_some_and(|wake| wake <= later) || self.budget_opens.is_some_and(spread) {
                break;
            }
            let then = decide(world, later);
            let ready = |status: &crate::api::ApiCredentialStatus| status.conditions[0].status.clone();
            if then.step().is_some()
                || ready(&status::view(world, &object, &rest_of(&then), later)) != ready(&status)
            {
                self.fail(&format!("it sleeps until {wake:?}, but at {later} comes: {}", in_words(&then)));
            }
        }
        self.object.as_mut().unwrap().status = Some(status);
        wake
    }

    /// Time passes, with every wake that is due on the way.
    pub(super) fn wait(&mut self, length: SignedDuration) {
        let end = self.now + length;
        for _ in 0..5000 {
            let wake = self.run_to_rest();
            let recovery =
                self.remotes.values().filter_map(|it| it.paused_until).filter(|at| *at > self.now).min();
            match wake.into_iter().chain(recovery).min().filter(|at| *at < end) {
                Some(next) => self.now = next,
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        self.fail("5000 wakes do not bring it through the time");
    }

    pub(super) fn delete(&mut self, policy: DeletionPolicy) {
        let now = self.now;
        if let Some(object) = self.object.as_mut().filter(|it| it.metadata.deletion_timestamp.is_none()) {
            object.spec.deletion_policy = policy;
            object.metadata.deletion_timestamp = Some(Time(now));
            if object.metadata.finalizers.is_none() {
                self.object_goes();
            }
        }
    }
}

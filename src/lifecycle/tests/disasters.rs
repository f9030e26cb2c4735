//! Disasters of a model's ledger, or of all of its namespace: deleted, forced away, restored,
//! cloned. And the model's versions of the steps that repair it.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    model::{Client, Model, Performed, Target},
    story::Crash,
};
use crate::{
    api::{ApiCredential, CLAIM_ANNOTATION, Reason},
    lifecycle::{
        decide::recovery::is_over,
        failure::{Failure, FailureKind},
        ledger::{Document, Edit, Inheritance, Revision},
        naming,
        plan::{Outcome, Step},
        recovery::Recovery,
        schedule,
        world::LedgerView,
    },
};

/// A ledger Secret.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) document: Document,
    pub(super) uid: String,
    pub(super) readable: bool,
    pub(super) terminating: Option<Timestamp>,
}

impl Ledger {
    pub(super) fn view(&self) -> LedgerView {
        let Self { document, uid, readable, terminating } = self.clone();
        if !readable {
            let why = "its seal does not open".to_owned();
            return LedgerView::Unreadable { why, held: true, terminating: terminating.is_some() };
        }
        LedgerView::Present {
            document: Arc::new(document),
            sealed: 0,
            uid,
            held: true,
            terminating,
            owned: true,
            up_to_date: true,
        }
    }

    /// It learns its own UID with its second write.
    pub(super) fn written_again(mut self) -> Self {
        self.document.ledger_uid = Some(self.uid.clone());
        self
    }
}

/// The content of a namespace in a backup.
#[derive(Clone, Debug)]
pub(super) struct Backup {
    object: ApiCredential,
    ledger: Option<Ledger>,
    targets: Vec<Target>,
}

impl Model {
    pub(super) fn new_ledger(&mut self, document: Document) -> Ledger {
        self.made += 1;
        Ledger { document, uid: format!("ledger-{}", self.made), readable: true, terminating: None }
    }

    pub(super) fn delete_ledger(&mut self) {
        let now = self.now;
        self.ledger.iter_mut().for_each(|it| _ = it.terminating.get_or_insert(now));
    }

    /// The object is gone, and what it owned goes with it.
    pub(super) fn object_goes(&mut self) {
        self.object = None;
        self.targets.retain(|it| !it.view.ours);
        self.delete_ledger();
    }

    /// Something that told of credentials goes, and with it what nothing else tells of.
    pub(super) fn lose(&mut self, what: impl FnOnce(&mut Self)) {
        what(self);
        let listed = self.document().into_iter().chain(&self.copy).flat_map(|it| &it.revisions);
        let known: Vec<Revision> = listed.filter(|it| it.state.may_be_alive()).cloned().collect();
        let status = self.object.as_ref().and_then(|it| it.status.as_ref());
        let named = status.iter().flat_map(|it| &it.credentials).filter(|it| !is_over(it));
        let names: Vec<String> = named.map(|it| it.name.clone()).collect();
        let held: Vec<String> = self.targets.iter().filter_map(|it| it.id.clone()).collect();
        let abandoned = self.abandoned.clone();
        let tags = self.tags();
        let wanted = self.object.as_ref().map(|it| it.spec.provider_ref.name.clone());
        for (at, remote) in &mut self.remotes {
            for client in &mut remote.clients {
                let listed = known.iter().any(|it| client.is(it)) || held.contains(&client.id);
                let named = [&names, &abandoned].iter().any(|all| all.contains(&client.name));
                let tag = naming::parts(&client.name).map(|(tag, _)| tag.to_owned());
                client.forgotten |= !listed && !named;
                client.untraceable |= client.forgotten
                    && (wanted.as_deref() != Some(at) || tag.is_none_or(|tag| !tags.contains(&tag)));
            }
        }
        // The breaker counts from the ledger.
        self.creates.clear();
    }

    /// Leaves credentials alone that were forgotten at a provider while the spec names another.
    pub(super) fn lose_sight(&mut self) {
        self.clients_mut().for_each(|it| it.untraceable |= it.forgotten);
    }

    /// Returns the tags of this object's credentials that are known.
    fn tags(&self) -> Vec<String> {
        let own = naming::tag(&self.base.operator.cluster_id, "prod", "orders", &self.uid());
        self.document().into_iter().flat_map(|it| it.tags("prod", "orders")).chain([own]).collect()
    }

    pub(super) fn back_up(&mut self) {
        let Some(object) = self.object.clone() else { return };
        let targets = self.targets.iter().filter(|it| it.view.ours).cloned().collect();
        self.backup = Some(Backup { object, ledger: self.ledger.clone(), targets });
    }

    /// All that was in the namespace is gone, and what the backup holds is there instead, under
    /// other UIDs.
    pub(super) fn restore(&mut self, elsewhere: bool) {
        let Some(Backup { mut object, ledger, targets }) = self.backup.clone() else { return };
        self.made += 1;
        object.metadata.uid = Some(format!("uid-{}", self.made));
        object.metadata.finalizers = None;
        object.metadata.deletion_timestamp = None;
        object.status = None;
        if elsewhere {
            self.base.operator.cluster_id = format!("cluster-{}", self.made);
            self.clients_mut().for_each(|it| it.elsewhere = true);
        }
        self.restart();
        let ledger = ledger.map(|it| {
            let restored = self.new_ledger(it.document);
            Ledger { readable: it.readable, ..restored }
        });
        self.lose(|it| {
            (it.object, it.ledger, it.copy, it.targets) = (Some(object), ledger, None, targets);
            // A Secret that is not as it was written belongs to nobody any more.
            for target in it.targets.iter_mut().map(|it| &mut it.view) {
                target.ours = target.intact.is_some();
                target.inherited = target.ours;
            }
        });
        self.excuse_the_dead();
    }

    /// The cluster is as it was, and only the providers know better.
    pub(super) fn roll_back(&mut self) {
        let Some(Backup { object, ledger, targets }) = self.backup.clone() else { return };
        self.restart();
        self.rolled_back = true;
        self.lose(|it| (it.object, it.ledger, it.copy, it.targets) = (Some(object), ledger, None, targets));
        self.excuse_the_dead();
    }

    /// Excuses a credential that ended before it was restored: this object did not end it.
    fn excuse_the_dead(&mut self) {
        let held: Vec<&String> = self.targets.iter().filter_map(|it| it.id.as_ref()).collect();
        for client in self.remotes.values_mut().flat_map(|it| &mut it.clients) {
            client.killed |= !client.alive && held.contains(&&client.id);
        }
    }

    /// Only what was borrowed, or a clone may be using, is left alive.
    pub(super) fn leave(&mut self, number: u32) {
        let revision = self.revision(number);
        if self.document().and_then(|it| it.inheritance(number)) == Some(Inheritance::Borrowed) {
            return;
        }
        if !self.rolled_back {
            self.fail("what is this cluster's own is left alive");
        }
        self.clients_mut().filter(|it| it.is(&revision)).for_each(|it| it.elsewhere = true);
    }

    /// A person says that all this is this cluster's.
    pub(super) fn claim(&mut self) {
        self.annotate(CLAIM_ANNOTATION, &self.base.operator.cluster_id.clone());
        self.clients_mut().for_each(|it| it.elsewhere = false);
    }

    pub(super) fn annotate(&mut self, key: &str, value: &str) {
        let Some(object) = &mut self.object else { return };
        object.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    }

    /// Checks that no credential is issued beside one that works, and only urgent ones when the
    /// budget is used up.
    pub(super) fn check_mint(&self, revision: &Revision) {
        let clients = || self.clients().filter(|it| self.is_alive(it));
        let held = self.targets.iter().filter(|it| it.view.ours && it.view.intact.is_some());
        let doomed = |client: &Client| {
            let all = self.document().into_iter().flat_map(|it| &it.revisions);
            all.into_iter().any(|it| client.is(it) && !it.state.is_usable())
        };
        let works =
            held.filter_map(|it| it.id.as_ref()).any(|id| clients().any(|it| it.id == *id && !doomed(it)));
        if revision.reason == Reason::FirstIssue && works {
            self.fail("a first credential is issued beside one that works");
        }
        let urgent = revision.reason == Reason::FoundRevoked || self.ends_soon();
        if !urgent && self.budget_opens.is_some_and(|opens| opens > self.now) {
            self.fail("what can wait does not wait for the budget");
        }
    }

    /// Returns whether the last third of the life of the credential in use has begun, or it has
    /// ended.
    fn ends_soon(&self) -> bool {
        let held = self.targets.iter().filter_map(|it| it.view.intact.as_ref()).map(|it| it.revision);
        held.filter_map(|it| self.document()?.revision(it)).any(|it| {
            let life = it.issued_at.zip(schedule::end(it)).map(|(from, end)| (end, end.duration_since(from)));
            life.is_some_and(|(end, life)| self.now >= end - life / 3)
        })
    }

    /// Performs what mends a ledger.
    pub(super) fn operate(&mut self, step: &Step) -> Performed {
        let outcome = match step {
            Step::Inherit(inherited) => {
                self.write(&Edit::Inherit {
                    cluster_id: self.base.operator.cluster_id.clone(),
                    object_uid: self.uid(),
                    inherited: inherited.clone(),
                });
                Outcome::Done
            }
            Step::Recover(recovery) => self.recover(recovery),
            Step::CopyLedger => {
                self.copy = self.document().cloned();
                self.copy.iter_mut().for_each(|it| it.ledger_uid = None);
                Outcome::Done
            }
            Step::DropLedger => {
                self.lose(|it| it.ledger = None);
                Outcome::Done
            }
            Step::RestoreLedger => {
                let document = self.copy.clone().unwrap();
                self.ledger = Some(self.new_ledger(document));
                Outcome::Done
            }
            Step::RemoveCopy => {
                self.copy = None;
                Outcome::Done
            }
            other => self.fail(&format!("{other:?} mends nothing")),
        };
        if self.crashes(Crash::AfterSurgery) {
            return Performed::Crashed;
        }
        Performed::Outcome(outcome)
    }

    fn recover(&mut self, recovery: &Recovery) -> Outcome {
        let mut revisions = recovery.revisions.clone();
        if let Some(published) = &recovery.published {
            let target = self.targets.iter().find(|it| it.view.name == published.target);
            let taken = target.filter(|it| it.view.intact.is_some()).and_then(|it| it.id.clone());
            let is_it =
                |id: &String| published.client_id.as_ref().is_none_or(|it| *it == self.known_as(id).0);
            let taken = taken.filter(is_it);
            let Some(taken) = taken else {
                let message = "the Secret does not hold the pair".to_owned();
                return Outcome::Failed(Failure::new(FailureKind::Malformed, message));
            };
            let it = revisions.iter_mut().find(|it| it.revision == published.revision).unwrap();
            // If status is lost, too, nobody knows any more by whom it was made, and where.
            let borrowed = it.revision <= recovery.inherited.borrowed_through;
            for (at, remote) in &mut self.remotes {
                let mut clients = remote.clients.iter_mut().filter(|it| it.id == taken);
                let unknown = clients.find(|_| borrowed || **at != it.account.name);
                unknown.into_iter().for_each(|it| (it.forgotten, it.untraceable) = (true, true));
            }
            it.client_id = Some(self.known_as(&taken).0);
        }
        let (inherited, mints) = (recovery.inherited.clone(), recovery.mints.clone());
        self.write(&Edit::Rebuild { inherited, revisions, mints });
        Outcome::Done
    }
}

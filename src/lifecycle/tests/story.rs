//! The events of a model, as a list that reads as a story.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{
    model::{Client, Model, Target},
    table::*,
};
use crate::{
    api::{ApiCredentialSpec, DeletionPolicy, Reason},
    lifecycle::{
        failure::{Failure, FailureKind},
        ledger::{Revision, State},
        world::TargetView,
    },
};

/// A life: what the provider can do, and what happens.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) list: bool,
    pub(super) verify: bool,
    pub(super) revoke: bool,
    /// The credentials are secrets of one client, in one of several roles.
    pub(super) several: bool,
    pub(super) events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Wait(i64),
    /// Nobody looks for forty days.
    AwayForFortyDays,
    TheNextCall(Fault),
    CrashAt(Crash),
    Restart,
    TheNextIsAcceptedAfter(i64),
    TheProviderGivesSeconds(Option<i64>),
    ProviderGone(bool),
    OtherProviderGone(bool),
    TargetDeleted,
    TargetEdited,
    SomeoneTakesTheOtherName,
    TheOtherNameIsFree,
    TemplateBroken(bool),
    Rename(bool),
    Scopes(u8),
    /// Another role, where credentials have one.
    Role(u8),
    Lifetime(Option<u8>),
    Overlap(Option<u8>),
    Request(u8),
    IncludePrevious(bool),
    MoveToOtherProvider(bool),
    Suspend(bool),
    SomeoneRevokesWhatIsPublished,
    LedgerDeleted,
    LedgerForcedAway,
    CopyForcedAway,
    SealLost(bool),
    BudgetUsedUpFor(i64),
    Backup,
    /// The namespace was lost, and is restored on its cluster.
    Restore,
    /// The same on another cluster, while the first may live on.
    RestoreElsewhere,
    /// All of the cluster is as it was at the time of the backup, UIDs and all.
    RollBack,
    Delete(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    BeforeCall,
    BeforeAnswer,
    AfterPublication,
    AfterRecord,
    AfterSurgery,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    LostBeforeEffect,
    LostAfterEffect,
    Malformed,
    Unavailable,
    RateLimited,
    LoginRefused,
    Forbidden,
    Rejected,
    Unexplained,
}

impl Fault {
    /// Returns the driver's answer; `lost` is the effect of a lost response to this call.
    pub(super) fn failure(self, lost: FailureKind) -> Failure {
        let kind = match self {
            Self::LostBeforeEffect | Self::LostAfterEffect => lost,
            Self::Malformed => FailureKind::Malformed,
            Self::Unavailable => FailureKind::Unavailable,
            Self::RateLimited => FailureKind::RateLimited,
            Self::LoginRefused => FailureKind::LoginRefused,
            Self::Forbidden => FailureKind::Forbidden,
            Self::Rejected => FailureKind::Rejected,
            Self::Unexplained => FailureKind::Unexplained,
        };
        Failure::new(kind, format!("{self:?}"))
    }
}

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let events = prop::collection::vec(events(), 1..20);
    let mostly = || prop::bool::weighted(0.8);
    let several = prop::bool::weighted(0.3);
    (mostly(), mostly(), mostly(), several, events).prop_map(|(list, verify, revoke, several, events)| Case {
        list,
        verify,
        revoke,
        several,
        events,
    })
}

fn events() -> impl Strategy<Value = Event> {
    let waits = prop::sample::select(vec![1, 5, 20, 61, 90, 600, 3600, 5000, 20_000, 90_000]);
    let faults = prop::sample::select(vec![
        Fault::LostBeforeEffect,
        Fault::LostAfterEffect,
        Fault::Malformed,
        Fault::Unavailable,
        Fault::RateLimited,
        Fault::LoginRefused,
        Fault::Forbidden,
        Fault::Rejected,
        Fault::Unexplained,
    ]);
    let crashes = prop::sample::select(vec![
        Crash::BeforeCall,
        Crash::BeforeAnswer,
        Crash::AfterPublication,
        Crash::AfterRecord,
        Crash::AfterSurgery,
    ]);
    let around = prop_oneof![
        8 => waits.prop_map(Event::Wait),
        1 => Just(Event::AwayForFortyDays),
        4 => faults.prop_map(Event::TheNextCall),
        3 => crashes.prop_map(Event::CrashAt),
        1 => Just(Event::Restart),
        1 => prop::sample::select(vec![10, 45, 500]).prop_map(Event::TheNextIsAcceptedAfter),
        1 => prop::option::of(prop::sample::select(vec![1800, 9000])).prop_map(Event::TheProviderGivesSeconds),
        2 => any::<bool>().prop_map(Event::ProviderGone),
        1 => any::<bool>().prop_map(Event::OtherProviderGone),
        1 => Just(Event::TargetDeleted),
        1 => Just(Event::TargetEdited),
        1 => Just(Event::SomeoneTakesTheOtherName),
        1 => Just(Event::TheOtherNameIsFree),
        1 => any::<bool>().prop_map(Event::TemplateBroken),
        1 => Just(Event::SomeoneRevokesWhatIsPublished),
    ];
    let edits = prop_oneof![
        2 => any::<bool>().prop_map(Event::Rename),
        3 => (0..4_u8).prop_map(Event::Scopes),
        2 => (0..3_u8).prop_map(Event::Role),
        1 => prop::option::of(0..3_u8).prop_map(Event::Lifetime),
        2 => prop::option::of(0..2_u8).prop_map(Event::Overlap),
        3 => (0..4_u8).prop_map(Event::Request),
        1 => any::<bool>().prop_map(Event::IncludePrevious),
        2 => any::<bool>().prop_map(Event::MoveToOtherProvider),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => prop::bool::weighted(0.7).prop_map(Event::Delete),
    ];
    let disasters = prop_oneof![
        3 => Just(Event::LedgerDeleted),
        1 => Just(Event::LedgerForcedAway),
        1 => Just(Event::CopyForcedAway),
        1 => any::<bool>().prop_map(Event::SealLost),
        1 => prop::sample::select(vec![60, 3600]).prop_map(Event::BudgetUsedUpFor),
        3 => Just(Event::Backup),
        2 => Just(Event::Restore),
        1 => Just(Event::RestoreElsewhere),
        1 => Just(Event::RollBack),
    ];
    prop_oneof![8 => around, 4 => edits, 2 => disasters]
}

impl Model {
    pub(super) fn happens(&mut self, event: &Event) {
        self.tell(format!("{event:?}"));
        match event {
            Event::Wait(length) => self.wait(seconds(*length)),
            Event::AwayForFortyDays => self.now += days(40),
            Event::TheNextCall(fault) => self.faults.push_back(*fault),
            Event::CrashAt(crash) => self.crash = Some(*crash),
            Event::Restart => self.restart(),
            Event::TheNextIsAcceptedAfter(wait) => self.propagation = seconds(*wait),
            Event::TheProviderGivesSeconds(life) => self.provider_life = life.map(SignedDuration::from_secs),
            Event::ProviderGone(gone) => self.remotes.get_mut("acme").unwrap().down = *gone,
            Event::OtherProviderGone(gone) => self.remotes.get_mut("other").unwrap().down = *gone,
            Event::TargetDeleted if self.ledger.is_none() => {
                self.lose(|it| it.targets.retain(|it| !it.view.ours))
            }
            Event::TargetDeleted => self.targets.retain(|it| !it.view.ours),
            Event::TargetEdited => self.targets.iter_mut().for_each(|it| it.view.intact = None),
            Event::SomeoneTakesTheOtherName => self.take_other_name(),
            Event::TheOtherNameIsFree => self.targets.retain(|it| it.view.ours),
            Event::TemplateBroken(broken) => self.template_is_broken = *broken,
            Event::SomeoneRevokesWhatIsPublished => self.kill(),
            Event::Delete(revoke) => {
                self.delete(if *revoke { DeletionPolicy::Revoke } else { DeletionPolicy::Retain });
            }
            Event::LedgerDeleted => self.delete_ledger(),
            Event::LedgerForcedAway => self.lose(|it| it.ledger = None),
            Event::CopyForcedAway => self.lose(|it| it.copy = None),
            Event::SealLost(lost) => self.ledger.iter_mut().for_each(|it| it.readable = !lost),
            Event::BudgetUsedUpFor(wait) => self.budget_opens = Some(self.now + seconds(*wait)),
            Event::Backup => self.back_up(),
            Event::Restore => self.restore(false),
            Event::RestoreElsewhere => self.restore(true),
            Event::RollBack => self.roll_back(),
            edit => {
                if let Event::MoveToOtherProvider(_) = edit {
                    self.lose_sight();
                }
                if let Some(object) = &mut self.object {
                    edit_spec(&mut object.spec, edit);
                }
            }
        }
        self.run_to_rest();
    }

    fn take_other_name(&mut self) {
        if self.targets.iter().any(|it| it.view.name == "other") {
            return;
        }
        let (name, created_at) = ("other".to_owned(), Some(self.now));
        let view = TargetView {
            name,
            ours: false,
            inherited: false,
            intact: None,
            immutable: false,
            terminating: false,
            created_at,
        };
        self.targets.push(Target { view, id: None, previous: None });
    }

    fn kill(&mut self) {
        let held: Vec<&String> = self.targets.iter().filter_map(|it| it.id.as_ref()).collect();
        for client in self.remotes.values_mut().flat_map(|it| &mut it.clients) {
            if held.contains(&&client.id) {
                (client.alive, client.killed) = (false, true);
            }
        }
    }

    /// Faults stop, and people want something simple.
    pub(super) fn all_is_well(&mut self) {
        self.tell("all is well");
        self.faults.clear();
        self.crash = None;
        self.template_is_broken = false;
        self.propagation = SignedDuration::ZERO;
        self.provider_life = None;
        self.budget_opens = None;
        self.remotes.values_mut().for_each(|it| it.down = false);
        self.targets.retain(|it| it.view.ours || it.view.name != "other");
        if let Some(object) = &mut self.object {
            object.spec.suspend = false;
            object.spec.lifetime = lasting("720h");
            object.spec.scopes = vec!["final".to_owned()];
        }
        self.wait(hours(1));
        self.do_what_is_asked();
        self.wait(hours(60));
        // Inherited credentials are given up when something newer has replaced them.
        if let Some(object) = &mut self.object {
            object.spec.rotation.get_or_insert_default().request = Some("the last one".to_owned());
        }
        for length in [60, 2, 2] {
            self.wait(hours(length));
            self.do_what_is_asked();
        }
        self.wait(hours(2));
    }

    /// A person does what the condition says, and removes what Credwright cannot.
    fn do_what_is_asked(&mut self) {
        match self.reason {
            Reason::LedgerUnreadable => self.delete_ledger(),
            Reason::LedgerLost => self.lose(|it| it.targets.retain(|it| !it.view.ours)),
            Reason::TargetForeign => self.lose(|it| it.targets.retain(|it| it.view.ours)),
            Reason::IdentityClash => self.claim(),
            _ => {}
        }
        let revisions = self.ledger.iter().flat_map(|it| &it.document.revisions);
        let asked = |it: &&Revision| it.state == State::Revoking && self.asks_for(&it.name);
        let doomed: Vec<Revision> = revisions.filter(asked).cloned().collect();
        self.clients_mut().filter(|it| doomed.iter().any(|one| it.is(one))).for_each(|it| it.alive = false);
        let names: Vec<&str> = doomed.iter().map(|it| &*it.name).collect();
        self.annotate(crate::api::REMOVED_ANNOTATION, &names.join(", "));
    }

    /// Returns whether a person is asked to do something about `name`.
    fn asks_for(&self, name: &str) -> bool {
        let status = self.object.as_ref().and_then(|it| it.status.as_ref());
        let asked = status.iter().flat_map(|it| &it.conditions).filter(|it| it.type_ == "ActionRequired");
        asked.into_iter().any(|it| it.message.contains(name))
    }

    /// Returns the credentials that are alive at the providers, on no record, and not another
    /// cluster's. A forgotten one is excused if nobody can find it.
    pub(super) fn alive(&self) -> Vec<String> {
        let all = self.clients().filter(|it| self.is_alive(it));
        let lost = |it: &Client| {
            it.forgotten && (it.untraceable || !self.capabilities.can_list() || self.object.is_none())
        };
        let left = all.filter(|it| !it.elsewhere && !lost(it) && !self.abandoned.contains(&it.name));
        left.map(|it| it.name.clone()).collect()
    }
}

fn edit_spec(spec: &mut ApiCredentialSpec, edit: &Event) {
    match edit {
        Event::Rename(other) => spec.secret.get_or_insert_default().name = other.then(|| "other".to_owned()),
        Event::Role(which) if !spec.parameters.is_empty() => {
            spec.parameters.insert("role".to_owned(), format!("role-{which}"));
        }
        Event::Scopes(which) => spec.scopes = vec![format!("scope-{which}")],
        Event::Lifetime(which) => {
            spec.lifetime = which.and_then(|which| lasting(["2h", "12h", "720h"][usize::from(which)]));
        }
        Event::Overlap(which) => {
            let overlap = which.and_then(|which| lasting(["0s", "1h"][usize::from(which)]));
            spec.rotation.get_or_insert_default().overlap = overlap;
        }
        Event::Request(which) => {
            spec.rotation.get_or_insert_default().request = Some(format!("request-{which}"))
        }
        Event::IncludePrevious(wanted) => spec.secret.get_or_insert_default().include_previous = *wanted,
        Event::MoveToOtherProvider(other) => {
            spec.provider_ref.name = if *other { "other" } else { "acme" }.to_owned();
        }
        Event::Suspend(suspended) => spec.suspend = *suspended,
        _ => {}
    }
}

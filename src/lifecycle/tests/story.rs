//! What can happen in a model, as a list of events that reads as a story.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{
    model::{Model, Target},
    table::*,
};
use crate::{
    api::{ApiCredentialSpec, DeletionPolicy},
    lifecycle::{
        failure::{Failure, FailureKind},
        ledger::State,
        world::TargetView,
    },
};

/// A life: what the provider can do, and what happens.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) list: bool,
    pub(super) verify: bool,
    pub(super) revoke: bool,
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
    Lifetime(Option<u8>),
    Overlap(Option<u8>),
    Request(u8),
    IncludePrevious(bool),
    MoveToOtherProvider(bool),
    Suspend(bool),
    SomeoneRevokesWhatIsPublished,
    Delete(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    BeforeCall,
    BeforeAnswer,
    AfterPublication,
    AfterRecord,
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
}

impl Fault {
    /// How a driver reports it; `lost` is what a lost answer is for this call.
    pub(super) fn failure(self, lost: FailureKind) -> Failure {
        let kind = match self {
            Self::LostBeforeEffect | Self::LostAfterEffect => lost,
            Self::Malformed => FailureKind::Malformed,
            Self::Unavailable => FailureKind::Unavailable,
            Self::RateLimited => FailureKind::RateLimited,
            Self::LoginRefused => FailureKind::LoginRefused,
            Self::Forbidden => FailureKind::Forbidden,
            Self::Rejected => FailureKind::Rejected,
        };
        Failure { kind, retry_after: None, message: format!("{self:?}") }
    }
}

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let events = prop::collection::vec(events(), 1..20);
    let mostly = || prop::bool::weighted(0.8);
    (mostly(), mostly(), mostly(), events).prop_map(|(list, verify, revoke, events)| Case {
        list,
        verify,
        revoke,
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
    ]);
    let crashes = prop::sample::select(vec![
        Crash::BeforeCall,
        Crash::BeforeAnswer,
        Crash::AfterPublication,
        Crash::AfterRecord,
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
        1 => prop::option::of(0..3_u8).prop_map(Event::Lifetime),
        2 => prop::option::of(0..2_u8).prop_map(Event::Overlap),
        3 => (0..4_u8).prop_map(Event::Request),
        1 => any::<bool>().prop_map(Event::IncludePrevious),
        2 => any::<bool>().prop_map(Event::MoveToOtherProvider),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => prop::bool::weighted(0.7).prop_map(Event::Delete),
    ];
    prop_oneof![2 => around, 1 => edits]
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
            Event::TargetDeleted => self.targets.retain(|it| !it.view.ours),
            Event::TargetEdited => self.targets.iter_mut().for_each(|it| it.view.intact = None),
            Event::SomeoneTakesTheOtherName => self.take_other_name(),
            Event::TheOtherNameIsFree => self.targets.retain(|it| it.view.ours),
            Event::TemplateBroken(broken) => self.template_is_broken = *broken,
            Event::SomeoneRevokesWhatIsPublished => self.kill(),
            Event::Delete(revoke) => {
                self.delete(if *revoke { DeletionPolicy::Revoke } else { DeletionPolicy::Retain });
            }
            edit => {
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
        self.targets.push(Target { view, previous: None });
    }

    fn kill(&mut self) {
        let held: Vec<u32> =
            self.targets.iter().filter_map(|it| it.view.intact.as_ref()).map(|it| it.revision).collect();
        let revisions =
            self.document.iter().flat_map(|it| &it.revisions).filter(|it| held.contains(&it.revision));
        let names: Vec<String> = revisions.map(|it| it.name.clone()).collect();
        for client in
            self.remotes.values_mut().flat_map(|it| &mut it.clients).filter(|it| names.contains(&it.name))
        {
            (client.alive, client.killed) = (false, true);
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
        self.remotes.values_mut().for_each(|it| it.down = false);
        self.targets.retain(|it| it.view.ours || it.view.name != "other");
        if let Some(object) = &mut self.object {
            object.spec.suspend = false;
            object.spec.lifetime = lasting("720h");
            object.spec.scopes = vec!["final".to_owned()];
        }
        self.wait(hours(60));
        self.do_what_is_asked();
        self.wait(hours(2));
    }

    /// A person removes what Credwright cannot, and says so.
    fn do_what_is_asked(&mut self) {
        let revisions = self.document.iter().flat_map(|it| &it.revisions);
        let doomed: Vec<String> =
            revisions.filter(|it| it.state == State::Revoking).map(|it| it.name.clone()).collect();
        let clients = self.remotes.values_mut().flat_map(|it| &mut it.clients);
        clients.filter(|it| doomed.contains(&it.name)).for_each(|it| it.alive = false);
        if let Some(object) = &mut self.object {
            let said = (crate::api::REMOVED_ANNOTATION.to_owned(), doomed.join(", "));
            object.metadata.annotations = Some([said].into());
        }
    }

    /// What is alive at the providers and on no record.
    pub(super) fn alive(&self) -> Vec<String> {
        let all = self.remotes.values().flat_map(|it| &it.clients).filter(|it| self.is_alive(it));
        all.map(|it| it.name.clone()).filter(|name| !self.abandoned.contains(name)).collect()
    }
}

fn edit_spec(spec: &mut ApiCredentialSpec, edit: &Event) {
    match edit {
        Event::Rename(other) => spec.secret.get_or_insert_default().name = other.then(|| "other".to_owned()),
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

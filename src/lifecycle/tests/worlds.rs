//! Any world, however it came about: a decision says at most one step that may be taken, and what
//! is concluded from any outcome can be written down. A counterexample is a list of facts, as short
//! as it can be.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{builders::*, table::*};
use crate::{
    api::{DeletionPolicy, Reason},
    lifecycle::{
        Budget, conclude, decide,
        failure::{Failure, FailureKind},
        ledger::{Edit, Found, Inheritance, Revision, State, StepKind},
        plan::{FoundCredential, Outcome, Plan, Step},
        schedule::settle_from,
        skew,
        world::{CopyView, LedgerView, ProviderView, World},
    },
};

/// One thing that is so. What is said of "it" is said of the newest revision, if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fact {
    Issued(i64),
    Intended(i64),
    Unconfirmed(i64),
    Next(State),
    Retiring(i64),
    Refused,
    Dead,
    ExpiringIn(i64),
    AtTheOtherProvider,
    AtAnotherAccount,
    Rebuilt,
    Published,
    PublishedElsewhere,
    TargetEdited,
    TargetForeign,
    StatusLists(u32),
    Failed(StepKind, FailureKind),
    Minted(usize),
    MintedBefore(usize),
    Inherited(Inheritance),
    Closed,
    LedgerLost,
    LedgerUnreadable(bool),
    LedgerDeleted,
    LedgerReleased,
    LedgerRestored,
    LedgerOfAnotherCluster,
    LedgerOfAnotherObject,
    LedgerWrittenIn(i64),
    Copied(bool),
    Unrecoverable,
    OnRecord(u32),
    Stray(u32),
    Claimed,
    Deleting(i64),
    Suspended,
    Retained,
    NotHeld,
    ObjectGone,
    Uninstalling,
    Paused,
    ProviderMissing,
    ProviderDeleting,
    ProviderCannot(u8),
    ByHand,
    OtherScopes,
    Requested,
    NoBudget,
    Skewed(i64),
    Verified(u32),
}

pub(super) fn facts() -> impl Strategy<Value = Vec<Fact>> {
    use Fact::*;
    let ago = || prop::sample::select(vec![0, 5, 70, 600, 4000, 90_000, 6_000_000, 7_700_000]);
    let small = || 1..4_u32;
    let states = vec![State::Revoking, State::Revoked, State::Absent, State::Left, State::Abandoned];
    let steps = vec![StepKind::Mint, StepKind::Settle, StepKind::Verify, StepKind::Publish, StepKind::Revoke];
    let ledger = prop_oneof![
        4 => ago().prop_map(Issued),
        1 => ago().prop_map(Intended),
        1 => ago().prop_map(Unconfirmed),
        3 => prop::sample::select(states).prop_map(Next),
        3 => ago().prop_map(Retiring),
        1 => Just(Refused),
        1 => Just(Dead),
        1 => ago().prop_map(|it| ExpiringIn(it - 600)),
        1 => prop::sample::select(vec![AtTheOtherProvider, AtAnotherAccount, Rebuilt]),
        4 => prop::sample::select(vec![Published, Published, PublishedElsewhere, TargetEdited, TargetForeign]),
        2 => (prop::sample::select(steps), kinds()).prop_map(|(step, kind)| Failed(step, kind)),
        1 => (0..7_usize).prop_map(Minted),
        1 => prop::sample::select(vec![Inheritance::Adopted, Inheritance::Borrowed, Inheritance::Rebuilt]).prop_map(Inherited),
        1 => small().prop_map(Verified),
    ];
    let surgery = prop_oneof![
        prop::sample::select(vec![Closed, LedgerLost, LedgerDeleted, LedgerReleased, LedgerRestored]),
        prop::sample::select(vec![LedgerOfAnotherCluster, LedgerOfAnotherObject, Unrecoverable, Claimed]),
        any::<bool>().prop_map(LedgerUnreadable),
        any::<bool>().prop_map(Copied),
        small().prop_map(StatusLists),
        small().prop_map(OnRecord),
        small().prop_map(Stray),
        (0..7_usize).prop_map(MintedBefore),
        prop::sample::select(vec![0, 61, 90_000]).prop_map(LedgerWrittenIn),
    ];
    let around = prop_oneof![
        prop::sample::select(vec![0, 60, 601]).prop_map(Deleting),
        prop::sample::select(vec![
            Suspended,
            Retained,
            NotHeld,
            ObjectGone,
            Uninstalling,
            OtherScopes,
            Requested
        ]),
        prop::sample::select(vec![Paused, ProviderMissing, ProviderDeleting, ByHand, NoBudget]),
        (0..3_u8).prop_map(ProviderCannot),
        prop::sample::select(vec![0, 30, 90, -90, 90_000_000]).prop_map(Skewed),
    ];
    let fact = prop_oneof![5 => ledger, 1 => surgery, 2 => around];
    prop::collection::vec(fact, 0..12)
}

pub(super) fn kinds() -> impl Strategy<Value = FailureKind> {
    use FailureKind::*;
    prop::sample::select(vec![
        Unavailable,
        RateLimited,
        LoginRefused,
        Forbidden,
        Rejected,
        Unexplained,
        Ambiguous,
        Malformed,
    ])
}

fn with(scene: Scene, fact: Fact) -> Scene {
    use Fact::*;
    let ago = SignedDuration::from_secs;
    let of_it = |scene: Scene, change: &dyn Fn(&mut Revision)| {
        scene.and(|scene| scene.document.revisions.last_mut().into_iter().for_each(change))
    };
    match fact {
        Issued(it) => scene.issued(ago(it)),
        Intended(it) => scene.intended(ago(it)),
        Unconfirmed(it) => scene.unconfirmed(ago(it)),
        Next(state) => scene.next(state),
        Retiring(it) => of_it(scene, &|revision| {
            if revision.state == State::Issued {
                (revision.state, revision.retired_at) = (State::Retiring, Some(noon() - ago(it)));
            }
        }),
        Refused => of_it(scene, &|it| it.refused_at = Some(noon() - minutes(5))),
        Dead => of_it(scene, &|it| it.dead_at = Some(noon())),
        ExpiringIn(rest) => of_it(scene, &|it| it.expires_at = Some(noon() + ago(rest))),
        AtTheOtherProvider => of_it(scene, &|it| it.account = account("other")),
        AtAnotherAccount => of_it(scene, &|it| it.account.fingerprint = "another".to_owned()),
        Rebuilt => of_it(scene, &|it| it.rebuilt = true),
        Published if scene.document.revisions.is_empty() => scene,
        Published => scene.and(|it| it.forget_publications()).published(),
        PublishedElsewhere if scene.document.revisions.is_empty() => scene,
        PublishedElsewhere => scene.published_in("elsewhere"),
        TargetEdited => scene.and(|it| it.forget_publications()).with_target(|it| it.intact = None),
        TargetForeign => scene.and(|it| it.forget_publications()).with_target(|it| it.ours = false),
        StatusLists(number) => scene.status_lists(number, "Active"),
        Failed(step, kind) => scene.failed(step, Reason::ProviderUnavailable, kind, seconds(3)),
        Minted(times) => scene.minted(&vec![minutes(3); times]),
        Inherited(how) => scene.inherited(how),
        Closed => scene.and(|it| it.document.closed = true),
        LedgerDeleted => scene.deleted_ledger(),
        LedgerReleased => scene.released_ledger(),
        LedgerRestored => scene.restored_ledger(),
        LedgerOfAnotherCluster => scene.and(|it| it.document.cluster_id = "cluster-0".to_owned()),
        LedgerOfAnotherObject => scene.and(|it| it.document.object_uid = "uid-0".to_owned()),
        LedgerWrittenIn(it) => scene.and(|scene| scene.document.written_at = noon() + ago(it)),
        Unrecoverable => scene.unrecoverable(),
        OnRecord(number) => scene.and(|it| it.world.memory.abandoned.push(number)),
        Stray(number) => scene.with_stray(&own_tag(), number),
        Claimed => scene.claimed(),
        Deleting(it) => scene.deleting_for(ago(it)),
        Suspended => scene.suspended(),
        Retained => scene.retained().and(|it| it.document.deletion_policy = DeletionPolicy::Retain),
        NotHeld => scene.and(|it| it.object.metadata.finalizers = None),
        Uninstalling => scene.and(|it| it.world.uninstalling = true),
        Paused => scene.paused(),
        ProviderDeleting => scene.provider(|it| it.deleting = true),
        ProviderCannot(0) => scene.capable(unlisted),
        ProviderCannot(1) => scene.capable(unrevocable),
        ProviderCannot(_) => scene.capable(|it| it.verify = false),
        ByHand => scene.capable(portal),
        OtherScopes => scene.with_spec(|it| it.scopes = vec!["write".to_owned()]),
        Requested => scene.with_rotation(|it| it.request = Some("now".to_owned())),
        NoBudget => scene.provider(|it| {
            it.budget = Budget { limit: 1, opens: Some(noon() + minutes(1)), ..Budget::default() }
        }),
        Skewed(by) => scene.and(|it| it.world.operator.skew = ago(by)),
        MintedBefore(times) => scene.and(|it| it.world.minted_before = vec![noon() - minutes(3); times]),
        Verified(number) => scene.and(|it| it.world.memory.verified = Some(Tried::new(number, noon()))),
        LedgerLost | LedgerUnreadable(_) | Copied(_) | ObjectGone | ProviderMissing => scene,
    }
}

/// The world of these facts.
pub(super) fn world(facts: &[Fact]) -> World {
    let scene = facts.iter().fold(a_credential(), |scene, fact| with(scene, *fact));
    let document = Arc::new(scene.document.clone());
    let mut world = scene.world();
    for fact in facts {
        match fact {
            Fact::LedgerLost => world.ledger = LedgerView::Absent,
            Fact::LedgerUnreadable(terminating) => {
                let why = "its seal does not open".to_owned();
                world.ledger = LedgerView::Unreadable { why, held: true, terminating: *terminating };
            }
            Fact::Copied(opens) => world.copy = Some(CopyView { document: opens.then(|| document.clone()) }),
            Fact::ObjectGone => (world.subject.object, world.targets) = (None, Vec::new()),
            Fact::ProviderMissing => world.providers.values_mut().for_each(|view| {
                let message = "there is none".to_owned();
                *view = ProviderView::Unusable { reason: Reason::ProviderMissing, message };
            }),
            _ => {}
        }
    }
    world
}

/// Fails for plans that may never be decided.
fn may_be_taken(world: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(step) = plan.step() else { return Ok(()) };
    let ending = world.deleting()
        || world.document().is_some_and(|it| it.object_uid != world.object_uid())
        || world.subject.object.is_none();
    let revision = |number: u32| world.document().and_then(|it| it.revision(number));
    let callable = |it: &Revision| {
        let provider = world.provider(&it.account).and_then(ProviderView::usable);
        provider.is_some_and(|provider| {
            provider.paused.is_none() && provider.fingerprint == it.account.fingerprint
        })
    };
    let skewed = world.operator.skew.abs() > minutes(1);
    let object = world.subject.object.as_deref();
    if object.is_some_and(|it| it.spec.suspend) && !ending {
        let asked_for = matches!(
            step,
            Step::RemoveCopy
                | Step::DropLedger
                | Step::Record(Edit::Claim)
                | Step::Inherit(_)
                | Step::HoldObject
        );
        prop_assert!(asked_for, "suspended, and yet {step:?}");
    }
    let stopped = skew::stops(world, step, world.operator.skew);
    prop_assert!(!stopped, "what performs it refuses what is decided: {step:?}");
    match step {
        Step::Mint(it) => {
            prop_assert!(!ending && !skewed && callable(it), "{it:?}");
            let open = world.document().into_iter().flat_map(|it| &it.revisions).any(|other| {
                let provider = world.provider(&other.account).and_then(ProviderView::usable);
                other.state == State::Intended
                    && other.account == it.account
                    && provider.is_none_or(|it| settle_from(other, &it.capabilities) > noon())
                    && world.document().and_then(|all| all.inheritance(other.revision)).is_none()
            });
            prop_assert!(!open, "while another call can still arrive");
        }
        Step::Publish { revision: number, .. } => {
            prop_assert!(revision(*number).is_some_and(|it| it.state.is_usable()))
        }
        Step::Verify { revision: number } | Step::Settle { revision: number } => {
            prop_assert!(!skewed || ending);
            prop_assert!(revision(*number).is_some_and(callable));
        }
        Step::Revoke { revision: number } => {
            let it = revision(*number).unwrap();
            prop_assert!(it.state == State::Revoking && callable(it) && (!skewed || ending));
            let borrowed =
                world.document().and_then(|all| all.inheritance(*number)) == Some(Inheritance::Borrowed);
            prop_assert!(!borrowed, "another cluster's");
        }
        Step::Record(Edit::StartRevoking(revisions)) => {
            prop_assert!(!skewed || ending);
            let read = || {
                world
                    .published()
                    .map(|it| it.revision)
                    .into_iter()
                    .chain(world.active().map(|it| it.revision))
            };
            let in_use = read()
                .find(|it| revisions.contains(it) && revision(*it).is_some_and(|it| it.dead_at.is_none()));
            prop_assert!(ending || in_use.is_none(), "workloads read {in_use:?}");
        }
        Step::ReleaseObject => {
            let open = world.document().filter(|it| !it.closed && it.object_uid == world.object_uid());
            let listed = open.into_iter().flat_map(|it| &it.revisions).filter(|it| it.state.may_be_alive());
            prop_assert_eq!(listed.count(), 0, "alive and forgotten");
        }
        _ => {}
    }
    Ok(())
}

/// Returns all outcomes of a step.
pub(super) fn outcomes(step: &Step, kind: FailureKind) -> Vec<Outcome> {
    let failed = || Outcome::Failed(Failure::new(kind, "it failed".to_owned()));
    let found = |name: String, held_elsewhere| {
        let found = Found { name, client_id: "found".to_owned(), ..Found::default() };
        Outcome::Found(vec![FoundCredential { found, held_elsewhere }])
    };
    match step {
        Step::Mint(_) => vec![failed(), Outcome::TooLate],
        Step::Settle { revision } => {
            let name = format!("prod-orders-kwtag-{revision}abcd");
            vec![failed(), Outcome::Found(Vec::new()), found(name.clone(), false), found(name, true)]
        }
        Step::Verify { .. } => {
            vec![failed(), Outcome::Tried { accepted: true }, Outcome::Tried { accepted: false }]
        }
        Step::Revoke { .. } => [None, Some(true), Some(false)]
            .into_iter()
            .flat_map(|still_accepted| [true, false].map(|said| Outcome::Revoked { said, still_accepted }))
            .chain([failed()])
            .collect(),
        Step::Publish { .. } => {
            let message = "it cannot be written".to_owned();
            vec![Outcome::Done, Outcome::NotPublished { reason: Reason::TemplateInvalid, message }]
        }
        Step::Recover(_) | Step::RestoreLedger => vec![Outcome::Done, failed()],
        Step::CheckRemoval { .. } => {
            [Removed::Unproved, Removed::Yes, Removed::NotYet].map(Outcome::Removed).into()
        }
        _ => vec![Outcome::Done],
    }
}

/// Checks that every outcome of a step can be written into the ledger.
fn can_be_written(world: &World, step: &Step, kind: FailureKind) -> Result<(), TestCaseError> {
    for outcome in outcomes(step, kind) {
        let report = conclude(world, step, &outcome, noon());
        let Some(document) = world.document() else { continue };
        let mut document = document.clone();
        let first = match step {
            Step::Mint(it) => Some(Edit::Intend(it.clone())),
            Step::Record(edit) => Some(edit.clone()),
            _ => None,
        };
        for edit in first.iter().chain(&report.edits) {
            let applied = document.apply(edit, noon());
            prop_assert!(applied.is_ok(), "{step:?} came to {outcome:?}: {edit:?} is {applied:?}");
        }
    }
    Ok(())
}

/// As many as are worth a few seconds: 4096, or sixteen times what PROPTEST_CASES says.
pub(super) fn cases() -> u32 {
    16 * ProptestConfig::default().cases
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_world_has_a_decision_whose_outcome_can_be_written(facts in facts(), kind in kinds()) {
        let world = world(&facts);
        let plan = decide(&world, noon());
        prop_assert_eq!(&plan, &decide(&world, noon()), "a decision is a function");
        may_be_taken(&world, &plan)?;
        if let Some(step) = plan.step() {
            can_be_written(&world, step, kind)?;
        }
    }
}

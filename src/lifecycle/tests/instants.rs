//! Instants as far away as there are, wherever the world has one: no decision panics, and no
//! conclusion.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

use super::{
    builders::*,
    by_hand::{TERMS, pair},
    table::*,
    worlds,
};
use crate::{
    api::{ApiCredential, Intake, Verify},
    lifecycle::{
        Budget, backoff,
        budget::Asked,
        capability::Expiry,
        conclude, decide,
        failure::FailureKind,
        holding,
        ledger::{Document, Edit, Parameters, State},
        plan::{Plan, Step, Wake},
        status, suspect,
        world::{IntakeView, LedgerView, ProviderView, World},
    },
};

macro_rules! places {
    ($($place:ident,)*) => {
        /// A place in the world where an instant stands.
        #[derive(Clone, Copy, Debug)]
        enum Place {
            $($place,)*
        }

        const PLACES: &[Place] = &[$(Place::$place,)*];
    };
}

places! {
    IssuedAt,
    ExpiresAt,
    UnconfirmedAt,
    RefusedAt,
    DeadAt,
    RetiredAt,
    IntentAt,
    CallBy,
    WrittenAt,
    Minted,
    MintedBefore,
    FailedAt,
    Checked,
    Tried,
    Looked,
    Removal,
    Repaired,
    Reminded,
    Unrecoverable,
    Started,
    Listed,
    BudgetOpens,
    SiblingRefusedAt,
    TargetCreatedAt,
    LedgerTerminating,
    CreationTimestamp,
    DeletionTimestamp,
    StatusIssuedAt,
    StatusExpiresAt,
    IntakeIssuedAt,
    IntakeExpiresAt,
    IntakeSince,
}

fn instants() -> impl Strategy<Value = Timestamp> {
    let near = |end: Timestamp, by: SignedDuration| end.checked_add(by).unwrap();
    prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        Just(Timestamp::UNIX_EPOCH),
        Just(noon()),
        Just(near(Timestamp::MIN, seconds(1))),
        Just(near(Timestamp::MAX, -seconds(1))),
        Just(near(Timestamp::MAX, -hours(1))),
        Just(near(Timestamp::MAX, -days(200))),
        (Timestamp::MIN.as_second()..Timestamp::MAX.as_second())
            .prop_map(|it| Timestamp::from_second(it).unwrap()),
    ]
}

/// Lets a person make the credentials of all providers.
fn made_by_hand(world: &mut World) {
    providers(world, |it| {
        let able = Arc::make_mut(&mut it.capabilities);
        portal(able);
        able.expiry = Expiry::OneOf(TERMS.into());
    });
}

/// Puts the newest revision's pair into an intake, or another one.
fn with_intake(world: &mut World, known: bool) {
    object(world, |it| {
        it.spec.intake = Some(Intake { secret_name: "orders-intake".to_owned(), verify: Verify::Always });
    });
    document(world, |it| {
        it.revisions.last_mut().into_iter().for_each(|it| it.pair = Some("hash of a".to_owned()));
    });
    world.intake = Some(IntakeView::Holds(pair(if known { "a" } else { "b" })));
}

fn document(world: &mut World, change: impl FnOnce(&mut Document)) {
    if let LedgerView::Present { document, .. } = &mut world.ledger {
        change(Arc::make_mut(document));
    }
}

fn object(world: &mut World, change: impl FnMut(&mut ApiCredential)) {
    world.subject.object.as_mut().map(Arc::make_mut).into_iter().for_each(change);
}

fn providers(world: &mut World, change: impl Fn(&mut crate::lifecycle::world::UsableProvider)) {
    for view in world.providers.values_mut() {
        if let ProviderView::Usable(provider) = view {
            change(provider);
        }
    }
}

/// Puts `at` where `place` says, in all revisions and all providers.
fn put(world: &mut World, place: Place, at: Timestamp) {
    let newest = world.document().and_then(|it| it.revisions.last()).map_or(1, |it| it.revision);
    let each = |world: &mut World, change: &dyn Fn(&mut crate::lifecycle::ledger::Revision)| {
        document(world, |it| it.revisions.iter_mut().for_each(change));
    };
    match place {
        Place::IssuedAt => each(world, &|it| it.issued_at = Some(at)),
        Place::ExpiresAt => each(world, &|it| it.expires_at = Some(at)),
        Place::UnconfirmedAt => each(world, &|it| it.unconfirmed_at = Some(at)),
        Place::RefusedAt => each(world, &|it| it.refused_at = Some(at)),
        Place::DeadAt => each(world, &|it| it.dead_at = Some(at)),
        Place::RetiredAt => each(world, &|it| it.retired_at = Some(at)),
        Place::IntentAt => each(world, &|it| it.intent.at = at),
        Place::CallBy => each(world, &|it| it.intent.call_by = at),
        Place::WrittenAt => document(world, |it| it.written_at = at),
        Place::Minted => document(world, |it| it.mints = vec![at; 6]),
        Place::MintedBefore => world.minted_before = vec![at; 6],
        Place::FailedAt => document(world, |it| it.failures.values_mut().for_each(|it| it.at = at)),
        Place::Checked => world.memory.checked = Some(Tried::new(newest, at)),
        Place::Tried => world.memory.tried = Some(Tried::new(newest, at)),
        Place::Looked => world.memory.looked = Some(Tried::new(newest, at)),
        Place::Removal => world.memory.removals.extend((1..4).map(|it| (it, at))),
        Place::Repaired => {
            world.memory.repaired = Some(Repairs { count: backoff::REPAIRS_AT_ONCE + 3, last: at })
        }
        Place::Reminded => world.memory.reminded = Some(at),
        Place::Unrecoverable => world.memory.unrecoverable = Some(at),
        Place::Started => world.operator.started = at,
        Place::Listed => providers(world, |it| it.listed = Arc::new([(Parameters::new(), at)].into())),
        Place::BudgetOpens => {
            providers(world, |it| it.budget = Budget { limit: 1, opens: Some(at), ..Budget::default() });
        }
        Place::SiblingRefusedAt => providers(world, |it| it.standing.sibling_refused_at = Some(at)),
        Place::TargetCreatedAt => world.targets.iter_mut().for_each(|it| it.created_at = Some(at)),
        Place::LedgerTerminating => {
            if let LedgerView::Present { terminating, .. } = &mut world.ledger {
                *terminating = Some(at);
            }
        }
        Place::CreationTimestamp => object(world, |it| it.metadata.creation_timestamp = Some(Time(at))),
        Place::DeletionTimestamp => object(world, |it| it.metadata.deletion_timestamp = Some(Time(at))),
        Place::StatusIssuedAt | Place::StatusExpiresAt => object(world, |it| {
            for listed in it.status.iter_mut().flat_map(|it| &mut it.credentials) {
                match place {
                    Place::StatusIssuedAt => listed.issued_at = Some(at),
                    _ => listed.expires_at = Some(at),
                }
            }
        }),
        Place::IntakeIssuedAt | Place::IntakeExpiresAt | Place::IntakeSince => {
            if let Some(IntakeView::Holds(pair)) = &mut world.intake {
                match place {
                    Place::IntakeIssuedAt => pair.issued_at = Some(at),
                    Place::IntakeExpiresAt => pair.expires_at = Some(at),
                    _ => pair.since = at,
                }
            }
        }
    }
}

/// Decides, shows, and concludes whatever may come of it. Nothing of that may panic.
fn goes_through(world: &World, now: Timestamp, kind: FailureKind) -> Plan {
    let plan = decide(world, now);
    if let Some(object) = &world.subject.object {
        let _ = status::view(world, object, &rest_of(&plan), now);
    }
    let Some(step) = plan.step() else { return plan };
    for outcome in worlds::outcomes(step, kind) {
        let report = conclude(world, step, &outcome, now);
        let Some(document) = world.document() else { continue };
        let mut document = document.clone();
        let first = match step {
            Step::Mint(it) => Some(Edit::Intend(it.clone())),
            Step::Take(it) => Some(Edit::Take(it.clone())),
            Step::Record(edit) => Some(edit.clone()),
            _ => None,
        };
        for edit in first.iter().chain(&report.edits) {
            let _ = document.apply(edit, now);
        }
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: worlds::cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_instant_makes_a_decision_panic(
        facts in worlds::facts(),
        intake in prop::option::of(any::<bool>()),
        far in prop::collection::vec((prop::sample::select(PLACES), instants()), 1..5),
        now in prop_oneof![3 => Just(noon()), 1 => instants()],
        kind in worlds::kinds(),
    ) {
        let mut world = worlds::world(&facts);
        if let Some(known) = intake {
            made_by_hand(&mut world);
            with_intake(&mut world, known);
        }
        for (place, at) in far {
            put(&mut world, place, at);
        }
        goes_through(&world, now, kind);
    }

    /// The functions beside `decide` that add to times.
    #[test]
    fn no_instant_makes_a_question_beside_a_decision_panic(
        (at, now) in (instants(), instants()),
        mints in prop::collection::vec(instants(), 0..6),
        limit in 0..4_u32,
    ) {
        let mut mints = mints;
        mints.sort_unstable();
        let asked = Asked { by_all: mints.clone(), by_one: Some(mints.clone()) };
        let _ = Budget::after(limit, &asked, now);
        let _ = backoff::breaker_opens(mints.iter().copied(), limit, now);
        let _ = backoff::next_repair(Repairs { count: backoff::REPAIRS_AT_ONCE + 5, last: at });
        let _ = crate::lifecycle::abandoned::next_attempt(limit, now);
        let _ = crate::lifecycle::failure::RetryAfter::At(at).instant(now);
        let provider = suspect::Named {
            kind: crate::api::ProviderKind::CredentialProvider,
            namespace: "prod",
            name: "acme",
        };
        let _ = suspect::of_too_many_refusals(mints.into_iter(), 1, provider);
        let user = holding::User { deleting: false, lives: true, going: true };
        let login = holding::Login {
            offered: true,
            terminating: Some(at),
            namespace_going: true,
            users: vec![user],
            revocation_deadline: SignedDuration::MAX,
        };
        let _ = holding::login(&login, now);
    }
}

/// The first way: an intake says so, and the pair is about to be taken.
#[test]
fn an_intake_of_the_latest_possible_time_causes_no_panic() {
    for far in [Timestamp::MAX, Timestamp::MAX - minutes(59), Timestamp::MIN] {
        for place in [Place::IntakeIssuedAt, Place::IntakeExpiresAt, Place::IntakeSince] {
            let mut world = a_credential().world();
            made_by_hand(&mut world);
            with_intake(&mut world, false);
            put(&mut world, place, far);
            goes_through(&world, noon(), FailureKind::Unavailable);
        }
    }
}

/// The second way: it is in the ledger and published, and nobody remembers when it was last tried.
#[test]
fn a_revision_of_the_latest_possible_time_causes_no_panic() {
    for far in [Timestamp::MAX, Timestamp::MAX - minutes(30), Timestamp::MIN] {
        for lifetime in [None, lasting("2160h")] {
            let scene = a_credential().with_spec(|it| it.lifetime = lifetime).issued(days(9));
            let mut world = scene.clone().published().world();
            put(&mut world, Place::IssuedAt, far);
            goes_through(&world, noon(), FailureKind::Unavailable);
            // The same while it waits to be published, and is refused.
            let mut world = scene.world();
            put(&mut world, Place::IssuedAt, far);
            let plan = goes_through(&world, noon(), FailureKind::Unavailable);
            assert_ne!(rest_of(&plan).wake, Wake::At(Timestamp::MAX), "nobody wakes at the end of time");
        }
    }
}

#[test]
fn a_mistyped_year_is_corrected_by_the_person_who_typed_it() {
    let mut world = a_credential().issued(days(9)).published().world();
    providers(&mut world, |it| portal(Arc::make_mut(&mut it.capabilities)));
    with_intake(&mut world, true);
    put(&mut world, Place::IssuedAt, Timestamp::MAX);
    put(&mut world, Place::IntakeIssuedAt, noon() - days(9));
    let plan = goes_through(&world, noon(), FailureKind::Unavailable);
    assert!(matches!(plan.step(), Some(Step::Record(Edit::Restate { .. }))), "{plan:?}");
    assert_eq!(world.document().map(|it| it.revisions[0].state), Some(State::Issued));
}

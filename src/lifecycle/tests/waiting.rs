//! A plan that rests is woken when something becomes due, and never sooner than a moment from now.

use jiff::SignedDuration;

use super::{builders::*, table::*};
use crate::{
    api::Reason,
    lifecycle::{
        decide,
        failure::FailureKind,
        ledger::{State, StepKind},
        plan::{Plan, Wake},
    },
};

fn plan_of(scene: Scene) -> Plan {
    let plan = decide(&scene.world(), noon());
    assert_eq!(plan.step(), None, "{}", in_words(&plan));
    plan
}

fn wakes_in(scene: Scene) -> Option<SignedDuration> {
    match plan_of(scene).at_rest().wake {
        Wake::At(at) => Some(at.duration_since(noon())),
        Wake::OnChange => None,
    }
}

/// Its hourly check is an hour away, so that it is not what wakes.
fn just_checked(scene: Scene) -> Scene {
    scene.and(|it| {
        it.world.memory.checked = Some(Tried::new(it.document.revisions.last().unwrap().revision, noon()))
    })
}

#[test]
fn each_wait_ends_when_it_is_due() {
    let taken = |scene: Scene| {
        scene.frozen().with_secret(|it| it.name = Some("other".to_owned())).with_target(|it| {
            (it.name, it.ours) = ("other".to_owned(), false);
        })
    };
    let renamed = just_checked(a_credential().issued(days(10)))
        .published_in("orders")
        .with_secret(|it| it.name = Some("other".to_owned()))
        .published()
        .frozen()
        .renamed("other", hours(24) - minutes(7));
    let rows = [
        ("the hourly check", just_checked(a_credential().issued(days(10)).published()), hours(1)),
        (
            "the end of an overlap",
            just_checked(
                a_credential().issued(days(80)).retiring(hours(24) - minutes(9)).issued(days(1)).published(),
            ),
            minutes(9),
        ),
        ("the end of a renamed Secret's overlap", renamed, minutes(7)),
        (
            "another's Secret, which nobody reports",
            a_credential().with_target(|it| it.ours = false),
            minutes(1),
        ),
        (
            "the same, while a credential waits for it",
            taken(a_credential().issued(days(10)).published()).verified(),
            minutes(1),
        ),
        ("the end of a call", a_credential().intended(seconds(15)), seconds(25)),
        (
            "the next look for a lost answer",
            a_credential()
                .unconfirmed(seconds(5))
                .and(|it| it.world.memory.looked = Some(Tried::new(1, noon()))),
            seconds(10),
        ),
        (
            "the last look for it",
            a_credential()
                .unconfirmed(seconds(27))
                .and(|it| it.world.memory.looked = Some(Tried::new(1, noon()))),
            seconds(3),
        ),
        (
            "the next try of a new one",
            a_credential().issued(seconds(20)).and(|it| it.world.memory.tried = Some(Tried::new(1, noon()))),
            seconds(5),
        ),
        (
            "backoff",
            a_credential().revoking().deleting().failed(
                StepKind::Revoke,
                Reason::RevocationFailed,
                FailureKind::Unavailable,
                seconds(2),
            ),
            seconds(3),
        ),
        ("the breaker", a_credential().minted(&[minutes(50); 5]), minutes(10)),
        (
            "the end of what is suspended",
            a_credential().issued(days(89)).published().suspended().expiring_in(seconds(9)),
            seconds(9),
        ),
    ];
    for (sentence, scene, expected) in rows {
        assert_eq!(wakes_in(scene), Some(expected), "{sentence}");
    }
}

#[test]
fn a_wait_that_only_a_change_can_end_has_no_timer() {
    for (sentence, scene) in [
        ("a provider that does not exist", a_credential().without_provider()),
        ("two owners of one tag", a_credential().next(State::Absent).with_stray(&own_tag(), 2)),
        ("an unreachable provider", a_credential().paused()),
        ("a spec that it cannot honour", a_credential().capable(|it| it.name_max = 3)),
    ] {
        assert_eq!(wakes_in(scene), None, "{sentence}");
    }
}

#[test]
fn a_leftover_that_nobody_can_look_for_does_not_cost_a_credential_its_last_third() {
    let waiting = |age| {
        let scene = just_checked(a_credential().issued(age).published()).next(State::Abandoned);
        let scene = scene.with_rotation(|it| it.renew_before = lasting("900h")).capable(unlisted);
        let scene = scene.failed(StepKind::Mint, Reason::Unconfirmed, FailureKind::Ambiguous, minutes(20));
        let about = scene.about_minting();
        scene.and(|it| {
            let record = it.document.failures.get_mut(&StepKind::Mint).unwrap();
            (record.count, record.about) = (3, about);
            it.world.memory.checked = Some(Tried::new(1, noon()));
        })
    };
    let plan = plan_of(waiting(days(60) - minutes(30)));
    assert_eq!(
        (rest_of(&plan).reason, rest_of(&plan).wake),
        (Reason::Unconfirmed, Wake::At(noon() + minutes(30)))
    );
    assert_eq!(in_words(&decide(&waiting(days(60)).world(), noon())), "mint 3: RenewalDue");
}

//! Credentials that a person creates.

use super::{builders::*, removal::left, table::*};
use crate::{
    api::{ConditionType, Intake, Reason, Verify},
    lifecycle::{
        capability::{Creation, Expiry, Portal, Removal, Scopes, Term, Text},
        conclude, decide,
        failure::{Failure, FailureKind},
        ledger::{Edit, State, StepKind},
        plan::{Outcome, Step},
        status,
        world::{IntakePair, IntakeView},
    },
};

pub(super) const TERMS: &[Term] = &[
    Term {
        words: Text::Borrowed("two weeks"),
        covers: jiff::SignedDuration::from_hours(14 * 24),
        at_least: jiff::SignedDuration::from_hours(14 * 24),
    },
    Term {
        words: Text::Borrowed("six months"),
        covers: jiff::SignedDuration::from_hours(183 * 24),
        at_least: jiff::SignedDuration::from_hours(181 * 24),
    },
];

/// A provider where a person makes the credentials, and `orders` asks for one.
pub(super) fn by_hand() -> Scene {
    let scene = a_credential().capable(|it| {
        it.removal = Removal::Person;
        it.expiry = Expiry::OneOf(TERMS.into());
        it.place = "the portal, page Old keys".to_owned();
        it.creation = Creation::Person(Portal {
            create_at: "the portal, page Keys".to_owned(),
            scopes_called: "permissions".into(),
            notes: vec!["A key belongs to a person.".to_owned()],
            when_refused: "Keys of another region are refused, too.".to_owned(),
        });
    });
    scene.with_spec(|it| {
        it.intake = Some(Intake { secret_name: "orders-intake".to_owned(), verify: Verify::Always });
    })
}

/// The pair that an intake holds.
pub(super) fn pair(which: &str) -> IntakePair {
    IntakePair {
        client_id: format!("client of {which}"),
        pair_before: None,
        pair: format!("hash of {which}"),
        content: format!("content {which}"),
        issued_at: None,
        expires_at: None,
        since: noon() - minutes(1),
        held_elsewhere: false,
    }
}

pub(super) trait ByHand {
    fn holding(self, pair: IntakePair) -> Self;
    fn taken(self, which: &str, ago: jiff::SignedDuration) -> Self;
    fn with_empty_intake(self) -> Self;
}

impl ByHand for Scene {
    fn holding(mut self, pair: IntakePair) -> Self {
        self.world.intake = Some(IntakeView::Holds(pair));
        self
    }

    fn with_empty_intake(mut self) -> Self {
        self.world.intake = Some(IntakeView::Missing);
        self
    }

    /// One more revision, taken from an intake that held `which`.
    fn taken(self, which: &str, ago: jiff::SignedDuration) -> Self {
        self.issued(ago).and(|it| it.it().pair = Some(format!("hash of {which}")))
    }
}

fn refused(scene: Scene, which: &str) -> Scene {
    let world = scene.clone().holding(pair(which)).world();
    let Some(Step::Take(revision)) = decide(&world, noon()).step().cloned() else {
        panic!("it is not taken")
    };
    let step = Step::Take(revision);
    let report = conclude(&world, &step, &Outcome::Tried { accepted: false }, noon());
    scene
        .with_ledger()
        .and(|it| report.edits.iter().for_each(|edit| it.document.apply(edit, noon()).unwrap()))
}

#[test]
fn the_message_about_a_refused_pair_lists_other_causes() {
    let world = refused(by_hand(), "a").holding(pair("a")).world();
    let plan = decide(&world, noon());
    assert_eq!(rest_of(&plan).reason, Reason::IntakeRefused);
    let said = "it may not be used from here. Keys of another region are refused, too. If that is fixed";
    assert!(rest_of(&plan).message.contains(said), "{}", rest_of(&plan).message);
}

#[test]
fn a_person_is_asked_and_their_pair_is_taken() {
    let at = |change: fn(&mut IntakePair)| {
        let mut it = pair("a");
        change(&mut it);
        by_hand().holding(it)
    };
    let unusable = by_hand().and(|it| it.world.intake = Some(IntakeView::Unusable("it is empty".to_owned())));
    check(vec![
        ("nothing is there yet", by_hand().with_empty_intake(), "rest: IntakeAwaited"),
        ("no intake is named", by_hand().with_spec(|it| it.intake = None), "rest: InvalidForProvider"),
        ("what is there is no pair", unusable, "rest: IntakeInvalid"),
        ("a pair", at(|_| ()), "take 1: FirstIssue"),
        ("one that has only just been put there", at(|it| it.since = noon() - seconds(4)), "rest: Verifying"),
        ("one of another object", at(|it| it.held_elsewhere = true), "rest: IntakeInvalid"),
        ("one that has expired", at(|it| it.expires_at = Some(noon())), "rest: IntakeInvalid"),
        (
            "one that is older than its lifetime",
            at(|it| it.issued_at = Some(noon() - days(91))),
            "rest: IntakeInvalid",
        ),
        ("one that was refused", refused(by_hand(), "a").holding(pair("a")), "rest: IntakeRefused"),
        ("another after it", refused(by_hand(), "a").holding(pair("b")), "take 1: FirstIssue"),
        (
            "one that was refused, but for another spec",
            refused(by_hand(), "a").holding(pair("a")).with_spec(|it| it.scopes = vec!["write".to_owned()]),
            "take 1: FirstIssue",
        ),
        ("while the provider is unreachable", at(|_| ()).paused(), "rest: ProviderUnavailable"),
        (
            "a provider that does it itself makes one, whatever is in the intake",
            at(|_| ()).capable(|it| it.creation = capabilities().creation),
            "mint 1: FirstIssue",
        ),
    ]);
}

#[test]
fn an_intake_that_keeps_changing_after_a_failure_is_tried_once_a_minute() {
    let changed = |ago| refused(by_hand(), "a").holding(pair("b")).and(|it| it.world.memory.retried = ago);
    check(vec![
        ("the first change", changed(None), "take 1: FirstIssue"),
        ("another one within the minute", changed(Some(noon() - seconds(59))), "rest: Verifying"),
        ("after the minute", changed(Some(noon() - minutes(1))), "take 1: FirstIssue"),
    ]);
    let waits = decide(&changed(Some(noon() - seconds(20))).world(), noon()).at_rest();
    assert_eq!(waits.wake.instant(), Some(noon() + seconds(40)));
    assert!(waits.message.contains("the next attempt is at"), "{}", waits.message);

    let retried = |scene: Scene| {
        let world = scene.world();
        let step = decide(&world, noon()).step().cloned().unwrap();
        conclude(&world, &step, &Outcome::Tried { accepted: false }, noon()).memory.retried
    };
    assert_eq!(retried(by_hand().holding(pair("a"))), None, "the first attempt is no retry");
    assert_eq!(retried(changed(None)), Some(noon()));
}

#[test]
fn a_replacement_is_asked_for_in_time_and_taken_at_any_time() {
    let due = || by_hand().taken("a", days(80)).published();
    let working = || by_hand().taken("a", days(10)).published();
    check(vec![
        ("in the middle of its life nothing is asked", working().with_empty_intake(), "rest: Issued"),
        ("nor while the intake holds what was taken", working().holding(pair("a")), "rest: Issued"),
        ("near its end a person is asked", due().with_empty_intake(), "rest: IntakeAwaited"),
        ("the old one again is no replacement", due().holding(pair("a")), "rest: IntakeAwaited"),
        ("a new one is", due().holding(pair("b")), "take 2: RenewalDue"),
        ("at any time", working().holding(pair("b")), "take 2: IntakeReplaced"),
        (
            "a request asks a person, too",
            working().with_rotation(|it| it.request = Some("now".to_owned())).holding(pair("a")),
            "rest: IntakeAwaited",
        ),
        (
            "what cannot be taken is said, though nothing was needed",
            working().and(|it| it.world.intake = Some(IntakeView::Unusable("it is empty".to_owned()))),
            "rest: IntakeInvalid",
        ),
        (
            "what seemed dead is looked at again",
            working().dead().refused(hours(2)).with_empty_intake().and(|it| {
                it.world.memory.checked = Some(Tried::new(1, noon() - hours(1)));
            }),
            "verify 1",
        ),
    ]);
}

#[test]
fn a_taken_pair_has_its_end_of_life() {
    let taken = |change: fn(&mut IntakePair)| {
        let mut it = pair("a");
        change(&mut it);
        let Some(Step::Take(revision)) = decide(&by_hand().holding(it).world(), noon()).step().cloned()
        else {
            panic!("it is not taken")
        };
        (revision.issued_at.unwrap(), revision.expires_at)
    };
    let seen = noon() - minutes(1);
    assert_eq!(taken(|_| ()), (seen, Some(seen + days(181))), "the shortest that the term can mean");
    assert_eq!(taken(|it| it.issued_at = Some(noon() - days(3))).0, noon() - days(3));
    assert_eq!(taken(|it| it.expires_at = Some(noon() + days(9))).1, Some(noon() + days(9)));
}

#[test]
fn later_corrections_of_an_intake_count_from_then_on() {
    let scene = |change: fn(&mut IntakePair)| {
        let mut it = pair("a");
        change(&mut it);
        by_hand().taken("a", days(10)).expiring_in(days(20)).published().holding(it)
    };
    let later = scene(|it| it.expires_at = Some(noon() + days(9)));
    let Some(Step::Record(edit)) = decide(&later.clone().world(), noon()).step().cloned() else {
        panic!("nothing is recorded")
    };
    let mut document = later.document.clone();
    document.apply(&edit, noon()).unwrap();
    let it = &document.revisions[0];
    assert_eq!((it.issued_at, it.expires_at), (Some(noon() - days(10)), Some(noon() + days(9))));
    check(vec![
        (
            "what is known already is not written again",
            scene(|it| it.expires_at = Some(noon() + days(20))),
            "rest: Issued",
        ),
        ("what is left out is kept", scene(|_| ()), "rest: Issued"),
    ]);
}

/// Returns the steps for a person, as the condition says them.
pub(super) fn asked(scene: Scene) -> String {
    let object = scene.object.clone();
    let world = scene.world();
    let plan = decide(&world, noon());
    let status = status::view(&world, &object, &rest_of(&plan), noon());
    let found = status.conditions.iter().find(|it| it.type_ == ConditionType::ActionRequired.as_str());
    found.map(|it| format!("{}: {}", it.reason, it.message)).unwrap_or_default()
}

#[test]
fn the_instructions_leave_no_question_open() {
    let scene = by_hand().with_empty_intake().with_spec(|it| {
        it.scopes = vec!["networks".to_owned(), "users".to_owned()];
        it.subnets = vec!["203.0.113.0/24".to_owned()];
    });
    insta::assert_snapshot!(asked(scene), @"IntakeAwaited: no credential has been issued yet; a person has to make one at Acme. To do: 1) open the portal, page Keys; 2) create a credential named prod-orders-kwusfcyph9ufuqei-1; 3) choose exactly these permissions: networks, users; 4) choose the term six months; 5) allow it from these subnets only: 203.0.113.0/24; 6) store the two values, which are shown once (type the secret, then Enter and Ctrl-D): kubectl create secret generic orders-intake --namespace=prod --from-literal=client_id=CLIENT-ID --from-file=client_secret=/dev/stdin --dry-run=client --output=yaml | kubectl label --local --filename=- --output=yaml credwright.dev/role=intake | kubectl apply --server-side --force-conflicts --filename=-. A key belongs to a person");
}

#[test]
fn a_wait_for_a_person_is_reported() {
    let said = |scene: Scene, type_: ConditionType| {
        let object = scene.object.clone();
        let world = scene.world();
        let plan = decide(&world, noon());
        let status = status::view(&world, &object, &rest_of(&plan), noon());
        let found = status.conditions.into_iter().find(|it| it.type_ == type_.as_str());
        found.map_or("none".to_owned(), |it| format!("{} {}", it.status, it.reason))
    };
    let first = || by_hand().with_empty_intake();
    let renewal = || by_hand().taken("a", days(80)).published().with_empty_intake();
    assert_eq!(said(first(), ConditionType::Ready), "False IntakeAwaited");
    assert_eq!(said(first(), ConditionType::Stalled), "True IntakeAwaited");
    assert_eq!(said(renewal(), ConditionType::Ready), "True IntakeAwaited");
    assert_eq!(said(renewal(), ConditionType::Stalled), "none", "what is published works: nobody is stuck");
    assert_eq!(said(renewal(), ConditionType::ActionRequired), "True IntakeAwaited");
    assert_eq!(said(renewal().suspended(), ConditionType::ActionRequired), "none");
    assert_eq!(said(active(), ConditionType::ActionRequired), "none");
}

#[test]
fn a_reminder_comes_daily_and_not_after_a_restart() {
    let made = |ago| {
        by_hand().with_empty_intake().and(|it| {
            let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(noon() - ago);
            it.object.metadata.creation_timestamp = Some(time);
            it.world.operator.started = noon() - hours(2);
        })
    };
    let is_reminder = |scene: Scene| matches!(decide(&scene.world(), noon()).step(), Some(Step::Remind(_)));
    assert!(is_reminder(made(hours(25))), "a day and an hour after it was made");
    assert!(!is_reminder(made(hours(23))), "not on the first day");
    let skewed = made(hours(-1)).and(|it| it.world.operator.started = noon() - hours(3));
    assert!(!is_reminder(skewed), "nor while the API server's clock is ahead");
    let restarted = made(hours(25)).and(|it| it.world.operator.started = noon() - minutes(59));
    assert!(!is_reminder(restarted), "this was another process's to say");
    let reminded = made(hours(25)).and(|it| it.world.memory.reminded = Some(noon() - minutes(1)));
    assert!(!is_reminder(reminded), "once is enough");
    let idle = made(hours(25)).and(|it| it.world.intake = Some(IntakeView::Missing)).suspended();
    assert!(!is_reminder(idle), "nor while nothing is asked");
}

#[test]
fn a_pair_known_by_the_previous_sealing_key_is_then_known_by_the_current_one() {
    for state in [State::Issued, State::Revoked] {
        let mut scene = by_hand().taken("a", days(2)).published();
        scene.it().state = state;
        let pair_before = scene.it().pair.clone();
        let times = (scene.it().issued_at, scene.it().expires_at);
        let current = "by the current key".to_owned();
        let held = IntakePair { pair: current.clone(), pair_before, ..pair("a") };
        let plan = decide(&scene.holding(held).world(), noon());
        let Some(Step::Record(Edit::Restate { issued_at, expires_at, pair, .. })) = plan.step().cloned()
        else {
            panic!("{state:?}: {plan:?}")
        };
        assert_eq!((pair, (issued_at, expires_at)), (current, times), "{state:?}");
    }
}

#[test]
fn being_asked_to_slow_down_for_one_credential_does_not_hold_up_the_others() {
    let failure = Failure::new(FailureKind::RateLimited, "slow down".to_owned());
    let trouble = |own: bool| {
        let world =
            by_hand().capable(|it| it.limits_per_credential = own).taken("a", days(1)).published().world();
        let report =
            conclude(&world, &Step::Verify { revision: 1 }, &Outcome::Failed(failure.clone()), noon());
        (report.trouble.is_some(), report.edits.len())
    };
    assert_eq!(trouble(false), (true, 0), "the account is left alone for a while");
    assert_eq!(trouble(true), (false, 1), "only this one is");
}

#[test]
fn a_credential_that_is_accepted_again_is_not_dead() {
    let world = by_hand().taken("a", days(10)).published().refused(hours(2)).dead().world();
    let report = conclude(&world, &Step::Verify { revision: 1 }, &Outcome::Tried { accepted: true }, noon());
    let mut document = world.document().unwrap().clone();
    report.edits.iter().for_each(|edit| document.apply(edit, noon()).unwrap());
    assert_eq!((document.revisions[0].dead_at, document.revisions[0].refused_at), (None, None));
    let still = conclude(&world, &Step::Verify { revision: 1 }, &Outcome::Tried { accepted: false }, noon());
    assert_eq!(
        (still.edits, still.events),
        (vec![], vec![]),
        "and nobody is told every hour that it is dead"
    );
}

#[test]
fn a_field_that_a_provider_cannot_honour_is_named_with_the_provider() {
    let said = |scene: Scene| {
        let plan = decide(&scene.with_empty_intake().world(), noon());
        assert_eq!(rest_of(&plan).reason, Reason::InvalidForProvider, "{}", rest_of(&plan).message);
        rest_of(&plan).message
    };
    let with = |change: fn(&mut crate::lifecycle::capability::Capabilities)| by_hand().capable(change);
    let known = || Scopes::Only(vec!["BasicRead".to_owned(), "SupportRead".to_owned()]);
    let rows = [
        (
            by_hand().with_spec(|it| it.lifetime = lasting("9600h")),
            "spec.lifetime: Acme offers two weeks or six months; 400 days cannot be covered",
        ),
        (
            with(|it| it.scopes = Scopes::None),
            "spec.scopes: Acme has no scopes, and each of its credentials may do everything; remove spec.scopes if that is acceptable",
        ),
        (
            by_hand().capable(|it| it.scopes = known()),
            "spec.scopes: Acme does not know read; it knows BasicRead or SupportRead",
        ),
        (
            by_hand()
                .capable(|it| (it.scopes, it.scopes_required) = (known(), true))
                .with_spec(|it| it.scopes.clear()),
            "spec.scopes: Acme needs at least one: BasicRead or SupportRead",
        ),
        (
            with(|it| it.subnets = false).with_spec(|it| it.subnets = vec!["203.0.113.0/24".to_owned()]),
            "spec.subnets: Acme cannot limit a credential to subnets; remove spec.subnets if that is acceptable",
        ),
        (
            by_hand().with_spec(|it| it.intake = None),
            "spec.intake: a person makes the credentials of Acme; set spec.intake.secretName to the name of the Secret that the person will fill",
        ),
    ];
    for (scene, expected) in rows {
        assert_eq!(said(scene), expected);
    }
    let documented = by_hand().capable(|it| it.scopes = Scopes::Documented(vec!["write".to_owned()]));
    assert!(
        asked(documented.with_empty_intake())
            .ends_with("Acme does not document read, so the name is passed on as it is")
    );
}

#[test]
fn an_unverified_pair_is_published_and_never_verified() {
    let skipped =
        || by_hand().with_spec(|it| it.intake.as_mut().unwrap().verify = Verify::Skip).with_empty_intake();
    check(vec![
        ("it is published", skipped().taken("a", minutes(1)), "publish 1"),
        (
            "and not tried later",
            skipped()
                .taken("a", days(2))
                .published()
                .and(|it| it.world.memory.checked = Some(Tried::new(1, noon() - days(1)))),
            "rest: Issued",
        ),
        (
            "nor is what it replaced",
            left().with_spec(|it| it.intake.as_mut().unwrap().verify = Verify::Skip),
            "rest: Issued",
        ),
    ]);
    let failures = &refused(by_hand(), "a").document.failures;
    assert_eq!(failures[&StepKind::Mint].reason, Reason::IntakeRefused);
}

//! Status as people and tools read it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{builders::*, table::*};
use crate::{
    api::{AbandonedKind, AbandonedStatus, ApiCredentialStatus, ConditionType, Reason},
    lifecycle::{
        capability::LoginCheck,
        decide,
        failure::FailureKind,
        ledger::{State, StepKind},
        plan::Rest,
        status,
        world::{LedgerView, UsableProvider},
    },
};

fn status_at(scene: Scene, now: Timestamp) -> ApiCredentialStatus {
    let object = scene.object.clone();
    let world = scene.world();
    status::view(&world, &object, &decide(&world, now).at_rest(), now)
}

fn status_of(scene: Scene) -> ApiCredentialStatus {
    status_at(scene, noon())
}

fn condition(status: &ApiCredentialStatus, type_: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|it| it.type_ == type_.as_str())
}

fn words(scene: Scene, type_: ConditionType) -> String {
    let status = status_of(scene);
    condition(&status, type_).map_or("none".to_owned(), |it| format!("{} {}", it.status, it.reason))
}

fn active() -> Scene {
    a_credential().issued(days(10)).published()
}

/// If it did, and the earlier ledger went, a new ledger would be put together from status, and the
/// credential that the earlier object retained would be revoked.
#[test]
fn status_lists_nothing_of_an_earlier_object_of_the_same_name() {
    let of_another = |scene: Scene| scene.and(|it| it.document.object_uid = "uid-0".to_owned());
    let closed = |it: &mut Scene| it.document.closed = true;
    for scene in [
        of_another(a_credential().intended(seconds(3))),
        of_another(a_credential().issued(days(9)).issued(days(1))).and(closed).released_ledger(),
    ] {
        let status = status_of(scene);
        assert_eq!(status.credentials, [], "{status:#?}");
        assert_eq!((status.revision, status.last_rotation), (None, None));
    }
    let restored = of_another(active().restored_ledger());
    assert_eq!(status_of(restored).credentials.len(), 1, "it is taken over");
}

#[test]
fn ready_is_about_the_published_credential() {
    let at_rest = |scene: Scene| scene.paused();
    let rows = [
        ("before the first", a_credential().paused(), "False ProviderUnavailable"),
        ("published", active(), "True Issued"),
        (
            "through a rotation",
            at_rest(a_credential().issued(days(80)).published()),
            "True ProviderUnavailable",
        ),
        (
            "while the new one is being tried",
            at_rest(a_credential().issued(days(80)).published().issued(minutes(1))),
            "True Verifying",
        ),
        (
            "while the template is broken",
            active().frozen().with_secret(|it| it.include_previous = true).failed(
                StepKind::Publish,
                Reason::TemplateInvalid,
                FailureKind::Unavailable,
                seconds(1),
            ),
            "True TemplateInvalid",
        ),
        ("while nothing can be minted", active().without_provider(), "True Issued"),
        ("suspended", active().suspended(), "True Suspended"),
        ("past its lifetime", at_rest(a_credential().issued(days(91)).published()), "True Overdue"),
        ("expired at the provider", at_rest(active().expiring_in(seconds(0))), "False Expired"),
        ("expired while suspended", active().expiring_in(seconds(0)).suspended(), "False Expired"),
        ("dead at the provider", at_rest(active().dead()), "False FoundRevoked"),
        (
            "revoked on the way out",
            a_credential().revoking().published().paused().deleting(),
            "False Deleting",
        ),
        ("two owners, but working", active().with_stray(&own_tag(), 2), "True IdentityClash"),
        ("another's Secret", a_credential().with_target(|it| it.ours = false), "False TargetForeign"),
        ("a lost ledger", a_credential().status_says(1).unrecoverable(), "False LedgerLost"),
    ];
    for (sentence, scene, expected) in rows {
        assert_eq!(words(scene, ConditionType::Ready), expected, "{sentence}");
    }
}

#[test]
fn a_credential_that_was_refused_twice_is_not_ready() {
    let seen = |ago| {
        let checked = noon() - ago;
        active().refused(minutes(2)).and(|it| it.world.memory.checked = Some(Tried::new(1, checked)))
    };
    let ready = |scene: Scene| {
        let sibling = |it: &mut UsableProvider| it.standing.sibling_refused_at = Some(noon() - minutes(1));
        words(scene.provider(sibling).paused(), ConditionType::Ready)
    };
    assert_eq!(ready(seen(minutes(2))), "True Issued", "once may be a moment's");
    assert_eq!(ready(seen(minutes(1))), "False FoundRevoked", "whoever else is refused, this one is");
    let unasked = seen(minutes(1)).failed(
        StepKind::Verify,
        Reason::ProviderUnavailable,
        FailureKind::Unavailable,
        seconds(60),
    );
    assert_eq!(ready(unasked), "True Issued", "the second time nobody answered");
}

#[test]
fn a_refused_revocation_needs_a_person_until_it_is_over() {
    let doomed = || a_credential().revoking().issued(days(2)).published();
    let failed = |kind, count| {
        let scene =
            doomed().failed(StepKind::Revoke, Reason::RevocationFailed, kind, seconds(1)).of_revision(1);
        scene.and(|it| it.document.failures.get_mut(&StepKind::Revoke).unwrap().count = count)
    };
    let action = |scene: Scene| words(scene, ConditionType::ActionRequired);
    for kind in [FailureKind::Forbidden, FailureKind::Rejected, FailureKind::NotFound] {
        assert_eq!(action(failed(kind, 1)), "True RevocationFailed", "{kind:?}");
    }
    assert_eq!(action(failed(FailureKind::Unavailable, 2)), "none", "it may be a moment's");
    assert_eq!(action(failed(FailureKind::Unavailable, 3)), "True RevocationFailed");
    assert_eq!(action(doomed()), "none");
    let status = status_of(failed(FailureKind::Forbidden, 1));
    let message = &condition(&status, ConditionType::ActionRequired).unwrap().message;
    assert!(message.contains("Remove ") && message.contains("Credwright retries at"), "{message}");
}

#[test]
fn published_and_provider_reachable_have_reasons_of_their_own() {
    assert_eq!(words(active(), ConditionType::Published), "True Issued");
    let rotating = a_credential().issued(days(80)).published().issued(minutes(1)).paused();
    assert_eq!(words(rotating, ConditionType::Published), "False Verifying");
    let broken = active().frozen().with_secret(|it| it.include_previous = true).failed(
        StepKind::Publish,
        Reason::TemplateInvalid,
        FailureKind::Unavailable,
        seconds(1),
    );
    assert_eq!(words(broken, ConditionType::Published), "False TemplateInvalid");
    assert_eq!(words(active(), ConditionType::ProviderReachable), "True LoginAccepted");
    for (login, expected) in [
        (LoginCheck::Untried, "the provider answers; the initial_access_token is first tried when"),
        (LoginCheck::None, "the provider answers; Credwright uses no login there"),
    ] {
        let status = status_of(active().capable(|it| it.login = login));
        let reached = condition(&status, ConditionType::ProviderReachable).unwrap();
        assert_eq!((reached.status.as_str(), reached.reason.as_str()), ("True", "Reachable"));
        assert!(reached.message.starts_with(expected), "{}", reached.message);
    }
    assert_eq!(words(active().paused(), ConditionType::ProviderReachable), "False ProviderUnavailable");
    assert_eq!(words(active().without_provider(), ConditionType::ProviderReachable), "False ProviderMissing");
}

#[test]
fn stalled_says_that_waiting_does_not_help() {
    let failed = |reason, kind| a_credential().failed(StepKind::Publish, reason, kind, seconds(1));
    let rows = [
        ("all is well", active(), "none"),
        ("the provider is down", a_credential().paused(), "none"),
        ("an answer was lost", a_credential().unconfirmed(seconds(1)).paused(), "none"),
        ("another's Secret", a_credential().with_target(|it| it.ours = false), "True TargetForeign"),
        ("too many", a_credential().minted(&[minutes(1); 5]), "True MintLimit"),
        ("two owners", active().with_stray(&own_tag(), 2), "True IdentityClash"),
        ("a lost ledger", a_credential().status_says(1).unrecoverable(), "True LedgerLost"),
        (
            "a broken template",
            failed(Reason::TemplateInvalid, FailureKind::Unavailable).issued(seconds(9)).verified(),
            "True TemplateInvalid",
        ),
    ];
    for (sentence, scene, expected) in rows {
        assert_eq!(words(scene, ConditionType::Stalled), expected, "{sentence}");
    }
    let mut world = active().world();
    world.ledger =
        LedgerView::Unreadable { why: "its seal does not open".to_owned(), held: true, terminating: false };
    let object = active().object;
    let plan = decide(&world, noon());
    let status = status::view(&world, &object, &rest_of(&plan), noon());
    assert_eq!(condition(&status, ConditionType::Stalled).unwrap().reason, "LedgerUnreadable");
}

#[test]
fn without_a_ledger_status_keeps_what_it_lists() {
    let unreadable =
        LedgerView::Unreadable { why: "its seal does not open".to_owned(), held: true, terminating: false };
    for ledger in [LedgerView::Absent, unreadable] {
        let scene = a_credential().status_lists(2, "Retiring").status_lists(3, "Active");
        let before = scene.object.status.clone().unwrap();
        let mut world = scene.clone().world();
        world.ledger = ledger;
        let status = status::view(&world, &scene.object, &decide(&world, noon()).at_rest(), noon());
        assert_eq!((status.revision, status.credentials), (before.revision, before.credentials));
    }
}

#[test]
fn a_transition_time_moves_only_with_the_status() {
    let before: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    let mut status = status_of(active());
    for condition in &mut status.conditions {
        condition.last_transition_time = Time(before);
    }
    let then = |scene: Scene| {
        let scene = scene.and(|it| it.object.status = Some(status.clone()));
        let status = status_of(scene);
        status.conditions[0].last_transition_time.0
    };
    assert_eq!(then(active()), before);
    assert_eq!(then(active().suspended()), before, "another reason is no transition");
    assert_eq!(then(active().dead().paused()), noon());

    let fine = noon() + jiff::SignedDuration::from_millis(250);
    let seconds = status_at(active(), fine).conditions[0].last_transition_time.0;
    assert_eq!(seconds, noon(), "Kubernetes keeps whole seconds");
}

#[test]
fn the_same_world_has_the_same_status() {
    let scene = || a_credential().issued(days(80)).retiring(hours(1)).issued(hours(2)).published();
    let first = status_of(scene());
    let again = status_at(scene().and(|it| it.object.status = Some(first.clone())), noon() + seconds(30));
    assert_eq!(first, again, "a pass at rest writes nothing");
}

#[test]
fn times_and_credentials_are_shown() {
    let scene = a_credential().issued(days(80)).retiring(hours(1)).issued(hours(2)).published();
    let status = status_of(scene.and(|it| it.it().request.rotation_request = Some("now".to_owned())));
    assert_eq!((status.revision, status.client_id.as_deref()), (Some(2), Some("client-2")));
    assert_eq!(status.expires_at, Some(noon() - hours(2) + days(90)));
    assert!(status.renewal_time.unwrap() < status.expires_at.unwrap() - days(30));
    let states: Vec<_> = status.credentials.iter().map(|it| (it.revision, &*it.state)).collect();
    assert_eq!(states, [(2, "Active"), (1, "Retiring")]);
    assert_eq!(status.credentials[1].revoke_at, Some(noon() + hours(23)));
    let last = status.last_rotation.unwrap();
    assert_eq!((last.reason, last.request_handled.as_deref()), (Reason::RenewalDue, Some("now")));
    assert_eq!(status.binding.unwrap().name, "orders");
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn only_the_last_two_ended_credentials_are_shown_within_the_limit_of_the_schema() {
    let mut scene = a_credential();
    for _ in 0..4 {
        scene = scene.next(State::Revoked);
    }
    let shown: Vec<u32> =
        status_of(scene.issued(days(1)).published()).credentials.iter().map(|it| it.revision).collect();
    assert_eq!(shown, [5, 4, 3]);
    let mut scene = a_credential();
    for _ in 0..80 {
        scene = scene.unconfirmed(days(1));
    }
    assert_eq!(status_of(scene.issued(days(1)).published()).credentials.len(), 64);
}

#[test]
fn messages_are_bounded() {
    let long = "x".repeat(10_000);
    let rest = Rest::new(Reason::Issued, long);
    let object = active().object;
    let status = status::view(&active().world(), &object, &rest, noon());
    assert!(status.conditions.iter().all(|it| it.message.len() <= 8192));
}

#[test]
fn an_action_for_a_person_is_reported_once() {
    let rest = |reason| Rest::new(reason, "remove it".to_owned());
    let told = |scene: Scene, reason| {
        let object = scene.object.clone();
        status::notice(&scene.world(), &object, &rest(reason)).map(|note| (note.warning, note.reason))
    };
    let refused = Reason::InvalidForProvider;
    assert_eq!(told(a_credential(), refused), Some((true, refused)));
    assert_eq!(told(active(), Reason::Issued), None, "nobody has to help");
    let known = a_credential().and(|it| {
        let object = it.object.clone();
        it.object.status = Some(status::view(&it.clone().world(), &object, &rest(refused), noon()));
    });
    assert_eq!(told(known, refused), None, "it was told when it began");
    let failed = active().failed(StepKind::Mint, refused, FailureKind::Rejected, hours(1));
    assert_eq!(told(failed, refused), None, "the failed step has told it");
}

#[test]
fn a_provider_gets_an_event_for_a_change_only() {
    let draft = |holds, reason| (ConditionType::Ready, holds, reason, "as it is".to_owned());
    let before = [status::condition(draft(true, Reason::LoginAccepted), &[], Some(1), noon())];
    let told = |draft, before: &[Condition]| {
        status::told(&draft, before).map(|note| (note.warning, note.reason, note.message))
    };
    let refused = Reason::ProviderLoginRefused;
    for (draft, before, expected) in [
        (draft(true, Reason::LoginAccepted), &[] as &[_], Some((false, Reason::LoginAccepted))),
        (draft(true, Reason::LoginAccepted), &before, None),
        (draft(false, refused), &before, Some((true, refused))),
    ] {
        let expected = expected.map(|(warning, reason)| (warning, reason, "as it is".to_owned()));
        assert_eq!(told(draft, before), expected);
    }
    let limits = |holds, reason| (ConditionType::LimitsSuffice, holds, reason, "as it is".to_owned());
    assert_eq!(told(limits(true, Reason::LimitsSuffice), &before), None, "nobody has to know");
    assert!(told(limits(false, Reason::LimitsTooLow), &before).is_some());
}

#[test]
fn an_abandoned_credential_has_conditions_that_say_whether_a_person_is_needed() {
    let conditions = |kind, next_attempt: Option<Timestamp>| {
        let message = Some("remove it at the portal".to_owned());
        let status = AbandonedStatus { next_attempt, message, ..AbandonedStatus::default() };
        let made = status::of_abandoned(kind, &status, &[], (Some(1), noon()));
        assert!(made.iter().all(|it| it.message == "remove it at the portal"), "{made:#?}");
        made.iter().map(|it| format!("{} {} {}", it.type_, it.status, it.reason)).collect::<Vec<_>>()
    };
    assert_eq!(conditions(AbandonedKind::NotRevoked, Some(noon())), ["Ready False Abandoned"]);
    assert_eq!(
        conditions(AbandonedKind::Unconfirmed, None),
        ["Ready False Unconfirmed", "ActionRequired True RemovalAwaited"]
    );
}

//! The end of credentials at a shared provider that nothing replaces.

use super::{builders::*, table::*};
use crate::{
    api::{Allow, AllowedNamespaces, DeletionPolicy, OnWithdrawal, Reason},
    lifecycle::{
        conclude, decide,
        failure::FailureKind,
        ledger::{Edit, Inheritance, State, StepKind},
        plan::{Outcome, Step, Wake},
    },
};

/// A credential with a lifetime of 90 days that was issued so many days ago, at a provider whose
/// owner sets `allow`.
fn shared(age: i64, change: impl FnOnce(&mut Allow)) -> Scene {
    let mut allow = Allow {
        namespaces: AllowedNamespaces { names: vec!["prod".to_owned()], selector: None },
        max_lifetime: lasting("2160h"),
        ..Allow::default()
    };
    change(&mut allow);
    a_credential().issued(days(age)).published().provider(|it| it.allow = Some(allow))
}

fn bounded(age: i64) -> Scene {
    shared(age, |_| ())
}

#[test]
fn a_credential_that_may_not_be_renewed_is_revoked_at_the_end_of_its_life() {
    let over = "record StartRevoking [1]";
    let rejected =
        |it: Scene| it.failed(StepKind::Mint, Reason::InvalidForProvider, FailureKind::Rejected, minutes(1));
    let checked = |it: Scene| it.and(|it| it.world.memory.checked = Some(Tried::new(1, noon())));
    check(vec![
        ("suspended, before its end", bounded(89).suspended(), "rest: Suspended"),
        ("suspended, after its end", bounded(91).suspended(), over),
        (
            "suspended, where the owner sets no bound",
            shared(91, |it| it.max_lifetime = None).suspended(),
            "rest: Suspended",
        ),
        (
            "suspended, at an own provider",
            a_credential().issued(days(91)).published().suspended(),
            "rest: Suspended",
        ),
        ("renewed although it is late", checked(bounded(91)), "mint 2: RenewalDue"),
        (
            "its namespace is not allowed any more",
            checked(shared(89, |it| it.namespaces.names.clear())),
            "rest: NotAllowed",
        ),
        ("and its life is over", shared(91, |it| it.namespaces.names.clear()), over),
        (
            "and the owner sets no bound for others",
            shared(91, |it| {
                it.namespaces.names.clear();
                it.max_lifetime = None;
            }),
            over,
        ),
        (
            "and the owner lets nothing live on",
            checked(shared(1, |it| {
                it.namespaces.names.clear();
                it.on_withdrawal = OnWithdrawal::Revoke;
            })),
            over,
        ),
        (
            "which is not said of a namespace that is allowed",
            checked(shared(1, |it| it.on_withdrawal = OnWithdrawal::Revoke)),
            "rest: Issued",
        ),
        (
            "a lower bound ends nothing at once",
            checked(shared(80, |it| it.max_lifetime = lasting("24h"))),
            "rest: NotAllowed",
        ),
        ("but nothing lives beyond its own end", shared(91, |it| it.max_lifetime = lasting("24h")), over),
        ("scopes that are not allowed", shared(91, |it| it.scopes = Some(vec!["write".to_owned()])), over),
        (
            "but an object that begins to ask to be outlived is renewed",
            checked(bounded(91)).with_spec(|it| it.deletion_policy = DeletionPolicy::Retain),
            "record Policy { policy: Retain }",
        ),
        ("a target that is taken", bounded(91).with_target(|it| it.ours = false), over),
        ("a request that the provider refuses", rejected(bounded(91)), over),
        (
            "it was moved to a provider that does not exist",
            bounded(91).with_spec(|it| it.provider_ref.name = "gone".to_owned()),
            over,
        ),
        (
            "a wrong clock ends nothing",
            bounded(91).suspended().and(|it| it.world.operator.skew = minutes(2)),
            "rest: Suspended",
        ),
        (
            "what was borrowed is another cluster's",
            bounded(91).suspended().inherited(Inheritance::Borrowed),
            "rest: Suspended",
        ),
    ]);
}

#[test]
fn a_suspended_object_does_not_delay_a_revocation_beyond_the_end_of_life() {
    let revoking = |age| bounded(age).and(|it| it.it().state = State::Revoking);
    check(vec![
        ("before its end", revoking(89).suspended(), "rest: Suspended"),
        ("after its end", revoking(91).suspended(), "revoke 1"),
        (
            "after its end, and the provider is unreachable",
            revoking(91).suspended().paused(),
            "rest: Suspended",
        ),
    ]);
}

#[test]
fn the_revocation_of_a_published_credential_is_announced_and_reported() {
    let plan = decide(&bounded(89).suspended().world(), noon()).at_rest();
    assert!(plan.message.contains("is revoked at the end of its life, at 2"), "{}", plan.message);
    assert!(matches!(plan.wake, Wake::At(_)), "nothing else would end it");
    let own = decide(&a_credential().issued(days(89)).published().suspended().world(), noon()).at_rest();
    assert!(!own.message.contains("revoked"), "{}", own.message);

    let step = Step::Record(Edit::StartRevoking(vec![1]));
    let notes = conclude(&bounded(91).suspended().world(), &step, &Outcome::Done, noon()).events;
    assert_eq!((notes.len(), notes[0].reason, notes[0].warning), (1, Reason::NotAllowed, true));
    assert!(notes[0].message.contains("it may not be renewed"), "{}", notes[0].message);
}

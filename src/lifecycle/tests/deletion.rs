//! The first checks: deletion, and ledgers that are not, or not certainly, this object's own.

use super::{builders::*, table::*};
use crate::{
    api::{Allow, DeletionPolicy, Reason},
    lifecycle::{
        decide,
        failure::FailureKind,
        ledger::{State, StepKind},
        world::LedgerView,
    },
};

#[test]
fn deletion() {
    let orphaned =
        |scene: &mut Scene| scene.object.metadata.finalizers.as_mut().unwrap().push("orphan".to_owned());
    check(vec![
        ("without a ledger there is nothing to do", a_credential().deleting(), "ReleaseObject"),
        (
            "an object that is not held is somebody else's to finish",
            a_credential().deleting().and(|it| it.object.metadata.finalizers = None),
            "rest: Deleting",
        ),
        ("all that work are to be revoked", overlapping().deleting(), "record StartRevoking [1, 2]"),
        ("even when suspended", active().suspended().deleting(), "record StartRevoking [1]"),
        ("what is to be revoked is revoked", a_credential().revoking().deleting(), "revoke 1"),
        (
            "an unreachable provider is waited for",
            a_credential().revoking().paused().deleting(),
            "rest: Deleting",
        ),
        ("an unanswered call is settled first", a_credential().unconfirmed(hours(1)).deleting(), "settle 1"),
        (
            "a call that may still be made is waited for",
            a_credential().intended(seconds(30)).deleting(),
            "rest: Deleting",
        ),
        (
            "what cannot be looked for does not hold deletion up",
            a_credential().unconfirmed(hours(1)).capable(unlisted).deleting(),
            "abandon 1: Unconfirmed",
        ),
        (
            "what cannot be revoked does not hold deletion up",
            a_credential().revoking().capable(unrevocable).deleting(),
            "abandon 1: NotRevoked",
        ),
        (
            "what is on record elsewhere does not hold deletion up",
            a_credential().next(State::Abandoned).deleting(),
            "record Close",
        ),
        (
            "when all is over the ledger is closed",
            a_credential().next(State::Revoked).deleting(),
            "record Close",
        ),
        (
            "a closed ledger lets the object go",
            a_credential().next(State::Revoked).and(|it| it.document.closed = true).deleting(),
            "ReleaseObject",
        ),
        (
            "Retain lets go of the Secret",
            active().retained().deleting(),
            "ReleaseTarget { name: \"orders\" }",
        ),
        (
            "so does an orphan finalizer",
            active().deleting().and(orphaned),
            "ReleaseTarget { name: \"orders\" }",
        ),
        (
            "a Secret that is not ours is left alone",
            a_credential().issued(days(9)).with_target(|it| it.ours = false).retained().deleting(),
            "record Close",
        ),
        (
            "Retain keeps what workloads use, not what is newer",
            rotating().retained().deleting(),
            "record StartRevoking [2]",
        ),
        (
            "Retain keeps what it kept after the Secret was let go",
            a_credential().issued(days(9)).revoking().retained().deleting(),
            "revoke 2",
        ),
        (
            "Retain keeps no client that has the same number at another server",
            a_credential().issued(days(9)).revoking().retained().deleting().and(|it| {
                it.document.revisions.iter_mut().for_each(|it| it.client_id = Some("1".to_owned()));
                it.it().account.fingerprint = "of another server".to_owned();
            }),
            "rest: Deleting",
        ),
        (
            "Retain ends",
            a_credential().issued(days(9)).next(State::Revoked).retained().deleting(),
            "record Close",
        ),
    ]);
}

#[test]
fn a_credential_of_a_shared_provider_outlives_its_object_only_if_the_owner_allows_it() {
    let shared = |retain: bool, scene: Scene| {
        scene.provider(|it| it.allow = Some(Allow { retain, ..Allow::default() })).deleting()
    };
    let orphaned = |scene: Scene| {
        scene.and(|it| it.object.metadata.finalizers.as_mut().unwrap().push("orphan".to_owned()))
    };
    let uninstalling = |scene: Scene| scene.and(|it| it.world.uninstalling = true);
    let over = || active().retained().and(|it| it.it().state = State::Revoked);
    let released = "ReleaseTarget { name: \"orders\" }";
    check(vec![
        ("allowed", shared(true, active().retained()), released),
        ("not allowed", shared(false, active().retained()), "record StartRevoking [1]"),
        (
            "an orphan finalizer is no way round it",
            shared(false, orphaned(active())),
            "record StartRevoking [1]",
        ),
        ("what is revoked is not left in the Secret", shared(false, over()), "record Close"),
        ("an uninstall retains everything, allowed or not", shared(false, uninstalling(active())), released),
    ]);
}

#[test]
fn credentials_not_revoked_by_the_deadline_are_recorded() {
    let late = || a_credential().revoking().deleting_for(minutes(10));
    let refused = |scene: Scene| {
        scene.failed(StepKind::Revoke, Reason::RevocationFailed, FailureKind::Unavailable, seconds(1))
    };
    let closed = |scene: Scene| scene.and(|it| it.document.closed = true);
    let unseen = |scene: Scene| scene.and(|it| it.world.providers.clear());
    let long_since = |scene: Scene| scene.and(|it| it.world.operator.started = noon() - minutes(2));
    let released = |scene: &mut Scene| scene.object.metadata.finalizers = None;
    check(vec![
        (
            "a second before it, a provider that is gone is waited for",
            a_credential().revoking().without_provider().deleting_for(minutes(10) - seconds(1)),
            "rest: Deleting",
        ),
        ("a provider that is gone", late().without_provider(), "abandon 1: NotRevoked"),
        ("an unreachable one", late().paused(), "abandon 1: NotRevoked"),
        ("one that has just refused", refused(late()), "abandon 1: NotRevoked"),
        ("one that answers is asked once more", late(), "revoke 1"),
        ("one that this process has not looked at yet", unseen(late()), "rest: Deleting"),
        ("one that has not answered since", long_since(unseen(late())), "abandon 1: NotRevoked"),
        (
            "an answer that cannot be looked for while the provider is unreachable",
            a_credential().unconfirmed(hours(1)).paused().deleting_for(minutes(10)),
            "abandon 1: Unconfirmed",
        ),
        (
            "a call that may be under way is waited for",
            a_credential().intended(seconds(60)).without_provider().deleting_for(minutes(10)),
            "rest: Deleting",
        ),
        (
            "but not for ever",
            a_credential().intended(minutes(2)).without_provider().deleting_for(minutes(10)),
            "abandon 1: Unconfirmed",
        ),
        (
            "what is retained is not given up",
            a_credential().issued(days(9)).next(State::Abandoned).retained().deleting_for(hours(1)),
            "record Close",
        ),
        (
            "foreground deletion: our part is done, and the ledger goes before the object",
            closed(active()).deleting().and(released),
            "ReleaseLedger",
        ),
        ("but not one that is not closed", active().deleting().and(released), "rest: Deleting"),
    ]);
}

/// The garbage collector may have removed the owner and its own finalizer before our pass.
#[test]
fn a_ledger_that_lost_its_owner_shows_an_orphaning_deletion() {
    let mut world = active().deleting().world();
    assert_eq!(in_words(&decide(&world, noon())), "record StartRevoking [1]");
    let LedgerView::Present { owned, .. } = &mut world.ledger else { panic!("there is a ledger") };
    *owned = false;
    assert_eq!(in_words(&decide(&world, noon())), "ReleaseTarget { name: \"orders\" }");
}

#[test]
fn while_the_crds_are_deleted_deletion_retains_and_waits_until_the_deadline_at_most() {
    let uninstalling = |scene: Scene| {
        let mut world = scene.world();
        world.uninstalling = true;
        in_words(&decide(&world, noon()))
    };
    assert_eq!(uninstalling(active().deleting()), "ReleaseTarget { name: \"orders\" }");
    assert_eq!(uninstalling(a_credential().issued(days(9)).deleting()), "record Close");
    let retired = || a_credential().issued(days(9)).revoking().paused();
    assert_eq!(uninstalling(retired().deleting()), "rest: Deleting");
    assert_eq!(uninstalling(retired().deleting_for(minutes(10))), "record Close");
}

#[test]
fn a_credential_that_can_never_be_confirmed_is_recorded_while_its_object_lives() {
    let refused = |count: u32, kind| {
        a_credential()
            .issued(days(1))
            .published()
            .unconfirmed(minutes(1))
            .failed(StepKind::Settle, Reason::ProviderForbidden, kind, hours(1))
            .of_revision(2)
            .and(|it| it.document.failures.values_mut().for_each(|it| it.count = count))
    };
    check(vec![
        (
            "where nothing can be listed",
            active().unconfirmed(seconds(1)).capable(unlisted),
            "abandon 2: Unconfirmed",
        ),
        (
            "where listing was refused three times",
            refused(3, FailureKind::Forbidden),
            "abandon 2: Unconfirmed",
        ),
        ("but not where it was refused twice", refused(2, FailureKind::Forbidden), "settle 2"),
        ("nor where the provider was away", refused(3, FailureKind::Unavailable), "settle 2"),
    ]);
}

#[test]
fn the_ledger_of_a_deleted_or_replaced_object_is_closed() {
    let gone = |scene: Scene| {
        let mut world = scene.world();
        world.subject.object = None;
        in_words(&decide(&world, noon()))
    };
    let closed = || active().and(|it| it.document.closed = true);
    assert_eq!(gone(closed()), "ReleaseLedger");
    assert_eq!(gone(closed().released_ledger()), "rest: Deleting");
    assert_eq!(gone(active()), "record StartRevoking [1]", "what it left is finished by its own record");
    assert_eq!(gone(active().and(|it| it.document.deletion_policy = DeletionPolicy::Retain)), "record Close");
    assert_eq!(gone(active().restored_ledger()), "rest: Deleting", "its object is yet to be restored");
    assert_eq!(gone(active().restored_ledger().deleted_ledger()), "rest: Deleting", "that may take a while");
    assert_eq!(
        gone(a_credential().revoking().paused().deleted_ledger()),
        "rest: Deleting",
        "and has a deadline"
    );

    let mut unreadable = active().world();
    unreadable.ledger =
        LedgerView::Unreadable { why: "its seal does not open".to_owned(), held: true, terminating: false };
    assert_eq!(in_words(&decide(&unreadable, noon())), "rest: LedgerUnreadable");

    let predecessor = || closed().and(|it| it.document.object_uid = "uid-0".to_owned());
    check(vec![
        ("the ledger of an earlier object is let go", predecessor(), "ReleaseLedger"),
        ("and waited for", predecessor().released_ledger().deleted_ledger(), "rest: Deleting"),
        (
            "one that was let go before it was deleted is deleted",
            predecessor().released_ledger(),
            "ReleaseLedger",
        ),
        ("one that was restored closed is let go, too", predecessor().restored_ledger(), "ReleaseLedger"),
        (
            "what an earlier object left is revoked first",
            active().and(|it| it.document.object_uid = "uid-0".to_owned()),
            "record StartRevoking [1]",
        ),
        ("a suspended object is left alone", a_credential().suspended(), "rest: Suspended"),
    ]);
}

#[test]
fn without_an_object_the_deadline_counts_from_the_start_of_its_deletion() {
    let refused = || {
        let scene = a_credential().revoking();
        scene.failed(StepKind::Revoke, Reason::RevocationFailed, FailureKind::Forbidden, seconds(1))
    };
    let gone = |scene: Scene| {
        let mut world = scene.world();
        world.subject.object = None;
        in_words(&decide(&world, noon()))
    };
    let since = |ago| {
        refused().and(move |it| {
            it.document.orphaned_at = Some(noon() - ago);
            it.document.written_at = noon() - seconds(1);
        })
    };
    assert_eq!(gone(refused()), "record Orphan", "when it began is written down first");
    assert_eq!(gone(since(minutes(9))), "rest: Deleting");
    assert_eq!(gone(since(minutes(10))), "abandon 1: NotRevoked");
    let replaced = |scene: Scene| scene.and(|it| it.document.object_uid = "uid-0".to_owned());
    check(vec![
        ("another object has its name", replaced(since(minutes(10))), "abandon 1: NotRevoked"),
        ("which is being deleted itself", replaced(since(minutes(10))).deleting(), "abandon 1: NotRevoked"),
    ]);
}

#[test]
fn a_ledger_with_foreign_finalizers_is_waited_for_and_released_once() {
    let copied = |scene: Scene| {
        let document = std::sync::Arc::new(scene.document.clone());
        let mut world = scene.world();
        world.copy = Some(crate::lifecycle::world::CopyView { document: Some(document) });
        world
    };
    let held = || active().deleted_ledger();
    assert_eq!(in_words(&decide(&copied(held()), noon())), "DropLedger");
    let plan = decide(&copied(held().released_ledger()), noon());
    assert_eq!(in_words(&plan), "rest: LedgerLost");
    assert!(
        rest_of(&plan).in_full().contains("kubectl get secret orders.credwright"),
        "{}",
        rest_of(&plan).in_full()
    );
    let lost = |it: &mut Scene| it.forget_publications();
    let without_secret = copied(active().status_says(1).and(lost).deleted_ledger().released_ledger());
    assert_eq!(in_words(&decide(&without_secret, noon())), "publish 1", "workloads do not wait for that");
    for object in [true, false] {
        let mut world = active().world();
        world.ledger = LedgerView::Unreadable { why: "no key".to_owned(), held: false, terminating: true };
        world.subject.object = world.subject.object.filter(|_| object);
        assert!(decide(&world, noon()).step().is_none(), "with its object: {object}");
    }
}

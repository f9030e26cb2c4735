//! The first checks: deletion, and ledgers that are not, or not certainly, this object's own.

use super::{builders::*, table::*};
use crate::lifecycle::{decide, ledger::State, world::LedgerView};

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
            "a provider that is away is waited for",
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
            a_credential().unconfirmed(hours(1)).capable(|it| it.list = false).deleting(),
            "record Close",
        ),
        (
            "what cannot be revoked does not hold deletion up",
            a_credential().revoking().capable(|it| it.revoke = false).deleting(),
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
            "Retain ends",
            a_credential().issued(days(9)).next(State::Revoked).retained().deleting(),
            "record Close",
        ),
    ]);
}

#[test]
fn the_ledger_when_the_object_is_gone_or_not_the_one_it_speaks_of() {
    let gone = |scene: Scene| {
        let mut world = scene.world();
        world.subject.object = None;
        in_words(&decide(&world, noon()))
    };
    let closed = || active().and(|it| it.document.closed = true);
    assert_eq!(gone(closed()), "ReleaseLedger");
    assert_eq!(gone(closed().released_ledger()), "rest: Deleting");
    assert_eq!(
        gone(active()),
        "rest: Deleting",
        "an open ledger may be one whose object is yet to be restored"
    );

    let mut unreadable = active().world();
    unreadable.ledger =
        LedgerView::Unreadable { why: "its seal does not open".to_owned(), terminating: false };
    assert_eq!(in_words(&decide(&unreadable, noon())), "rest: LedgerUnreadable");

    let predecessor = || closed().and(|it| it.document.object_uid = "uid-0".to_owned());
    check(vec![
        ("the ledger of an earlier object is let go", predecessor(), "ReleaseLedger"),
        ("and waited for", predecessor().released_ledger(), "rest: Deleting"),
        ("one that was restored closed is let go, too", predecessor().restored_ledger(), "ReleaseLedger"),
        (
            "what an earlier object left is revoked first",
            active().and(|it| it.document.object_uid = "uid-0".to_owned()),
            "rest: Deleting",
        ),
        ("a suspended object is left alone", a_credential().suspended(), "rest: Suspended"),
    ]);
}

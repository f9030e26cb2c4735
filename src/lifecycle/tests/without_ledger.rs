//! Objects that are deleted while there is no ledger: what is made again, waited for, and put on
//! record.

use std::sync::Arc;

use super::{builders::*, table::*};
use crate::{
    api::DeletionPolicy,
    lifecycle::{
        conclude, decide,
        ledger::Inheritance,
        plan::Outcome,
        world::{CopyView, LedgerView, Memory, World},
    },
};

fn decided(scene: Scene, ledger: LedgerView, change: impl FnOnce(&mut World)) -> String {
    let mut world = scene.world();
    world.ledger = ledger;
    change(&mut world);
    in_words(&decide(&world, noon()))
}

fn remembering(abandoned: &[u32]) -> Memory {
    Memory { abandoned: abandoned.to_vec(), unrecoverable: Some(noon()), ..Memory::default() }
}

#[test]
fn an_unreadable_ledger_is_waited_for_until_the_deadline_and_then_status_is_recorded() {
    let unreadable = |scene: Scene, abandoned: &[u32]| {
        let why = "its seal does not open".to_owned();
        let ledger = LedgerView::Unreadable { why, held: true, terminating: false };
        decided(scene, ledger, |world| world.memory.abandoned = abandoned.to_vec())
    };
    let listed =
        || a_credential().status_lists(3, "Revoked").status_lists(1, "Revoking").status_lists(2, "Active");
    let late = || listed().deleting_for(minutes(10));
    assert_eq!(unreadable(listed().deleting(), &[]), "rest: LedgerUnreadable");
    assert_eq!(unreadable(late(), &[]), "abandon 1: NotRevoked");
    assert_eq!(unreadable(late(), &[1]), "abandon 2: NotRevoked");
    assert_eq!(unreadable(late(), &[2, 1]), "ReleaseObject");
    assert_eq!(unreadable(late().retained(), &[1]), "ReleaseObject", "what is retained is not given up");
    let target = late().with_target(|_| ()).retained();
    assert_eq!(unreadable(target, &[1]), "ReleaseTarget { name: \"orders\" }");
}

#[test]
fn a_lost_ledger_is_rebuilt_or_else_status_is_recorded() {
    let lost = |scene: Scene, change: fn(&mut World)| decided(scene, LedgerView::Absent, change);
    let listed = || a_credential().status_lists(2, "Active");
    let in_use = || listed().with_target(|_| ());
    assert_eq!(lost(a_credential().deleting(), |_| ()), "ReleaseObject", "nothing was ever made");
    assert_eq!(
        lost(in_use().deleting(), |_| ()),
        "recover [2], published Some(2), through 2",
        "then it is revoked like any other"
    );
    let not_rebuilt: fn(&mut World) = |world| world.memory = remembering(&[]);
    assert_eq!(lost(in_use().deleting(), not_rebuilt), "rest: LedgerUnreadable");
    assert_eq!(lost(in_use().deleting_for(minutes(10)), not_rebuilt), "abandon 2: NotRevoked");
    assert_eq!(
        lost(in_use().deleting_for(minutes(10)), |world| world.memory = remembering(&[2])),
        "ReleaseObject"
    );
    assert_eq!(lost(in_use().retained().deleting(), not_rebuilt), "ReleaseTarget { name: \"orders\" }");
}

#[test]
fn a_half_recreated_ledger_is_recreated_or_else_its_copy_is_recorded() {
    let copied = |scene: Scene, memory: Memory| {
        let document = Some(Arc::new(scene.document.clone()));
        decided(scene, LedgerView::Absent, |world| {
            world.copy = Some(CopyView { document });
            world.memory = memory;
        })
    };
    let deleting = || a_credential().revoking().issued(days(9)).deleting();
    assert_eq!(copied(deleting(), Memory::default()), "RestoreLedger");
    assert_eq!(copied(deleting(), remembering(&[])), "abandon 1: NotRevoked");
    assert_eq!(copied(deleting(), remembering(&[1])), "abandon 2: NotRevoked");
    assert_eq!(copied(deleting(), remembering(&[1, 2])), "RemoveCopy");
    assert_eq!(
        copied(deleting().retained(), remembering(&[1])),
        "RemoveCopy",
        "what is retained is not given up"
    );
    let borrowed = deleting().inherited(Inheritance::Borrowed);
    assert_eq!(copied(borrowed, remembering(&[])), "RemoveCopy", "it is another cluster's");
    let unanswered = a_credential().unconfirmed(hours(1)).deleting();
    assert_eq!(copied(unanswered, remembering(&[])), "abandon 1: Unconfirmed");

    let unreadable = |world: &mut World| world.copy = Some(CopyView { document: None });
    assert_eq!(decided(a_credential().deleting(), LedgerView::Absent, unreadable), "RemoveCopy");
}

#[test]
fn a_copy_without_ledger_and_object_is_recorded_and_removed() {
    let alone = |scene: Scene, abandoned: &[u32]| {
        let document = Some(Arc::new(scene.document.clone()));
        decided(scene, LedgerView::Absent, |world| {
            world.subject.object = None;
            world.copy = Some(CopyView { document });
            world.memory = remembering(abandoned);
        })
    };
    assert_eq!(alone(active(), &[]), "abandon 1: NotRevoked");
    assert_eq!(alone(active(), &[1]), "RemoveCopy");
    let retained = active().and(|it| it.document.deletion_policy = DeletionPolicy::Retain);
    assert_eq!(alone(retained, &[]), "RemoveCopy");
}

#[test]
fn a_copy_beside_the_ledger_of_a_deleted_object_is_removed() {
    let both = active().deleted_ledger().deleting();
    let document = Some(Arc::new(both.document.clone()));
    let both = both.and(|it| it.world.copy = Some(CopyView { document }));
    check(vec![("it is removed first", both, "RemoveCopy")]);
}

/// It is immutable, or a policy refuses to have it written: nothing can be revoked by it.
#[test]
fn one_that_cannot_be_written_until_the_deadline_is_put_on_record_and_the_object_goes() {
    let both = || a_credential().revoking().issued(days(10)).published();
    let refused = |ago, abandoned: &[u32]| Memory {
        unwritable: Some(noon() - minutes(ago)),
        abandoned: abandoned.to_vec(),
        ..Memory::default()
    };
    let plan = |scene: Scene, memory: Memory| {
        let world = World { memory, ..scene.world() };
        in_words(&decide(&world, noon()))
    };
    let late = || both().deleting_for(minutes(30));
    assert_eq!(plan(late(), Memory::default()), "record StartRevoking [2]");
    assert_eq!(plan(late(), refused(0, &[])), "record StartRevoking [2]", "it may be a policy in change");
    assert_eq!(plan(late(), refused(1, &[])), "abandon 1: NotRevoked", "a restart extends no deadline");
    assert_eq!(plan(late(), refused(10, &[1])), "abandon 2: NotRevoked");
    assert_eq!(plan(late(), refused(10, &[1, 2])), "ReleaseObject");
    assert_eq!(plan(both(), refused(10, &[])), "revoke 1", "an object that lives is not given up");
    let retained = || late().retained();
    assert_eq!(plan(retained(), refused(10, &[1])), "ReleaseTarget { name: \"orders\" }");
    let early = both().deleting_for(minutes(5));
    assert_eq!(
        plan(early, refused(60, &[])),
        "record StartRevoking [2]",
        "the object's deadline counts, too"
    );

    let gone = |memory: Memory| {
        let mut world = World { memory, ..both().world() };
        (world.subject.object, world.targets) = (None, Vec::new());
        in_words(&decide(&world, noon()))
    };
    assert_eq!(gone(refused(9, &[])), "record StartRevoking [2]", "nothing says when it was deleted");
    assert_eq!(gone(refused(10, &[])), "abandon 1: NotRevoked");
    assert_eq!(gone(refused(10, &[1, 2])), "ReleaseLedger");
}

#[test]
fn recorded_credentials_of_an_unwritable_ledger_are_remembered() {
    let scene = a_credential().issued(days(10)).published().deleting_for(minutes(30));
    let mut world = scene.world();
    world.memory.unwritable = Some(noon() - minutes(10));
    let step = decide(&world, noon()).step().cloned().unwrap();
    let report = conclude(&world, &step, &Outcome::Done, noon());
    assert_eq!((report.edits, report.memory.abandoned), (Vec::new(), vec![1]));
}

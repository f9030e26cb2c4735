//! A pass that gets nowhere ends.

use super::{builders::*, table::*};
use crate::lifecycle::{
    decide,
    ledger::State,
    plan::Step,
    progress::{Progress, Stuck},
    world::World,
};

fn planned(world: &World) -> Step {
    decide(world, noon()).step().cloned().unwrap()
}

#[test]
fn a_step_that_changes_nothing_is_not_done_twice() {
    let rows: [(&str, Scene); 6] = [
        ("a mint, whose name is another each time", a_credential()),
        ("a try", a_credential().issued(minutes(1))),
        ("a publication", a_credential().issued(minutes(1)).verified()),
        ("a revocation", active().next(State::Revoking)),
        ("a record", overlapping().deleting()),
        ("a ledger that is let go", a_credential().issued(days(9)).published().deleted_ledger()),
    ];
    for (what, scene) in rows {
        let mut progress = Progress::default();
        let mut world = scene.world();
        progress.begins(&world, &planned(&world)).unwrap();
        world.operator.entropy += 1;
        let stuck = progress.begins(&world, &planned(&world));
        assert!(matches!(stuck, Err(Stuck::Repeated(_))), "{what}: {stuck:?}");
    }
}

#[test]
fn a_step_that_is_needed_again_after_a_change_is_done_again() {
    let mut progress = Progress::default();
    let two = || active().next(State::Revoking).next(State::Revoking);
    let first = two().world();
    progress.begins(&first, &planned(&first)).unwrap();
    // The next one of the same kind is about another revision.
    let second = two().and(|it| it.document.revisions[1].state = State::Revoked).world();
    progress.begins(&second, &planned(&second)).unwrap();

    // A try is remembered, and is another one when it is due again.
    let mut progress = Progress::default();
    let mut world = a_credential().issued(minutes(1)).world();
    progress.begins(&world, &planned(&world)).unwrap();
    world.memory.tried = Some(Tried::new(1, noon() - minutes(1)));
    progress.begins(&world, &planned(&world)).unwrap();

    // The Secret was changed once more.
    let mut progress = Progress::default();
    let one = a_credential().issued(days(9)).status_says(1).world();
    progress.begins(&one, &planned(&one)).unwrap();
    let other = a_credential().issued(days(9)).status_says(1).with_target(|_| ()).world();
    progress.begins(&other, &planned(&other)).unwrap();
}

#[test]
fn repeated_conflicts_end_the_pass_for_a_while() {
    let mut progress = Progress::default();
    for _ in 0..4 {
        progress.gives_way(&"the ledger").unwrap();
    }
    let stuck = progress.gives_way(&"the ledger").unwrap_err();
    assert!(stuck.to_string().ends_with("the ledger"), "{stuck}");
}

//! Clocks that are wrong.

use super::{builders::*, table::*};
use crate::{
    api::CLOCK_ANNOTATION,
    lifecycle::{decide, skew},
};

#[test]
fn while_the_clock_is_wrong_nothing_is_minted_or_revoked_and_workloads_keep_what_they_have() {
    let ahead = |scene: Scene, by| {
        let mut world = scene.world();
        world.operator.skew = by;
        in_words(&decide(&world, noon()))
    };
    let overlap_is_over =
        || overlapping().and(|it| it.document.revisions[0].retired_at = Some(noon() - days(2)));
    assert_eq!(ahead(overlap_is_over(), minutes(1)), "record StartRevoking [1]", "so much is no harm");
    for by in [minutes(2), -minutes(2), days(3650)] {
        assert_eq!(ahead(overlap_is_over(), by), "rest: ClockSkew");
        assert_eq!(ahead(a_credential(), by), "rest: ClockSkew");
        assert_eq!(ahead(a_credential().issued(days(80)).published(), by), "rest: ClockSkew");
        assert_eq!(ahead(a_credential().issued(days(9)).status_says(1), by), "publish 1");
        assert_eq!(ahead(a_credential().issued(days(9)).status_says(1).suspended(), by), "rest: Suspended");
        assert_eq!(ahead(active().deleting(), by), "record StartRevoking [1]", "a person asked for that");
    }
}

#[test]
fn a_clock_that_is_behind_the_ledger_is_wrong_unless_a_person_says_that_it_is_right() {
    let written = |later| active().and(|it| it.document.written_at = noon() + later);
    let plan = decide(&written(days(40)).world(), noon());
    assert_eq!(in_words(&plan), "rest: ClockSkew");
    let command = format!("--overwrite {CLOCK_ANNOTATION}=2026-12-31T12:00:00Z");
    assert!(rest_of(&plan).message.ends_with(&command), "{}", rest_of(&plan).message);
    check(vec![("so much is no harm", written(minutes(1)), "rest: Issued")]);
    let said = |value: &str| {
        let annotation = (CLOCK_ANNOTATION.to_owned(), value.to_owned());
        written(days(40)).and(|it| it.object.metadata.annotations = Some([annotation].into()))
    };
    check(vec![
        ("it is right", said("2026-12-31T12:00:00Z"), "rest: Issued"),
        ("that was said of another write", said("2026-12-30T12:00:00Z"), "rest: ClockSkew"),
        ("nonsense", said("yes"), "rest: ClockSkew"),
    ]);
}

/// A step may only be refused if the next decision is another one.
#[test]
fn a_corrected_clock_stops_only_steps_that_would_not_be_decided_again() {
    let overlap_is_over =
        || overlapping().and(|it| it.document.revisions[0].retired_at = Some(noon() - days(2)));
    let of_an_earlier_one = || active().and(|it| it.document.object_uid = "uid-0".to_owned());
    let rows: [(&str, Scene, bool); 6] = [
        ("a mint", a_credential(), true),
        ("the end of an overlap", overlap_is_over(), true),
        ("a deletion", active().deleting(), false),
        ("one while it is suspended", active().suspended().deleting(), false),
        ("an earlier object's ledger", of_an_earlier_one(), false),
        ("what can be undone", a_credential().issued(seconds(9)).verified(), false),
    ];
    for (what, scene, stopped) in rows {
        let mut world = scene.world();
        let step = decide(&world, noon()).step().cloned().unwrap();
        assert_eq!(skew::stops(&world, &step, minutes(2)), stopped, "{what}");
        assert!(!skew::stops(&world, &step, minutes(1)), "{what}: so much is no harm");
        world.operator.skew = minutes(2);
        let then = decide(&world, noon()).step().cloned();
        assert!(!stopped || then.as_ref() != Some(&step), "{what}: {then:?}");
    }
}

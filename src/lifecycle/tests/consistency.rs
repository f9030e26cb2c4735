//! Providers whose answers are not the same everywhere at once, and providers with few slots.

use super::{builders::*, table::*};
use crate::lifecycle::{
    Report, conclude, decide,
    ledger::{Edit, State, StepKind},
    plan::{Outcome, Step},
    world::{Acceptances, Tried},
};

fn tried(scene: &Scene, accepted: bool) -> Report {
    conclude(&scene.clone().world(), &Step::Verify { revision: 1 }, &Outcome::Tried { accepted }, noon())
}

#[test]
fn a_new_credential_is_published_after_as_many_acceptances_in_a_row_as_its_provider_needs() {
    let accepted = |count, ago| {
        let scene = a_credential().issued(minutes(2)).capable(|it| it.acceptances = 3);
        let last = Tried::new(1, noon() - ago);
        scene.and(|it| {
            it.world.memory.tried = Some(last);
            it.world.memory.acceptances = (count > 0).then_some(Acceptances { last, count });
        })
    };
    let next = |count| {
        let memory = tried(&accepted(count, seconds(20)), true).memory;
        (memory.verified.is_some(), memory.acceptances.map(|it| it.count))
    };
    assert_eq!([next(0), next(1), next(2)], [(false, Some(1)), (false, Some(2)), (true, None)]);
    assert_eq!(tried(&accepted(2, seconds(20)), false).memory.acceptances, None, "a refusal begins again");
    check(vec![
        ("a third of the propagation apart", accepted(1, seconds(20)), "verify 1"),
        ("and not sooner", accepted(1, seconds(19)), "rest: Verifying"),
    ]);
    let rest = rest_of(&decide(&accepted(1, seconds(19)).world(), noon()));
    assert_eq!(rest.wake.instant(), Some(noon() + seconds(1)));
}

#[test]
fn a_pair_that_is_accepted_for_a_while_after_its_revocation_is_no_failure() {
    let doomed = |said| {
        let scene = a_credential().issued(days(9)).published().revoking();
        let scene = scene.capable(|it| it.revocation_lag = minutes(5));
        scene.and(|it| it.world.memory.said_revoked = said)
    };
    let still = |scene: Scene| {
        let outcome = Outcome::Revoked { said: true, still_accepted: Some(true) };
        conclude(&scene.world(), &Step::Revoke { revision: 2 }, &outcome, noon())
    };
    let first = still(doomed([].into()));
    assert_eq!((first.edits, first.events), (Vec::new(), Vec::new()));
    assert_eq!(first.memory.said_revoked, [(2, noon())].into());
    check(vec![
        ("it is not asked again meanwhile", doomed([(2, noon())].into()), "rest: Issued"),
        ("but then", doomed([(2, noon() - minutes(5))].into()), "revoke 2"),
    ]);
    let late = still(doomed([(2, noon() - minutes(5))].into())).edits;
    assert!(matches!(late.as_slice(), [Edit::Fail { step: StepKind::Revoke, .. }]), "{late:?}");
}

#[test]
fn where_few_may_be_alive_a_mint_waits_for_the_end_of_the_overlap() {
    // Two are alive, and the spec asks for another one.
    let full = |age| {
        a_credential()
            .capable(|it| it.max_alive = Some(2))
            .with_rotation(|it| (it.overlap, it.renew_before) = (lasting("1920h"), lasting("1h")))
            .with_spec(|it| it.name = Some("another".to_owned()))
            .issued(days(89))
            .retiring(days(5))
            .issued(age)
            .published()
    };
    check(vec![
        ("there is room", full(days(5)).capable(|it| it.max_alive = Some(3)), "mint 3: SpecChanged"),
        ("there is none", full(days(5)), "rest: AtLimit"),
        ("in the last tenth of its life", full(days(81)), "record StartRevoking [1]"),
        ("not before", full(days(80)), "rest: AtLimit"),
        ("when it is dead", full(days(5)).dead(), "record StartRevoking [1]"),
        (
            "what cannot be revoked keeps its slot",
            full(days(81)).capable(unrevocable).and(|it| {
                it.document.revisions[0].state = State::Revoking;
                it.world.memory.removals = [(1, noon())].into();
            }),
            "rest: AtLimit",
        ),
    ]);
    let rest = rest_of(&decide(&full(days(5)).world(), noon()));
    let named = "and there are 2: prod-orders-kwtag-1abcd, prod-orders-kwtag-2abcd";
    assert!(rest.message.contains(named), "{}", rest.message);
}

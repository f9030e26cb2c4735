//! The budget of new credentials of an account, and who waits.

use super::{builders::*, table::*};
use crate::{
    api::{Limits, Reason},
    lifecycle::{
        Budget,
        budget::{Asked, MILLIONTHS, is_over_its_share, limit, needed, share_too_low, too_low},
        decide,
        plan::Wake,
        world::{ProviderView, World},
    },
};

fn asked(by_all: &[i64], by_one: Option<&[i64]>) -> Asked {
    let ago = |list: &[i64]| list.iter().map(|it| noon() - minutes(*it)).collect();
    Asked { by_all: ago(by_all), by_one: by_one.map(ago) }
}

#[test]
fn a_budget_has_room_up_to_its_limit_and_a_namespace_leaves_half_to_the_others() {
    let rows: [(&str, Asked, Option<i64>, bool); 11] = [
        ("nothing yet", asked(&[], None), None, true),
        ("one below the limit", asked(&[50, 40, 30], None), None, true),
        ("the limit", asked(&[50, 40, 30, 20], None), Some(10), false),
        ("what is an hour old does not count", asked(&[60, 40, 30, 20], None), None, true),
        ("what lies in the future does not, either", asked(&[50, 40, 30, -90, -90], None), None, true),
        ("and is no reason to wait longer", asked(&[50, 40, 30, 20, -90], None), Some(10), false),
        ("more than the limit", asked(&[50, 40, 30, 20, 10], None), Some(20), false),
        ("half of it, alone", asked(&[50, 40], Some(&[50, 40])), Some(10), true),
        ("a quarter of it", asked(&[50], Some(&[50])), None, true),
        ("the last one is for who has none", asked(&[50, 40, 30], Some(&[])), None, true),
        ("and for nobody else", asked(&[50, 40, 30], Some(&[30])), Some(10), true),
    ];
    for (what, asked, opens, room) in rows {
        let budget = Budget::after(4, &asked, noon());
        let expected = opens.map(|it| noon() + minutes(it));
        assert_eq!((budget.opens, budget.unfair), (expected, room), "{what}");
    }
}

#[test]
fn the_limit_is_the_owners_or_twice_the_need_of_the_schedules() {
    let says = |mints| Limits { mints_per_hour: Some(mints), ..Limits::default() };
    assert_eq!(limit(None, 0), 100);
    assert_eq!(limit(None, 50 * MILLIONTHS), 100);
    assert_eq!(limit(None, 80 * MILLIONTHS), 160);
    assert_eq!(limit(Some(&says(7)), 80 * MILLIONTHS), 7);
    let lasts = |lifetime: Option<&str>| {
        let mut revision = a_credential().issued(hours(1)).document.revisions[0].clone();
        revision.request.lifetime = lifetime.and_then(lasting);
        revision.expires_at = None;
        needed(&revision)
    };
    assert_eq!(lasts(Some("24h")), MILLIONTHS / 16, "each sixteen hours");
    assert_eq!(lasts(None), 0);
    assert_eq!(needed(&a_credential().revoking().document.revisions[0]), 0);
}

#[test]
fn limits_that_are_too_low_for_the_schedules_are_reported_in_advance() {
    let limits =
        |mints, rate| Limits { mints_per_hour: mints, requests_per_second: rate, ..Limits::default() };
    let judged = |limits: Limits, needed: u64, usable| too_low(Some(&limits), needed * MILLIONTHS, usable);
    assert_eq!(judged(limits(Some(10), None), 8, 100), None);
    let mints = judged(limits(Some(10), None), 9, 100).unwrap();
    assert!(
        mints.contains("about 9 new credentials an hour, but limits.mintsPerHour allows 10: raise it"),
        "{mints}"
    );
    assert_eq!(judged(limits(None, Some(1)), 100, 2300), None);
    let rate = judged(limits(None, Some(1)), 100, 2500).unwrap();
    assert!(rate.contains("about 3000 requests an hour, but limits.requestsPerSecond allows 3600"), "{rate}");
    assert_eq!(judged(limits(None, None), 100, 2500), None, "five each second");
}

fn without_room(scene: Scene) -> World {
    let mut world = scene.world();
    for view in world.providers.values_mut() {
        if let ProviderView::Usable(provider) = view {
            provider.budget = Budget { limit: 100, opens: Some(noon() + minutes(9)), ..Budget::default() };
        }
    }
    world
}

#[test]
fn renewals_close_to_expiry_do_not_wait_for_the_budget() {
    let plan = decide(&without_room(a_credential()), noon());
    assert_eq!(in_words(&plan), "rest: MintBudget");
    let Wake::At(at) = rest_of(&plan).wake else { panic!("it is not looked at again") };
    assert!(at >= noon() + minutes(9) && at <= noon() + minutes(14), "{at}");
    let rows = [
        (
            "a request",
            active().with_spec(|it| it.rotation.get_or_insert_default().request = Some("one".to_owned())),
            "rest: MintBudget",
        ),
        ("another spec", active().with_spec(|it| it.scopes = vec!["write".to_owned()]), "rest: MintBudget"),
        (
            "a renewal in good time",
            a_credential()
                .with_spec(|it| it.rotation.get_or_insert_default().renew_before = lasting("1080h"))
                .issued(days(46))
                .published(),
            "rest: MintBudget",
        ),
        ("a renewal in the last third", a_credential().issued(days(80)).published(), "mint 2: RenewalDue"),
    ];
    for (what, scene, expected) in rows {
        assert_eq!(in_words(&decide(&without_room(scene), noon())), expected, "{what}");
    }
}

/// A credential that lives for ten seconds is always in its last third, or has ended.
#[test]
fn renewals_wait_for_the_budget_when_their_namespace_needs_more_than_its_share() {
    let decided = |scene: Scene| {
        let mut world = without_room(scene);
        for view in world.providers.values_mut() {
            if let ProviderView::Usable(provider) = view {
                provider.budget.renewals_wait = true;
            }
        }
        decide(&world, noon())
    };
    let ten_seconds = a_credential()
        .with_spec(|it| it.lifetime = lasting("10s"))
        .issued(seconds(9))
        .and(|it| it.it().request.lifetime = lasting("10s"))
        .published();
    let long = a_credential().issued(days(80)).published();
    for (what, scene) in [("ten seconds", ten_seconds), ("90 days", long), ("refused", active().dead())] {
        let plan = decided(scene);
        assert_eq!(in_words(&plan), "rest: MintBudget", "{what}");
        assert!(
            rest_of(&plan).message.contains("need more than half of that: lengthen spec.lifetime"),
            "{plan:?}"
        );
    }
    assert!(!is_over_its_share(100, 50 * MILLIONTHS));
    assert!(is_over_its_share(100, 51 * MILLIONTHS));
}

#[test]
fn a_share_that_is_too_low_for_the_schedules_of_a_namespace_is_reported_in_advance() {
    let limits = Limits { mints_per_hour: Some(10), ..Limits::default() };
    let judged = |most: u64| share_too_low(Some(&limits), 6 * MILLIONTHS, Some(("shop", most * MILLIONTHS)));
    assert_eq!(judged(4), None);
    let why = judged(5).unwrap();
    assert!(
        why.contains("of namespace shop need about 5 new credentials") && why.contains("10: raise it"),
        "{why}"
    );
    assert_eq!(share_too_low(Some(&limits), 6 * MILLIONTHS, None), None, "it is not shared");
}

#[test]
fn recreating_an_object_does_not_reset_its_budget() {
    let again = |count: i64| {
        let mut world = a_credential().world();
        world.minted_before = (0..count).map(|it| noon() - minutes(it)).collect();
        decide(&world, noon())
    };
    assert_eq!(in_words(&again(4)), "mint 1: FirstIssue");
    let plan = again(5);
    assert_eq!((in_words(&plan), rest_of(&plan).reason), ("rest: MintLimit".to_owned(), Reason::MintLimit));
}

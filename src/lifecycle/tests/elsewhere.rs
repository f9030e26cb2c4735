//! Credentials that work only from subnets that Credwright is not in: a refusal proves nothing.

use std::sync::Arc;

use super::{builders::*, table::*};
use crate::{
    api::{Reason, Verify},
    lifecycle::{
        conclude, decide,
        ledger::{Edit, StepKind},
        plan::{Outcome, Step},
        status,
        verification::{self, Verification},
    },
};

/// A credential that may be used from 192.0.2.0/24, issued so long ago and not published.
fn limited(ago: jiff::SignedDuration) -> Scene {
    let subnets = || vec!["192.0.2.0/24".to_owned()];
    a_credential()
        .with_spec(|spec| spec.subnets = subnets())
        .issued(ago)
        .and(|it| it.it().request.subnets = subnets())
}

fn from(scene: Scene, addresses: &[&str]) -> Scene {
    let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    scene.and(|it| it.world.operator.egress = Arc::from(addresses))
}

#[test]
fn a_limited_credential_is_tried_only_from_within_its_subnets() {
    let mut rows = vec![
        ("nobody knows wherefrom", limited(hours(1)), Verification::List),
        ("from within", from(limited(hours(1)), &["192.0.2.7/32"]), Verification::Pair),
        ("from elsewhere", from(limited(hours(1)), &["198.51.100.7/32"]), Verification::List),
        ("from both", from(limited(hours(1)), &["192.0.2.7/32", "2001:db8::7/128"]), Verification::List),
        ("without a list", limited(hours(1)).capable(unlisted), Verification::Elsewhere),
        ("the provider tells", limited(hours(1)).capable(|it| it.tells_elsewhere = true), Verification::Pair),
        (
            "a person says so",
            limited(hours(1)).with_spec(|it| it.verify = Verify::Skip),
            Verification::Skipped,
        ),
        ("a person made it", limited(hours(1)).capable(portal), Verification::Pair),
        ("nothing to try", limited(hours(1)).capable(|it| it.verify = false), Verification::Impossible),
        ("without limits", a_credential().issued(hours(1)), Verification::Pair),
    ];
    for (what, scene, expected) in &mut rows {
        let revision = scene.it().clone();
        assert_eq!(verification::of(&scene.clone().world(), &revision), Some(*expected), "{what}");
    }
}

#[test]
fn a_limited_credential_is_published_once_the_provider_lists_it_and_never_revoked_for_a_refusal() {
    check(vec![
        ("it is looked for in the list", limited(days(1)), "verify 1"),
        ("without a list it is published", limited(days(1)).capable(unlisted), "publish 1"),
        (
            "so it is if a person says so",
            limited(days(1)).with_spec(|it| it.verify = Verify::Skip),
            "publish 1",
        ),
    ]);
    let report = |listed| {
        let world = limited(days(1)).world();
        conclude(&world, &Step::Verify { revision: 1 }, &Outcome::Tried { accepted: listed }, noon())
    };
    assert_eq!(report(true).memory.verified.map(|it| it.revision), Some(1));
    let edits = report(false).edits;
    let [Edit::Fail { step: StepKind::Verify, record }] = edits.as_slice() else { panic!("{edits:?}") };
    assert!(record.message.contains("does not list prod-orders-kwtag-1abcd yet"), "{}", record.message);
}

#[test]
fn a_published_credential_says_that_it_was_not_verified_and_why() {
    let said = |scene: Scene| {
        let world = scene.published().verified().world();
        let object = world.subject.object.as_ref().unwrap();
        let status = status::view(&world, object, &decide(&world, noon()).at_rest(), noon());
        let published = status.conditions.into_iter().find(|it| it.type_ == "Published").unwrap();
        assert_eq!(published.status, "True");
        (published.reason, published.message)
    };
    let (reason, message) = said(limited(days(1)));
    assert_eq!(reason, Reason::Unverified.as_str());
    assert!(message.ends_with(
        "Credwright is not in (see --egress-addresses), so it is not tried; the provider lists it"
    ));
    let (reason, message) = said(limited(days(1)).with_spec(|it| it.verify = Verify::Skip));
    assert_eq!(reason, Reason::Unverified.as_str());
    assert!(message.ends_with("it is not tried, because the spec says verify: Skip"), "{message}");
    assert_eq!(said(from(limited(days(1)), &["192.0.2.7/32"])).0, Reason::Issued.as_str());
}

//! Ledgers that were restored, cloned, put back, deleted or lost.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{builders::*, table::*};
use crate::lifecycle::{
    Report, conclude, decide,
    ledger::{Document, Edit, Found, Inheritance, Parameters, State},
    naming,
    plan::{FoundCredential, Outcome, Step},
    recovery::Recovery,
    world::{CopyView, LedgerView, Rendered, World},
};

fn of_another_cluster(scene: Scene) -> Scene {
    scene.and(|it| it.document.cluster_id = "cluster-0".to_owned())
}

/// The spec names another Secret, which holds a revision that the ledger does not know.
fn behind(scene: Scene) -> Scene {
    scene.with_secret(|it| it.name = Some("other".to_owned())).with_target(|it| {
        it.intact = Some(Rendered { revision: 3, from: String::new() });
    })
}

#[test]
fn a_ledger_of_another_object_is_inherited_before_anything_else() {
    check(vec![
        ("restored on its cluster: adopted", active().restored_ledger(), "inherit 1 as Adopted"),
        ("written on another cluster: borrowed", of_another_cluster(active()), "inherit 1 as Borrowed"),
        (
            "even if its Secret is new here",
            of_another_cluster(active().restored_ledger()),
            "inherit 1 as Borrowed",
        ),
        ("even when deleting", active().restored_ledger().deleting(), "inherit 1 as Adopted"),
        ("but nothing is written while suspended", active().restored_ledger().suspended(), "rest: Suspended"),
        (
            "older than what was published: put together again",
            behind(active()),
            "recover [3], published Some(3), through 3",
        ),
    ]);
}

#[test]
fn inherited_credentials_stay_published_and_are_not_revoked() {
    for how in [Inheritance::Adopted, Inheritance::Borrowed, Inheritance::Rebuilt] {
        check(vec![
            ("it works", active().inherited(how), "rest: Issued"),
            (
                "an old one whose overlap is over waits",
                a_credential()
                    .issued(days(80))
                    .retiring(hours(30))
                    .issued(days(31))
                    .published()
                    .inherited(how),
                if how == Inheritance::Borrowed { "record Leave [1]" } else { "rest: Issued" },
            ),
            (
                "what is being revoked waits",
                a_credential().revoking().issued(days(10)).published().inherited(how),
                "rest: Issued",
            ),
            (
                "a lost answer is not settled",
                a_credential().issued(days(10)).published().unconfirmed(hours(1)).inherited(how),
                "rest: Issued",
            ),
            (
                "it is replaced when that is due, in spite of the lost answer",
                a_credential().issued(days(80)).published().unconfirmed(hours(1)).inherited(how),
                "mint 3: RenewalDue",
            ),
            ("it is replaced when it is dead", active().dead().inherited(how), "mint 2: FoundRevoked"),
        ]);
    }
}

#[test]
fn a_replacement_ends_adopted_credentials_and_leaves_borrowed_ones() {
    let replaced = |how| {
        a_credential().issued(days(80)).inherited(how).retiring(hours(30)).issued(hours(30)).published()
    };
    check(vec![
        ("adopted", replaced(Inheritance::Adopted), "record StartRevoking [1]"),
        ("rebuilt", replaced(Inheritance::Rebuilt), "record StartRevoking [1]"),
        ("borrowed", replaced(Inheritance::Borrowed), "record Leave [1]"),
        (
            "a lost answer from before is settled now",
            a_credential()
                .unconfirmed(hours(40))
                .inherited(Inheritance::Adopted)
                .issued(hours(30))
                .published(),
            "settle 1",
        ),
    ]);
}

#[test]
fn deletion_revokes_adopted_credentials_and_leaves_borrowed_ones() {
    let deleting = |how| active().inherited(how).deleting();
    check(vec![
        ("adopted", deleting(Inheritance::Adopted), "record StartRevoking [1]"),
        ("borrowed", deleting(Inheritance::Borrowed), "record Leave [1]"),
        ("a clone may be using it", active().with_stray(&own_tag(), 2).deleting(), "record Leave [1]"),
    ]);
}

#[test]
fn a_stray_is_revoked_when_nothing_inherited_is_in_use_any_more() {
    let adopted = || a_credential().issued(days(80)).inherited(Inheritance::Adopted);
    let over = || adopted().and(|it| it.it().state = State::Revoked).issued(hours(30)).published();
    let listed =
        |scene: Scene| scene.provider(|it| it.listed = Arc::new([(Parameters::new(), noon())].into()));
    check(vec![
        (
            "not while what is inherited is used",
            adopted().published().with_stray(OLD_TAG, 7),
            "mint 2: RenewalDue",
        ),
        (
            "nor during the overlap",
            adopted().retiring(hours(1)).issued(hours(1)).published().with_stray(OLD_TAG, 7),
            "rest: Issued",
        ),
        ("then it is", over().with_stray(OLD_TAG, 7), "stray 3"),
        (
            "unless somebody holds it",
            over().with_stray(OLD_TAG, 7).and(|it| it.world.strays[0].held_elsewhere = true),
            "rest: Issued",
        ),
        ("with nothing left, nothing is inherited any more", listed(over()), "record Disinherit"),
        ("but not before the account has been listed", over(), "rest: Issued"),
        (
            "what is borrowed has no strays",
            over().with_stray(OLD_TAG, 7).and(|it| {
                it.document.inherited.as_mut().unwrap().how = Inheritance::Borrowed;
            }),
            "rest: Issued",
        ),
        (
            "what a lost answer made after all is revoked at any time",
            a_credential().next(State::Absent).issued(days(10)).published().and(|it| {
                it.document.revisions[0].name = "late".to_owned();
                let (name, client_id) = ("late".to_owned(), "late-client".to_owned());
                let found = Found { name, client_id, ..Found::default() };
                it.world.strays.push(FoundCredential { found, held_elsewhere: false });
            }),
            "record Found { revision: 1, found: Found { name: \"late\", client_id: \"late-client\", \
             secret_id: None, ids: {}, place: {} } }",
        ),
    ]);
}

#[test]
fn with_a_shared_tag_nothing_is_minted_or_revoked_until_a_person_claims_it() {
    let clash = |scene: Scene| scene.with_stray(&own_tag(), 4);
    check(vec![
        ("nothing is due", clash(active()), "rest: IdentityClash"),
        ("no renewal", clash(a_credential().issued(days(80)).published()), "rest: IdentityClash"),
        ("no replacement, even if it is dead", clash(active().dead()), "rest: IdentityClash"),
        (
            "no revocation",
            clash(a_credential().issued(days(80)).retiring(hours(30)).issued(days(31)).published()),
            "rest: IdentityClash",
        ),
        ("a claim settles it", clash(active()).claimed(), "inherit 4 as Adopted"),
        (
            "what the ledger lists is no clash",
            clash(active()).and(|it| it.world.strays[0].found.client_id = "client-1".to_owned()),
            "rest: Issued",
        ),
        (
            "a claim makes what was borrowed ours",
            active().inherited(Inheritance::Borrowed).claimed(),
            "record Claim",
        ),
        ("and needs no second one", active().inherited(Inheritance::Adopted).claimed(), "rest: Issued"),
    ]);
    let plan = decide(&clash(active()).world(), noon());
    assert!(
        rest_of(&plan).in_full().contains("--overwrite credwright.dev/claim=cluster-1"),
        "{}",
        rest_of(&plan).in_full()
    );
}

#[test]
fn a_terminating_ledger_is_copied_released_and_recreated() {
    let copied = |change: fn(&mut Document)| {
        let scene = active().deleted_ledger();
        let mut document = scene.document.clone();
        change(&mut document);
        scene.and(|it| it.world.copy = Some(CopyView { document: Some(Arc::new(document)) }))
    };
    let absent = |scene: Scene| {
        let mut world = scene.world();
        world.ledger = LedgerView::Absent;
        in_words(&decide(&world, noon()))
    };
    check(vec![
        ("it is copied", active().deleted_ledger(), "CopyLedger"),
        (
            "not while a call is open",
            a_credential().intended(seconds(-5)).deleted_ledger(),
            "rest: Unconfirmed",
        ),
        ("the copy is complete", copied(|_| ()), "DropLedger"),
        ("a copy that is older is made again", copied(|it| it.write_id = "older".to_owned()), "CopyLedger"),
        ("with the ledger there, a copy is in the way", copied(|_| ()).undeleted_ledger(), "RemoveCopy"),
        (
            "an object that goes, too, is finished",
            active().deleted_ledger().deleting(),
            "record StartRevoking [1]",
        ),
    ]);
    assert_eq!(absent(copied(|_| ())), "RestoreLedger");
    let foreign = active().and(|it| it.world.copy = Some(CopyView { document: None }));
    assert_eq!(absent(foreign), "recover [1], published Some(1), through 1", "what does not open is no copy");
}

#[test]
fn a_lost_ledger_is_rebuilt_from_status_and_target() {
    check(vec![
        (
            "what is published is kept",
            a_credential().status_lists(3, "Active").with_target(|_| ()),
            "recover [3], published Some(3), through 3",
        ),
        (
            "others are to be revoked some time",
            a_credential().status_lists(2, "Retiring").status_lists(3, "Active").with_target(|_| ()),
            "recover [2, 3], published Some(3), through 3",
        ),
        (
            "what is over is not put down again",
            a_credential().status_lists(2, "Revoked").status_lists(3, "Active").with_target(|_| ()),
            "recover [3], published Some(3), through 3",
        ),
        (
            "without a target there is nothing to keep",
            a_credential().status_lists(3, "Active"),
            "recover [3], published None, through 3",
        ),
        (
            "without a status the target tells",
            a_credential().with_target(|it| it.intact = Some(Rendered { revision: 5, from: String::new() })),
            "recover [5], published Some(5), through 5",
        ),
        (
            "what could not be read is not tried at once again",
            a_credential().status_lists(3, "Active").with_target(|_| ()).unrecoverable(),
            "rest: LedgerLost",
        ),
        (
            "the provider is waited for",
            a_credential().status_lists(3, "Active").with_target(|_| ()).without_provider(),
            "rest: LedgerLost",
        ),
    ]);
    let world =
        a_credential().status_lists(2, "Retiring").status_lists(3, "Active").with_target(|_| ()).world();
    let Some(Step::Recover(recovery)) = decide(&world, noon()).step().cloned() else {
        panic!("it is not put together")
    };
    let states: Vec<State> = recovery.revisions.iter().map(|it| it.state).collect();
    assert_eq!(states, [State::Revoking, State::Issued]);
    assert!(recovery.revisions.iter().all(|it| it.rebuilt && it.unverified));
}

/// After a restore, the names at the provider have the tag of the object that was restored. Under
/// the tag of the present one nothing is listed, which looks as if it were revoked.
#[test]
fn a_rebuilt_credential_is_searched_for_by_the_tag_in_its_own_name() {
    let old_tag = naming::tag("cluster-1", "prod", "orders", "uid-0");
    let old_name = format!("prod-orders-{old_tag}-2abcd");
    let scene = a_credential().status_lists(2, "Retiring").status_lists(3, "Active").with_target(|_| ());
    let world =
        scene.and(|it| it.object.status.as_mut().unwrap().credentials[0].name.clone_from(&old_name)).world();
    let Some(Step::Recover(recovery)) = decide(&world, noon()).step().cloned() else {
        panic!("it is not put together")
    };
    let mut document = a_credential().document;
    let Recovery { inherited, revisions, mints, .. } = *recovery;
    document.apply(&Edit::Rebuild { inherited, revisions, mints }, noon()).unwrap();
    let known = document.inherited.iter().flat_map(|it| &it.tags);
    assert!(known.eq([&own_tag(), &old_tag]), "strays with either tag are its own");
    let tags = |index: usize| document.tags_of(&document.revisions[index], "prod", "orders");
    assert_eq!(tags(0), std::slice::from_ref(&old_tag));
    assert_eq!(tags(1), [own_tag()]);
    let mut unnamed = document.revisions[1].clone();
    unnamed.name = format!("{}-3", own_tag());
    let all = document.tags_of(&unnamed, "prod", "orders");
    assert!(all.contains(&own_tag()) && all.contains(&old_tag), "{all:?}");
}

#[test]
fn a_rebuilt_ledger_counts_the_mints_of_the_last_hour() {
    let ages = [minutes(90), minutes(40), minutes(20)];
    let scene = a_credential()
        .status_lists(1, "Revoked")
        .status_lists(2, "Retiring")
        .status_lists(3, "Active")
        .with_target(|_| ())
        .and(|it| {
            let listed = it.object.status.as_mut().unwrap().credentials.iter_mut();
            listed.zip(ages).for_each(|(it, age)| it.issued_at = Some(noon() - age));
        });
    let rebuilt = |world: World| {
        let Some(Step::Recover(it)) = decide(&world, noon()).step().cloned() else {
            panic!("it is not put together")
        };
        let mut document = a_credential().document;
        let Recovery { inherited, revisions, mints, .. } = *it;
        document.apply(&Edit::Rebuild { inherited, revisions, mints }, noon()).unwrap();
        document.mints
    };
    assert_eq!(rebuilt(scene.clone().world()), [noon() - minutes(40), noon() - minutes(20)]);
    for asked in [SignedDuration::from_secs(-3), SignedDuration::from_millis(900)] {
        let mut seen = scene.clone().world();
        seen.minted_before = vec![noon() - minutes(20) + asked];
        assert_eq!(rebuilt(seen), [noon() - minutes(40)], "what counts already does not count twice");
    }
}

/// Only two sources say whose it is: a Secret's owner, or a name in status.
#[test]
fn a_credential_of_possibly_another_cluster_is_reported_with_the_way_to_claim_it() {
    let told = |scene: Scene| {
        let world = scene.world();
        let step = decide(&world, noon()).step().cloned().unwrap();
        let Step::Recover(recovery) = &step else { panic!("it is not put together") };
        let borrowed = recovery.inherited.borrowed();
        (borrowed, conclude(&world, &step, &Outcome::Done, noon()).events.remove(0).message)
    };
    let held =
        || a_credential().with_target(|it| it.intact = Some(Rendered { revision: 5, from: String::new() }));
    let (borrowed, message) = told(held().and(|it| it.world.targets[0].inherited = true));
    assert_eq!(borrowed, 5);
    assert!(
        message.contains("never revoked from here") && message.contains("dev/claim=cluster-1"),
        "{message}"
    );
    let (borrowed, message) = told(held());
    assert_eq!(borrowed, 0, "a Secret of this object's own is its own");
    assert!(!message.contains("claim"), "{message}");
}

#[test]
fn an_unreadable_ledger_is_released_only_when_a_person_deletes_it() {
    let unreadable = |terminating| {
        let why = "its seal does not open".to_owned();
        let world =
            World { ledger: LedgerView::Unreadable { why, held: true, terminating }, ..active().world() };
        decide(&world, noon())
    };
    assert_eq!(in_words(&unreadable(true)), "DropLedger");
    let plan = unreadable(false);
    assert_eq!(in_words(&plan), "rest: LedgerUnreadable");
    assert!(
        rest_of(&plan).message.contains("its seal does not open")
            && rest_of(&plan).message.contains("delete the Secret")
    );
}

#[test]
fn a_rebuilt_credential_is_revoked_only_where_the_provider_can_list_it() {
    let rebuilt = || {
        a_credential()
            .revoking()
            .and(|it| it.it().rebuilt = true)
            .inherited(Inheritance::Rebuilt)
            .issued(days(10))
            .published()
    };
    check(vec![
        ("it lists", rebuilt(), "revoke 1"),
        ("it does not: a person is asked", rebuilt().capable(unlisted), "rest: Issued"),
    ]);
    let plan = decide(&rebuilt().capable(unlisted).world(), noon());
    assert_eq!(plan.step(), None);
}

/// An inherited credential that is refused is dead after two refusals, and is never given up as
/// never accepted.
#[test]
fn a_refused_inherited_credential_is_dead_and_not_revoked() {
    let refuse = |scene: Scene| -> Report {
        let world = scene.world();
        conclude(&world, &Step::Verify { revision: 1 }, &Outcome::Tried { accepted: false }, noon())
    };
    let unpublished = || a_credential().issued(days(10)).inherited(Inheritance::Adopted);
    assert_eq!(refuse(unpublished()).edits, [Edit::Refused { revision: 1, refused: true }]);
    assert_eq!(refuse(unpublished().refused(hours(1))).edits, [Edit::Dead(1)]);
}

#[test]
fn open_requests_of_another_cluster_are_left_to_it() {
    let mut document = a_credential().revoking().issued(days(1)).unconfirmed(hours(1)).document;
    let world = of_another_cluster(active()).world();
    let Some(Step::Inherit(inherited)) = decide(&world, noon()).step().cloned() else {
        panic!("it is not taken over")
    };
    let edit =
        |inherited| Edit::Inherit { cluster_id: "cluster-1".into(), object_uid: "uid-1".into(), inherited };
    document.apply(&edit(inherited.clone()), noon()).unwrap();
    let states: Vec<State> = document.revisions.iter().map(|it| it.state).collect();
    assert_eq!(states, [State::Left, State::Issued, State::Left]);
    assert_eq!((document.cluster_id.as_str(), document.object_uid.as_str()), ("cluster-1", "uid-1"));
    document.apply(&edit(inherited), noon()).unwrap();
    assert_eq!(document.inherited.unwrap().tags.len(), 1, "taken over twice, it has one tag all the same");
}

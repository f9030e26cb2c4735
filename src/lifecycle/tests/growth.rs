//! A ledger has bounds, and whoever cannot revoke is renewed all the same.

use super::{builders::*, model::Model, story::Case, table::*};
use crate::lifecycle::{
    conclude, decide,
    growth::{DOCUMENT_MAX, SEALED_MAX, document_length},
    ledger::{Edit, State},
    plan::{Outcome, Step, Wake},
    schedule,
    world::{LedgerView, World},
};

/// `orders`, whose provider cannot revoke, with so many older credentials that are not revoked, and
/// one published for so long.
fn after(unrevoked: usize, published: jiff::SignedDuration) -> Scene {
    let older = (0..unrevoked).fold(a_credential(), |scene, _| scene.revoking());
    older
        .issued(published)
        .published()
        .capable(unrevocable)
        .with_rotation(|it| it.renew_before = lasting("960h"))
}

#[test]
fn a_provider_that_cannot_revoke_gets_a_bounded_ledger_and_a_credential_that_always_works() {
    let mut model =
        Model::new(&Case { list: true, verify: false, revoke: false, several: false, events: Vec::new() });
    model.object.as_mut().unwrap().spec.lifetime = lasting("168h");
    for _ in 0..37 {
        model.wait(days(10));
        let document = model.document().unwrap();
        assert!(document_length(document) < DOCUMENT_MAX / 4, "{}", document_length(document));
        assert!(document.revisions.len() <= 40, "{}", document.revisions.len());
        let newest = document.newest_issued().unwrap();
        assert!(schedule::end(newest).unwrap() > model.now, "it has ended: {newest:?}");
    }
    let made = model.clients().count();
    assert!(made > 70, "{made}");
    assert!(model.abandoned.len() > made - 30, "{} of {made}", model.abandoned.len());
}

#[test]
fn renewals_by_schedule_wait_for_the_last_third_while_many_are_not_revoked() {
    check(vec![
        ("nineteen are no reason", after(19, days(55)), "mint 21: RenewalDue"),
        ("with twenty it waits", after(20, days(55)), "rest: LedgerFull"),
        ("but not in the last third", after(20, days(60)), "mint 22: RenewalDue"),
        ("what is found revoked does not wait", after(20, days(55)).dead(), "mint 22: FoundRevoked"),
    ]);
    let plan = decide(&after(20, days(55)).world(), noon());
    assert!(
        matches!(rest_of(&plan).wake, Wake::At(at) if at <= noon() + days(5)),
        "{:?}",
        rest_of(&plan).wake
    );
    for part in ["20 credentials", "the provider has no call that revokes", "remove them at the provider"] {
        assert!(rest_of(&plan).message.contains(part), "{}", rest_of(&plan).message);
    }
}

#[test]
fn unrevoked_credentials_are_recorded_when_the_ledger_is_full() {
    let world = after(21, days(10)).world();
    let plan = decide(&world, noon());
    let Some(Step::Abandon(it)) = plan.step() else { panic!("{plan:?}") };
    assert_eq!(it.revision, 1, "the oldest");
    assert!(it.why.contains("no room for more"), "{}", it.why);
    let step = plan.step().cloned().unwrap();
    let report = conclude(&world, &step, &Outcome::Done, noon());
    assert_eq!(report.edits, [Edit::Abandon(1)]);
    assert_eq!(in_words(&decide(&after(20, days(10)).world(), noon())), "rest: Issued");
}

/// A world whose ledger is so long, and its sealed part too.
fn of_length(scene: Scene, document: usize, sealed_part: usize) -> World {
    let scene = scene.and(|it| {
        it.it().fields.insert("long".to_owned(), "x".repeat(document));
    });
    let mut world = scene.world();
    if let LedgerView::Present { sealed, .. } = &mut world.ledger {
        *sealed = sealed_part;
    }
    world
}

#[test]
fn nothing_is_minted_that_does_not_fit_into_the_ledger() {
    let due = || a_credential().issued(days(80)).published();
    let decided = |document, sealed| in_words(&decide(&of_length(due(), document, sealed), noon()));
    assert_eq!(decided(0, 0), "mint 2: RenewalDue");
    assert_eq!(decided(150 * 1024, 0), "mint 2: RenewalDue");
    assert_eq!(decided(200 * 1024, 0), "rest: LedgerFull");
    assert_eq!(decided(0, SEALED_MAX - 100 * 1024), "rest: LedgerFull");
    let asked = |sealed| {
        let scene = active().with_rotation(|it| it.request = Some("again".to_owned()));
        in_words(&decide(&of_length(scene, 0, sealed), noon()))
    };
    assert_eq!(asked(SEALED_MAX / 2), "mint 2: Requested");
    assert_eq!(asked(SEALED_MAX / 2 + 1), "rest: LedgerFull");
}

#[test]
fn an_ended_revision_keeps_no_long_values() {
    let mut document = a_credential().next(State::Revoking).document;
    let it = document.revisions.last_mut().unwrap();
    it.request.scopes = vec!["x".repeat(256); 64];
    it.request.rotation_request = Some("again".to_owned());
    it.ids.insert("id".to_owned(), "x".repeat(4096));
    it.fields.insert("scope".to_owned(), "x".repeat(16 * 1024));
    document.apply(&Edit::Revoked(1), noon()).unwrap();
    assert!(document_length(&document) < 2048, "{}", document_length(&document));
    assert_eq!(document.revisions[0].request.rotation_request.as_deref(), Some("again"));
}

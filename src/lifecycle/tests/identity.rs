//! Credentials that are several secrets of one client: nowhere does the client ID stand for one of
//! them.

use super::{builders::*, by_hand::asked, removal::left, table::*};
use crate::{
    api::REMOVED_ANNOTATION,
    lifecycle::{
        decide,
        ledger::{CredentialKind, Found, Identity, Parameters, Revision, State},
        plan::{FoundCredential, Step},
        status,
    },
};

/// The published secret and the one before it.
fn two() -> Scene {
    a_credential().issued(days(30)).retiring(hours(30)).issued(hours(30)).published().secrets_of_one_client()
}

fn found(id: &str, role: &str) -> Found {
    Found {
        name: "somebody-else".to_owned(),
        client_id: "the-client".to_owned(),
        secret_id: Some(id.to_owned()),
        place: Parameters::from([("role".to_owned(), role.to_owned())]),
        ..Found::default()
    }
}

#[test]
fn two_secrets_of_a_client_are_two_credentials() {
    let document = two().document;
    let [first, second] = document.revisions.as_slice() else { panic!("two revisions") };
    assert!(!first.is_same_as(second) && first.is_same_as(first));
    let sibling =
        |of: &Revision, it: &Revision| document.sibling(of, &it.identity().unwrap()).map(|it| it.revision);
    assert_eq!(sibling(second, first), Some(1), "what is answered is the first one again");
    assert_eq!(sibling(first, first), None);
    assert_eq!(sibling(second, second), None);
    let mut unknown = second.clone();
    unknown.secret_id = None;
    assert_eq!(unknown.identity(), None, "it may be any of them");
    assert!(!unknown.is_same_as(first) && !first.is_same_as(&unknown));
}

#[test]
fn the_same_id_in_another_place_is_another_credential() {
    let (reader, writer) = (reader(), found("", "writer").place);
    let of = |parameters| Identity { parameters, ..Identity::of_client("7") };
    assert!(of(&reader).may_be(&of(&reader)));
    assert!(!of(&reader).may_be(&of(&writer)));
    assert!(of(&reader).may_be(&Identity::of_client("7")), "nobody knows where that is");
}

#[test]
fn the_login_is_none_of_the_other_secrets_of_its_client() {
    assert!(Identity::of_client("the-client").is_login(Some("the-client")));
    assert!(!found("secret-9", "reader").identity().is_login(Some("the-client")));
}

#[test]
fn a_secret_that_no_ledger_lists_is_seen_although_its_client_is_known() {
    let document = two().document;
    assert!(document.expects(&found("secret-1", "reader")));
    assert!(!document.expects(&found("secret-9", "reader")));
    assert!(!document.expects(&found("secret-1", "writer")), "in another place");
    let clash = two().and(|it| {
        let found = Found { name: format!("prod-orders-{}-7wxyz", own_tag()), ..found("secret-9", "reader") };
        it.world.strays.push(FoundCredential { found, held_elsewhere: false });
    });
    check(vec![("a clone of this cluster makes secrets of the same client", clash, "rest: IdentityClash")]);
}

#[test]
fn a_retired_secret_is_revoked_while_its_client_goes_on() {
    let doomed = two().and(|it| it.document.revisions[0].state = State::Revoking);
    check(vec![
        ("its overlap is over", two(), "record StartRevoking [1]"),
        ("the other one stays", doomed.clone(), "revoke 1"),
        ("Retain keeps one of them", two().retained().deleting(), "record StartRevoking [1]"),
        (
            "and the others are waited for",
            doomed.and(Scene::forget_publications).retained().deleting().paused(),
            "rest: Deleting",
        ),
    ]);
}

#[test]
fn a_person_is_asked_for_each_secret_by_its_own_id() {
    let said = |what: &str| {
        left().secrets_of_one_client().and(|it| {
            let annotation = (REMOVED_ANNOTATION.to_owned(), what.to_owned());
            it.object.metadata.annotations = Some([annotation].into());
        })
    };
    check(vec![
        ("the client ID confirms none", said("the-client"), "CheckRemoval { revision: 1, beside: 2 }"),
        ("its own does", said("secret-1"), "record Revoked(1)"),
    ]);
    let asked = asked(said("none").and(|it| it.world.memory.removals = [(1, noon() - minutes(1))].into()));
    assert!(asked.contains("prod-orders-kwtag-1abcd (secret secret-1 of client the-client)"), "{asked}");
    assert!(asked.ends_with("credwright.dev/removed='secret-1'"), "{asked}");
}

#[test]
fn a_rebuilt_secret_without_its_id_is_never_revoked() {
    let mut scene = two();
    let it = scene.it();
    it.rebuilt = true;
    assert!(capabilities().revokes(it), "its ID is in status");
    it.secret_id = None;
    assert!(!capabilities().revokes(it), "it may be the one in use");
    it.kind = CredentialKind::Client;
    assert!(capabilities().revokes(it), "a client is known by its client ID");
}

#[test]
fn a_lost_ledger_is_rebuilt_with_the_ids_and_parameters_in_status() {
    let world = two().world();
    let object = world.subject.object.as_ref().unwrap();
    let status = status::view(&world, object, &decide(&world, noon()).at_rest(), noon());
    assert_eq!(status.credentials[0].id.as_deref(), Some("secret-2"));
    assert_eq!(status.credentials[0].parameters, reader());
    let lost = a_credential().secrets_of_one_client().and(|it| it.object.status = Some(status));
    let plan = decide(&lost.world(), noon());
    let Some(Step::Recover(recovery)) = plan.step() else { panic!("{plan:?}") };
    let known = recovery.revisions.iter().map(|it| (it.kind, it.secret_id.as_deref(), &it.parameters));
    let reader = &reader();
    let secret = |id| (CredentialKind::Secret, Some(id), reader);
    assert_eq!(known.collect::<Vec<_>>(), [secret("secret-1"), secret("secret-2")]);
}

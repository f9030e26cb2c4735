//! Credentials that only a person can remove.

use super::{
    builders::*,
    by_hand::{ByHand, asked, by_hand},
    table::*,
};
use crate::{
    api::ProviderKind,
    lifecycle::{
        conclude,
        ledger::{Edit, State},
        plan::{Outcome, Step},
    },
};

pub(super) fn left() -> Scene {
    by_hand()
        .taken("a", days(90))
        .retiring(days(2))
        .and(|it| it.it().state = State::Revoking)
        .taken("b", days(2))
        .published()
        .with_empty_intake()
}

#[test]
fn a_credential_that_a_person_has_to_remove_is_searched_for_until_it_is_gone() {
    let looked = |ago| left().and(|it| it.world.memory.removals = [(1, noon() - ago)].into());
    let said = |what: &str| {
        let what = what.to_owned();
        left().and(|it| {
            let annotation = (crate::api::REMOVED_ANNOTATION.to_owned(), what);
            it.object.metadata.annotations = Some([annotation].into());
        })
    };
    let shared = |scene: Scene, said: Option<&str>| {
        let removed = said.map(ToOwned::to_owned);
        let kind = ProviderKind::ClusterCredentialProvider;
        let scene = scene.with_spec(|it| it.provider_ref.kind = kind).and(|it| {
            it.document.revisions.iter_mut().for_each(|it| it.account.kind = kind);
            let known = std::mem::take(&mut it.world.providers);
            it.world.providers = known.into_iter().map(|((_, name), it)| ((kind, name), it)).collect();
        });
        scene.provider(|it| it.standing.removed = removed)
    };
    check(vec![
        (
            "at a shared provider its owner says so",
            shared(left(), Some("client-7, client-1")),
            "record Revoked(1)",
        ),
        ("and not the tenant", shared(said("client-1"), None), "CheckRemoval { revision: 1, beside: 2 }"),
        ("at once", left(), "CheckRemoval { revision: 1, beside: 2 }"),
        ("then within the hour", looked(minutes(59)), "rest: Issued"),
        ("every hour", looked(hours(1)), "CheckRemoval { revision: 1, beside: 2 }"),
        ("or a person says so", said("client-1"), "record Revoked(1)"),
        ("by its name, among others", said("other, prod-orders-kwtag-1abcd"), "record Revoked(1)"),
        (
            "what is in use is not gone because somebody says so",
            said("client-2"),
            "CheckRemoval { revision: 1, beside: 2 }",
        ),
        (
            "nor what Credwright can revoke itself",
            said("client-1").capable(|it| *it = capabilities()),
            "revoke 1",
        ),
        (
            "what was never accepted cannot be told by a refusal",
            left().and(|it| it.document.revisions[0].retired_at = None),
            "rest: Issued",
        ),
    ]);
    assert!(asked(looked(minutes(1))).starts_with(
        "RemovalAwaited: remove prod-orders-kwtag-1abcd (client client-1) at the portal, page Old keys: it was replaced at 2026-11-19T12:00:00Z"
    ));
    assert!(asked(looked(minutes(1))).contains("Credwright notices when it is gone"));
    let elsewhere =
        looked(minutes(1)).and(|it| it.document.revisions[1].account.fingerprint = "other".to_owned());
    assert!(
        asked(elsewhere).contains("Then confirm that it is gone"),
        "what is published says nothing of that account"
    );
    let recreated =
        looked(minutes(1)).and(|it| it.document.revisions[0].client_id = Some("client-2".to_owned()));
    assert_eq!(asked(recreated), "", "removing it would end the new one too");
}

#[test]
fn a_credential_is_gone_if_it_is_refused_while_the_new_one_is_accepted() {
    let world = left().world();
    let step = Step::CheckRemoval { revision: 1, beside: 2 };
    let edits = |outcome| conclude(&world, &step, &outcome, noon()).edits;
    assert_eq!(edits(Outcome::Removed(Removed::Yes)), [Edit::Revoked(1)]);
    assert_eq!(edits(Outcome::Removed(Removed::NotYet)), []);
    assert_eq!(
        edits(Outcome::Removed(Removed::Unproved)),
        [],
        "an account that is switched off proves nothing"
    );
}

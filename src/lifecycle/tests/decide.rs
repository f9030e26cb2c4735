//! Every check, in the order of the checks: a sentence, a world, what is decided.

use std::collections::BTreeMap;

use super::{builders::*, table::*};
use crate::{
    api::Reason,
    lifecycle::{
        failure::FailureKind,
        ledger::{State, StepKind},
        world::{Pause, UsableProvider},
    },
};

fn fields(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

#[test]
fn a_life_without_trouble() {
    let busy = |it: &mut UsableProvider| {
        it.busy = Some(Pause { reason: Reason::ProviderBusy, message: String::new() });
    };
    let moved = |it: &mut UsableProvider| it.fields = fields("token_url", "https://new");
    check(vec![
        (
            "at first the object is held",
            a_credential().and(|it| it.object.metadata.finalizers = None),
            "HoldObject",
        ),
        (
            "in its turn at the provider",
            a_credential().and(|it| it.object.metadata.finalizers = None).provider(busy),
            "rest: ProviderBusy",
        ),
        (
            "but at once, if there may be something to restore",
            a_credential().issued(days(1)).and(|it| it.object.metadata.finalizers = None).provider(busy),
            "HoldObject",
        ),
        ("then the first credential is made", a_credential(), "mint 1: FirstIssue"),
        ("what is made is tried", a_credential().issued(seconds(0)), "verify 1"),
        ("what is accepted is published", a_credential().issued(seconds(9)).verified(), "publish 1"),
        (
            "what was accepted long ago is tried again first",
            a_credential().issued(hours(1)).verified().and(|it| {
                it.world.memory.verified = Some(Tried::new(1, noon() - minutes(10)));
            }),
            "verify 1",
        ),
        (
            "a ledger whose label was taken off is written again, with it",
            active().outdated_ledger(),
            "record Identify",
        ),
        ("what is published and fits is left alone", active(), "rest: Issued"),
        (
            "what its provider tells workloads follows, and the scope stays",
            active().and(|it| it.it().fields = fields("scope", "read")).provider(moved),
            "record Follow { revision: 1, fields: {\"scope\": \"read\", \"token_url\": \"https://new\"} }",
        ),
        ("but not while it is unreachable", active().provider(moved).paused(), "rest: Issued"),
        ("what nears its end is replaced", a_credential().issued(days(61)).published(), "mint 2: RenewalDue"),
        ("what replaces it is tried", rotating(), "verify 2"),
        ("what replaces it is published", rotating().verified(), "publish 2"),
        (
            "what was replaced retires",
            a_credential().issued(days(80)).issued(minutes(1)).published(),
            "record Retire [1]",
        ),
        ("during the overlap both work", overlapping(), "rest: Issued"),
        (
            "after the overlap the old one is to be revoked",
            a_credential().issued(days(80)).retiring(hours(25)).issued(hours(26)).published(),
            "record StartRevoking [1]",
        ),
        (
            "what is to be revoked is revoked",
            a_credential().revoking().issued(days(1)).published(),
            "revoke 1",
        ),
    ]);
}

#[test]
fn the_secret_is_restored_before_all_else() {
    let away = |scene: Scene| scene.paused();
    let renamed = || active().frozen().with_secret(|it| it.name = Some("other".to_owned()));
    check(vec![
        (
            "a deleted Secret is recreated, provider up or down",
            away(a_credential().issued(days(9)).status_says(1)),
            "publish 1",
        ),
        (
            "an edited one too",
            away(a_credential().issued(days(9)).status_says(1).with_target(|_| ())),
            "publish 1",
        ),
        (
            "another template",
            away(active().frozen().with_secret(|it| it.include_previous = false)),
            "publish 1",
        ),
        ("another name", away(renamed()), "publish 1"),
        ("a renewal waits for it", a_credential().issued(days(80)).status_says(1), "publish 1"),
        (
            "without a trace of what was published, it is tried first",
            a_credential().issued(days(9)).with_target(|_| ()),
            "verify 1",
        ),
        (
            "a Secret that holds what was revoked is given what works",
            away(a_credential().next(State::Revoked).published().issued(days(9)).status_says(2)),
            "publish 2",
        ),
        (
            "another's Secret is not touched",
            a_credential().issued(days(9)).status_says(1).verified().with_target(|it| it.ours = false),
            "rest: TargetForeign",
        ),
        (
            "an immutable one cannot be",
            a_credential().issued(days(9)).status_says(1).verified().with_target(|it| it.immutable = true),
            "rest: TargetRefused",
        ),
        (
            "the previous pair is added where it is asked for",
            overlapping().frozen().with_secret(|it| it.include_previous = true),
            "publish 2 and 1",
        ),
    ]);
}

#[test]
fn lost_responses_are_settled_first() {
    let unlisted = |scene: Scene| scene.capable(unlisted);
    check(vec![
        (
            "a call that may still be under way is waited for",
            a_credential().intended(seconds(30)),
            "rest: Unconfirmed",
        ),
        ("after that it is looked for", a_credential().intended(seconds(40)), "settle 1"),
        (
            "what its own caller gave up is looked for at once",
            a_credential().unconfirmed(seconds(0)),
            "settle 1",
        ),
        (
            "it is not looked for again at once",
            a_credential()
                .unconfirmed(seconds(20))
                .and(|it| it.world.memory.looked = Some(Tried::new(1, noon() - seconds(5)))),
            "rest: Unconfirmed",
        ),
        (
            "but after a while",
            a_credential()
                .unconfirmed(seconds(20))
                .and(|it| it.world.memory.looked = Some(Tried::new(1, noon() - seconds(10)))),
            "settle 1",
        ),
        (
            "and not while looking fails",
            a_credential().unconfirmed(hours(1)).failed(
                StepKind::Settle,
                Reason::ProviderForbidden,
                FailureKind::Forbidden,
                minutes(9),
            ),
            "rest: Unconfirmed",
        ),
        (
            "an unreachable provider is waited for",
            a_credential().unconfirmed(hours(1)).paused(),
            "rest: Unconfirmed",
        ),
        (
            "where nothing can be listed, it is recorded",
            unlisted(a_credential().intended(hours(1))),
            "record Unconfirm(1)",
        ),
        (
            "and put on record elsewhere",
            unlisted(a_credential().unconfirmed(hours(1))),
            "abandon 1: Unconfirmed",
        ),
        ("and no longer waited for", unlisted(a_credential().next(State::Abandoned)), "mint 2: FirstIssue"),
        (
            "what was lost at a provider that the spec has left does not hold up the new one",
            a_credential().unconfirmed(hours(1)).at_provider("gone"),
            "mint 2: FirstIssue",
        ),
        (
            "looking takes turns",
            a_credential()
                .unconfirmed(hours(1))
                .unconfirmed(hours(1))
                .failed(StepKind::Settle, Reason::ProviderForbidden, FailureKind::Forbidden, hours(1))
                .of_revision(1),
            "settle 2",
        ),
    ]);
}

#[test]
fn a_new_credential_is_verified_before_it_is_published() {
    let refused = |ago| rotating().and(|it| it.world.memory.tried = Some(Tried::new(2, noon() - ago)));
    check(vec![
        ("soon again after a refusal", refused(seconds(15)), "verify 2"),
        ("but not at once", refused(seconds(1)), "rest: Verifying"),
        ("an unreachable provider is waited for", rotating().paused(), "rest: Verifying"),
        (
            "not while trying fails",
            rotating().failed(
                StepKind::Verify,
                Reason::ProviderForbidden,
                FailureKind::Forbidden,
                minutes(9),
            ),
            "rest: ProviderForbidden",
        ),
        (
            "what cannot be tried is published untried",
            rotating().capable(|it| it.verify = false),
            "publish 2",
        ),
        (
            "what failed to be published is not tried at once again",
            unpublishable(rotating().verified()),
            "rest: TemplateInvalid",
        ),
        (
            "nor is what workloads use, and people are told why",
            unpublishable(active().frozen().with_secret(|it| it.include_previous = true)),
            "rest: TemplateInvalid",
        ),
        (
            "but at once if spec.secret has changed",
            unpublishable(rotating().verified()).since_changed(),
            "publish 2",
        ),
        (
            "one that no longer fits is given up if it cannot be tried",
            rotating().paused().with_spec(|it| it.scopes.push("write".to_owned())),
            "record StartRevoking [2]",
        ),
        (
            "but not because its provider is unreachable, and what that allows unknown",
            rotating().without_provider().and(|it| {
                it.object.spec.lifetime = None;
            }),
            "rest: Verifying",
        ),
        (
            "a first one that no longer fits is replaced, and kept until then",
            a_credential().issued(hours(1)).at_provider("gone"),
            "mint 2: SpecChanged",
        ),
        (
            "one that died before its Secret could be written is replaced",
            a_credential().issued(days(1)).dead(),
            "mint 2: FoundRevoked",
        ),
    ]);
}

#[test]
fn revoking_takes_turns_and_follows_publication() {
    let failing = |revision| {
        let scene = a_credential().revoking().revoking().revoking().issued(days(1)).published();
        let failed =
            scene.failed(StepKind::Revoke, Reason::RevocationFailed, FailureKind::Forbidden, minutes(11));
        failed.of_revision(revision)
    };
    let overdue = || a_credential().issued(days(80)).retiring(days(9)).issued(days(9));
    check(vec![
        ("after the first failed comes the second", failing(1), "revoke 2"),
        ("after the last failed comes the first", failing(3), "revoke 1"),
        ("an overlap does not end while the new one is not published", overdue().paused(), "rest: Verifying"),
        (
            "nor while the Secret cannot be written",
            unpublishable(overdue().status_says(2).verified()),
            "rest: TemplateInvalid",
        ),
        (
            "a dead one needs no overlap",
            a_credential().issued(days(9)).retiring(seconds(1)).dead().issued(minutes(1)).published(),
            "record StartRevoking [1]",
        ),
        (
            "an overlap of nothing ends at once",
            overlapping().with_rotation(|it| it.overlap = lasting("0s")),
            "record StartRevoking [1]",
        ),
        (
            "a provider that cannot revoke is not asked to",
            a_credential().revoking().issued(days(1)).published().capable(unrevocable),
            "rest: Issued",
        ),
    ]);
}

//! An account that cannot be trusted: what is held back, what goes on, and when a refusal is a
//! credential's own.

use jiff::{SignedDuration, Timestamp};

use super::{builders::*, table::*};
use crate::{
    api::{ConditionType, ProviderKind, Reason},
    lifecycle::{
        conclude, decide,
        failure::{Failure, FailureKind},
        ledger::{Edit, State},
        plan::{Outcome, Step, Wake},
        status,
        suspect::{Named, is_judged, of_another_account, of_too_many_refusals},
        world::World,
    },
};

const ACME: Named<'_> = Named { kind: ProviderKind::CredentialProvider, namespace: "prod", name: "acme" };

fn suspect(scene: Scene) -> Scene {
    scene.provider(|it| it.standing.suspicion = Some("most of them are refused".to_owned()))
}

fn of_another(scene: Scene) -> Scene {
    scene.provider(|it| it.fingerprint = "of another account".to_owned())
}

#[test]
fn a_suspect_account_mints_and_revokes_nothing_and_all_else_continues() {
    let requested = |scene: Scene| scene.with_rotation(|it| it.request = Some("now".to_owned()));
    let ended = || a_credential().issued(days(80)).retiring(days(2)).issued(days(2)).published();
    let doomed = || a_credential().revoking().issued(days(2)).published();
    let lost = || a_credential().unconfirmed(minutes(5));
    check(vec![
        ("a first one is not made", suspect(a_credential()), "rest: ProviderSuspect"),
        ("nor a requested one", suspect(requested(active())), "rest: ProviderSuspect"),
        ("nor one for a dead one", suspect(active().dead()), "rest: ProviderSuspect"),
        ("what needs nothing needs no person", suspect(active()), "rest: Issued"),
        ("the overlap is over", ended(), "record StartRevoking [1]"),
        ("but not by then", suspect(ended()), "rest: Issued"),
        ("what is to be revoked", doomed(), "revoke 1"),
        ("waits", suspect(doomed()), "rest: Issued"),
        ("a lost answer is looked for", lost(), "settle 1"),
        ("but a list proves nothing by then", suspect(lost()), "rest: ProviderSuspect"),
        ("deletion waits too", suspect(a_credential().revoking().deleting()), "rest: Deleting"),
        ("the Secret is restored", suspect(a_credential().issued(days(2)).status_says(1)), "publish 1"),
    ]);
}

#[test]
fn a_credential_of_another_account_is_not_sent_to_this_one() {
    let doomed = || a_credential().revoking().issued(days(2)).published();
    let new = || a_credential().issued(minutes(1));
    check(vec![
        ("a new one is tried", new(), "verify 1"),
        ("but not elsewhere", of_another(new()), "rest: Verifying"),
        ("nor is it revoked elsewhere", of_another(doomed()), "rest: Issued"),
        (
            "unless a person says that it is the same account",
            of_another(doomed()).provider(|it| it.standing.confirmed = true),
            "revoke 1",
        ),
    ]);
}

#[test]
fn status_names_the_account_as_suspect_and_not_what_still_works() {
    let ready = |scene: Scene| {
        let world = scene.world();
        let object = world.subject.object.clone().unwrap();
        let plan = decide(&world, noon());
        let status = status::view(&world, &object, &rest_of(&plan), noon());
        let said = |type_: ConditionType| {
            let it = status.conditions.iter().find(|it| it.type_ == type_.as_str());
            it.map(|it| format!("{} {}", it.status, it.reason)).unwrap_or_default()
        };
        [ConditionType::Ready, ConditionType::ProviderReachable, ConditionType::Stalled].map(said)
    };
    assert_eq!(ready(suspect(active())), ["True Issued", "False ProviderSuspect", ""]);
    assert_eq!(
        ready(suspect(active().refused(seconds(30)))),
        ["False ProviderSuspect", "False ProviderSuspect", "True ProviderSuspect"]
    );
}

fn refused_again(world: &World) -> Vec<Edit> {
    conclude(world, &Step::Verify { revision: 1 }, &Outcome::Tried { accepted: false }, noon()).edits
}

#[test]
fn a_credential_is_dead_after_refusals_for_the_settle_time_or_longer_if_others_are_refused_too() {
    let dead = |scene: Scene| !refused_again(&scene.world()).is_empty();
    let since = |ago| active().refused(ago);
    let with_a_sibling = |ago| since(ago).provider(|it| it.standing.sibling_refused_at = Some(noon()));
    assert_eq!(
        refused_again(&active().world()),
        vec![Edit::Refused { revision: 1, refused: true }],
        "the first time"
    );
    assert!(!dead(since(seconds(59))), "before the settle time is over");
    assert!(dead(since(seconds(60))));
    assert!(!dead(with_a_sibling(seconds(60))), "it may be all of them");
    assert!(!dead(with_a_sibling(seconds(599))));
    assert!(dead(with_a_sibling(minutes(10))), "it is few of them");
    assert!(!dead(suspect(since(hours(5)))), "it is most of them");
    assert!(!dead(of_another(since(hours(5)))), "it is another account");
}

#[test]
fn a_refused_credential_is_verified_with_growing_pauses() {
    let next = |refused: SignedDuration, checked: SignedDuration| {
        let scene = suspect(active().refused(refused));
        let world = scene.and(|it| it.world.memory.checked = Some(Tried::new(1, noon() - checked))).world();
        match decide(&world, noon()).at_rest().wake {
            Wake::At(at) => at.duration_since(noon()),
            Wake::OnChange => panic!("it sleeps"),
        }
    };
    assert_eq!(next(seconds(0), seconds(0)), seconds(60));
    assert_eq!(next(minutes(8), seconds(0)), minutes(2));
    assert_eq!(next(hours(50), seconds(0)), minutes(10));
}

#[test]
fn a_few_siblings_are_verified_when_one_is_refused() {
    let looked_at = |usable: u32, checked: Option<SignedDuration>| {
        let scene = active().provider(|it| {
            it.standing.usable = usable;
            it.standing.sibling_refused_at = Some(noon() - seconds(5));
        });
        let last = checked.map_or(noon() - minutes(20), |ago| noon() - ago);
        let world = scene.and(|it| it.world.memory.checked = Some(Tried::new(1, last))).world();
        decide(&world, noon()).step().is_some()
    };
    assert!(looked_at(10, None), "all of ten");
    assert!(!looked_at(10, Some(seconds(1))), "once");
    assert!(!looked_at(1_000_000, None), "ten of a million, and not this one");
    let at_ease = active().and(|it| it.world.memory.checked = Some(Tried::new(1, noon()))).world();
    assert_eq!(decide(&at_ease, noon()).step(), None);
}

#[test]
fn all_credentials_of_an_account_are_verified_after_a_person_has_judged_it() {
    let looked_at = |issued: SignedDuration, checked: Option<SignedDuration>| {
        let scene = a_credential().issued(issued).published().provider(|it| {
            it.standing.usable = 1_000_000;
            it.standing.judged = Some(noon() - minutes(2));
        });
        let checked = checked.map(|ago| Tried::new(1, noon() - ago));
        let world = scene.and(|it| it.world.memory.checked = checked).world();
        decide(&world, noon()).step().is_some()
    };
    assert!(looked_at(days(1), Some(minutes(20))), "though it is not in the sample");
    assert!(!looked_at(days(1), Some(minutes(1))), "once");
    assert!(!looked_at(minutes(1), None), "what is newer than the judgement is not meant by it");
}

#[test]
fn what_is_refused_is_tried_again_soon_after_a_person_has_judged_the_account() {
    let scene = || {
        let scene = active().refused(minutes(40)).provider(|it| it.standing.usable = 10);
        scene.and(|it| it.world.memory.checked = Some(Tried::new(1, noon() - minutes(2))))
    };
    let tries = |scene: Scene| decide(&scene.world(), noon()).step() == Some(&Step::Verify { revision: 1 });
    let judged = |scene: Scene| scene.provider(|it| it.standing.judged = Some(noon() - minutes(30)));
    assert!(!tries(suspect(scene())), "it waits for a person");
    assert!(tries(judged(scene())));
    let failed = |scene: Scene| {
        let world = scene.clone().world();
        let failure = Failure::new(FailureKind::Rejected, String::new());
        let step = Step::Verify { revision: 1 };
        let report = conclude(&world, &step, &Outcome::Failed(failure), noon() - minutes(2));
        scene.and(|it| {
            report.edits.iter().for_each(|edit| it.document.apply(edit, noon() - minutes(2)).unwrap());
        })
    };
    assert!(!tries(failed(scene())), "after a failure there is a pause");
    assert!(tries(judged(failed(scene()))), "but not if a person has judged since");
}

#[test]
fn a_judgement_holds_for_an_hour_and_for_credentials_from_before_it() {
    let judged = Some(noon());
    let meant = |issued: SignedDuration, refused: SignedDuration| {
        is_judged(judged, Some(noon() + issued), noon() + refused)
    };
    assert!(meant(-days(9), -minutes(1)));
    assert!(meant(-days(9), minutes(60)));
    assert!(!meant(-days(9), minutes(61)), "that is new trouble");
    assert!(!meant(minutes(1), minutes(2)), "what was made since is refused, too");
    assert!(!is_judged(None, Some(noon()), noon()));
}

fn at(minutes_ago: &[i64]) -> impl Iterator<Item = Timestamp> {
    minutes_ago.iter().map(|ago| noon() - minutes(*ago))
}

#[test]
fn an_account_is_suspect_if_more_than_three_and_a_tenth_are_refused_within_ten_minutes() {
    let rows: &[(&str, &[i64], u32, bool)] = &[
        ("none", &[], 5, false),
        ("three of three", &[2, 1, 0], 3, false),
        ("four of four", &[3, 2, 1, 0], 4, true),
        ("four of thirty-nine are more than a tenth", &[3, 2, 1, 0], 39, true),
        ("four of forty are a tenth", &[3, 2, 1, 0], 40, false),
        ("six of fifty are more", &[5, 4, 3, 2, 1, 0], 50, true),
        ("four over twenty minutes are each its own", &[20, 14, 7, 0], 4, false),
        ("once they were too many they are until they are accepted", &[603, 602, 601, 600], 4, true),
    ];
    for (sentence, refusals, usable, too_many) in rows {
        let said = of_too_many_refusals(at(refusals), *usable, ACME);
        assert_eq!(said.is_some(), *too_many, "{sentence}: {said:?}");
    }
}

#[test]
fn a_suspect_account_is_reported_with_the_facts_and_the_command() {
    let said = of_too_many_refusals(at(&[3, 2, 1, 0]), 4, ACME).unwrap();
    assert!(said.contains("4 of 4 credentials within ten minutes"), "{said}");
    let said_at_the_end = of_too_many_refusals(at(&[3, 2, 1, 0]), 0, ACME).unwrap();
    assert!(said_at_the_end.contains("refuse 4 credentials within"), "{said_at_the_end}");
    let line = "kubectl annotate credprov acme --namespace=prod --overwrite credwright.dev/refused=2026-11-21T12:00:01Z";
    assert!(said.contains(line), "{said}");
    let said = of_another_account(7, "abc", Named { kind: ProviderKind::ClusterCredentialProvider, ..ACME });
    assert!(said.contains("7 live credentials"), "{said}");
    assert!(
        said.contains("kubectl annotate clustercredprov acme --overwrite credwright.dev/account=abc"),
        "{said}"
    );
    let revoked = a_credential().next(State::Revoked).world();
    assert_eq!(decide(&revoked, noon()).at_rest().reason, Reason::FirstIssue);
}

//! The last checks: what is published is looked after, and what holds a new credential back.

use super::{builders::*, table::*};
use crate::{
    api::{Allow, AllowedNamespaces, DeletionPolicy},
    lifecycle::{
        capability::Scopes,
        conclude, decide,
        plan::{Outcome, Wake},
    },
};

#[test]
fn a_renamed_secret_is_kept_for_the_overlap() {
    let renamed = |scene: Scene| scene.with_secret(|it| it.name = Some("other".to_owned()));
    let unnoted = || renamed(a_credential().issued(days(10)).published_in("orders")).published().frozen();
    let both = |since| unnoted().renamed("other", since);
    let created = |scene: Scene, index: usize| {
        scene.and(|it| it.world.targets[index].created_at = Some(noon() - hours(23)))
    };
    let taken = |scene: Scene| scene.with_target(|it| (it.name, it.ours) = ("other".to_owned(), false));
    check(vec![
        ("the change is noted", unnoted(), "record Rename(\"other\")"),
        (
            "so is a change back, however old the Secret is",
            unnoted().renamed("orders", days(50)),
            "record Rename(\"other\")",
        ),
        ("during the overlap it stays", both(hours(23)), "rest: Issued"),
        ("then it goes", both(hours(24)), "DeleteTarget { name: \"orders\" }"),
        ("but not while the new one is younger", created(both(hours(24)), 1), "rest: Issued"),
        ("nor when it was made after the change noted last", created(both(hours(24)), 0), "rest: Issued"),
        (
            "it goes earlier if what it holds is to be revoked",
            renamed(
                a_credential().issued(days(80)).retiring(hours(25)).published_in("orders").issued(days(2)),
            )
            .published()
            .renamed("other", hours(1)),
            "DeleteTarget { name: \"orders\" }",
        ),
        (
            "it stays while another's Secret has the new name",
            taken(renamed(active().frozen())).verified(),
            "rest: TargetForeign",
        ),
    ]);
}

#[test]
fn a_published_credential_is_verified_from_time_to_time() {
    let checked = |scene: Scene, ago| {
        scene.and(|it| {
            it.world.memory.checked =
                Some(Tried::new(it.document.revisions.last().unwrap().revision, noon() - ago))
        })
    };
    check(vec![
        ("every hour", checked(active(), hours(1)), "verify 1"),
        ("not more often", checked(active(), minutes(59)), "rest: Issued"),
        (
            "a refusal is looked into after the settle time",
            checked(active().refused(seconds(60)), seconds(60)),
            "verify 1",
        ),
        ("not before it", checked(active().refused(seconds(59)), seconds(59)), "rest: Issued"),
        ("what is dead is replaced at once", checked(active().dead(), hours(9)), "mint 2: FoundRevoked"),
        (
            "what has expired is not tried",
            checked(active().expiring_in(seconds(0)), hours(9)),
            "mint 2: RenewalDue",
        ),
        (
            "what is past its lifetime, but works, still is",
            checked(a_credential().issued(days(91)).published(), hours(1)),
            "verify 1",
        ),
    ]);
}

#[test]
fn each_obstacle_holds_a_mint_back() {
    let allow = |change: fn(&mut Allow)| {
        let mut allow = Allow {
            namespaces: AllowedNamespaces { names: vec!["prod".to_owned()], selector: None },
            ..Allow::default()
        };
        change(&mut allow);
        a_credential().provider(|it| it.allow = Some(allow))
    };
    check(vec![
        ("a provider that does not exist", a_credential().without_provider(), "rest: ProviderMissing"),
        (
            "one not yet looked at",
            a_credential().and(|it| it.world.providers.clear()),
            "rest: ProviderPending",
        ),
        (
            "scopes that it does not know",
            a_credential().capable(|it| it.scopes = Scopes::None),
            "rest: InvalidForProvider",
        ),
        (
            "subnets that it cannot limit to",
            a_credential()
                .capable(|it| it.subnets = false)
                .with_spec(|it| it.subnets = vec!["10.0.0.0/8".to_owned()]),
            "rest: InvalidForProvider",
        ),
        (
            "names without room for the tag",
            a_credential().capable(|it| it.name_max = 20),
            "rest: InvalidForProvider",
        ),
        ("a namespace that is not allowed", allow(|it| it.namespaces.names.clear()), "rest: NotAllowed"),
        (
            "a scope that is not allowed",
            allow(|it| it.scopes = Some(vec!["write".to_owned()])),
            "rest: NotAllowed",
        ),
        ("a lifetime that is not allowed", allow(|it| it.max_lifetime = lasting("1h")), "rest: NotAllowed"),
        (
            "leaving out the subnets",
            allow(|it| it.subnets = Some(vec!["10.0.0.0/8".to_owned()])),
            "rest: NotAllowed",
        ),
        (
            "leaving out the lifetime gets the longest",
            allow(|it| it.max_lifetime = lasting("1h")).with_spec(|it| it.lifetime = None),
            "mint 1: FirstIssue",
        ),
        (
            "subnets within what is allowed",
            allow(|it| it.subnets = Some(vec!["10.0.0.0/8".to_owned()]))
                .with_spec(|it| it.subnets = vec!["10.1.0.0/16".to_owned()]),
            "mint 1: FirstIssue",
        ),
        (
            "subnets around what is allowed",
            allow(|it| it.subnets = Some(vec!["10.1.0.0/16".to_owned()]))
                .with_spec(|it| it.subnets = vec!["10.0.0.0/8".to_owned()]),
            "rest: NotAllowed",
        ),
        (
            "an object that asks to be outlived",
            allow(|_| ()).with_spec(|it| it.deletion_policy = DeletionPolicy::Retain),
            "rest: NotAllowed",
        ),
        (
            "where its owner allows that",
            allow(|it| it.retain = true).with_spec(|it| it.deletion_policy = DeletionPolicy::Retain),
            "mint 1: FirstIssue",
        ),
        (
            "another's Secret of its name",
            a_credential().with_target(|it| it.ours = false),
            "rest: TargetForeign",
        ),
        ("a lost answer", a_credential().unconfirmed(seconds(1)).paused(), "rest: Unconfirmed"),
        ("five in an hour", a_credential().minted(&[minutes(9); 5]), "rest: MintLimit"),
        ("an unreachable provider", a_credential().paused(), "rest: ProviderUnavailable"),
    ]);
}

#[test]
fn a_contested_secret_is_restored_with_growing_pauses() {
    let edited = |repairs, ago| {
        let scene = active().and(|it| it.forget_publications()).with_target(|it| it.intact = None);
        scene
            .status_says(1)
            .and(|it| it.world.memory.repaired = Some(Repairs { count: repairs, last: noon() - ago }))
    };
    check(vec![
        ("at once at first", edited(20, seconds(0)), "publish 1"),
        ("then not without a pause", edited(21, seconds(0)), "rest: Publishing"),
        ("of a second", edited(21, seconds(1)), "publish 1"),
        ("that grows", edited(24, seconds(7)), "rest: Publishing"),
        ("up to a minute", edited(1000, seconds(59)), "rest: Publishing"),
        ("and no longer", edited(1000, seconds(60)), "publish 1"),
        ("a new one does not wait", edited(1000, seconds(1)).issued(minutes(1)).verified(), "publish 2"),
        (
            "what is right is not touched",
            active().and(|it| it.world.memory.repaired = Some(Repairs { count: 99, last: noon() })),
            "rest: Issued",
        ),
    ]);
    let world = edited(21, seconds(0)).world();
    assert_eq!(decide(&world, noon()).at_rest().wake, Wake::At(noon() + seconds(1)));

    let repaired = |before| {
        let mut world = edited(1, seconds(0)).world();
        world.memory.repaired = before;
        let step = decide(&world, noon()).step().cloned().unwrap();
        conclude(&world, &step, &Outcome::Done, noon()).memory.repaired
    };
    let times = |count, last| Some(Repairs { count, last });
    assert_eq!(repaired(None), times(1, noon()));
    assert_eq!(repaired(times(7, noon() - minutes(9))), times(8, noon()));
    assert_eq!(
        repaired(times(7, noon() - minutes(10))),
        times(1, noon()),
        "ten quiet minutes reset the count"
    );
}

#[test]
fn a_template_that_can_never_be_rendered_costs_no_first_credential() {
    let with = |scene: Scene, text: &str| {
        scene.with_secret(|it| drop(it.template.insert("file".to_owned(), text.to_owned())))
    };
    let never = |scene: Scene| with(scene, "{{ client_id | base64 }}");
    check(vec![
        ("an unknown filter is told before the first one", never(a_credential()), "rest: TemplateInvalid"),
        ("an unknown value too", with(a_credential(), "{{ client_idd }}"), "rest: TemplateInvalid"),
        (
            "what some provider publishes may be there",
            with(a_credential(), "{{ host }}{{ expires_at }}"),
            "mint 1: FirstIssue",
        ),
        (
            "what is published goes on being looked after",
            never(active().frozen()).with_spec(|it| it.scopes = vec!["other".to_owned()]),
            "publish 1",
        ),
    ]);
}

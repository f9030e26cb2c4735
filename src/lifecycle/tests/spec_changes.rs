//! The effect of a change of each field. An edit that need not mint never mints.

use std::collections::BTreeMap;

use super::{builders::*, table::*};
use crate::{
    api::{
        ApiCredentialSpec, DeletionPolicy, Intake, ProviderKind, ProviderRef, Reason, Rotation, SecretOutput,
        Verify,
    },
    lifecycle::{capability::Scopes, decide},
};

type Change = fn(&mut ApiCredentialSpec);
type Edit = Box<dyn Fn(&mut ApiCredentialSpec)>;

/// The effect of a field's change, as DESIGN's four effects.
const ROTATES: &str = "mint 2: SpecChanged";
const RENDERS: &str = "publish 1";
const NOTED: &str = "record Policy { policy: Retain }";
const NOTHING: &str = "rest: Issued";

fn secret(change: fn(&mut SecretOutput)) -> impl Fn(&mut ApiCredentialSpec) {
    move |spec| change(spec.secret.get_or_insert_default())
}

fn rotation(change: fn(&mut Rotation)) -> impl Fn(&mut ApiCredentialSpec) {
    move |spec| change(spec.rotation.get_or_insert_default())
}

fn pair() -> BTreeMap<String, String> {
    BTreeMap::from([("a".to_owned(), "b".to_owned())])
}

/// A credential in the middle of its life, after `change`.
fn decided(change: &dyn Fn(&mut ApiCredentialSpec)) -> String {
    let other = a_credential().world.providers.into_values().next().unwrap();
    let scene = a_credential().issued(days(10)).published().frozen().with_spec(|spec| change(spec));
    let scene = scene.and(|it| {
        for kind in [ProviderKind::CredentialProvider, ProviderKind::ClusterCredentialProvider] {
            it.world.providers.entry((kind, "other".to_owned())).or_insert_with(|| other.clone());
            it.world.providers.entry((kind, "acme".to_owned())).or_insert_with(|| other.clone());
        }
    });
    in_words(&decide(&scene.world(), noon()))
}

#[test]
fn every_field_has_one_declared_effect() {
    // A new field breaks these until it has a row below.
    let ApiCredentialSpec {
        provider_ref: ProviderRef { kind: _, name: _ },
        name: _,
        scopes: _,
        lifetime: _,
        subnets: _,
        parameters: _,
        verify: _,
        rotation: _,
        suspend: _,
        deletion_policy: _,
        secret: _,
        intake: _,
    } = ApiCredentialSpec::default();
    let Intake { secret_name: _, verify: _ } = Intake::default();
    let Rotation { renew_before: _, overlap: _, request: _ } = Rotation::default();
    let SecretOutput {
        name: _,
        type_: _,
        keys: _,
        template: _,
        include_previous: _,
        labels: _,
        annotations: _,
    } = SecretOutput::default();

    let rows: Vec<(&str, Edit, &str)> = vec![
        ("nothing", Box::new(|_| ()), NOTHING),
        (
            "providerRef.kind",
            Box::new(|it| it.provider_ref.kind = ProviderKind::ClusterCredentialProvider),
            ROTATES,
        ),
        ("providerRef.name", Box::new(|it| it.provider_ref.name = "other".to_owned()), ROTATES),
        ("name", Box::new(|it| it.name = Some("other".to_owned())), ROTATES),
        ("scopes", Box::new(|it| it.scopes.push("write".to_owned())), ROTATES),
        ("lifetime", Box::new(|it| it.lifetime = lasting("2159h")), ROTATES),
        ("lifetime left out", Box::new(|it| it.lifetime = None), ROTATES),
        ("subnets", Box::new(|it| it.subnets.push("203.0.113.0/24".to_owned())), ROTATES),
        ("parameters", Box::new(|it| it.parameters = pair()), "rest: InvalidForProvider"),
        ("verify", Box::new(|it| it.verify = Verify::Skip), NOTHING),
        ("rotation.renewBefore", Box::new(rotation(|it| it.renew_before = lasting("24h"))), NOTHING),
        ("rotation.overlap", Box::new(rotation(|it| it.overlap = lasting("0s"))), NOTHING),
        ("rotation.request", Box::new(rotation(|it| it.request = Some("1".to_owned()))), "mint 2: Requested"),
        ("suspend", Box::new(|it| it.suspend = true), "rest: Suspended"),
        ("deletionPolicy", Box::new(|it| it.deletion_policy = DeletionPolicy::Retain), NOTED),
        ("secret.name", Box::new(secret(|it| it.name = Some("other".to_owned()))), RENDERS),
        ("secret.type", Box::new(secret(|it| it.type_ = Some("x/y".to_owned()))), RENDERS),
        ("secret.keys", Box::new(secret(|it| it.keys = pair())), RENDERS),
        ("secret.template", Box::new(secret(|it| it.template = pair())), RENDERS),
        ("secret.includePrevious", Box::new(secret(|it| it.include_previous = true)), RENDERS),
        ("secret.labels", Box::new(secret(|it| it.labels = pair())), RENDERS),
        ("secret.annotations", Box::new(secret(|it| it.annotations = pair())), RENDERS),
        ("intake", Box::new(|it| it.intake = Some(Intake::default())), NOTHING),
    ];
    for (field, change, expected) in rows {
        assert_eq!(decided(&*change), expected, "{field}");
    }
}

#[test]
fn an_equivalent_request_is_no_change() {
    let rows: [(&str, Change); 5] = [
        ("the name that is the default", |it| it.name = Some("prod-orders".to_owned())),
        ("a scope twice", |it| it.scopes = vec!["read".to_owned(), "read".to_owned()]),
        ("the same lifetime in days of minutes", |it| it.lifetime = lasting("129600m")),
        ("an empty rotation", |it| it.rotation = Some(Rotation::default())),
        ("the Secret's default name, and so on", |_| ()),
    ];
    for (sentence, change) in rows {
        assert_eq!(decided(&change), NOTHING, "{sentence}");
    }
    let sorted = a_credential()
        .issued(days(10))
        .published()
        .and(|it| it.it().request.scopes = vec!["a".to_owned(), "b".to_owned()])
        .with_spec(|it| it.scopes = vec!["b".to_owned(), "a".to_owned()]);
    assert_eq!(in_words(&decide(&sorted.world(), noon())), NOTHING, "another order of scopes");
}

#[test]
fn a_request_is_handled_once() {
    let active = |handled: Option<&str>, asked: Option<&str>| {
        let scene = a_credential().issued(days(10)).published();
        let scene = scene.with_rotation(|it| it.request = asked.map(str::to_owned));
        let scene = scene.and(|it| it.it().request.rotation_request = handled.map(str::to_owned));
        in_words(&decide(&scene.world(), noon()))
    };
    assert_eq!(active(Some("1"), Some("1")), NOTHING);
    assert_eq!(active(Some("1"), Some("2")), "mint 2: Requested");
    assert_eq!(active(Some("1"), None), NOTHING, "taking it away asks for nothing");
    let first = a_credential().with_rotation(|it| it.request = Some("1".to_owned()));
    let plan = decide(&first.world(), noon());
    let Some(crate::lifecycle::plan::Step::Mint(minted)) = plan.step().cloned() else { panic!("{plan:?}") };
    assert_eq!(
        minted.request.rotation_request.as_deref(),
        Some("1"),
        "what is there at first counts as handled"
    );
}

#[test]
fn no_response_of_a_provider_is_mistaken_for_a_change() {
    let limited = |scene: Scene| {
        scene.with_spec(|it| it.lifetime = None).provider(|it| {
            let mut allow = crate::api::Allow { max_lifetime: lasting("2160h"), ..Default::default() };
            allow.namespaces.names = vec!["prod".to_owned()];
            it.allow = Some(allow);
        })
    };
    let active = || limited(a_credential().issued(days(10)).published());
    assert_eq!(in_words(&decide(&active().world(), noon())), NOTHING, "its longest lifetime was asked for");
    let away = active().without_provider();
    assert_eq!(in_words(&decide(&away.world(), noon())), NOTHING, "nor while it is not there to say so");
}

/// The server would register two scopes, and the answer would not be believed.
#[test]
fn two_scopes_in_one_entry_are_refused_before_any_call() {
    let asked = |scope: &str| a_credential().with_spec(|it| it.scopes = vec![scope.to_owned()]);
    let plan = decide(&asked("read write").world(), noon());
    assert_eq!(rest_of(&plan).reason, Reason::InvalidForProvider);
    assert_eq!(
        rest_of(&plan).message,
        r#"spec.scopes: "read write" is not a scope; write one scope in each entry"#
    );
    check(vec![
        ("a scope with punctuation", asked("https://acme.example/orders.read"), "mint 1: FirstIssue"),
        (
            "where the provider says which it knows, its spelling counts",
            asked("read all").capable(|it| it.scopes = Scopes::Only(vec!["read all".to_owned()])),
            "mint 1: FirstIssue",
        ),
    ]);
}

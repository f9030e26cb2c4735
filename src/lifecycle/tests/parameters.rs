//! `spec.parameters`: what is refused before any call, and what a change does.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{builders::*, table::*};
use crate::{
    api::Allow,
    lifecycle::{
        decide,
        ledger::{CredentialKind, Edit, State},
        plan::Step,
    },
};

/// A provider with the parameter `role`, and an object that asks for `value` of it.
fn asking(value: &str) -> Scene {
    let value = value.to_owned();
    a_credential()
        .capable(|it| it.parameters = vec![role()])
        .with_spec(|spec| spec.parameters = [("role".to_owned(), value)].into())
}

/// The same at a shared provider that opens these values, for a namespace with these labels.
fn opened(value: &str, parameters: Value, labels: &[(&str, &str)]) -> Scene {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let allow = json!({ "namespaces": { "names": ["prod"] }, "parameters": parameters });
    let allow: Allow = serde_json::from_value(allow).unwrap();
    asking(value)
        .provider(|it| it.allow = Some(allow))
        .and(|it| it.world.subject.namespace_labels = Some(Arc::new(labels)))
}

fn said(scene: Scene) -> String {
    let rest = rest_of(&decide(&scene.world(), noon()));
    format!("{:?}: {}", rest.reason, rest.message)
}

#[test]
fn a_parameter_that_is_unknown_missing_or_wrong_is_refused_before_any_call() {
    let parameters = |all: &[(&str, &str)]| {
        let all = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let all: BTreeMap<String, String> = all.collect();
        said(asking("reader").with_spec(|spec| spec.parameters = all))
    };
    assert_eq!(
        parameters(&[("role", "reader"), ("project", "42")]),
        "InvalidForProvider: spec.parameters: Acme has no parameter project; it has role, the role whose \
         secret IDs are made"
    );
    assert_eq!(
        parameters(&[]),
        "InvalidForProvider: spec.parameters.role is missing: it is the role whose secret IDs are made"
    );
    let none = asking("reader").capable(|it| it.parameters.clear());
    assert_eq!(said(none), "InvalidForProvider: spec.parameters: Acme has no parameters; remove role");
    for value in ["42/../43", "42%2f..%2f43", "42?x=", "42#", ".", "..", "", "a'b", "a b"] {
        assert_eq!(
            said(asking(value)),
            format!(
                "InvalidForProvider: spec.parameters.role: {value:?} is not the role whose secret IDs are \
                 made; it has to match [A-Za-z0-9._-]+"
            )
        );
    }
}

#[test]
fn a_shared_provider_opens_values_one_by_one() {
    let label = json!({ "role": { "fromNamespace": { "label": "acme.example/role" } } });
    let by_name = json!({ "role": { "perNamespace": { "prod": ["reader"], "web": ["writer"] } } });
    let for_all = json!({ "role": { "values": ["reader", "auditor"] } });
    let mine = [("acme.example/role", "reader")];
    let minted = "mint 1: FirstIssue";
    check(vec![
        ("a value for all", opened("reader", for_all.clone(), &[]), minted),
        ("its own value", opened("reader", by_name.clone(), &[]), minted),
        ("its label's value", opened("reader", label.clone(), &mine), minted),
    ]);
    let left_out = opened("reader", label.clone(), &mine).with_spec(|spec| spec.parameters.clear());
    let plan = decide(&left_out.world(), noon());
    let Some(Step::Mint(minted)) = plan.step() else { panic!("{plan:?}") };
    assert_eq!(minted.parameters, reader(), "the tenant need not give it");

    let not_opened = "NotAllowed: spec.parameters.role: the provider does not open it: its owner has to say in \
         spec.allow.parameters.role who may use which value";
    let not_allowed = |value: &str| {
        format!(
            "NotAllowed: spec.parameters.role: {value:?} is not allowed for namespace prod by the \
             provider's spec.allow.parameters.role"
        )
    };
    let unlabelled = "NotAllowed: spec.parameters.role: the provider takes it from the label acme.example/role \
         of the namespace, which prod does not have: somebody has to label it";
    let rows = [
        (opened("reader", json!({}), &[]), not_opened.to_owned()),
        (opened("writer", for_all, &[]), not_allowed("writer")),
        (opened("writer", by_name, &[]), not_allowed("writer")),
        (opened("writer", label.clone(), &mine), not_allowed("writer")),
        (opened("reader", label, &[]), unlabelled.to_owned()),
    ];
    for (scene, message) in rows {
        assert_eq!(said(scene), message);
    }
}

/// A published credential that was made with the role `reader`.
fn made() -> Scene {
    asking("reader").issued(days(1)).published().and(|it| it.it().parameters = reader())
}

#[test]
fn another_parameter_is_another_credential_and_the_old_one_ends_where_it_was_made() {
    let moved = made().with_spec(|spec| {
        spec.parameters.insert("role".to_owned(), "writer".to_owned());
    });
    check(vec![
        ("the same", made(), "rest: Issued"),
        ("another", moved.clone(), "mint 2: SpecChanged"),
        (
            "one that is not valid keeps what is there",
            moved.with_spec(|spec| {
                spec.parameters.insert("role".to_owned(), "../writer".to_owned());
            }),
            "rest: InvalidForProvider",
        ),
        ("while the provider is unknown nothing has changed", made().without_provider(), "rest: Issued"),
    ]);
}

#[test]
fn a_namespace_whose_labels_are_not_known_yet_gives_up_nothing() {
    let label = json!({ "role": { "fromNamespace": { "label": "acme.example/role" } } });
    let scene = opened("reader", label, &[]).with_spec(|spec| spec.parameters.clear());
    let scene = scene
        .and(|it| it.world.subject.namespace_labels = None)
        .issued(days(40))
        .published()
        .and(|it| it.it().parameters = reader())
        .issued(minutes(1))
        .and(|it| it.it().parameters = reader());
    check(vec![("the new one is tried", scene, "verify 2")]);
}

#[test]
fn a_document_has_the_lowest_schema_that_can_hold_it() {
    let schema_after = |scene: Scene| {
        let mut document = scene.document;
        document.apply(&Edit::Identify, noon()).unwrap();
        document.schema
    };
    let old = || a_credential().issued(days(1));
    assert_eq!(schema_after(old()), 1);
    assert_eq!(schema_after(old().and(|it| it.it().parameters = reader())), 2);
    assert_eq!(schema_after(old().and(|it| it.it().kind = CredentialKind::Secret)), 2);
    let over = old().and(|it| it.it().parameters = reader()).next(State::Issued);
    assert_eq!(schema_after(over), 2, "as long as it is listed");
}

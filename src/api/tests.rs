//! The rules of the printed CRDs, evaluated by kube's own evaluator. `tests/api` gives the same
//! rows to a real API server, and tests what only that server checks: types, sets and defaults.

mod check;
mod definitions;
mod naming;
mod rules;

use serde_json::Value;

use super::crds;
use check::{check, complaints, credential, object, parsed};
use rules::{
    ALLOW, CREDENTIAL_CHANGES, CREDENTIALS, NAMES, OWN_PROVIDERS, PROVIDER_CHANGES, PROVIDERS,
    SHARED_PROVIDERS, SPREETAIL, lengths_of_names, long_credentials, long_providers,
};

#[test]
fn an_invalid_credential_is_rejected_with_a_message_about_its_field() {
    for (spec, message) in CREDENTIALS {
        check(spec, &complaints("ApiCredential", &credential("orders", spec), None), message);
    }
}

#[test]
fn the_type_of_a_secret_cannot_change_even_if_it_was_omitted() {
    for (old, new, message) in CREDENTIAL_CHANGES {
        let (old, new) = (credential("orders", old), credential("orders", new));
        check(&new.to_string(), &complaints("ApiCredential", &new, Some(&old)), message);
    }
}

#[test]
fn names_leave_room_for_the_ledger_and_never_collide_with_one() {
    let lengths = lengths_of_names();
    let lengths = lengths.iter().map(|(name, message)| (name.as_str(), *message));
    for (name, message) in NAMES.iter().copied().chain(lengths) {
        check(name, &complaints("ApiCredential", &credential(name, "{}"), None), message);
    }
}

#[test]
fn an_invalid_provider_is_rejected_with_a_message_about_its_field() {
    for kind in ["CredentialProvider", "ClusterCredentialProvider"] {
        for (spec, message) in PROVIDERS {
            check(spec, &complaints(kind, &object("p", spec), None), message);
        }
    }
}

#[test]
fn fields_that_identify_an_account_cannot_change() {
    for kind in ["CredentialProvider", "ClusterCredentialProvider"] {
        for (old, new, message) in PROVIDER_CHANGES {
            check(new, &complaints(kind, &object("p", new), Some(&object("p", old))), message);
        }
    }
}

#[test]
fn the_allow_rules_of_a_shared_provider_are_validated() {
    for (allow, message) in ALLOW {
        let mut provider = object("p", SPREETAIL);
        provider["spec"]["allow"] = parsed(allow);
        check(allow, &complaints("ClusterCredentialProvider", &provider, None), message);
    }
}

#[test]
fn what_a_provider_refers_to_needs_valid_names_and_a_namespace_if_it_is_shared() {
    for (spec, message) in SHARED_PROVIDERS {
        check(spec, &complaints("ClusterCredentialProvider", &object("p", spec), None), message);
    }
    for (spec, message) in OWN_PROVIDERS {
        check(spec, &complaints("CredentialProvider", &object("p", spec), None), message);
    }
}

#[test]
fn texts_that_are_kept_in_memory_have_a_maximum_length() {
    for (spec, message) in long_credentials() {
        check(&spec[..40], &complaints("ApiCredential", &credential("orders", &spec), None), message);
    }
    for (spec, message) in long_providers() {
        check(&spec[..40], &complaints("CredentialProvider", &object("p", &spec), None), message);
    }
}

/// The API server then tracks a status as one field, not each of its members (ADR 17).
#[test]
fn the_status_of_every_kind_is_atomic() {
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/x-kubernetes-map-type";
        assert_eq!(crd.pointer(path), Some(&Value::from("atomic")), "{}", crd["metadata"]["name"]);
    }
}

#[test]
fn every_rule_has_a_rejected_example() {
    let here = include_str!("tests/rules.rs");
    let mut messages = Vec::new();
    for definition in crds::all() {
        messages_in(&serde_json::to_value(definition).unwrap(), &mut messages);
    }
    assert!(messages.len() > 30, "the search for rules finds only {}", messages.len());
    for message in messages {
        let beginning = message.split([':', ',', '(']).next().unwrap().trim_end();
        assert!(here.contains(beginning), "no row for: {message}");
    }
}

fn messages_in(schema: &Value, found: &mut Vec<String>) {
    if let Some(Value::Array(rules)) = schema.get("x-kubernetes-validations") {
        found.extend(rules.iter().filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
    }
    match schema {
        Value::Array(items) => items.iter().for_each(|item| messages_in(item, found)),
        Value::Object(members) => members.values().for_each(|member| messages_in(member, found)),
        _ => {}
    }
}

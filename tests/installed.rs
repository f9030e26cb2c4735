//! The installed objects: none can block writes of other people, and no right changes workloads,
//! except that Credwright may delete its own Pods.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, fs, path::Path};

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

/// The manifests that can be applied without Helm, and the chart with four sets of values, one of
/// which changes every value.
const INSTALLED: [&str; 5] = [
    "dist/install.yaml",
    "tests/chart/golden/default.yaml",
    "tests/chart/golden/everything.yaml",
    "tests/chart/golden/minimal.yaml",
    "tests/chart/golden/namespaces.yaml",
];

fn objects(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    objects.retain(|it| it["kind"].is_string());
    assert!(objects.len() > 5, "{file} has {} objects", objects.len());
    objects
}

#[test]
fn f29_nothing_that_is_installed_is_a_webhook() {
    for file in INSTALLED {
        for object in objects(file) {
            // Policies are in the API server itself. A definition may have a webhook, too.
            let kind = object["kind"].as_str().unwrap();
            assert!(!kind.contains("Webhook"), "{file}: {kind}");
            assert!(
                object["spec"]["conversion"].is_null(),
                "{file}: {} is converted",
                object["metadata"]["name"]
            );
        }
    }
}

/// Returns whether a rule changes workloads. Pods and their like are in the group without a name,
/// all others in two more.
fn changes_workloads(rule: &PolicyRule) -> bool {
    let names = |list: &Option<Vec<String>>, wanted: &[&str]| {
        list.iter().flatten().any(|it| wanted.contains(&it.as_str()))
    };
    let known = ["secrets", "namespaces", "configmaps"];
    let others = rule.resources.iter().flatten().any(|it| !known.contains(&it.as_str()));
    let reads = rule.verbs.iter().all(|it| ["get", "list", "watch"].contains(&it.as_str()));
    !reads && (names(&rule.api_groups, &["apps", "batch", "*"]) || names(&rule.api_groups, &[""]) && others)
}

/// Returns whether a rule covers nothing but objects with these names.
fn is_only_about(rule: &PolicyRule, own: &BTreeSet<String>) -> bool {
    let named = rule.resource_names.as_deref().unwrap_or_default();
    !named.is_empty() && named.iter().all(|it| own.contains(it))
}

#[test]
fn f13_credwright_may_change_nothing_that_runs() {
    for file in INSTALLED {
        let (mut own, mut rules) = (BTreeSet::new(), Vec::new());
        for object in objects(file) {
            match object["kind"].as_str().unwrap() {
                "Deployment" => _ = own.insert(object["metadata"]["name"].as_str().unwrap().to_owned()),
                kind @ ("Role" | "ClusterRole") => {
                    let those: Vec<PolicyRule> = serde_json::from_value(object["rules"].clone()).unwrap();
                    rules.extend(those.into_iter().map(|rule| (kind == "Role", rule)));
                }
                _ => {}
            }
        }
        assert!(own.len() == 1 && rules.len() > 8, "{file}: {own:?} {rules:?}");
        // Before an uninstall a job of the chart ends the operator itself, which is in the chart's
        // own namespace.
        rules.retain(|(within, rule)| changes_workloads(rule) && !(*within && is_only_about(rule, &own)));
        assert!(rules.is_empty(), "{file}: {rules:#?}");
    }
}

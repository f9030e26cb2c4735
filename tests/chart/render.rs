//! The rendered chart, and the values that it rejects.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    generated::file::read,
    helm::{self, CHART, SETS, manifests, printed, refusal, template, values_of},
    values::{Properties, schema},
};

#[test]
fn helm_lint_accepts_every_set_of_values() {
    for set in SETS {
        let values = values_of(set);
        let mut arguments = vec!["lint", "--strict", CHART];
        arguments.extend(values.iter().map(String::as_str));
        printed(helm::run(&arguments));
    }
}

#[test]
fn the_chart_is_of_the_same_version_as_the_binary() {
    let chart: BTreeMap<String, String> =
        serde_saphyr::from_str(&read("charts/credwright/Chart.yaml")).unwrap();
    assert_eq!(
        (&*chart["version"], &*chart["appVersion"]),
        (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn values_that_are_unknown_or_wrong_are_refused() {
    for (value, part) in [
        ("replicaCount=3", "'replicaCount' not allowed"),
        ("image.tagg=v1", "'tagg' not allowed"),
        ("log.level=debug", "'level' not allowed"),
        ("crds.enabled=true", "'enabled' not allowed"),
        ("resources.request.cpu=1", "'request' not allowed"),
        ("concurrency=0", "concurrency"),
        ("replicas=two", "replicas"),
        ("namespaces={Shop}", "namespaces"),
        ("revocationDeadline=soon", "revocationDeadline"),
        ("image.digest=latest", "digest"),
        ("allowEgress={10.0.0.0}", "allowEgress"),
        ("runAsUser=0", "runAsUser"),
    ] {
        let why = refusal(&["--set", value]);
        assert!(why.contains(part), "{value}: {why}");
    }
}

#[test]
fn without_rights_on_the_cluster_the_clusters_id_has_to_be_given() {
    let why = refusal(&["--set", "namespaces={shop}"]);
    assert!(why.contains("Set clusterId to what `kubectl get namespace kube-system"), "{why}");
}

#[test]
fn kubernetes_1_33_is_asked_for_paged_lists() {
    assert!(template(&["--kube-version=1.33.4"]).contains("--paged-lists"));
    assert!(!template(&["--kube-version=1.34.0"]).contains("--paged-lists"));
    assert!(refusal(&["--kube-version=1.32.9"]).contains("incompatible"));
}

/// Returns the CRDs that the chart renders with these flags, and those that it should render.
fn definitions(flags: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let rendered = template(flags);
    let source = "# Source: credwright/templates/crds.yaml";
    let rendered = manifests(&rendered).filter(|it| it.starts_with(source));
    let expected = read("crds/credwright.dev.yaml");
    let parsed = |text: &str| serde_saphyr::from_str(text).unwrap();
    (rendered.map(parsed).collect(), expected.split("\n---\n").map(parsed).collect())
}

#[test]
fn crds_are_rendered_unchanged_and_outlive_the_chart_by_default() {
    let (rendered, mut expected) = definitions(&["--set=crds.keep=false"]);
    assert_eq!((&rendered, rendered.len()), (&expected, 4));
    for definition in &mut expected {
        definition["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep".into();
    }
    assert_eq!(definitions(&[]).0, expected);
    assert!(definitions(&["--set=crds.install=false"]).0.is_empty());
}

#[test]
fn with_a_list_of_namespaces_at_most_one_right_is_cluster_wide() {
    let values = values_of("namespaces");
    let rendered = template(&[&values[0]]);
    let everywhere: Vec<&str> =
        manifests(&rendered).filter(|it| it.contains("kind: ClusterRoleBinding")).collect();
    assert!(matches!(everywhere[..], [only] if only.contains("name: keys-definition\n")), "{everywhere:#?}");
    let without = template(&[&values[0], "--set=crds.install=false"]);
    assert!(!without.contains("kind: ClusterRoleBinding"));
    for namespace in ["shop", "web"] {
        assert!(
            rendered
                .contains(&format!("kind: RoleBinding\nmetadata:\n  name: keys\n  namespace: {namespace}\n"))
        );
    }
    // It may tend the binding that it has, whatever the name.
    assert!(rendered.contains("resourceNames:\n    - keys\n    resources:\n    - rolebindings"));
}

#[test]
fn one_set_of_values_changes_every_value() {
    fn look(path: &str, properties: &Properties, values: &Value) {
        for (name, property) in &properties.0 {
            let path = format!("{path}.{name}");
            match &property.default {
                Some(default) => assert!(
                    values.get(name).is_some_and(|it| it != default),
                    "tests/chart/values/everything.yaml does not change {path}"
                ),
                None => look(&path, &property.properties, &values[name]),
            }
        }
    }
    let values = serde_saphyr::from_str(&read("tests/chart/values/everything.yaml")).unwrap();
    look("", &schema().properties, &values);
}

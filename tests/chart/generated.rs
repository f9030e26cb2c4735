//! Files that are generated from the chart or for it.

use crate::{
    helm::{SETS, manifests, template, values_of},
    values,
};

#[path = "../support/file.rs"]
pub(crate) mod file;

use file::{is_generated, read};

const README: &str = "charts/credwright/README.md";
const INSTALL: &str = "\
# Credwright in the namespace credwright-system, as its Helm chart makes it with default values.
#
#   kubectl apply --server-side -f install.yaml
#
# To remove it and keep every Secret and credential: scale the Deployment to 0, run `credwright detach`, and delete what is in this file,
# but for the CustomResourceDefinitions and the namespace, if Credwright is to come back.
---
apiVersion: v1
kind: Namespace
metadata:
  name: credwright-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

/// Not so without Helm.
const MANAGED_BY_HELM: &str = "app.kubernetes.io/managed-by: Helm\n";

/// One test, because each step reads what the one before has written.
#[test]
fn the_values_the_table_and_the_renders_are_the_generated_ones() {
    is_generated("charts/credwright/values.yaml", &values::yaml());
    is_generated(README, &with_table(&read(README)));
    for set in SETS {
        let values = values_of(set);
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        is_generated(&format!("tests/chart/golden/{set}.yaml"), &golden(&template(&values)));
    }
    let rendered = template(&["--no-hooks", "--set=crds.keep=false"]);
    let rendered: String =
        rendered.split_inclusive('\n').filter(|line| !line.ends_with(MANAGED_BY_HELM)).collect();
    is_generated("dist/install.yaml", &format!("{INSTALL}{rendered}"));
}

/// The README with the table of today between the two marks.
fn with_table(readme: &str) -> String {
    let (before, rest) = readme.split_once("<!-- values -->\n").expect("the README has a mark");
    let (_, after) = rest.split_once("<!-- end of values -->\n").expect("the README has an end mark");
    format!("{before}<!-- values -->\n{}<!-- end of values -->\n{after}", values::table())
}

/// Without what is a copy of a file that is looked at elsewhere.
fn golden(rendered: &str) -> String {
    let copied = ["crds", "admission", "dashboard", "prometheusrule"];
    let copied = copied.map(|it| format!("# Source: credwright/templates/{it}.yaml"));
    let kept = manifests(rendered).filter(|it| !copied.iter().any(|source| it.starts_with(source)));
    kept.map(|it| format!("---\n{it}")).collect()
}

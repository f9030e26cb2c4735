//! The alerts: each is told when it should be and not before, and says what to do.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

use crate::{
    generated::file::read,
    helm::{printed, template},
};

/// The folder of Prometheus' binaries.
static BINARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/prometheus/fetch.sh");
    let fetched = Command::new(script).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(fetched.status.success(), "{script} failed with {}", fetched.status);
    String::from_utf8(fetched.stdout).unwrap().lines().last().unwrap().into()
});

/// One of them.
pub(crate) fn prometheus(name: &str) -> PathBuf {
    BINARIES.join(name)
}

fn names(rules: &Value) -> BTreeSet<String> {
    let rules =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

fn alerts() -> BTreeSet<String> {
    names(&serde_saphyr::from_str(&read("charts/credwright/files/alerts.yaml")).unwrap())
}

#[test]
fn each_alert_is_told_when_it_should_be_and_not_before() {
    let mut promtool = Command::new(prometheus("promtool"));
    promtool.args(["test", "rules", "tests/chart/alerts.yaml"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    printed(promtool.output().unwrap());
    let cases: Value = serde_saphyr::from_str(&read("tests/chart/alerts.yaml")).unwrap();
    let cases =
        cases["tests"].as_array().unwrap().iter().flat_map(|it| it["alert_rule_test"].as_array().unwrap());
    let told: BTreeSet<String> = cases
        .filter(|case| case["exp_alerts"].is_array())
        .map(|case| case["alertname"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, alerts(), "each alert has a case in which it is told");
}

#[test]
fn each_alert_has_a_runbook_and_asks_for_metrics_that_exist() {
    let (runbooks, metrics) = (read("docs/operations.md"), read("docs/metrics.md"));
    for alert in alerts() {
        assert!(runbooks.contains(&format!("\n### {alert}\n")), "docs/operations.md does not know {alert}");
    }
    let rules = read("charts/credwright/files/alerts.yaml");
    let words = rules.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    for metric in words.filter(|word| word.starts_with("credwright_")) {
        assert!(metrics.contains(&format!("\n## {metric}\n")), "there is no metric {metric}");
    }
}

#[test]
fn the_chart_carries_the_alerts() {
    let rendered =
        template(&["--set=prometheusRule.enabled=true", "--show-only=templates/prometheusrule.yaml"]);
    let rule: Value = serde_saphyr::from_str(&rendered).unwrap();
    assert_eq!(names(&rule["spec"]), alerts());
    assert!(rendered.contains("{{ $labels.name }}"), "Prometheus fills in what Helm has to leave alone");
}

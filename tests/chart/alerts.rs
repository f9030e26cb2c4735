//! The alerts: each fires in time and not before, and says what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::{Value, json};

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

/// The scrape configuration that the Prometheus operator derives from the rendered ServiceMonitor.
pub(crate) struct Scrape {
    /// True if the labels of a metric win over those of its target.
    pub(crate) honor_labels: bool,
    /// The labels of each target.
    pub(crate) target: BTreeMap<&'static str, &'static str>,
}

impl Scrape {
    pub(crate) fn rendered() -> Self {
        let flags = ["--set=serviceMonitor.enabled=true", "--show-only=templates/servicemonitor.yaml"];
        let monitor: Value = serde_saphyr::from_str(&template(&flags)).unwrap();
        let endpoint = &monitor["spec"]["endpoints"][0];
        let target = [
            ("namespace", "credwright-system"),
            ("service", "credwright"),
            ("job", "credwright"),
            ("container", "credwright"),
            ("endpoint", "http"),
        ];
        Self { honor_labels: endpoint["honorLabels"] == true, target: target.into() }
    }

    /// A series as Prometheus stores it, of one as the process writes it.
    fn stored(&self, series: &str) -> String {
        let (metric, labels) = series.strip_suffix('}').and_then(|it| it.split_once('{')).unwrap();
        let mut stored: BTreeMap<String, String> = labels
            .split(',')
            .map(|label| label.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (name, value) in &self.target {
            let own = stored.remove(*name);
            let value = format!("\"{value}\"");
            match own {
                Some(own) if self.honor_labels => stored.insert((*name).to_owned(), own),
                Some(own) => {
                    stored.insert(format!("exported_{name}"), own);
                    stored.insert((*name).to_owned(), value)
                }
                None => stored.insert((*name).to_owned(), value),
            };
        }
        let labels: Vec<String> = stored.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{metric}{{{}}}", labels.join(","))
    }
}

/// The cases with the labels of the rendered ServiceMonitor, and with the runbook of each alert.
fn cases(scrape: &Scrape) -> Value {
    let mut cases: Value = serde_saphyr::from_str(&read("tests/chart/alerts.yaml")).unwrap();
    cases["rule_files"] = json!(["rules.yaml"]);
    for case in cases["tests"].as_array_mut().unwrap() {
        for input in case["input_series"].as_array_mut().unwrap() {
            input["series"] = scrape.stored(input["series"].as_str().unwrap()).into();
        }
        for told in case["alert_rule_test"].as_array_mut().unwrap() {
            let runbook = runbook(told["alertname"].as_str().unwrap());
            for alert in told["exp_alerts"].as_array_mut().into_iter().flatten() {
                alert["exp_annotations"]["runbook_url"] = runbook.clone().into();
            }
        }
    }
    cases
}

/// The address that an alert names by default.
fn runbook(alert: &str) -> String {
    let page = "https://github.com/credwright/credwright/blob/main/docs/operations.md";
    format!("{page}#{}", alert.to_lowercase())
}

fn rendered_rules() -> Value {
    let flags = ["--set=prometheusRule.enabled=true", "--show-only=templates/prometheusrule.yaml"];
    let mut rule: Value = serde_saphyr::from_str(&template(&flags)).unwrap();
    rule["spec"].take()
}

#[test]
fn each_alert_fires_in_time_and_not_before() {
    let (folder, cases) = (tempfile::tempdir().unwrap(), cases(&Scrape::rendered()));
    for (file, content) in [("rules.yaml", &rendered_rules()), ("cases.yaml", &cases)] {
        std::fs::write(folder.path().join(file), content.to_string()).unwrap();
    }
    let mut promtool = Command::new(prometheus("promtool"));
    promtool.args(["test", "rules", "cases.yaml"]).current_dir(folder.path());
    printed(promtool.output().unwrap());
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
    let rules = rendered_rules();
    assert_eq!(names(&rules), alerts());
    assert!(
        rules.to_string().contains("{{ $labels.name }}"),
        "Prometheus fills in what Helm has to leave alone"
    );
}

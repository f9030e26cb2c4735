//! The dashboard: a real Prometheus scrapes a real run, and every panel has something to show.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use credwright_harness::{operator::Operator, port::free_address};
use serde_json::{Value, json};

use crate::{
    alerts::{Scrape, prometheus},
    generated::file::read,
    support::Scene,
};

/// Some scrapes, a second apart, have to lie within it.
const RATE_INTERVAL: &str = "20s";
const DEADLINE: Duration = Duration::from_secs(120);

/// Each query, with the title of its panel.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("charts/credwright/files/dashboard.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", RATE_INTERVAL);
            queries.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
    }
    assert!(queries.len() > 15, "only {} queries", queries.len());
    queries
}

/// Starts Prometheus on what serves metrics at `metrics`, with the labels of the rendered
/// ServiceMonitor. It is leashed like an operator, so that nothing of it stays.
async fn start_prometheus(folder: &Path, address: &str, metrics: &str) -> Operator {
    let Scrape { honor_labels, target } = Scrape::rendered();
    let config = json!({
        "global": { "scrape_interval": "1s" },
        "scrape_configs": [{
            "job_name": "credwright",
            "honor_labels": honor_labels,
            "static_configs": [{ "targets": [metrics], "labels": target }],
        }],
    });
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new(prometheus("prometheus"));
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"));
    Operator::spawn(&command, &folder.join("prometheus.log")).await.unwrap()
}

/// Returns whether a query has at least one number as its result.
async fn has_data(address: &str, query: &str) -> bool {
    let mut url = url::Url::parse(&format!("http://{address}/api/v1/query")).unwrap();
    url.query_pairs_mut().append_pair("query", query);
    let Ok(answer) = reqwest::get(url).await else { return false };
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    assert_ne!(answer["status"], "error", "{query}: {answer}");
    let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    results.iter().any(|it| it["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_data_of_a_real_run() {
    let (control_plane, scene) = Scene::apart("shown").await;
    let folder = tempfile::tempdir().unwrap();
    let [metrics, address] = [(); 2].map(|()| free_address().unwrap().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_credwright"));
    command
        .args(["run", "--operator-namespace", &scene.namespace, "--allow-egress", "127.0.0.0/8"])
        .args(["--lease", "credwright", "--listen", &metrics])
        .env("KUBECONFIG", control_plane.kubeconfig());
    let operator = Operator::spawn(&command, &folder.path().join("operator.log")).await.unwrap();
    let prometheus = start_prometheus(folder.path(), &address, &metrics).await;

    let (began, mut left, mut round) = (Instant::now(), queries(), 0);
    while !left.is_empty() {
        assert!(began.elapsed() < DEADLINE, "these show nothing: {left:#?}");
        // Something goes on all the time; one object alone may not ask for more than a few.
        scene.apply(&format!("more-{round}"), json!({ "lifetime": "720h" })).await;
        let rotation = json!({ "request": format!("round {round}"), "overlap": "0s" });
        scene.apply("orders", json!({ "lifetime": "720h", "rotation": rotation })).await;
        round += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut silent = Vec::new();
        for (title, query) in left {
            if !has_data(&address, &query).await {
                silent.push((title, query));
            }
        }
        left = silent;
    }
    let own = format!("credwright_credential_ready{{namespace='{}'}}", scene.namespace);
    assert!(
        has_data(&address, &own).await,
        "metrics have the namespace of their object, not that of the pod"
    );
    prometheus.stop().await.unwrap();
    operator.stop().await.unwrap();
}

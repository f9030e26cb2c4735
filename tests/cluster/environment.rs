//! Variables that a pod may have by no doing of ours: none of them keeps the operator from its
//! work.

use std::process::Command;

use credwright_harness::{controlplane, operator::Operator, port::free_address};

use crate::support::{Scene, eventually};

/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_ready_whatever_proxy_its_environment_names() {
    let scene = Scene::new("environment").await;
    let kubeconfig = controlplane::shared().await.unwrap().kubeconfig();
    let (folder, mut running) = (tempfile::tempdir().unwrap(), Vec::new());
    let names = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
    for name in names.map(str::to_owned).into_iter().chain(names.map(str::to_lowercase)) {
        for value in [DEAD, "no address at all"] {
            let address = free_address().unwrap().to_string();
            let mut command = Command::new(env!("CARGO_BIN_EXE_credwright"));
            command
                .args(["run", "--operator-namespace", &scene.namespace, "--namespace", &scene.namespace])
                .args(["--cluster-id", "here", "--lease", "credwright", "--listen", &address])
                .env("KUBECONFIG", kubeconfig)
                .env(&name, value);
            let log = folder.path().join(format!("{name} {}", value.len()));
            running.push((address, Operator::spawn(&command, &log).await.unwrap()));
        }
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (address, operator) in &mut running {
        operator.ensure_running().unwrap();
        eventually("it is ready", async || {
            let answer = client.get(format!("http://{address}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }
    for (_, operator) in running {
        operator.stop().await.unwrap();
    }
}

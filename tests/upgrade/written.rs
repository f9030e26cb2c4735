//! The writes of an operator, from the API server's audit log.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use credwright_harness::wait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::Value;

use crate::support::{Scene, rights};

/// The time that the API server may take to write its log.
const DEADLINE: Duration = Duration::from_secs(30);

/// Returns the operator's writes since an instant, such as `update leases`, and how often.
pub(crate) async fn since(at: Timestamp, scene: &Scene, log: &Path) -> BTreeMap<String, usize> {
    // The log is in order: once it has the request for this name, it has everything before.
    let mark = format!("mark-{}", at.as_millisecond());
    let _: Option<ConfigMap> =
        Api::namespaced(scene.client.clone(), &scene.namespace).get_opt(&mark).await.unwrap();
    let text = wait::until("the audit log", DEADLINE, async || {
        let text = fs::read_to_string(log)?;
        Ok((text.contains(&mark) && text.ends_with('\n')).then_some(text))
    });
    let mut written = BTreeMap::new();
    for line in text.await.unwrap().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let received: Timestamp = entry["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
        let is_by_operator = entry["impersonatedUser"]["username"] == rights::user(&scene.namespace).as_str();
        let verb = entry["verb"].as_str().unwrap_or_default();
        let is_write = ["create", "update", "patch", "delete", "deletecollection"].contains(&verb);
        if is_by_operator && is_write && received >= at {
            let of = |key: &str| entry["objectRef"][key].as_str().unwrap_or_default();
            let slash = if of("subresource").is_empty() { "" } else { "/" };
            *written.entry(format!("{verb} {}{slash}{}", of("resource"), of("subresource"))).or_default() +=
                1;
        }
    }
    written
}

//! The output of kubectl for users.

use credwright_harness::controlplane;
use serde_json::json;

use crate::support::Scene;

async fn kubectl(scene: &Scene, arguments: &[&str]) -> String {
    let mut command = controlplane::shared().await.unwrap().kubectl();
    let output = command.args(["-n", &scene.namespace]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    println!("$ kubectl {}\n{text}", arguments.join(" "));
    text
}

/// The cells of the row that begins with `name`, under their headings. Headings may have one blank
/// in them.
fn row(table: &str, name: &str) -> Vec<(String, String)> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap();
    let line = lines.find(|line| line.starts_with(name)).unwrap();
    let mut starts: Vec<usize> = vec![0];
    starts.extend(heading.match_indices("   ").filter_map(|(at, _)| {
        let next = at + heading[at..].find(|letter| letter != ' ')?;
        Some(next)
    }));
    starts.dedup();
    let cell = |text: &str, index: usize| {
        let end = starts.get(index + 1).copied().unwrap_or(usize::MAX).min(text.len());
        text.get(starts[index].min(end)..end).unwrap_or_default().trim().to_owned()
    };
    (0..starts.len()).map(|index| (cell(heading, index), cell(line, index))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_descriptions_read_well() {
    let (scene, operator) = Scene::with_orders("kubectl").await;
    scene.apply("stock", json!({ "lifetime": "720h", "scopes": ["read"] })).await;
    scene.says("stock", ("Ready", "False", "InvalidForProvider")).await;
    scene.apply("mail", json!({ "providerRef": { "name": "nowhere" } })).await;
    scene.says("mail", ("Ready", "False", "ProviderMissing")).await;
    scene.rest(&operator).await;
    let status = scene.status("orders").await;

    let table = kubectl(&scene, &["get", "apicred"]).await;
    let cells = row(&table, "orders");
    let headings: Vec<&str> = cells.iter().map(|(heading, _)| heading.as_str()).collect();
    assert_eq!(headings, ["NAME", "READY", "REASON", "PROVIDER", "REVISION", "EXPIRES", "RENEWS", "AGE"]);
    let value = |at: usize| cells[at].1.as_str();
    assert_eq!([value(1), value(2), value(3), value(4)], ["True", "Issued", "spreetail", "1"]);
    assert_eq!(value(5), status.expires_at.unwrap().to_string());
    assert_eq!(value(5).len(), "2026-12-22T20:31:35Z".len(), "whole seconds");
    assert_eq!(value(6), status.renewal_time.unwrap().to_string());
    let failing = row(&table, "stock");
    assert_eq!([&*failing[1].1, &*failing[2].1], ["False", "InvalidForProvider"]);
    let wide = kubectl(&scene, &["get", "apicred", "-o", "wide"]).await;
    let client_id = ("CLIENT ID".to_owned(), status.client_id.unwrap());
    assert_eq!(row(&wide, "orders").last().unwrap(), &client_id);
    let selected = ["get", "apicred", "-o", "name", "--field-selector", "spec.providerRef.name=nowhere"];
    assert_eq!(kubectl(&scene, &selected).await.trim(), "apicredential.credwright.dev/mail");

    let described = kubectl(&scene, &["describe", "apicred", "orders"]).await;
    for part in [
        "the credential works until",
        "the Secret holds revision 1",
        "the provider answers and accepts Credwright's login",
        "State:",
        "Active",
        "Binding:",
        "Normal",
        "Issued",
    ] {
        assert!(described.contains(part), "{part}");
    }
    let described = kubectl(&scene, &["describe", "apicred", "stock"]).await;
    for part in ["spec.scopes: Spreetail has no scopes", "Stalled", "InvalidForProvider"] {
        assert!(described.contains(part), "{part}");
    }
    let providers = kubectl(&scene, &["get", "credprov"]).await;
    assert_eq!(row(&providers, "spreetail")[2], ("REASON".to_owned(), "LoginAccepted".to_owned()));
    let described = kubectl(&scene, &["describe", "credprov", "spreetail"]).await;
    assert!(described.contains("Expiry:") && described.contains("any instant, enforced by the provider"));
    let events = described.split_once("Events:").expect("Events are on providers, too").1;
    assert!(events.contains("Normal") && events.contains("LoginAccepted"), "{events}");
    kubectl(&scene, &["get", "credwright"]).await;
}

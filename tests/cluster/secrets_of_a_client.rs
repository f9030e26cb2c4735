//! Credentials that are several secrets of one client, at a real OpenBao: the client ID stays, and
//! nothing that is done to one secret is done to another.

use credwright::api::ClusterCredentialProvider;
use credwright_harness::openbao::ROOT_TOKEN;
use credwright_simulator::{Operation, SeenRequest};
use jiff::SignedDuration;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    front,
    stage::minutes,
    support::{
        Scene,
        app_role::{self, Mount},
        with,
    },
};

/// A scene with a mount, and the settings of a provider for it.
async fn mounted(name: &str) -> (Scene, Mount, Value) {
    let scene = Scene::new(name).await;
    let mount = Mount::new(&scene.namespace).await;
    let base_url = app_role::server().await.origin();
    let settings = json!({ "appRole": { "baseUrl": base_url, "mount": scene.namespace } });
    scene.create_account("bao", settings.clone(), Some(json!({ "token": ROOT_TOKEN }))).await;
    (scene, mount, settings)
}

fn secret_id(role: &str, more: Value) -> Value {
    with(json!({ "providerRef": { "name": "bao" }, "parameters": { "role": role } }), more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_with_a_secret_of_a_client_is_never_refused_through_twenty_rotations() {
    const ROTATIONS: u32 = 20;
    let (scene, mount, _) = mounted("one-client").await;
    let operator = scene.operator().await;
    let spec = json!({ "lifetime": "21m", "rotation": { "renewBefore": "9m", "overlap": "4m" } });
    scene.apply("orders", secret_id("orders", spec.clone())).await;
    scene.apply("billing", secret_id("orders", spec)).await;
    scene.has_only("orders", 1).await;
    scene.has_only("billing", 1).await;
    let mut known = [scene.pair("orders").await.unwrap(), scene.pair("billing").await.unwrap()];
    let role_id = known[0].0.clone();
    assert_eq!(known[1].0, role_id, "both are secrets of one client");
    assert_ne!(known[0].1, known[1].1);
    for _ in 0..20 * ROTATIONS {
        if scene.status("orders").await.revision > Some(ROTATIONS) {
            break;
        }
        scene.jump(&operator, minutes(1) + SignedDuration::from_secs(30)).await;
        for pair in &known {
            assert!(mount.accepts(pair).await, "refused though it was read one step ago");
        }
        known = [scene.pair("orders").await.unwrap(), scene.pair("billing").await.unwrap()];
        for pair in &known {
            assert_eq!(pair.0, role_id, "the client ID has changed");
            assert!(mount.accepts(pair).await, "refused as it was read");
        }
    }
    assert!(scene.status("orders").await.revision > Some(ROTATIONS));
    // All that was ever made is in use, retired or gone.
    let listed = async |name: &str| {
        let document = scene.document(name).await.unwrap();
        document.living().map(|it| it.secret_id.clone().unwrap()).collect::<Vec<_>>()
    };
    let mut living = [listed("orders").await, listed("billing").await].concat();
    let mut alive: Vec<String> = mount.alive().await.into_iter().map(|it| it.id).collect();
    living.sort();
    alive.sort();
    assert_eq!(living, alive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_ledger_ends_its_own_secret_of_a_client_and_no_other() {
    let (scene, mount, _) = mounted("rebuilt").await;
    let operator = scene.operator().await;
    let spec = json!({ "lifetime": "720h", "rotation": { "overlap": "5m" } });
    scene.apply("orders", secret_id("orders", spec.clone())).await;
    scene.apply("billing", secret_id("orders", spec.clone())).await;
    scene.has_only("orders", 1).await;
    scene.has_only("billing", 1).await;
    let first = scene.revision("orders", 1).await;
    assert_eq!(first.parameters["role"], "orders");
    operator.stop().await;
    scene.delete_secret_at_once("orders.credwright").await;
    let operator = scene.operator().await;
    scene.wait("orders", "the ledger is rebuilt", async || scene.document("orders").await.is_some()).await;
    let rebuilt = scene.document("orders").await.unwrap().revisions.remove(0);
    assert_eq!((rebuilt.rebuilt, rebuilt.id()), (true, first.id.as_deref()));
    // In another role from now on: the old one ends where it was made.
    scene.apply("orders", secret_id("reporting", spec)).await;
    scene.run_until_only(&operator, "orders", 2).await;
    let (orders, billing) = (scene.revision("orders", 2).await, scene.revision("billing", 1).await);
    let mut alive: Vec<String> = mount.alive().await.into_iter().map(|it| it.id).collect();
    let mut expected = vec![orders.id.unwrap(), billing.id.unwrap()];
    alive.sort();
    expected.sort();
    assert_eq!(alive, expected);
    for name in ["orders", "billing"] {
        assert!(mount.accepts(&scene.pair(name).await.unwrap()).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_reaches_no_role_of_others_by_a_parameter() {
    let (scene, mount, mut settings) = mounted("reach").await;
    let _operator = scene.operator_as(|_, options| options.cluster_providers = true).await;
    let front = front::start(&app_role::server().await.origin()).await.unwrap();
    settings["appRole"]["baseUrl"] = front.base_url().into();
    let spec = with(
        settings,
        json!({
            "login": { "secretRef": { "name": "bao-admin", "namespace": scene.namespace } },
            "limits": { "requestsPerSecond": 1000 },
            "allow": {
                "namespaces": { "names": [scene.namespace] },
                "parameters": { "role": { "perNamespace": { &scene.namespace: ["orders"] } } },
            },
        }),
    );
    let object = json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ClusterCredentialProvider",
        "metadata": { "name": scene.namespace }, "spec": spec,
    });
    let api: Api<ClusterCredentialProvider> = Api::all(scene.client.clone());
    api.patch(&scene.namespace, &PatchParams::apply("tests").force(), &Patch::Apply(object)).await.unwrap();
    let asking = |parameters: Value| {
        json!({
            "providerRef": { "kind": "ClusterCredentialProvider", "name": scene.namespace },
            "parameters": parameters,
        })
    };
    let rows = [
        (json!({ "role": "reporting" }), "NotAllowed", "\"reporting\" is not allowed for namespace"),
        (json!({ "role": "orders/../reporting" }), "InvalidForProvider", "it has to match"),
        (json!({ "role": "orders%2f..%2freporting" }), "InvalidForProvider", "it has to match"),
        (json!({ "role": "orders?x=" }), "InvalidForProvider", "it has to match"),
        (json!({ "role": "." }), "InvalidForProvider", "it has to match"),
        (json!({}), "InvalidForProvider", "spec.parameters.role is missing: it is the name of a role"),
        (json!({ "role": "orders", "mount": "other" }), "InvalidForProvider", "has no parameter mount"),
    ];
    for (number, (parameters, reason, expected)) in (1..).zip(rows) {
        let name = format!("orders-{number}");
        scene.apply(&name, asking(parameters)).await;
        let message = scene.says(&name, ("Ready", "False", reason)).await;
        assert!(message.contains(expected), "{message}");
    }
    // Apart from the probe, which names no role.
    let is_of_a_role = |it: &SeenRequest| it.operation != Operation::Other;
    let about_roles = front.record().requests().iter().filter(|it| is_of_a_role(it)).count();
    assert_eq!((about_roles, mount.alive().await.len()), (0, 0));
    scene.apply("orders", asking(json!({ "role": "orders" }))).await;
    scene.has_only("orders", 1).await;
    assert_eq!(mount.alive().await.len(), 1);
}

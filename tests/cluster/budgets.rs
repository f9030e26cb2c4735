//! The limit on new credentials of an account, the order within it, and the early warnings about
//! it.

use credwright::api::{ApiCredential, ClusterCredentialProvider, CredentialProvider};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    stage::{hours, minutes, seconds},
    support::{Running, Scene},
};

/// A provider that everybody may use.
async fn share(scene: &Scene, mints_per_hour: u32) -> Value {
    let limits = json!({ "requestsPerSecond": 1000, "mintsPerHour": mints_per_hour });
    scene.share(&scene.namespace, limits, json!({ "namespaces": { "selector": {} } })).await;
    json!({ "providerRef": { "kind": "ClusterCredentialProvider", "name": scene.namespace }, "lifetime": "720h" })
}

async fn both(scene: &Scene, other: &Scene) -> Running {
    let namespaces = vec![scene.namespace.clone(), other.namespace.clone()];
    scene.operator_as(|_, options| (options.namespaces, options.cluster_providers) = (namespaces, true)).await
}

impl Scene {
    /// The times at which credentials were made.
    fn made_at(&self) -> Vec<Timestamp> {
        self.made().iter().map(|it| it.created).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_who_flips_requests_and_recreates_objects_does_not_starve_others() {
    const LIMIT: usize = 12;
    let greedy = Scene::new("greedy").await;
    let modest = greedy.neighbour("modest").await;
    let operator = both(&greedy, &modest).await;
    let spec = share(&greedy, LIMIT as u32).await;
    for number in 0..9 {
        greedy.apply(&format!("orders-{number}"), spec.clone()).await;
        greedy.rest(&operator).await;
    }
    let message = greedy.says("orders-8", ("Ready", "False", "MintBudget")).await;
    assert!(
        message.contains("as remain for all other namespaces")
            && message.contains("mintsPerHour of the provider is 12"),
        "{message}"
    );
    assert_eq!(greedy.made().len(), LIMIT / 2, "half of it is for one alone");
    greedy.merge("orders-0", json!({ "spec": { "rotation": { "request": "one" } } })).await;
    greedy.says("orders-0", ("Ready", "True", "MintBudget")).await;
    assert!(greedy.condition("orders-0", "Stalled").await.is_none(), "time heals it");

    // Nor does it help to delete an object and make it again, or to wait for a restart.
    greedy.remove("orders-1").await;
    greedy.apply("orders-1", spec.clone()).await;
    greedy.says("orders-1", ("Ready", "False", "MintBudget")).await;
    operator.kill().await;
    let operator = both(&greedy, &modest).await;
    greedy.rest(&operator).await;
    assert_eq!(greedy.made().len(), LIMIT / 2);

    for number in 0..3 {
        modest.issue(&format!("billing-{number}"), spec.clone()).await;
    }
    assert_eq!(greedy.made().len(), LIMIT / 2 + 3);

    // Everybody is served in the end, and never too many within an hour.
    let served = async || {
        greedy.is_only("orders-8", 1).await
            && greedy.is_only("orders-1", 1).await
            && greedy.status("orders-0").await.revision == Some(2)
    };
    assert!(greedy.reaches(&[&operator], hours(4), served).await);
    let mut made = greedy.made_at();
    made.sort_unstable();
    let most = made
        .iter()
        .map(|at| {
            made.iter()
                .filter(|it| (SignedDuration::ZERO..hours(1)).contains(&it.duration_since(*at)))
                .count()
        })
        .max();
    assert!(most <= Some(LIMIT), "{most:?} within an hour");
    operator.stop().await;
    greedy.delete_shared_provider(&greedy.namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_recreated_all_the_time_mints_no_more_than_one_that_stays() {
    let (scene, operator) = Scene::running("recreated").await;
    for _ in 0..5 {
        scene.issue("orders", json!({ "lifetime": "720h" })).await;
        scene.remove("orders").await;
        scene.wait("orders", "its Secret is gone", async || scene.secret("orders").await.is_none()).await;
    }
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.says("orders", ("Ready", "False", "MintLimit")).await;
    operator.kill().await;
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (5, 0));
    let kept = scene.api::<ConfigMap>().get("credwright-mints").await.unwrap().data.unwrap();
    assert_eq!(kept["mints"].matches("\"orders\"").count(), 5, "{kept:?}");
    scene.run_until_only(&operator, "orders", 1).await;
    assert_eq!(scene.made().len(), 6);
}

/// A tenant who may edit Secrets can do that where the chart's admission policies are not
/// installed.
#[tokio::test(flavor = "multi_thread")]
async fn a_force_deleted_ledger_does_not_reset_the_limits() {
    let (scene, operator) = Scene::with_orders("forced-away").await;
    let force_away = async || {
        scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": null } })).await;
        scene.delete_secret("orders.credwright").await;
        scene.wait("orders", "it is rebuilt", async || scene.document("orders").await.is_some()).await;
        scene.rest(&operator).await;
    };
    let request = async |text: &str| {
        scene.merge("orders", json!({ "spec": { "rotation": { "request": text } } })).await;
    };
    for revision in 2..=5 {
        force_away().await;
        scene.jump(&operator, seconds(1)).await;
        request(&format!("number {revision}")).await;
        scene.publishes("orders", revision).await;
    }
    force_away().await;
    request("one too many").await;
    scene.says("orders", ("Ready", "True", "MintLimit")).await;
    operator.kill().await;
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    scene.says("orders", ("Ready", "True", "MintLimit")).await;
    assert_eq!(scene.made().len(), 5);
}

/// A credential that lives for minutes is close to its end most of the time.
#[tokio::test(flavor = "multi_thread")]
async fn short_lifetimes_do_not_get_around_the_limit_of_a_shared_provider() {
    const LIMIT: usize = 12;
    let greedy = Scene::new("short-lived").await;
    let modest = greedy.neighbour("long-lived").await;
    let operator = both(&greedy, &modest).await;
    let spec = share(&greedy, LIMIT as u32).await;
    let mut short = spec.clone();
    short["lifetime"] = json!("5m");
    for number in 0..3 {
        greedy.issue(&format!("orders-{number}"), short.clone()).await;
    }
    for _ in 0..15 {
        greedy.jump(&operator, minutes(3)).await;
    }
    assert!(greedy.made().len() <= LIMIT / 2, "{} within an hour", greedy.made().len());
    let message = greedy.says("orders-0", ("Ready", "False", "Expired")).await;
    assert!(message.contains("need more than half of that"), "{message}");
    modest.issue("billing", spec).await;

    let providers: Api<ClusterCredentialProvider> = Api::all(greedy.client.clone());
    let limits = async || {
        let status = providers.get(&greedy.namespace).await.unwrap().status?;
        status.conditions.into_iter().find(|it| it.type_ == "LimitsSuffice")
    };
    let told = async || limits().await.is_some_and(|it| it.status == "False");
    assert!(greedy.reaches(&[&operator], minutes(10), told).await);
    let raised = Patch::Merge(json!({ "spec": { "limits": { "mintsPerHour": 1000 } } }));
    providers.patch(&greedy.namespace, &PatchParams::default(), &raised).await.unwrap();
    let suffices = async || limits().await.is_some_and(|it| it.status == "True");
    assert!(greedy.reaches(&[&operator], minutes(10), suffices).await);
    greedy.says("orders-0", ("Ready", "True", "Issued")).await;
    operator.stop().await;
    greedy.delete_shared_provider(&greedy.namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_too_low_are_reported_before_anything_expires_and_raising_them_is_enough() {
    let (scene, operator) = Scene::running("too-low").await;
    let mut spec = scene.spreetail(&scene.provider.base_url(), "spreetail-admin");
    spec["limits"]["mintsPerHour"] = json!(2);
    scene.create_provider("narrow", spec).await;
    for name in ["orders", "billing", "stock"] {
        scene.apply(name, json!({ "providerRef": { "name": "narrow" }, "lifetime": "1h" })).await;
        scene.rest(&operator).await;
    }
    let message = scene.says("stock", ("Ready", "False", "MintBudget")).await;
    assert!(message.contains("limit of new credentials within an hour is reached"), "{message}");
    let limits = async || {
        let status = scene.provider_status("narrow").await.unwrap_or_default();
        status.conditions.into_iter().find(|it| it.type_ == "LimitsSuffice")
    };
    let too_low =
        async || limits().await.is_some_and(|it| it.reason == "LimitsTooLow" && it.status == "False");
    assert!(scene.reaches(&[&operator], minutes(1), too_low).await);
    let message = limits().await.unwrap().message;
    assert!(
        message.contains("about 3 new credentials an hour, but limits.mintsPerHour allows 2: raise it"),
        "{message}"
    );
    assert_eq!(scene.made().len(), 2);

    let raised = Patch::Merge(json!({ "spec": { "limits": { "mintsPerHour": 100 } } }));
    scene.api::<CredentialProvider>().patch("narrow", &PatchParams::default(), &raised).await.unwrap();
    // The clock stands still: it need not wait for what it was told.
    scene.says("stock", ("Ready", "True", "Issued")).await;
    let suffices = async || limits().await.is_some_and(|it| it.status == "True");
    assert!(scene.reaches(&[&operator], minutes(1), suffices).await);
}

/// The names of those whose credentials were made, in order.
fn in_order(scene: &Scene, from: usize) -> Vec<String> {
    let mut made = scene.made();
    made.drain(..from);
    let object =
        |name: String| name.split("-kw").next().unwrap().rsplit_once("-n").map(|(_, it)| it.to_owned());
    made.into_iter().filter_map(|it| object(it.name?)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_a_day_everything_is_renewed_in_order_of_expiry_and_nothing_is_refused() {
    const OBJECTS: usize = 12;
    let scene = Scene::new("outage").await;
    let one_by_one = |_: &mut _, options: &mut credwright::controller::Options| options.concurrency = 1;
    let operator = scene.operator_as(one_by_one).await;
    // The last by name ends first.
    for number in 0..OBJECTS {
        let lifetime = format!("{}m", 80 * 60 - number);
        let rotation = json!({ "renewBefore": "26h" });
        scene.issue(&format!("n{number:02}"), json!({ "lifetime": lifetime, "rotation": rotation })).await;
    }
    let issued = scene.now();
    scene.jump(&operator, hours(51)).await;
    scene.provider.stop().await;
    // All come due within the outage: jitter is a tenth of renewBefore.
    scene.pass_time(&[&operator], hours(25)).await;
    assert!(scene.now().duration_since(issued) < hours(80 - 2));
    let unchanged: Vec<ApiCredential> = scene.api().list(&Default::default()).await.unwrap().items;
    assert!(unchanged.iter().all(|it| it.status.as_ref().unwrap().revision == Some(1)));
    scene.provider.start_again().await.unwrap();
    let renewed = async || {
        let all: Vec<ApiCredential> = scene.api().list(&Default::default()).await.unwrap().items;
        all.iter().all(|it| it.status.as_ref().is_some_and(|status| status.revision == Some(2)))
    };
    assert!(scene.reaches(&[&operator], hours(1), renewed).await);
    let expected: Vec<String> = (0..OBJECTS).rev().map(|number| format!("{number:02}")).collect();
    assert_eq!(in_order(&scene, OBJECTS), expected);
    for number in 0..OBJECTS {
        assert!(scene.secret_works(&format!("n{number:02}")).await);
    }
}

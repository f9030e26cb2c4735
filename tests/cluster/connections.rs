//! A load balancer before the API server that silently forgets its connections: the real binary
//! notices it, reports whether it leads, and continues by itself.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use credwright_harness::{balancer::Balancer, controlplane::ControlPlane};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    leadership::{LEASE, Replica, holder},
    support::{Scene, eventually},
};

/// Within this the Lease is renewed, or the process says that it does not lead.
const TOLD: Duration = Duration::from_secs(20);
/// Within this, what was changed is acted on.
const ACTED_ON: Duration = Duration::from_secs(60);

struct Balanced {
    scene: Scene,
    replica: Replica,
    balancer: Balancer,
    _control_plane: ControlPlane,
    _folder: TempDir,
}

impl Balanced {
    /// A replica that leads, and has issued `orders`, with a load balancer between it and the API
    /// server.
    async fn leading(name: &str) -> Self {
        let (control_plane, scene) = Scene::apart(name).await;
        let folder = tempfile::tempdir().unwrap();
        let (balancer, kubeconfig) = balanced(&control_plane, &folder).await;
        let replica = Replica::start(&scene.namespace, &kubeconfig, &folder, "leader").await;
        eventually("it leads", async || holder(&scene).await.is_some() && replica.is_ready().await).await;
        scene.issue("orders", json!({ "lifetime": "720h" })).await;
        Self { scene, replica, balancer, _control_plane: control_plane, _folder: folder }
    }

    /// Rotates `orders` as after a leak, and makes another object.
    async fn patch(&self) {
        let rotation = json!({ "request": "stolen", "overlap": "0s" });
        self.scene.merge("orders", json!({ "spec": { "rotation": rotation } })).await;
        self.scene.apply("more", json!({ "lifetime": "720h" })).await;
    }

    async fn is_acted_on(&self) -> bool {
        let live = self.scene.provider.record().live().len();
        let rotated = self.scene.get("orders").await.status.is_some_and(|it| it.revision == Some(2));
        rotated
            && live == 2
            && self.scene.secret_works("orders").await
            && self.scene.secret_works("more").await
    }

    async fn was_renewed_after(&self, at: Timestamp) -> bool {
        let spec = self.scene.api::<Lease>().get(LEASE).await.unwrap().spec.unwrap();
        spec.renew_time.is_some_and(|renewed| renewed.0 > at)
    }

    /// Returns whether it says everywhere that it does not lead.
    async fn says_that_it_does_not_lead(&self) -> bool {
        let metrics = self.replica.probe("/metrics").await.unwrap().1;
        metrics.lines().any(|line| line == "credwright_leader 0") && self.replica.says("the Lease").await
    }
}

async fn balanced(control_plane: &ControlPlane, folder: &TempDir) -> (Balancer, PathBuf) {
    let balancer = Balancer::start(control_plane.address()).await.unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = control_plane.kubeconfig_by_way_of(&format!("https://{}", balancer.address())).unwrap();
    std::fs::write(&kubeconfig, text).unwrap();
    (balancer, kubeconfig)
}

/// Waits for a condition that has to hold so soon after `began`.
async fn within(limit: Duration, began: Instant, what: &str, condition: impl AsyncFn() -> bool) {
    while !condition().await {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("after {:.1?}: {what}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn silently_dead_connections_are_noticed_and_a_patch_is_handled_within_a_minute() {
    let mut it = Balanced::leading("forgotten").await;
    it.balancer.forget();
    let (began, at) = (Instant::now(), Timestamp::now());
    it.patch().await;
    within(TOLD, began, "the Lease is renewed, or it says that it does not lead", async || {
        it.was_renewed_after(at).await || it.says_that_it_does_not_lead().await
    })
    .await;
    within(ACTED_ON, began, "what was patched is acted on", async || it.is_acted_on().await).await;
    it.replica.operator.ensure_running().unwrap();
    it.scene.assert_all_accounted_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_reports_it_and_leads_again_by_itself() {
    let mut it = Balanced::leading("cut-off").await;
    it.balancer.set_deaf(true);
    it.balancer.forget();
    let began = Instant::now();
    it.patch().await;
    let says = async || it.says_that_it_does_not_lead().await;
    within(TOLD, began, "it says that it does not lead", says).await;
    assert_eq!(it.replica.probe("/livez").await.unwrap().0, 200, "it is not its own fault");
    assert_eq!(it.scene.made().len(), 1, "nothing is begun meanwhile");

    it.balancer.set_deaf(false);
    within(ACTED_ON, Instant::now(), "what was patched is acted on", async || it.is_acted_on().await).await;
    it.replica.operator.ensure_running().unwrap();
    it.scene.assert_all_accounted_for().await;
}

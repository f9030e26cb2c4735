//! Several replicas of the real binary: one works, the others stand by, and never do two work at
//! once.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use credwright::engine::leadership::LeaseHolder;
use credwright_harness::{
    controlplane::{ControlPlane, ControlPlaneOptions},
    operator::Operator,
    port::free_address,
};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Scene, eventually, install_crds, new_namespace};

pub(crate) const LEASE: &str = "credwright";
/// The time limit for taking over from a leader that died without releasing the Lease.
const AFTER_DEATH: Duration = Duration::from_secs(20);
/// And who gives the Lease back, within this.
const AFTER_PARTING: Duration = Duration::from_secs(3);
/// Within this, what was lost is found and replaced.
const SETTLED: Duration = Duration::from_secs(180);
const OUTAGE: Duration = Duration::from_secs(30);

/// A replica, and where it answers probes.
pub(crate) struct Replica {
    name: &'static str,
    pub(crate) operator: Operator,
    address: String,
}

impl Replica {
    pub(crate) async fn start(home: &str, kubeconfig: &Path, folder: &TempDir, name: &'static str) -> Self {
        let address = free_address().unwrap().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_credwright"));
        command
            .args(["run", "--operator-namespace", home, "--allow-egress", "127.0.0.0/8"])
            .args(["--lease", LEASE, "--identity", name, "--listen", &address])
            .env("KUBECONFIG", kubeconfig);
        let operator = Operator::spawn(&command, &folder.path().join(name)).await.unwrap();
        Self { name, operator, address }
    }

    /// The status and the text of a probe; none if nothing listens.
    pub(crate) async fn probe(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.probe("/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    pub(crate) async fn says(&self, part: &str) -> bool {
        self.probe("/readyz").await.is_some_and(|(status, text)| status == 503 && text.contains(part))
    }
}

pub(crate) async fn holder(scene: &Scene) -> Option<String> {
    scene.api::<Lease>().get_opt(LEASE).await.unwrap()?.spec?.holder_identity
}

/// Waits until another than `before` holds the Lease, and returns how long that took and who it is.
async fn successor(scene: &Scene, before: &str, within: Duration) -> (Duration, String) {
    let began = Instant::now();
    loop {
        match holder(scene).await {
            Some(now) if now != before && !now.is_empty() => return (began.elapsed(), now),
            _ => assert!(began.elapsed() < within, "nobody has taken over within {within:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn apply_many(scene: &Scene, first: usize, count: usize) {
    for number in first..first + count {
        scene.apply(&format!("many-{number}"), json!({ "lifetime": "720h" })).await;
    }
}

/// Waits until `count` objects are published. A credential that was requested when its process died
/// is searched for until the request cannot arrive any more, and then requested again.
async fn all_publish(scene: &Scene, count: usize) {
    let began = Instant::now();
    for number in 0..count {
        while !scene.secret_works(&format!("many-{number}")).await {
            assert!(began.elapsed() < SETTLED, "many-{number} has no Secret that works");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    while scene.provider.record().live().len() > count {
        assert!(began.elapsed() < SETTLED, "more is alive than is needed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    scene.assert_all_accounted_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_replicas_works_and_another_takes_over_when_it_dies_or_stops() {
    let (control_plane, scene) = Scene::apart("replicas").await;
    let folder = tempfile::tempdir().unwrap();
    let mut replicas = Vec::new();
    for name in ["one", "two", "three"] {
        replicas.push(Replica::start(&scene.namespace, control_plane.kubeconfig(), &folder, name).await);
    }
    eventually("all are ready, also those that stand by", async || {
        for replica in &replicas {
            if !replica.is_ready().await {
                return false;
            }
        }
        holder(&scene).await.is_some()
    })
    .await;

    let leaders = async |replicas: &[Replica]| {
        let mut leaders = 0;
        for replica in replicas {
            let (_, metrics) = replica.probe("/metrics").await.unwrap();
            leaders += metrics.lines().filter(|line| *line == "credwright_leader 1").count();
        }
        leaders
    };
    assert_eq!(leaders(&replicas).await, 1);

    // Under load, and without a word.
    apply_many(&scene, 0, 40).await;
    let first = holder(&scene).await.unwrap();
    let at = replicas.iter().position(|it| it.name == first).unwrap();
    drop(replicas.remove(at));
    let (after_death, second) = successor(&scene, &first, AFTER_DEATH).await;
    all_publish(&scene, 40).await;
    let wasted = scene.made().len() - 40;

    // Under load, and politely: what has begun is finished, and no credential is wasted.
    apply_many(&scene, 40, 20).await;
    let at = replicas.iter().position(|it| it.name == second).unwrap();
    replicas.remove(at).operator.stop().await.unwrap();
    let (after_parting, third) = successor(&scene, &second, AFTER_PARTING).await;
    assert!(third != first && third != second);
    all_publish(&scene, 60).await;
    assert_eq!(scene.made().len(), 60 + wasted);
    println!(
        "taken over {after_death:.1?} after a death, and {after_parting:.1?} after a stop; {wasted} credentials wasted"
    );
    for replica in replicas {
        replica.operator.stop().await.unwrap();
    }
    assert_eq!(holder(&scene).await.unwrap_or_default(), "", "it was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_reported_and_waited_out() {
    let (mut control_plane, scene) = Scene::apart("outage").await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = control_plane.kubeconfig().to_owned();
    let leader = Replica::start(&scene.namespace, &kubeconfig, &folder, "leader").await;
    eventually("it leads", async || holder(&scene).await.is_some_and(|it| it == "leader")).await;
    let standby = Replica::start(&scene.namespace, &kubeconfig, &folder, "standby").await;
    eventually("the other stands by", async || standby.is_ready().await).await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;

    control_plane.pause_etcd().unwrap();
    let began = Instant::now();
    eventually("it says that the Lease cannot be renewed", async || leader.says("the Lease").await).await;
    tokio::time::sleep(OUTAGE.saturating_sub(began.elapsed())).await;
    assert_eq!(leader.probe("/livez").await, Some((200, "ok\n".to_owned())));
    control_plane.resume_etcd().unwrap();
    eventually("it is ready again", async || standby.is_ready().await).await;

    control_plane.stop_apiserver().unwrap();
    eventually("both say that nobody answers", async || {
        let told = "ApiCredentials: the API server does not answer";
        standby.says(told).await
    })
    .await;
    assert_eq!(standby.probe("/livez").await, Some((200, "ok\n".to_owned())));
    control_plane.restart_apiserver().await.unwrap();
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.publishes("orders", 2).await;
    assert_eq!(scene.made().len(), 2);
    drop(leader);
    standby.operator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_crds_it_reports_it_and_waits() {
    let control_plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let home = new_namespace(&client, "undefined").await;
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::start(&home, control_plane.kubeconfig(), &folder, "only").await;
    eventually("it misses them", async || {
        replica
            .says("ApiCredentials: the API server does not know this resource; install Credwright's CRDs")
            .await
    })
    .await;
    install_crds(&client).await;
    eventually("it is ready", async || replica.is_ready().await).await;
    replica.operator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_lost_the_lease_changes_nothing_at_the_provider() {
    let scene = Scene::new("deposed").await;
    let identity = "first".to_owned();
    let operator = scene
        .operator_as(|settings, _| {
            settings.lease = Some(LeaseHolder { lease: LEASE.to_owned(), identity });
        })
        .await;
    eventually("it leads", async || operator.operator.leads()).await;
    let usurped = json!({ "spec": {
        "holderIdentity": "second", "renewTime": format!("{:.6}", Timestamp::now()), "leaseDurationSeconds": 15,
    } });
    let params = PatchParams::default();
    scene.api::<Lease>().patch(LEASE, &params, &Patch::Merge(usurped)).await.unwrap();
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    let said = operator.dies().await;
    assert!(said.contains("LeaseLost"), "{said}");
    assert!(scene.made().is_empty());
    assert!(scene.document("orders").await.is_none(), "nothing was begun");
}

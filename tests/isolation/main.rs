//! Two tenants, one of them hostile: the other one's rotations stay on time.
//!
//! The real binary with the flags of the chart, on a real API server. First without an attack, then
//! with one from a single namespace, then with one spread over forty.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

mod attack;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use credwright::{
    api::{ApiCredential, ClusterCredentialProvider},
    lifecycle::{
        ledger::Document,
        schedule::{end, schedule},
    },
};
use credwright_harness::{operator::Operator, port::free_address, process::Usage};
use credwright_simulator::{Fault, Operation, Rule, Simulator};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use self::attack::Attack;
use self::support::{Scene, eventually, new_namespace};

/// The honest tenant's objects.
const OBJECTS: usize = 20;
/// The length of each phase: each object is renewed within it, 80 seconds after it was issued.
const PHASE: Duration = Duration::from_secs(90);
/// The largest allowed delay of the 99th percentile under attack, as a factor.
const LATER: f64 = 2.0;
/// The chart's memory limit.
const LIMIT_KIB: u64 = 512 * 1024;
/// The name of an object whose first credential cannot be deleted at the provider.
const UNDELETABLE: &str = "undeletable";

/// The delays of the renewals of a phase in seconds, sorted.
struct Lateness(Vec<f64>);

impl Lateness {
    fn percentile(&self, hundredths: usize) -> f64 {
        let index = (self.0.len() * hundredths).div_ceil(100).saturating_sub(1);
        self.0.get(index).copied().unwrap_or(f64::INFINITY)
    }

    fn in_words(&self) -> String {
        let (p50, p99) = (self.percentile(50), self.percentile(99));
        format!("{} renewals, {p50:.2} s late at the median, {p99:.2} s at the 99th percentile", self.0.len())
    }
}

/// The honest tenant and what it sees.
struct Honest {
    scene: Scene,
    address: String,
}

impl Honest {
    fn name(number: usize) -> String {
        format!("orders-{number}")
    }

    async fn documents(&self) -> Vec<(ApiCredential, Document)> {
        let mut all = Vec::new();
        for number in 0..OBJECTS {
            let name = Self::name(number);
            all.push((self.scene.get(&name).await, self.scene.document(&name).await.unwrap()));
        }
        all
    }

    /// Returns how late each renewal was that came due between two instants; what has not come by
    /// `until` is as late as that.
    async fn lateness(&self, since: Timestamp, until: Timestamp) -> Lateness {
        let mut late = Vec::new();
        for (object, document) in self.documents().await {
            let uid = object.metadata.uid.clone().unwrap_or_default();
            let issued: Vec<_> = document.revisions.iter().filter(|it| it.issued_at.is_some()).collect();
            for (number, revision) in issued.iter().enumerate() {
                let Some(times) = schedule(&uid, &object.spec, revision) else { continue };
                if times.renewal < since || times.renewal >= until {
                    continue;
                }
                let renewed = issued.get(number + 1).and_then(|next| next.issued_at).unwrap_or(until);
                late.push(renewed.duration_since(times.renewal).as_secs_f64());
                assert!(end(revision).is_none_or(|end| renewed < end), "{:?}", object.metadata.name);
            }
        }
        late.sort_by(f64::total_cmp);
        Lateness(late)
    }

    /// Waits for a phase, with its renewals, and says how late they were. What comes due at its
    /// very end has a little more time.
    async fn phase(&self, what: &str) -> Lateness {
        let began = Timestamp::now();
        tokio::time::sleep(PHASE).await;
        let ended = began + SignedDuration::try_from(PHASE).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let lateness = self.lateness(began, ended).await;
        println!("{what}: {}", lateness.in_words());
        assert!(lateness.0.len() >= OBJECTS, "each object is renewed in each phase");
        lateness
    }

    async fn ready(address: &str) -> bool {
        let answer = reqwest::get(format!("http://{address}/readyz")).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

/// Asks `/readyz` each second for as long as it lives, and counts what is not 200.
fn watch_readiness(address: String) -> (Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (goes_on, refused) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
    let (until, count) = (goes_on.clone(), refused.clone());
    tokio::spawn(async move {
        while until.load(Ordering::Relaxed) {
            if !Honest::ready(&address).await {
                count.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    (goes_on, refused)
}

async fn start(home: &str, kubeconfig: &Path, log: &Path) -> (Operator, String) {
    let address = free_address().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_credwright"));
    command
        .args(["run", "--operator-namespace", home, "--allow-egress", "127.0.0.0/8"])
        .args(["--lease", "credwright", "--identity", "one", "--listen", &address])
        .env("KUBECONFIG", kubeconfig);
    (Operator::spawn(&command, log).await.unwrap(), address)
}

/// The Spreetail account, for every namespace.
async fn share(scene: &Scene) {
    let object = json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ClusterCredentialProvider",
        "metadata": { "name": "shared" },
        "spec": {
            "spreetail": { "baseUrl": scene.provider.base_url() },
            "login": { "secretRef": { "name": "spreetail-admin", "namespace": scene.namespace } },
            "limits": { "mintsPerHour": 100_000 },
            "allow": { "namespaces": { "selector": {} } },
        },
    });
    let api: Api<ClusterCredentialProvider> = Api::all(scene.client.clone());
    api.patch("shared", &PatchParams::apply("tests").force(), &Patch::Apply(object)).await.unwrap();
}

/// A credential at the shared provider that cannot be revoked, rotated without an overlap.
async fn cannot_be_revoked(tenant: &Scene, provider: &Simulator) {
    let shared = json!({ "kind": "ClusterCredentialProvider", "name": "shared" });
    let spec = |request: &str| {
        let rotation = json!({ "overlap": "0s", "request": request });
        json!({ "providerRef": shared, "name": UNDELETABLE, "rotation": rotation })
    };
    tenant.apply(UNDELETABLE, spec("one")).await;
    eventually("the undeletable one is issued", async || tenant.pair(UNDELETABLE).await.is_some()).await;
    let (client_id, _) = tenant.pair(UNDELETABLE).await.unwrap();
    provider
        .faults()
        .add(Rule { path_end: Some(client_id), ..Rule::every(Operation::Delete, Fault::status(500)) });
    tenant.apply(UNDELETABLE, spec("two")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_tenant_does_not_delay_the_rotations_of_another() {
    let (control_plane, scene) = Scene::apart("honest").await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("operator.log");
    let (mut operator, address) = start(&scene.namespace, control_plane.kubeconfig(), &log).await;
    share(&scene).await;
    let honest = Honest { scene, address };
    let shared = json!({ "kind": "ClusterCredentialProvider", "name": "shared" });
    let began = Instant::now();
    for number in 0..OBJECTS {
        let spec = json!({ "providerRef": shared, "lifetime": "2m" });
        honest.scene.apply(&Honest::name(number), spec).await;
        // Renewals come one after another, as they would in a cluster that has run for a while.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    eventually("all are issued", async || {
        for number in 0..OBJECTS {
            if honest.scene.pair(&Honest::name(number)).await.is_none() {
                return false;
            }
        }
        Honest::ready(&honest.address).await
    })
    .await;
    println!("issued within {:?}", began.elapsed());
    let (goes_on, refused) = watch_readiness(honest.address.clone());

    let calm = honest.phase("without an attack").await;
    let mut worst = Vec::new();
    for (what, count) in [("from one namespace", 1), ("from forty namespaces", 40)] {
        let mut namespaces = Vec::new();
        for _ in 0..count {
            namespaces.push(new_namespace(&honest.scene.client, "hostile").await);
        }
        let attack = Attack::new(&honest.scene, namespaces.clone());
        if count == 1 {
            let mut tenant = honest.scene.neighbour("hostile").await;
            tenant.namespace.clone_from(&namespaces[0]);
            cannot_be_revoked(&tenant, &honest.scene.provider).await;
        }
        attack.begin().await;
        let late = honest.phase(&format!("with an attack {what}")).await;
        worst.push((what, late.percentile(99)));
        attack.end().await;
    }

    goes_on.store(false, Ordering::Relaxed);
    operator.ensure_running().unwrap();
    let peak = Usage::of(operator.pid()).unwrap().peak_kib;
    println!("peak of the memory: {peak} KiB");
    operator.stop().await.unwrap();
    let logged = fs::read_to_string(&log).unwrap();
    assert_eq!(refused.load(Ordering::Relaxed), 0, "/readyz was not 200");
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    for made in honest.scene.provider.record().all() {
        assert!(!logged.contains(made.secret()), "a secret is in the log");
    }
    assert!(!logged.contains("CANARY"), "a poisoned object is in the log");
    for (what, p99) in worst {
        let calm = calm.percentile(99);
        assert!(p99 <= calm + LATER, "{what}: {p99:.2} s late instead of {calm:.2} s");
    }
}

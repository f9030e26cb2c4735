//! The Lease is lost at every call: before each one that the operator makes to the API server, and
//! while each request to the provider is under way, before and after its effect. Who has lost it
//! writes down what comes of it and ends; no credential is wasted, and nobody has to look for
//! anything.

use std::{
    io::Write,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use credwright_simulator::{Fault, Gate, Matching};
use futures::{FutureExt, StreamExt, stream};
use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    account::Kind,
    case::{Case, Story},
    support::{Power, Running, Scene, eventually, logs, power::Line},
};

const LEASE: &str = "credwright";
/// The identity of the operator that loses it.
const FIRST: &str = "first";
/// The time that an operator has been idle before nothing is under way to it.
const CALM: Duration = Duration::from_millis(500);
/// No story makes more calls.
const MOST: usize = 200;

/// The call at which the Lease is lost.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// Before the k-th call to the API server since it was taken.
    Kubernetes(usize),
    /// While the k-th request to the provider is under way: it has not arrived.
    Before(usize),
    /// It has had its effect, and its answer is under way.
    After(usize),
}

/// Loses the Lease at each point until the story is over before it comes.
pub(crate) async fn sweep(story: Story, kind: Kind) {
    logs::record_only_warnings();
    let lanes = [Point::Kubernetes, Point::Before, Point::After];
    let swept = lanes.map(|lane| async move {
        let mut lost = 0;
        let mut cases = stream::iter(0..MOST).map(|k| tell(story, kind, lane(k))).buffered(3);
        while cases.next().await == Some(true) {
            lost += 1;
        }
        lost
    });
    let lost = futures::future::join_all(swept).await;
    let _ = writeln!(std::io::stderr(), "{story:?} at {kind:?}: the Lease was lost at {lost:?} points");
    assert!(lost.iter().all(|count| (1..MOST).contains(count)), "{lost:?}");
}

/// Returns whether the Lease was lost before the story was over.
async fn tell(story: Story, kind: Kind, point: Point) -> bool {
    let what = format!("{story:?} at {kind:?}, deposed at {point:?}");
    match AssertUnwindSafe(told(story, kind, point, &what)).catch_unwind().await {
        Ok(lost) => lost,
        Err(panic) => {
            eprintln!("this was {what}");
            std::panic::resume_unwind(panic)
        }
    }
}

async fn told(story: Story, kind: Kind, point: Point, what: &str) -> bool {
    let case = Case::new(story, kind).await;
    let (power, lost, gate) = (Power::on(), Arc::new(Notify::new()), Gate::closed());
    match point {
        Point::Kubernetes(k) => depose_before(k, &power, &case.scene, &lost),
        Point::Before(k) => arm(&case, k, Fault::GateBefore(gate.clone())),
        Point::After(k) => arm(&case, k, Fault::GateAfter(gate.clone())),
    }
    let first = case.scene.candidate(power, LEASE, FIRST).await;
    let comes = async {
        if matches!(point, Point::Kubernetes(_)) {
            return lost.notified().await;
        }
        while case.account.faults(&case.scene).outstanding() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        gate.wait_arrived().await;
    };
    let is_lost = tokio::select! {
        biased;
        () = comes => true,
        () = rests(&first) => false,
    };
    if !is_lost {
        first.stop().await;
        return false;
    }
    end(&case, first, &gate, point).await;
    // The clock jumps from here on, and a Lease is renewed in real time.
    let second = case.scene.operator().await;
    case.run(&second, what).await;
    case.scene.pass_time(&[&second], jiff::SignedDuration::from_secs(15)).await;
    case.check(0).await;
    second.stop().await;
    true
}

/// Resolves once there has been nothing to do for a while. The clock stands still: a Lease is
/// renewed in real time, and would be long over by a clock that jumps.
async fn rests(operator: &Running) {
    let mut calm_since = Instant::now();
    while calm_since.elapsed() < CALM {
        if !operator.operator.is_idle() {
            calm_since = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets the request go on once the operator knows, and waits until it has ended by itself.
async fn end(case: &Case, first: Running, gate: &Gate, point: Point) {
    if !matches!(point, Point::Kubernetes(_)) {
        usurp(&case.scene).await;
        eventually("it does not lead", async || !first.operator.leads()).await;
        gate.release();
    }
    let said = first.dies().await;
    assert!(said.contains("LeaseLost"), "{said}");
    case.account.faults(&case.scene).clear();
}

fn arm(case: &Case, k: usize, fault: Fault) {
    case.account.faults(&case.scene).after(Matching::any(), k, fault);
}

fn depose_before(k: usize, power: &Power, scene: &Scene, lost: &Arc<Notify>) {
    let (calls, taken) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (leases, lost): (Api<Lease>, _) = (scene.api(), lost.clone());
    power.set_fault(move |request| {
        if request.uri().path().contains("/leases") {
            taken.fetch_or(*request.method() != Method::GET, Ordering::SeqCst);
            return None;
        }
        if !taken.load(Ordering::SeqCst) || calls.fetch_add(1, Ordering::SeqCst) != k {
            return None;
        }
        let (leases, lost) = (leases.clone(), lost.clone());
        let first = async move {
            // The write that takes the Lease may still be under way: whoever loses it before has
            // never led, and does not die.
            while holder(&leases).await.as_deref() != Some(FIRST) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            give_to_another(&leases).await;
            lost.notify_one();
        };
        Some(Line::Behind(first.boxed()))
    });
}

async fn holder(leases: &Api<Lease>) -> Option<String> {
    leases.get_opt(LEASE).await.unwrap()?.spec?.holder_identity
}

async fn usurp(scene: &Scene) {
    give_to_another(&scene.api()).await;
}

async fn give_to_another(leases: &Api<Lease>) {
    let spec = json!({
        "holderIdentity": "second", "renewTime": format!("{:.6}", Timestamp::now()), "leaseDurationSeconds": 15,
    });
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": LEASE }, "spec": spec });
    leases.patch(LEASE, &PatchParams::apply("second").force(), &Patch::Apply(lease)).await.unwrap();
}

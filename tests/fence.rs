//! The fence: two operators at once without any election, an API server that loses answers, third
//! parties who write in between, caches that are stale. Whatever happens, nobody mints twice and no
//! secret is lost. And restarting is free.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use credwright::lifecycle::ledger::State;
use credwright_simulator::{Fault, Gate, Operation};
use http::{Method, Request};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
    client::Body,
};
use serde_json::{Value, json};
use support::{Running, Scene, eventually, power::Line, with};
use tokio::sync::Notify;

const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// An ApiCredential for a test, with or without a wish for another rotation.
fn spec(request: Option<&str>) -> Value {
    match request {
        None => json!({ "lifetime": "720h", "rotation": { "overlap": "5m" } }),
        Some(request) => json!({ "lifetime": "720h", "rotation": { "overlap": "5m", "request": request } }),
    }
}

/// Returns whether a request writes a ledger. The create of a target looks like that of a ledger.
fn writes_ledger(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    match *request.method() {
        Method::POST => path.ends_with("/secrets"),
        Method::GET => false,
        _ => path.ends_with(".credwright"),
    }
}

fn once() -> impl Fn() -> bool {
    let done = AtomicBool::new(false);
    move || !done.swap(true, Ordering::SeqCst)
}

/// Returns whether the ledger lists exactly one credential that may be alive, and it is published,
/// wanted and accepted.
async fn is_at_rest(scene: &Scene, name: &str, request: Option<&str>) -> bool {
    let Some(document) = scene.document(name).await else { return false };
    let alive: Vec<_> = document.revisions.iter().filter(|it| it.state.may_be_alive()).collect();
    let [only] = alive[..] else { return false };
    let status = scene.get(name).await.status.unwrap_or_default();
    let is_published = only.state == State::Issued && status.revision == Some(only.revision);
    is_published && only.request.rotation_request.as_deref() == request && scene.secret_works(name).await
}

async fn run_to_rest(scene: &Scene, operators: &[&Running], name: &str, request: Option<&str>) {
    let rest =
        async || operators.iter().all(|it| it.operator.is_idle()) && is_at_rest(scene, name, request).await;
    let is_over = scene.reaches(operators, LONGEST, rest).await;
    let (document, all) = (scene.document(name).await, scene.provider.record().all());
    assert!(is_over, "no rest\nnow {}\n{document:#?}\n{all:#?}", scene.now());
}

/// Checks the end: as many live credentials as objects, all of them in ledgers, and `created`
/// creates.
async fn check(scene: &Scene, objects: usize, created: usize) {
    let record = scene.provider.record();
    assert_eq!(record.live().len(), objects, "{:#?}", record.all());
    assert_eq!(record.created_count(), created, "{:#?}", record.all());
    scene.assert_all_accounted_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_mint_once() {
    let scene = Scene::new("fence").await;
    scene.provider.faults().every(Operation::Create, Fault::slow(Duration::from_secs(5)));
    scene.provider.faults().set_listing_lag(Duration::from_secs(10));
    let (one, other) = (scene.operator().await, scene.operator().await);
    let names = ["a", "b", "c", "d", "e"];
    for (round, request) in [None, Some("again")].into_iter().enumerate() {
        for name in names {
            scene.apply(name, spec(request)).await;
        }
        for name in names {
            run_to_rest(&scene, &[&one, &other], name, request).await;
        }
        check(&scene, names.len(), names.len() * (round + 1)).await;
    }
}

/// Starts an operator that is held up by `line` at its next write of a ledger.
async fn hold_next_ledger_write(operator: &Running) -> Arc<Notify> {
    let release = Arc::new(Notify::new());
    let (held, first) = (release.clone(), once());
    operator
        .power
        .set_fault(move |request| (writes_ledger(request) && first()).then(|| Line::Held(held.clone())));
    release
}

async fn intent_of(scene: &Scene, name: &str) -> Option<u32> {
    let document = scene.document(name).await?;
    document.revisions.iter().find(|it| it.state == State::Intended).map(|it| it.revision)
}

/// One operator sleeps between its intent and its call until the other has given the intent up and
/// minted: it does not call.
async fn slept_before_the_call(first_issue: bool) {
    let scene = Scene::new("fence").await;
    let slow = scene.operator().await;
    let (request, before) = if first_issue { (None, 0) } else { (Some("again"), 1) };
    if !first_issue {
        scene.apply("orders", spec(None)).await;
        run_to_rest(&scene, &[&slow], "orders", None).await;
    }
    let release = hold_next_ledger_write(&slow).await;
    scene.apply("orders", spec(request)).await;
    eventually("the intent is written", async || intent_of(&scene, "orders").await.is_some()).await;
    let quick = scene.operator().await;
    run_to_rest(&scene, &[&quick], "orders", request).await;
    check(&scene, 1, before + 1).await;
    release.notify_one();
    run_to_rest(&scene, &[&slow, &quick], "orders", request).await;
    scene.pass_time(&[&slow, &quick], SignedDuration::from_mins(10)).await;
    run_to_rest(&scene, &[&slow, &quick], "orders", request).await;
    check(&scene, 1, before + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_slept_before_its_first_call_does_not_call() {
    slept_before_the_call(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_slept_before_a_call_does_not_call() {
    slept_before_the_call(false).await;
}

/// One operator's call hangs until the other has settled it and minted. Then it has its effect and
/// is answered, or only answered.
async fn answered_late(fault: impl Fn(Gate) -> Fault, listing_lag: Duration) {
    let scene = Scene::new("fence").await;
    scene.provider.faults().set_listing_lag(listing_lag);
    let gate = Gate::closed();
    scene.provider.faults().next(Operation::Create, fault(gate.clone()));
    let slow = scene.operator().await;
    scene.apply("orders", spec(None)).await;
    gate.wait_arrived().await;
    let quick = scene.operator().await;
    run_to_rest(&scene, &[&quick], "orders", None).await;
    let published = scene.pair("orders").await;
    gate.release();
    eventually("the late answer is written", async || {
        let document = scene.document("orders").await.unwrap();
        document.revisions[0].client_id.is_some()
    })
    .await;
    run_to_rest(&scene, &[&slow, &quick], "orders", None).await;
    check(&scene, 1, 2).await;
    assert_eq!(scene.pair("orders").await, published, "the late one is not published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_effect_is_revoked() {
    answered_late(Fault::GateBefore, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_response_is_of_a_revoked_credential() {
    answered_late(Fault::GateAfter, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_response_is_revoked_although_the_credential_was_believed_absent() {
    answered_late(Fault::GateAfter, Duration::from_secs(600)).await;
}

/// A whole life under a line of the test's own: issued, rotated, deleted.
async fn life(scene: &Scene, operator: &Running) {
    scene.apply("orders", spec(None)).await;
    run_to_rest(scene, &[operator], "orders", None).await;
    check(scene, 1, 1).await;
    scene.apply("orders", spec(Some("again"))).await;
    run_to_rest(scene, &[operator], "orders", Some("again")).await;
    check(scene, 1, 2).await;
    scene.delete("orders").await;
    let gone = async || {
        let object: Option<credwright::api::ApiCredential> = scene.api().get_opt("orders").await.unwrap();
        object.is_none() && scene.document("orders").await.is_none()
    };
    assert!(
        scene.reaches(&[operator], LONGEST, gone).await,
        "it is never gone: {:#?}",
        scene.document("orders").await
    );
    check(scene, 0, 2).await;
}

/// The API server applies ledger writes and answers 504 to those for which `lost` says so.
async fn answers_lost(lost: impl Fn(usize) -> bool + Send + Sync + 'static) {
    let (scene, operator) = Scene::running("fence").await;
    let (writes, losses) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let count = losses.clone();
    operator.power.set_fault(move |request| {
        let is_lost = writes_ledger(request) && lost(writes.fetch_add(1, Ordering::SeqCst));
        count.fetch_add(usize::from(is_lost), Ordering::SeqCst);
        is_lost.then_some(Line::AppliedButTimedOut)
    });
    life(&scene, &operator).await;
    assert!(losses.load(Ordering::SeqCst) > 0, "no answer was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_the_api_server_arrives() {
    answers_lost(|_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_answers_of_the_api_server_arrive() {
    for seed in 1..=4_usize {
        // Bits of a hash: fair enough, and the same each time.
        answers_lost(move |write| ((write + 1) * seed * 0x9E37_79B1).count_ones() % 2 == 0).await;
    }
}

/// Before every second write of the ledger, somebody else annotates it.
#[tokio::test(flavor = "multi_thread")]
async fn third_parties_who_edit_the_ledger_only_cause_a_delay() {
    let (scene, operator) = Scene::running("fence").await;
    let (writes, edits) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (ledgers, count): (Api<Secret>, _) = (scene.api(), edits.clone());
    operator.power.set_fault(move |request| {
        let disturbed = *request.method() == Method::PUT && writes_ledger(request);
        if !disturbed || !writes.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            return None;
        }
        let (ledgers, number) = (ledgers.clone(), count.fetch_add(1, Ordering::SeqCst));
        Some(Line::Behind(Box::pin(async move {
            let patch =
                json!({ "metadata": { "annotations": { "somebody.example/edit": number.to_string() } } });
            ledgers.patch("orders.credwright", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        })))
    });
    life(&scene, &operator).await;
    assert!(edits.load(Ordering::SeqCst) >= 5, "nobody came in between");
}

/// One operator hears nothing of what the other does, and works on from what it remembers. Several
/// objects, because each is looked at in its own time.
async fn stale(change: Value) {
    let scene = Scene::new("fence").await;
    let (fresh, stale) = (scene.operator().await, scene.operator().await);
    let names = ["a", "b", "c", "d"];
    let spec = json!({ "lifetime": "12h", "rotation": { "overlap": "5m" } });
    for name in names {
        scene.apply(name, spec.clone()).await;
        run_to_rest(&scene, &[&fresh, &stale], name, None).await;
    }
    stale.power.stall_watches(true);
    let spec = with(spec, change);
    let request = spec["rotation"]["request"].as_str().map(str::to_owned);
    for name in names {
        let before = scene.get(name).await.status.unwrap_or_default().revision;
        scene.apply(name, spec.clone()).await;
        // Which number is the next one depends on which of the two was quicker at first.
        let rotated = async || {
            let status = scene.get(name).await.status.unwrap_or_default();
            status.revision > before
                && fresh.operator.is_idle()
                && is_at_rest(&scene, name, request.as_deref()).await
        };
        assert!(scene.reaches(&[&fresh], LONGEST, rotated).await, "{name} is not rotated once");
    }
    // Past the hourly look at what the stale one believes to be published, but before any renewal
    // of what is.
    scene.pass_time(&[&fresh, &stale], SignedDuration::from_mins(62)).await;
    check(&scene, names.len(), 2 * names.len()).await;
    stale.power.stall_watches(false);
    for name in names {
        run_to_rest(&scene, &[&fresh, &stale], name, request.as_deref()).await;
    }
    check(&scene, names.len(), 2 * names.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_operator_does_not_rotate_what_was_rotated() {
    stale(json!({ "rotation": { "overlap": "5m", "request": "again" } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_operator_does_not_rotate_back_to_a_spec_of_the_past() {
    stale(json!({ "name": "renamed" })).await;
}

/// A restart causes no write at all, neither to Kubernetes nor to the provider; whether it ends
/// well or by force.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_calls_and_writes_nothing() {
    let scene = Scene::new("fence").await;
    let mut operator = scene.operator().await;
    for (name, request) in [("plain", None), ("rotated", Some("again"))] {
        scene.apply(name, spec(None)).await;
        run_to_rest(&scene, &[&operator], name, None).await;
        scene.apply(name, spec(request)).await;
        run_to_rest(&scene, &[&operator], name, request).await;
    }
    // A third one is in the middle of its overlap.
    scene.apply("turning", spec(None)).await;
    run_to_rest(&scene, &[&operator], "turning", None).await;
    scene
        .apply("turning", json!({ "lifetime": "720h", "rotation": { "overlap": "24h", "request": "again" } }))
        .await;
    scene.pass_time(&[&operator], SignedDuration::from_mins(10)).await;
    assert_eq!(scene.get("turning").await.status.unwrap().revision, Some(2));
    let versions = async || {
        let secrets: Vec<Secret> = scene.api().list(&Default::default()).await.unwrap().items;
        secrets.into_iter().map(|it| (it.metadata.name, it.metadata.resource_version)).collect::<Vec<_>>()
    };
    let (mutations, before) = (scene.provider.record().mutations(), versions().await);
    for round in 0..10 {
        if round % 2 == 0 {
            operator.stop().await;
        } else {
            operator.kill().await;
        }
        operator = scene.operator().await;
        // Longer than a probe of the provider and a count of its credentials take to come round.
        scene.pass_time(&[&operator], SignedDuration::from_mins(6)).await;
        assert_eq!(operator.power.writes(), Vec::<String>::new(), "in round {round}");
    }
    assert_eq!(scene.provider.record().mutations(), mutations);
    assert_eq!(versions().await, before);
}

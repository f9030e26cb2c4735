//! A provider in trouble: nothing that works is lost, nothing is minted in a loop, and it heals by
//! itself.

use std::time::Duration;

use credwright::ops::server::Show;
use credwright_simulator::faults::Fault;
use credwright_simulator::{Operation, RetryAfter};
use jiff::SignedDuration;
use k8s_openapi::api::events::v1::Event;
use serde_json::json;
use tokio::net::TcpListener;

use crate::stage::{hours, minutes};
use crate::support::{Running, Scene, eventually};

/// An object whose renewal is due in a minute.
async fn with_renewal_due(scene: &Scene, operator: &Running) {
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.rest(operator).await;
    let renewal = scene.status("orders").await.renewal_time.unwrap();
    scene.jump_to(operator, renewal - minutes(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_lost_responses_costs_few_credentials_and_all_leftovers_are_revoked() {
    let (scene, operator) = Scene::running("lost-answers").await;
    with_renewal_due(&scene, &operator).await;
    let pair = scene.pair("orders").await.unwrap();
    let fault = Fault::StatusAfterEffect { code: 500, body: String::new() };
    scene.provider.faults().every(Operation::Create, fault);
    for _ in 0..6 {
        scene.pass_time(&[&operator], minutes(10)).await;
        assert!(scene.token_is_granted(&pair).await);
        assert_eq!(scene.pair("orders").await.as_ref(), Some(&pair));
        assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True");
    }
    let made = scene.made();
    assert!((3..=20).contains(&made.len()), "{} were made", made.len());
    assert_eq!(made[0].revoked_at, None, "what workloads use is not revoked");
    scene.assert_all_accounted_for().await;

    scene.provider.faults().clear();
    scene
        .run_until(&operator, "orders", "a new one is published", async || {
            scene.pair("orders").await.is_some_and(|now| now != pair)
        })
        .await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(25)).await;
    scene
        .wait("orders", "all leftovers are revoked", async || scene.provider.record().live().len() == 1)
        .await;
    assert!(scene.secret_works("orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_for_a_moment_hides_no_credential_of_a_lost_response() {
    let scene = Scene::new("not-found").await;
    let faults = scene.provider.faults();
    faults.next(Operation::Create, Fault::StatusAfterEffect { code: 504, body: String::new() });
    faults.next(Operation::Delete, Fault::status(404));
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.run_until_one(&operator, "orders").await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(25)).await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 1), "{:#?}", scene.made());
    assert_eq!(scene.provider.record().arrived(Operation::Delete), 2);
    assert!(scene.secret_works("orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_refusals_revokes_nothing_and_ends_by_itself() {
    let (scene, operator) = Scene::running("refusals").await;
    with_renewal_due(&scene, &operator).await;
    scene.provider.faults().every(Operation::Create, Fault::status(500));
    scene.pass_time(&[&operator], hours(1)).await;
    let record = scene.provider.record();
    assert!((3..=21).contains(&record.arrived(Operation::Create)), "{}", record.arrived(Operation::Create));
    assert_eq!(record.arrived(Operation::Delete), 0);
    let (status, reason, message) = scene.condition("orders", "Ready").await.unwrap();
    assert_eq!(status, "True");
    assert!(message.contains("500"), "{reason}: {message}");
    println!("{reason}: {message}");
    assert!(scene.secret_works("orders").await);
    scene.provider.faults().clear();
    scene
        .run_until(&operator, "orders", "it heals", async || scene.status("orders").await.revision > Some(1))
        .await;
    assert_eq!(record.created_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_of_a_provider_is_obeyed() {
    for form in ["seconds", "date"] {
        let scene = Scene::new(&format!("patience-{form}")).await;
        let until = scene.now() + minutes(10);
        let asked = if form == "seconds" { RetryAfter::Seconds(600) } else { RetryAfter::Date(until) };
        scene.provider.faults().next(Operation::Create, Fault::rate_limited(asked));
        let operator = scene.operator().await;
        scene.apply("orders", json!({ "lifetime": "720h" })).await;
        let message = scene.says("orders", ("Ready", "False", "ProviderRateLimited")).await;
        assert!(message.contains("Credwright retries at"), "{message}");
        let asked = scene.provider.record().requests().len();
        scene.jump_to(&operator, until - SignedDuration::from_secs(2)).await;
        assert_eq!(scene.provider.record().requests().len(), asked);
        // The attempt that was refused has a number too.
        scene.run_until_only(&operator, "orders", 2).await;
        assert!(scene.made()[0].created >= until - SignedDuration::from_secs(1));
        assert_eq!(scene.made().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_published_only_once_the_provider_accepts_it() {
    let scene = Scene::new("propagation").await;
    scene.provider.faults().set_propagation_delay(Duration::from_secs(30));
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.says("orders", ("Ready", "False", "Verifying")).await;
    assert!(scene.secret("orders").await.is_none());
    scene
        .run_until(&operator, "orders", "it is published", async || scene.secret("orders").await.is_some())
        .await;
    assert!(scene.secret_works("orders").await);
    let waited = scene.now().duration_since(scene.made()[0].created);
    assert!(waited >= SignedDuration::from_secs(30) && waited <= minutes(1), "{waited:#}");
    scene.run_until_only(&operator, "orders", 1).await;
    assert_eq!(scene.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_never_accepted_are_few_and_none_is_left() {
    let scene = Scene::new("never-accepted").await;
    scene.provider.faults().set_propagation_delay(Duration::from_secs(24 * 3600));
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.pass_time(&[&operator], minutes(30)).await;
    assert_eq!(scene.made().len(), 2);
    let message = scene.says("orders", ("Ready", "False", "NeverAccepted")).await;
    assert!(message.contains("the next attempt is at"), "{message}");
    for _ in 0..8 {
        scene.pass_time(&[&operator], minutes(5)).await;
        scene.jump(&operator, minutes(55)).await;
    }
    scene.rest(&operator).await;
    assert!((3..=5).contains(&scene.made().len()), "{} were made", scene.made().len());
    assert!(scene.provider.record().live().len() <= 1);
    assert!(scene.secret("orders").await.is_none());
    scene.provider.faults().clear();
    scene.run_until(&operator, "orders", "it heals", async || scene.secret_works("orders").await).await;
    scene
        .run_until(&operator, "orders", "none is left", async || scene.provider.record().live().len() == 1)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_waits_for_its_first_probe_says_nothing_yet() {
    let scene = Scene::new("unprobed").await;
    let operator = scene.operator_as(|_, options| options.concurrency = 2).await;
    let provider = |url: String| json!({ "cloudConnexa": { "baseUrl": url } });
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    scene.create_provider("silent", provider(format!("http://{}", silent.local_addr().unwrap()))).await;
    let (held, _) = silent.accept().await.unwrap();
    held.readable().await.unwrap();
    scene.create_provider("closed", provider("http://127.0.0.1:9".to_owned())).await;
    eventually("it waits", async || Show::metrics(&*operator.operator).contains("credwright_parked 1\n"))
        .await;
    assert_eq!(scene.provider_condition("closed").await, None);
    drop((held, silent));
    let told = async || {
        let about = |it: &Event| it.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some("closed");
        let told = scene.events().await.into_iter().filter(about);
        told.filter_map(|it| it.reason).collect::<Vec<_>>()
    };
    eventually("it is told", async || !told().await.is_empty()).await;
    assert_eq!(told().await, ["ProviderUnavailable"]);
}

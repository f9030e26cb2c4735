//! The rules by which faults strike, seen from the client's end of a real connection. The
//! conformance suite fails if a single fault does not do what it says.

use std::time::Duration;

use crate::support::{a_customer, http, noon};
use credwright_simulator::{Fault, Gate, Operation, Outcome, RetryAfter, Rule};
use http::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn one_credential_cannot_be_deleted_for_a_while_and_others_can() {
    let (caller, token) = a_customer().await;
    let (kept, other) = (caller.create(&token, "kept").await, caller.create(&token, "other").await);
    let (kept, other) = (kept["clientId"].as_str().unwrap(), other["clientId"].as_str().unwrap());
    caller.simulator.faults().add(Rule {
        path_end: Some(kept.to_owned()),
        times: Some(1),
        ..Rule::every(Operation::Delete, Fault::status(500))
    });
    assert_eq!(caller.delete(&token, other).await.status(), 204);
    assert_eq!(caller.delete(&token, kept).await.status(), 500);
    assert_eq!(caller.delete(&token, kept).await.status(), 204);
}

#[tokio::test]
async fn a_fault_that_has_an_end_is_over_when_the_clock_says_so() {
    let (caller, token) = a_customer().await;
    let throttled = Fault::rate_limited(RetryAfter::Absent);
    let until = Some(noon() + Duration::from_secs(10));
    caller.simulator.faults().add(Rule { until, ..Rule::every(Operation::Create, throttled) });
    assert_eq!(caller.create_request(&token, "early").send().await.unwrap().status(), 429);
    caller.simulator.clock().advance(Duration::from_secs(10));
    assert_eq!(caller.create_request(&token, "late").send().await.unwrap().status(), 200);
    assert_eq!(caller.simulator.faults().outstanding(), 0);
}

#[tokio::test]
async fn an_answer_can_be_edited_and_so_can_each_entry_of_a_list() {
    let (caller, token) = a_customer().await;
    let lie = Fault::edited(&json!({ "clientId": "somebody-else", "scope": "all" }));
    caller.simulator.faults().next(Operation::Create, lie);
    let made = caller.create(&token, "edited").await;
    assert_eq!((&made["clientId"], &made["scope"]), (&json!("somebody-else"), &json!("all")));
    assert_eq!(made["secret"], json!(caller.only_live().secret()));

    caller.simulator.faults().next(Operation::List, Fault::edited(&json!({ "name": "mine" })));
    assert_eq!(caller.listed_names(&token).await, ["mine", "mine"]);
    assert_eq!(caller.listed_names(&token).await, ["operator login", "edited"]);
}

#[tokio::test]
async fn a_provider_that_upserts_answers_with_the_credential_of_the_same_name() {
    let (caller, token) = a_customer().await;
    caller.simulator.faults().set_upsert(Some(6));
    let first = caller.create(&token, "orders-1").await;
    let again = caller.create(&token, "orders-2").await;
    assert_eq!((&again["name"], &again["secret"]), (&first["name"], &first["secret"]));
    caller.create(&token, "billing").await;
    caller.simulator.faults().clear();
    caller.create(&token, "orders-2").await;
    assert_eq!(caller.listed_names(&token).await, ["operator login", "orders-1", "billing", "orders-2"]);
}

#[tokio::test]
async fn a_slow_create_takes_place_though_the_client_gave_up() {
    let (caller, token) = a_customer().await;
    caller.simulator.faults().next(Operation::Create, Fault::slow(Duration::from_millis(200)));
    let gate = caller.simulator.faults().gate_after(Operation::Create);
    let request = caller.create_request(&token, "slow").timeout(Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    gate.wait_arrived().await;
    assert_eq!(caller.only_live().name.as_deref(), Some("slow"));
}

#[tokio::test]
async fn a_gate_holds_a_request_before_or_after_its_effect() {
    let (caller, token) = a_customer().await;
    let before = caller.simulator.faults().gate_before(Operation::Create);
    let after = caller.simulator.faults().gate_after(Operation::Create);
    let answer = tokio::spawn(caller.create_request(&token, "held").send());

    before.wait_arrived().await;
    assert_eq!(caller.simulator.record().created_count(), 0);
    assert_eq!(caller.simulator.record().requests()[1].outcome, Outcome::Pending);
    assert!(!answer.is_finished());
    before.release();
    after.wait_arrived().await;
    assert_eq!(caller.simulator.record().created_count(), 1);
    assert!(!answer.is_finished());
    after.release();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn concurrent_requests_are_counted_and_can_be_waited_for() {
    let (caller, token) = a_customer().await;
    let gate = Gate::closed();
    caller.simulator.faults().next_n(Operation::Create, 3, Fault::GateBefore(gate.clone()));
    let creates: Vec<_> =
        (0..3).map(|n| tokio::spawn(caller.create_request(&token, &n.to_string()).send())).collect();
    let record = caller.simulator.record();
    assert!(record.wait_for(Operation::Create, 3, Duration::from_secs(10)).await);
    assert!(!record.wait_for(Operation::Delete, 1, Duration::ZERO).await);
    gate.release();
    for create in creates {
        assert_eq!(create.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(record.max_concurrent(), 3);
}

#[tokio::test]
async fn faults_choose_by_count_and_by_who_calls() {
    let (caller, token) = a_customer().await;
    let issued = caller.create(&token, "issued").await;
    let (client_id, secret) = (issued["clientId"].as_str().unwrap(), issued["secret"].as_str().unwrap());

    caller.simulator.faults().every(Operation::Token.by_others(), Fault::status(503));
    caller.simulator.faults().after(Operation::List, 1, Fault::status(500));
    let login = caller.simulator.login();
    assert_eq!(caller.token_status(&login.client_id, &login.client_secret).await, StatusCode::OK);
    for _ in 0..2 {
        assert_eq!(caller.token_status(client_id, secret).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    for expected in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::OK] {
        let request = caller.http.get(caller.url("client-credentials")).bearer_auth(&token);
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
    caller.simulator.faults().clear();
    assert_eq!(caller.token_status(client_id, secret).await, StatusCode::OK);
}

#[tokio::test]
async fn new_credentials_are_accepted_and_refused_in_turns_until_they_have_propagated() {
    let (caller, token) = a_customer().await;
    caller.simulator.faults().set_propagation_delay(Duration::from_secs(25));
    caller.simulator.faults().set_flapping(Duration::from_secs(10));
    let issued = caller.create(&token, "new").await;
    let (client_id, secret) = (issued["clientId"].as_str().unwrap(), issued["secret"].as_str().unwrap());
    let mut granted = vec![];
    for _ in 0..6 {
        granted.push(caller.token_status(client_id, secret).await == StatusCode::OK);
        caller.simulator.clock().advance(Duration::from_secs(5));
    }
    assert_eq!(granted, [true, true, false, false, true, true]);
}

#[tokio::test]
async fn listings_lag_behind_creation_and_deletion() {
    let (caller, token) = a_customer().await;
    caller.simulator.faults().set_listing_lag(Duration::from_secs(10));
    let issued = caller.create(&token, "new").await;
    assert_eq!(caller.listed_names(&token).await, ["operator login"]);
    caller.simulator.clock().advance(Duration::from_secs(10));
    assert_eq!(caller.listed_names(&token).await, ["operator login", "new"]);

    caller.delete(&token, issued["clientId"].as_str().unwrap()).await;
    assert_eq!(caller.listed_names(&token).await, ["operator login", "new"]);
    caller.simulator.clock().advance(Duration::from_secs(10));
    assert_eq!(caller.listed_names(&token).await, ["operator login"]);
}

#[tokio::test]
async fn another_process_can_look_and_interfere() {
    let (caller, token) = a_customer().await;
    caller.create(&token, "seen").await;
    let hatch = |path: &str| format!("{}/_simulator/{path}", caller.simulator.base_url());

    let text = http().get(hatch("state")).send().await.unwrap().text().await.unwrap();
    assert!(!text.contains(caller.only_live().secret()));
    let state: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&state["live"], &state["requests"]["Create 200"]), (&json!(1), &json!(1)));
    assert_eq!(state["credentials"][0]["name"], "seen");

    let rules = json!({
        "rules": [{ "operation": "Create", "times": 1, "fault": { "kind": "Status", "code": 503 } }],
        "listingLagSeconds": 10,
    });
    assert_eq!(
        http().post(hatch("faults")).json(&rules).send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    let answer = caller.create_request(&token, "refused").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);

    http().post(hatch("clock")).json(&json!({ "advanceSeconds": 3600 })).send().await.unwrap();
    assert_eq!(caller.simulator.clock().now(), noon() + Duration::from_secs(3600));
}

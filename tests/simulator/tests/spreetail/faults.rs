//! Each fault once, seen from the client's end of a real connection.

use std::error::Error;
use std::time::Duration;

use crate::support::{Caller, a_spreetail, http, noon};
use credwright_simulator::{Fault, Gate, Operation, Outcome, RetryAfter, Rule};
use futures::StreamExt;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The whole chain of causes, which is where a torn connection shows.
fn causes(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    chain
}

async fn create_error(caller: &Caller, token: &str) -> String {
    causes(&caller.create_request(token, "torn").send().await.unwrap_err())
}

/// Lists over a bare socket, and returns every byte that came before the connection ended.
async fn list_to_the_last_byte(caller: &Caller, token: &str) -> String {
    let address = caller.simulator.base_url().replace("http://", "");
    let mut socket = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "GET /api/v0/client-credentials HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_lost_answer_leaves_a_credential_and_not_a_byte() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next(Operation::Create, Fault::LostAnswer);
    assert!(create_error(&caller, &token).await.contains("connection closed before message completed"));
    assert_eq!(caller.only_live().name.as_deref(), Some("torn"));
    assert_eq!(caller.simulator.record().requests()[1].outcome, Outcome::Torn);

    caller.simulator.faults().next(Operation::List, Fault::LostAnswer);
    assert_eq!(list_to_the_last_byte(&caller, &token).await, "");
    assert_eq!(caller.simulator.faults().outstanding(), 0);
}

#[tokio::test]
async fn a_connection_torn_before_leaves_nothing() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next(Operation::Create, Fault::TornBefore);
    assert!(create_error(&caller, &token).await.contains("connection closed before message completed"));
    assert_eq!(caller.simulator.record().created_count(), 0);
    caller.create(&token, "next").await;
    assert_eq!(caller.simulator.record().created_count(), 1);
}

#[tokio::test]
async fn one_credential_cannot_be_deleted_for_a_while_and_others_can() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
    let caller = a_spreetail().await;
    let token = caller.login().await;
    let throttled = Fault::rate_limited(RetryAfter::Absent);
    let until = Some(noon() + Duration::from_secs(10));
    caller.simulator.faults().add(Rule { until, ..Rule::every(Operation::Create, throttled) });
    assert_eq!(caller.create_request(&token, "early").send().await.unwrap().status(), 429);
    caller.simulator.clock().advance(Duration::from_secs(10));
    assert_eq!(caller.create_request(&token, "late").send().await.unwrap().status(), 200);
    assert_eq!(caller.simulator.faults().outstanding(), 0);
}

#[tokio::test]
async fn a_cut_body_arrives_by_half() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next_n(Operation::List, 2, Fault::CutBody);
    let answer = list_to_the_last_byte(&caller, &token).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    assert!(body.starts_with("[{") && body.len() == length / 2, "{answer}");

    let request = caller.http.get(caller.url("client-credentials")).bearer_auth(&token);
    assert!(request.send().await.unwrap().bytes().await.is_err());
}

#[tokio::test]
async fn a_status_comes_instead_of_the_effect_or_after_it() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    let fault = Fault::Status {
        code: 503,
        headers: vec![("x-request-id".into(), "7".into())],
        body: "down for maintenance".into(),
    };
    caller.simulator.faults().next(Operation::Create, fault);
    let answer = caller.create_request(&token, "before").send().await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["x-request-id"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"7".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), "down for maintenance");
    assert_eq!(caller.simulator.record().created_count(), 0);

    let fault = Fault::StatusAfterEffect { code: 500, body: String::new() };
    caller.simulator.faults().next(Operation::Create, fault);
    let answer = caller.create_request(&token, "after").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(caller.only_live().name.as_deref(), Some("after"));
}

#[tokio::test]
async fn a_rate_limit_names_seconds_or_a_date_or_nothing() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    let cases = [
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Date(noon()), Some("Sun, 22 Nov 2026 12:00:00 GMT")),
        (RetryAfter::Absent, None),
    ];
    for (retry_after, expected) in cases {
        caller.simulator.faults().next(Operation::Create, Fault::rate_limited(retry_after));
        let answer = caller.create_request(&token, "limited").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let header = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(header, expected);
    }
    assert_eq!(caller.simulator.record().created_count(), 0);
}

#[tokio::test]
async fn bodies_are_broken_after_the_effect() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    for (made, fault) in [Fault::Malformed, Fault::EmptyBody, Fault::WrongContent].into_iter().enumerate() {
        caller.simulator.faults().next(Operation::Create, fault);
        let answer = caller.create_request(&token, "broken").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.json::<Value>().await.unwrap_err().is_decode());
        assert_eq!(caller.simulator.record().created_count(), made + 1);
    }
}

#[tokio::test]
async fn an_answer_can_be_edited_and_so_can_each_entry_of_a_list() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
async fn an_answer_can_have_bytes_that_are_no_text() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next(Operation::Create, Fault::NotUtf8);
    let answer = caller.create_request(&token, "spoilt").send().await.unwrap().bytes().await.unwrap();
    assert!(std::str::from_utf8(&answer).is_err());
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("\"name\":\"\u{FFFD}spoilt\"") && text.contains("\"secret\":\"\u{FFFD}"), "{text}");
    assert_eq!(caller.only_live().name.as_deref(), Some("spoilt"));
}

#[tokio::test]
async fn an_answer_can_come_in_drips() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next(Operation::Create, Fault::Drip { millis: 1 });
    let body = caller.create_request(&token, "dripped").send().await.unwrap().bytes_stream();
    let drips: Vec<_> = body.map(|drip| drip.unwrap()).collect().await;
    assert!(drips.len() > 20, "{}", drips.len());
    let whole: Value = serde_json::from_slice(&drips.concat()).unwrap();
    assert_eq!(whole["name"], "dripped");
}

#[tokio::test]
async fn a_provider_that_upserts_answers_with_the_credential_of_the_same_name() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
async fn an_endless_body_goes_on_past_any_reasonable_size() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next(Operation::Create, Fault::EndlessBody);
    let mut body = caller.create_request(&token, "endless").send().await.unwrap().bytes_stream();
    let mut read = 0;
    while read < 4 << 20 {
        read += body.next().await.unwrap().unwrap().len();
    }
    assert_eq!(caller.simulator.record().created_count(), 1);
}

#[tokio::test]
async fn a_slow_create_takes_place_though_the_client_gave_up() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().next(Operation::Create, Fault::slow(Duration::from_millis(200)));
    let gate = caller.simulator.faults().gate_after(Operation::Create);
    let request = caller.create_request(&token, "slow").timeout(Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    gate.wait_arrived().await;
    assert_eq!(caller.only_live().name.as_deref(), Some("slow"));
}

#[tokio::test]
async fn a_gate_holds_a_request_before_or_after_its_effect() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
async fn new_credentials_propagate_late() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.simulator.faults().set_propagation_delay(Duration::from_secs(5));
    let issued = caller.create(&token, "new").await;
    let (client_id, secret) = (issued["clientId"].as_str().unwrap(), issued["secret"].as_str().unwrap());
    assert_eq!(caller.token_status(client_id, secret).await, StatusCode::UNAUTHORIZED);
    caller.simulator.clock().advance(Duration::from_secs(5));
    assert_eq!(caller.token_status(client_id, secret).await, StatusCode::OK);
}

#[tokio::test]
async fn new_credentials_are_accepted_and_refused_in_turns_until_they_have_propagated() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
    let caller = a_spreetail().await;
    let token = caller.login().await;
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
async fn a_stopped_provider_refuses_connections_and_remembers_all_when_it_is_back() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
    caller.create(&token, "kept").await;
    caller.simulator.stop().await;
    let error = caller.create_request(&token, "refused").send().await.unwrap_err();
    assert!(error.is_connect(), "{}", causes(&error));
    caller.simulator.start_again().await.unwrap();
    assert_eq!(caller.listed_names(&token).await, ["operator login", "kept"]);
}

#[tokio::test]
async fn another_process_can_look_and_interfere() {
    let caller = a_spreetail().await;
    let token = caller.login().await;
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

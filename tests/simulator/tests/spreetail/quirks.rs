//! Each documented oddity of Spreetail once, over real HTTP.

use std::time::Duration;

use crate::support::{a_customer, a_spreetail_with, noon};
use credwright_simulator::{Clock, Operation, Outcome, spreetail};
use http::StatusCode;
use reqwest::multipart::Form;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_request_must_be_multipart_with_pascal_case_parts() {
    let (caller, _) = a_customer().await;
    let login = caller.simulator.login().clone();

    let form = [
        ("GrantType", "client_credentials"),
        ("ClientId", &login.client_id),
        ("ClientSecret", &login.client_secret),
    ];
    let urlencoded = caller.http.post(caller.url("oauth/token")).form(&form).send().await.unwrap();
    assert_eq!(urlencoded.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);

    let form = Form::new()
        .text("grant_type", "client_credentials")
        .text("client_id", login.client_id.clone())
        .text("client_secret", login.client_secret.clone());
    let snake_case = caller.http.post(caller.url("oauth/token")).multipart(form).send().await.unwrap();
    assert_eq!(snake_case.status(), StatusCode::BAD_REQUEST);

    let answer = caller.token_request(&login.client_id, &login.client_secret).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["tokenType"], "bearer");
    assert_eq!(answer["expiresIn"], 3600);
    assert_eq!(caller.token_status(&login.client_id, "wrong").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_created_credential_shows_its_secret_once_and_works() {
    let (caller, token) = a_customer().await;
    let created = caller.create(&token, "credwright-1").await;

    assert_eq!(created["credentialId"].as_str().unwrap().len(), 36);
    let client_id = created["clientId"].as_str().unwrap();
    assert_eq!(client_id.len(), 32);
    assert_eq!(created["created"], "2026-11-22T12:00:00.000Z");
    assert_eq!(created["expires"], Value::Null);
    let secret = created["secret"].as_str().unwrap();
    assert!(['+', '/', '='].iter().all(|special| secret.contains(*special)), "{secret}");
    assert_eq!(caller.token_status(client_id, secret).await, StatusCode::OK);
    assert!(caller.simulator.record().accepts(client_id, secret));

    let listed = caller.list(&token).await;
    assert!(listed.iter().all(|entry| entry["secret"].is_null()));
}

#[tokio::test]
async fn the_list_shows_the_callers_own_credential_and_duplicates_of_a_name() {
    let (caller, token) = a_customer().await;
    caller.create(&token, "twin").await;
    caller.create(&token, "twin").await;
    assert_eq!(caller.listed_names(&token).await, ["operator login", "twin", "twin"]);
    assert_eq!(caller.simulator.record().live_with_tag("win").len(), 2);
}

#[tokio::test]
async fn an_expiry_must_lie_ahead_and_is_kept() {
    let (caller, token) = a_customer().await;
    let create = |expires: &'static str| {
        let request = caller.http.post(caller.url("client-credentials")).bearer_auth(&token);
        request.json(&json!({ "name": "short", "expires": expires })).send()
    };
    assert_eq!(create("2026-11-22T12:00:00Z").await.unwrap().status(), StatusCode::BAD_REQUEST);
    let created: Value = create("2026-11-22T13:00:00Z").await.unwrap().json().await.unwrap();
    assert_eq!(created["expires"], "2026-11-22T13:00:00.000Z");

    caller.simulator.clock().advance(Duration::from_secs(3600));
    let (client_id, secret) = (created["clientId"].as_str().unwrap(), created["secret"].as_str().unwrap());
    assert_eq!(caller.token_status(client_id, secret).await, StatusCode::UNAUTHORIZED);
    let token = caller.login().await;
    assert_eq!(caller.listed_names(&token).await, ["operator login"]);
    assert!(caller.simulator.record().live().is_empty());
}

#[tokio::test]
async fn deletion_goes_by_client_id_and_takes_effect_at_once() {
    let (caller, token) = a_customer().await;
    let created = caller.create(&token, "gone").await;
    let client_id = created["clientId"].as_str().unwrap();

    let by_credential_id = caller.delete(&token, created["credentialId"].as_str().unwrap()).await;
    assert_eq!(by_credential_id.status(), StatusCode::NOT_FOUND);
    assert_eq!(caller.delete(&token, client_id).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        caller.token_status(client_id, created["secret"].as_str().unwrap()).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(caller.delete(&token, client_id).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(caller.simulator.record().all()[0].revoked_at, Some(noon()));
    assert_eq!(caller.simulator.record().mutations(), 2);
}

#[tokio::test]
async fn issued_credentials_may_create_and_delete_others() {
    let (caller, login) = a_customer().await;
    let first = caller.create(&login, "first").await;
    let token = caller.token(first["clientId"].as_str().unwrap(), first["secret"].as_str().unwrap()).await;
    let second = caller.create(&token, "second").await;
    assert_eq!(
        caller.simulator.record().all()[1].created_by.as_deref(),
        first["clientId"].as_str(),
        "the record knows who asked"
    );
    let deleted = caller.delete(&token, second["clientId"].as_str().unwrap()).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn tokens_outlive_their_credential_but_not_an_hour() {
    let (caller, login) = a_customer().await;
    let issued = caller.create(&login, "issued").await;
    let token = caller.token(issued["clientId"].as_str().unwrap(), issued["secret"].as_str().unwrap()).await;
    caller.delete(&login, issued["clientId"].as_str().unwrap()).await;
    assert_eq!(caller.create_request(&token, "ghost").send().await.unwrap().status(), StatusCode::OK);

    caller.simulator.clock().advance(Duration::from_secs(3600));
    let late = caller.create_request(&token, "late").send().await.unwrap();
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_die_with_their_credential_if_asked_to() {
    let clock = Clock::manual(noon());
    let options = spreetail::Options { tokens_die_with_credential: true, ..spreetail::Options::new(clock) };
    let caller = a_spreetail_with(options).await;
    let login = caller.login().await;
    let issued = caller.create(&login, "issued").await;
    let token = caller.token(issued["clientId"].as_str().unwrap(), issued["secret"].as_str().unwrap()).await;
    caller.delete(&login, issued["clientId"].as_str().unwrap()).await;
    let refused = caller.create_request(&token, "ghost").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_request_that_does_not_accept_json_gets_plain_text() {
    let (caller, token) = a_customer().await;
    let request = caller.http.get(caller.url("client-credentials")).bearer_auth(&token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain");
}

#[tokio::test]
async fn the_record_lists_requests_in_order_with_their_ends() {
    let (caller, token) = a_customer().await;
    caller.create(&token, "one").await;
    let anonymous = caller.http.get(caller.url("client-credentials")).send().await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let unknown = caller.http.get(caller.url("no-such-thing")).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);

    let record = caller.simulator.record();
    let seen: Vec<_> =
        record.requests().into_iter().map(|it| (it.operation, it.by_login, it.outcome)).collect();
    let expected = [
        (Operation::Token, true, Outcome::Answered(200)),
        (Operation::Create, true, Outcome::Answered(200)),
        (Operation::List, false, Outcome::Answered(401)),
        (Operation::Other, false, Outcome::Answered(404)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(record.endings()[&(Operation::List, Outcome::Answered(401))], 1);
    assert_eq!(record.max_concurrent(), 1);
    assert_eq!(record.created_count(), 1);
}

//! The real registration server, through the whole life of one client.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::time::Duration;

use credwright_simulator::oidc::{OidcOptions, OidcServer};
use http::StatusCode;
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn registration(server: &OidcServer) -> RequestBuilder {
    http().post(&server.registration_endpoint).json(&json!({
        "client_name": "credwright-1",
        "grant_types": ["client_credentials"],
        // Without this empty list the server refuses a client that never redirects.
        "response_types": [],
        "redirect_uris": [],
        "scope": "read write",
        "token_endpoint_auth_method": "client_secret_basic",
    }))
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined for Basic.
fn form_encoded(text: &str) -> String {
    let url = reqwest::Url::parse_with_params("http://localhost", [("", text)]).unwrap();
    url.query().unwrap().trim_start_matches('=').to_owned()
}

async fn token(server: &OidcServer, client: &Value) -> Response {
    let id = form_encoded(client["client_id"].as_str().unwrap());
    let secret = form_encoded(client["client_secret"].as_str().unwrap());
    let request = http().post(&server.token_endpoint).basic_auth(id, Some(secret));
    request.form(&[("grant_type", "client_credentials"), ("scope", "read")]).send().await.unwrap()
}

#[tokio::test]
async fn a_client_is_registered_used_and_deleted() {
    let server = OidcServer::start(OidcOptions::default()).await.unwrap();
    let answer = registration(&server).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let client: Value = answer.json().await.unwrap();
    assert_eq!(client["client_secret_expires_at"], 0);
    assert_eq!(token(&server, &client).await.json::<Value>().await.unwrap()["scope"], "read");
    let live = server.live_clients().await.unwrap();
    assert_eq!((live.len(), live[0].client_name.as_deref()), (1, Some("credwright-1")));

    let delete = http().delete(client["registration_client_uri"].as_str().unwrap());
    let delete = delete.bearer_auth(client["registration_access_token"].as_str().unwrap());
    assert_eq!(delete.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let refused = token(&server, &client).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
    assert!(server.live_clients().await.unwrap().is_empty());

    let requests = server.requests().await.unwrap();
    let operations: Vec<_> = requests.iter().map(|it| (it.operation.as_str(), it.status)).collect();
    let expected = [("Create", Some(201)), ("Token", Some(200)), ("Delete", Some(204)), ("Token", Some(401))];
    assert_eq!(operations, expected);
}

#[tokio::test]
async fn registration_can_demand_a_token() {
    let options = OidcOptions { initial_access_token: Some("let-me-in".into()), ..OidcOptions::default() };
    let server = OidcServer::start(options).await.unwrap();
    let wrong = registration(&server).bearer_auth("let-me-out").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(!registration(&server).send().await.unwrap().status().is_success());
    let right = registration(&server).bearer_auth("let-me-in").send().await.unwrap();
    assert_eq!(right.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn secrets_can_have_an_end() {
    let ttl = Duration::from_secs(3600);
    let options = OidcOptions { secret_ttl: Some(ttl), ..OidcOptions::default() };
    let server = OidcServer::start(options).await.unwrap();
    let before = Timestamp::now().as_second();
    let client: Value = registration(&server).send().await.unwrap().json().await.unwrap();
    let expires = client["client_secret_expires_at"].as_i64().unwrap();
    assert!((before + 3600..=Timestamp::now().as_second() + 3600).contains(&expires));
}

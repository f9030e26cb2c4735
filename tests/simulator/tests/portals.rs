//! The simulated CloudConnexa and Vonage Contact Center, over real HTTP: what a person does, and
//! what tokens are given for.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::time::Duration;

use credwright_simulator::{Clock, Form, Login, Operation, Simulator, cloud_connexa, vonage};
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_hours(24);

fn http() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

fn clock(now: &str) -> Clock {
    Clock::manual(now.parse::<Timestamp>().unwrap())
}

fn form(term: Option<&str>, scopes: &[&str]) -> Form {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    Form { name: "orders".into(), scopes, term: term.map(str::to_owned), subnets: vec![] }
}

async fn connexa(change: impl FnOnce(&mut cloud_connexa::Options)) -> Simulator {
    let mut options = cloud_connexa::Options::new(clock("2027-01-31T12:00:00Z"));
    change(&mut options);
    cloud_connexa::start(options).await.unwrap()
}

fn made(simulator: &Simulator, form: &Form) -> Login {
    simulator.portal().unwrap().create(form).unwrap()
}

fn connexa_request(simulator: &Simulator, pair: &Login) -> RequestBuilder {
    let url = format!("{}{}", simulator.base_url(), cloud_connexa::TOKEN_PATH);
    let body = json!({ "grant_type": "client_credentials", "scope": "default" });
    http().post(url).basic_auth(&pair.client_id, Some(&pair.client_secret)).json(&body)
}

async fn connexa_answer(simulator: &Simulator, pair: &Login) -> Response {
    connexa_request(simulator, pair).send().await.unwrap()
}

async fn connexa_status(simulator: &Simulator, pair: &Login) -> u16 {
    connexa_answer(simulator, pair).await.status().as_u16()
}

#[tokio::test]
async fn connexa_gives_tokens_for_basic_and_for_a_query() {
    let simulator = connexa(|_| {}).await;
    let pair = made(&simulator, &form(Some("one month"), &[]));
    let query = [
        ("client_id", pair.client_id.as_str()),
        ("client_secret", &pair.client_secret),
        ("grant_type", "client_credentials"),
    ];
    let url = format!("{}{}", simulator.base_url(), cloud_connexa::TOKEN_PATH);
    let url = reqwest::Url::parse_with_params(&url, query).unwrap();
    for request in [connexa_request(&simulator, &pair), http().post(url)] {
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(!answer["access_token"].as_str().unwrap().is_empty());
        assert_eq!(answer["token_type"], "bearer");
        assert_eq!(answer["expires_in"], 43199);
        assert_eq!(answer["scope"], "read write");
    }
    let wrong = Login { client_secret: "wrong".into(), ..pair.clone() };
    assert_eq!(connexa_status(&simulator, &wrong).await, 401);
    let without_prefix = pair.client_id.split_once('.').unwrap().1.to_owned();
    assert_eq!(connexa_status(&simulator, &Login { client_id: without_prefix, ..pair.clone() }).await, 401);
    let seen = simulator.record().requests();
    assert!(seen.iter().all(|request| request.operation == Operation::Token));
    assert_eq!(seen[0].client.as_ref(), Some(&pair.client_id));
}

#[tokio::test]
async fn connexa_ends_a_key_with_its_term_by_the_calendar() {
    for (term, days) in [("two weeks", 14), ("one month", 28), ("six months", 181), ("one year", 365)] {
        let simulator = connexa(|_| {}).await;
        let pair = made(&simulator, &form(Some(term), &[]));
        simulator.clock().advance(DAY * days - Duration::from_secs(1));
        assert_eq!(connexa_status(&simulator, &pair).await, 200, "{term}");
        simulator.clock().advance(Duration::from_secs(1));
        assert_eq!(connexa_status(&simulator, &pair).await, 401, "{term}");
    }
    let simulator = connexa(|_| {}).await;
    for term in [None, Some("90 days")] {
        assert!(simulator.portal().unwrap().create(&form(term, &[])).is_err());
    }
    assert_eq!(simulator.record().created_count(), 0);
}

#[tokio::test]
async fn connexa_has_a_bucket_for_each_key() {
    let simulator = connexa(|_| {}).await;
    let pair = made(&simulator, &form(Some("one year"), &[]));
    for left in (0..20).rev() {
        let answer = connexa_answer(&simulator, &pair).await;
        assert_eq!(answer.headers()["x-ratelimit-remaining"], left.to_string());
    }
    let answer = connexa_answer(&simulator, &pair).await;
    assert_eq!(answer.status(), 429);
    for (name, value) in [("burst-capacity", "20"), ("replenish-rate", "1"), ("replenish-time", "15")] {
        assert_eq!(answer.headers()[format!("x-ratelimit-{name}")], value);
    }
    assert_eq!(answer.headers().get("retry-after"), None);
    assert_eq!(answer.text().await.unwrap(), "");

    let other = made(&simulator, &form(Some("one year"), &[]));
    assert_eq!(connexa_status(&simulator, &other).await, 200);
    simulator.clock().advance(Duration::from_secs(14));
    assert_eq!(connexa_status(&simulator, &pair).await, 429);
    simulator.clock().advance(Duration::from_secs(1));
    assert_eq!(connexa_status(&simulator, &pair).await, 200);
    assert_eq!(connexa_status(&simulator, &pair).await, 429);
    simulator.clock().advance(DAY);
    assert_eq!(connexa_answer(&simulator, &pair).await.headers()["x-ratelimit-remaining"], "19");
}

async fn a_vonage() -> Simulator {
    vonage::start(vonage::Options::new(clock("2027-01-31T12:00:00Z"))).await.unwrap()
}

fn vonage_request(simulator: &Simulator, form: &[(&str, &str)]) -> RequestBuilder {
    http().post(format!("{}{}", simulator.base_url(), vonage::TOKEN_PATH)).form(form)
}

async fn vonage_error(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn vonage_gives_tokens_for_scopes_that_were_ticked() {
    let simulator = a_vonage().await;
    let pair = made(&simulator, &form(None, &["users:read", "stats"]));
    let (client_id, client_secret) = (pair.client_id.as_str(), pair.client_secret.as_str());
    let ask = |secret: &str, grant: &str, scope: &str| {
        let form =
            [("client_id", client_id), ("client_secret", secret), ("grant_type", grant), ("scope", scope)];
        vonage_request(&simulator, &form)
    };
    let answer: Value =
        ask(client_secret, "client_credentials", "users:read").send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(7200)));
    for (secret, grant, scope, error) in [
        (client_secret, "client_credentials", "users:read stats", ""),
        (client_secret, "client_credentials", "users:write", "invalid_scope"),
        (client_secret, "client_credentials", "users:read users:write", "invalid_scope"),
        (client_secret, "client_credentials", "nonsense", "invalid_scope"),
        (client_secret, "client_credentials", "", "invalid_scope"),
        (client_secret, "password", "users:read", "unsupported_grant_type"),
        ("wrong", "client_credentials", "users:read", "invalid_client"),
    ] {
        let status = if error.is_empty() { 200 } else { 400 };
        let (answered, code) = vonage_error(ask(secret, grant, scope)).await;
        assert_eq!((answered, code.as_str()), (status, error), "{grant} {scope}");
    }
    let scopes = ["users:write".to_owned()];
    simulator.portal().unwrap().change_scopes(client_id, &scopes).unwrap();
    assert_eq!(vonage_error(ask(client_secret, "client_credentials", "users:write")).await.0, 200);
    let (_, code) = vonage_error(ask(client_secret, "client_credentials", "users:read")).await;
    assert_eq!(code, "invalid_scope");
}

#[tokio::test]
async fn vonage_takes_the_pair_in_basic_form_encoded_first() {
    let simulator = a_vonage().await;
    let pair = made(&simulator, &form(None, &["stats"]));
    let form = [("grant_type", "client_credentials"), ("scope", "stats")];
    let url = reqwest::Url::parse_with_params("http://localhost", [("s", &pair.client_secret)]).unwrap();
    let encoded = url.query().unwrap().strip_prefix("s=").unwrap().to_owned();
    let request = vonage_request(&simulator, &form);
    assert_eq!(vonage_error(request.basic_auth(&pair.client_id, Some(encoded))).await.0, 200);
    let request = vonage_request(&simulator, &form);
    let (status, code) = vonage_error(request.basic_auth(&pair.client_id, Some(&pair.client_secret))).await;
    assert_eq!((status, code.as_str()), (400, "invalid_client"));
}

#[tokio::test]
async fn neither_has_an_api_for_credentials() {
    for simulator in [connexa(|_| {}).await, a_vonage().await] {
        for path in ["/api/v1/credentials", "/api/v1/api-keys", "/Auth/credentials"] {
            let answer = http().post(simulator.base_url() + path).send().await.unwrap();
            assert_eq!(answer.status(), 404);
        }
        assert!(simulator.record().requests().iter().all(|it| it.operation == Operation::Other));
    }
}

#[tokio::test]
async fn another_process_does_over_http_what_a_person_does() {
    let simulator = connexa(|_| {}).await;
    let portal = format!("{}/_simulator/portal", simulator.base_url());
    let filled_in = json!({ "name": "orders", "term": "two weeks" });
    let answer = http().post(format!("{portal}/credentials")).json(&filled_in).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let pair = Login { client_id: text("clientId"), client_secret: text("clientSecret") };
    assert_eq!(connexa_status(&simulator, &pair).await, 200);
    assert_eq!(simulator.record().live()[0].name.as_deref(), Some("orders"));

    let switch = |is_on: bool| http().put(format!("{portal}/api")).json(&is_on).send();
    assert_eq!(switch(false).await.unwrap().status(), 204);
    assert_eq!(connexa_status(&simulator, &pair).await, 403);
    assert_eq!(switch(true).await.unwrap().status(), 204);

    let its_page = format!("{portal}/credentials/{}", pair.client_id);
    let change = http().put(format!("{its_page}/scopes")).json(&["stats"]).send().await.unwrap();
    assert_eq!(change.status(), 422, "CloudConnexa has no such form");
    assert_eq!(http().delete(&its_page).send().await.unwrap().status(), 204);
    assert_eq!(connexa_status(&simulator, &pair).await, 401);
    assert_eq!(http().delete(&its_page).send().await.unwrap().status(), 404);
    let refused =
        http().post(format!("{portal}/credentials")).json(&json!({ "name": "" })).send().await.unwrap();
    assert_eq!(refused.status(), 422);
}

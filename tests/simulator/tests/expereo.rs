//! The simulated expereoOne, over real HTTP: what is documented of it, and every option for what is
//! not.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::time::Duration;

use credwright_simulator::expereo::{self, Answers, Options, Paging};
use credwright_simulator::{Clock, Login, Operation, Outcome, Simulator};
use http::StatusCode;
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A client that does what the operator will do, written from the same documentation but by other
/// means.
struct Caller {
    simulator: Simulator,
    http: Client,
}

async fn an_expereo(change: impl FnOnce(&mut Options)) -> Caller {
    let mut options = Options::new(Clock::manual(noon()));
    change(&mut options);
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    Caller { simulator: expereo::start(options).await.unwrap(), http }
}

/// The same, and an access token of its login.
async fn logged_in(change: impl FnOnce(&mut Options)) -> (Caller, String) {
    let caller = an_expereo(change).await;
    let token = caller.login().await;
    (caller, token)
}

impl Caller {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url())
    }

    async fn ask(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = self.http.post(self.url(expereo::TOKEN_PATH)).form(form).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn token_request(&self, client_id: &str, secret: &str, scope: &str) -> (StatusCode, Value) {
        let grant = ("grant_type", "client_credentials");
        self.ask(&[grant, ("client_id", client_id), ("client_secret", secret), ("scope", scope)]).await
    }

    async fn login(&self) -> String {
        let Login { client_id, client_secret } = self.simulator.login();
        let (_, answer) = self.token_request(client_id, client_secret, "customerapi/basic.read").await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn create_request(&self, token: &str, name: &str, scopes: &[&str]) -> RequestBuilder {
        let body = json!({ "apiClientName": name, "scopes": scopes });
        self.http.post(self.url("/v2/api-clients")).bearer_auth(token).json(&body)
    }

    async fn create(&self, token: &str, name: &str, scopes: &[&str]) -> Value {
        self.create_request(token, name, scopes).send().await.unwrap().json().await.unwrap()
    }

    async fn get(&self, token: &str, query: &str) -> Response {
        let url = self.url(&format!("/v2/api-clients{query}"));
        self.http.get(url).bearer_auth(token).send().await.unwrap()
    }

    async fn list(&self, token: &str, query: &str) -> Value {
        self.get(token, query).await.json().await.unwrap()
    }

    async fn delete(&self, token: &str, client_id: &str) -> StatusCode {
        let url = self.url(&format!("/v2/api-clients/{client_id}"));
        self.http.delete(url).bearer_auth(token).send().await.unwrap().status()
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

fn names(clients: &Value) -> Vec<&str> {
    clients.as_array().unwrap().iter().map(|it| text(it, "apiClientName")).collect()
}

#[tokio::test]
async fn a_token_request_must_name_a_scope_as_the_token_endpoint_spells_it() {
    let caller = an_expereo(|_| {}).await;
    let Login { client_id, client_secret } = caller.simulator.login().clone();
    let (status, answer) = caller.token_request(&client_id, &client_secret, "customerapi/basic.read").await;
    assert_eq!((status, &answer["expires_in"]), (StatusCode::OK, &json!(3600)));

    let pair = [("client_id", client_id.as_str()), ("client_secret", client_secret.as_str())];
    let grant = ("grant_type", "client_credentials");
    let (status, answer) = caller.ask(&[grant, pair[0], pair[1]]).await;
    assert_eq!((status, text(&answer, "error")), (StatusCode::BAD_REQUEST, "invalid_request"));
    let (_, answer) = caller.ask(&[("grant_type", "password"), pair[0], pair[1]]).await;
    assert_eq!(text(&answer, "error"), "unsupported_grant_type");
    for scope in ["BasicRead", "customerapi/billing.read", ""] {
        let (status, answer) = caller.token_request(&client_id, &client_secret, scope).await;
        assert_eq!((status, text(&answer, "error")), (StatusCode::BAD_REQUEST, "invalid_scope"), "{scope}");
    }
    let (status, answer) = caller.token_request(&client_id, "wrong", "customerapi/basic.read").await;
    assert_eq!((status, text(&answer, "error")), (StatusCode::BAD_REQUEST, "invalid_client"));
    let json = caller.http.post(caller.url(expereo::TOKEN_PATH)).json(&json!({})).send().await.unwrap();
    assert_eq!(json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn the_pair_of_a_token_request_may_come_as_http_basic() {
    let (caller, token) = logged_in(|options| options.invalid_client_status = StatusCode::UNAUTHORIZED).await;
    let created = caller.create(&token, "credwright-1", &["BasicRead"]).await;
    let encoded = |half: &str| {
        let url = reqwest::Url::parse_with_params("http://localhost", [("", half)]).unwrap();
        url.query().unwrap().trim_start_matches('=').to_owned()
    };
    let secret = text(&created, "clientSecret");
    let ask = |secret: String| {
        let request = caller.http.post(caller.url(expereo::TOKEN_PATH));
        let form = [("grant_type", "client_credentials"), ("scope", "customerapi/basic.read")];
        request.basic_auth(encoded(text(&created, "clientId")), Some(secret)).form(&form).send()
    };
    assert_eq!(ask(encoded(secret)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask(encoded("wrong")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_created_client_shows_its_secret_once_and_works_with_its_scopes_only() {
    let (caller, token) = logged_in(|_| {}).await;
    let answer = caller.create_request(&token, "credwright-1", &["SupportRead", "BillingRead"]).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let created: Value = answer.json().await.unwrap();
    assert_eq!(text(&created, "apiClientName"), "credwright-1");
    assert_eq!(created["scopes"], json!(["SupportRead", "BillingRead"]));
    let (client_id, secret) = (text(&created, "clientId"), text(&created, "clientSecret"));
    assert!(['+', '/', '&', '=', ' ', '%'].iter().all(|special| secret.contains(*special)), "{secret}");
    for (scope, expected) in [
        ("customerapi/support.read", StatusCode::OK),
        ("customerapi/support.read customerapi/billing.read", StatusCode::OK),
        ("customerapi/support.read customerapi/basic.read", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(caller.token_request(client_id, secret, scope).await.0, expected, "{scope}");
    }
    let listed = caller.list(&token, "").await;
    assert_eq!(names(&listed["items"]), ["operator login", "credwright-1"]);
    assert!(!listed.to_string().contains(secret.split(' ').next().unwrap()), "{listed}");
}

#[tokio::test]
async fn creation_spells_scopes_its_own_way_and_needs_one() {
    let (caller, token) = logged_in(|_| {}).await;
    for scopes in [&["customerapi/basic.read"][..], &["BasicRead", "Admin"], &[]] {
        let refused = caller.create_request(&token, "never", scopes).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{scopes:?}");
    }
    assert_eq!(caller.simulator.record().created_count(), 0);
}

#[tokio::test]
async fn clients_are_managed_by_the_login_or_a_person_and_by_nobody_else() {
    let (caller, login) = logged_in(|options| options.bearer_token = Some("a-persons-token".into())).await;
    let created = caller.create(&login, "first", &["BasicRead"]).await;
    let pair = (text(&created, "clientId"), text(&created, "clientSecret"));
    let (_, answer) = caller.token_request(pair.0, pair.1, "customerapi/basic.read").await;
    let issued = text(&answer, "access_token");
    for (token, expected) in [
        (login.as_str(), StatusCode::OK),
        ("a-persons-token", StatusCode::OK),
        (issued, StatusCode::FORBIDDEN),
        ("nobodys-token", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(caller.get(token, "").await.status(), expected);
    }
    let created = caller.create_request("a-persons-token", "second", &["BasicRead"]).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(caller.simulator.record().live().len(), 2, "what a person's token made counts as made");
    assert!(caller.simulator.record().requests().last().unwrap().by_login);
}

#[tokio::test]
async fn a_deleted_client_is_gone_at_once_whoever_deletes_it() {
    let (caller, token) = logged_in(|_| {}).await;
    for in_portal in [false, true] {
        let created = caller.create(&token, "gone", &["BasicRead"]).await;
        let (client_id, secret) = (text(&created, "clientId"), text(&created, "clientSecret"));
        if in_portal {
            assert!(expereo::portal_delete(&caller.simulator, client_id));
        } else {
            assert_eq!(caller.delete(&token, client_id).await, StatusCode::NO_CONTENT);
        }
        let (_, answer) = caller.token_request(client_id, secret, "customerapi/basic.read").await;
        assert_eq!(text(&answer, "error"), "invalid_client");
        assert_eq!(caller.delete(&token, client_id).await, StatusCode::NOT_FOUND);
        assert!(!expereo::portal_delete(&caller.simulator, client_id));
    }
    assert_eq!(names(&caller.list(&token, "").await["items"]), ["operator login"]);
}

#[tokio::test]
async fn answers_may_look_otherwise() {
    let caller = an_expereo(|options| {
        options.answers = Answers {
            id: None,
            client_id: "id".into(),
            client_secret: "secret".into(),
            name: "label".into(),
            pair_only: true,
            wrapper: Some("client".into()),
            items: None,
        };
        let (page, page_size) = ("p".into(), "n".into());
        options.paging = Paging { page, page_size, first: 0, largest: 1, total: false, endless: false };
        options.created_status = StatusCode::OK;
        options.scopes.insert("AssetRead".into(), "customerapi/asset.read".into());
    })
    .await;
    let token = caller.login().await;
    let answer = caller.create_request(&token, "otherwise", &["AssetRead"]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let created: Value = answer.json().await.unwrap();
    let members: Vec<&String> = created["client"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "secret"]);
    let page = caller.list(&token, "?p=1").await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert_eq!(text(&page[0]["client"], "label"), "otherwise");
    assert_eq!(page[0]["client"]["scopes"], json!(["AssetRead"]));
}

#[tokio::test]
async fn requests_are_recorded_with_their_operation() {
    let (caller, token) = logged_in(|_| {}).await;
    let created = caller.create(&token, "one", &["BasicRead"]).await;
    let (client_id, secret) = (text(&created, "clientId"), text(&created, "clientSecret"));
    caller.token_request(client_id, secret, "customerapi/basic.read").await;
    caller.get(&token, "").await;
    caller.delete(&token, client_id).await;
    let requests = caller.simulator.record().requests();
    let seen: Vec<_> = requests.into_iter().map(|it| (it.operation, it.by_login, it.outcome)).collect();
    let expected = [
        (Operation::Token, true, Outcome::Answered(200)),
        (Operation::Create, true, Outcome::Answered(201)),
        (Operation::Token, false, Outcome::Answered(200)),
        (Operation::List, true, Outcome::Answered(200)),
        (Operation::Delete, true, Outcome::Answered(204)),
    ];
    assert_eq!(seen, expected);
}

//! A client that does what the operator will do, written from the same documentation but by other
//! means.

use std::time::Duration;

use credwright_simulator::{Clock, Login, Simulator, cloud_director};
use jiff::Timestamp;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

pub(crate) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub(crate) struct Caller {
    pub(crate) simulator: Simulator,
    pub(crate) http: Client,
}

/// A Cloud Director, and a session of its login.
pub(crate) async fn a_session_with(change: impl FnOnce(&mut cloud_director::Options)) -> (Caller, String) {
    let caller = a_director_with(change).await;
    let session = caller.login().await;
    (caller, session)
}

pub(crate) async fn a_director_with(change: impl FnOnce(&mut cloud_director::Options)) -> Caller {
    let mut options = cloud_director::Options::new(Clock::manual(noon()));
    change(&mut options);
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    Caller { simulator: cloud_director::start(options).await.unwrap(), http }
}

impl Caller {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.simulator.base_url())
    }

    /// A call to `/cloudapi/1.0.0` that nobody has signed.
    pub(crate) fn unsigned(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.url(&format!("cloudapi/1.0.0/{path}")));
        request.header("accept", "application/json;version=37.0")
    }

    pub(crate) fn cloudapi(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.unsigned(method, path).bearer_auth(token)
    }

    pub(crate) fn login_request(&self, user: &str, password: &str) -> RequestBuilder {
        let request = self.http.post(self.url("cloudapi/1.0.0/sessions"));
        let request = request.header("accept", "application/*;version=37.0");
        request.basic_auth(format!("{user}@acme"), Some(password))
    }

    pub(crate) async fn login(&self) -> String {
        let Login { client_id, client_secret } = self.simulator.login();
        self.login_as(client_id, client_secret).await
    }

    pub(crate) async fn login_as(&self, user: &str, password: &str) -> String {
        let answer = self.login_request(user, password).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.headers()["x-vmware-vcloud-access-token"].to_str().unwrap().to_owned()
    }

    pub(crate) async fn register(&self, session: &str, name: &str) -> Response {
        let request = self.http.post(self.url("oauth/tenant/acme/register")).bearer_auth(session);
        request.json(&json!({ "client_name": name })).send().await.unwrap()
    }

    /// Registers, and returns the UUID.
    pub(crate) async fn registered(&self, session: &str, name: &str) -> String {
        let answer: Value = self.register(session, name).await.json().await.unwrap();
        answer["client_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Response {
        self.http.post(self.url("oauth/tenant/acme/token")).form(form).send().await.unwrap()
    }

    pub(crate) async fn exchange(&self, session: &str, client_id: &str) -> Response {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        self.token(&[("grant_type", grant), ("client_id", client_id), ("assertion", session)]).await
    }

    pub(crate) async fn refresh(&self, secret: &str) -> Response {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", secret)]).await
    }

    /// Both steps, and returns UUID and secret.
    pub(crate) async fn create(&self, session: &str, name: &str) -> (String, String) {
        let client_id = self.registered(session, name).await;
        let answer: Value = self.exchange(session, &client_id).await.json().await.unwrap();
        (client_id, answer["refresh_token"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn list(&self, session: &str, query: &[(&str, &str)]) -> Response {
        let path = Url::parse_with_params("http://_/tokens", query).unwrap();
        let path = path.as_str().trim_start_matches("http://_/");
        self.cloudapi(Method::GET, path, session).send().await.unwrap()
    }

    /// The names that a filter admits.
    pub(crate) async fn names(&self, session: &str, filter: &str) -> Vec<String> {
        let query = [("filter", filter), ("page", "1"), ("pageSize", "128")];
        let page: Value = self.list(session, &query).await.json().await.unwrap();
        page["values"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn one(&self, method: Method, session: &str, client_id: &str) -> Response {
        let path = format!("tokens/urn:vcloud:token:{client_id}");
        self.cloudapi(method, &path, session).send().await.unwrap()
    }
}

/// The code of an error.
pub(crate) async fn code(answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert!(body["message"].is_string() && body["stackTrace"].is_null(), "{body}");
    (status, body["minorErrorCode"].as_str().unwrap().to_owned())
}

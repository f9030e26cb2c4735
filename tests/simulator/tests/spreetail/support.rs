//! A client that does what the operator will do, written from the same documentation but by other
//! means.

use std::time::Duration;

use credwright_simulator::{Clock, Credential, Login, Simulator, spreetail};
use jiff::Timestamp;
use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub(crate) fn http() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

pub(crate) struct Caller {
    pub(crate) simulator: Simulator,
    pub(crate) http: Client,
}

/// A Spreetail, and an access token of its login.
pub(crate) async fn a_customer() -> (Caller, String) {
    let caller = a_spreetail_with(spreetail::Options::new(Clock::manual(noon()))).await;
    let token = caller.login().await;
    (caller, token)
}

pub(crate) async fn a_spreetail_with(options: spreetail::Options) -> Caller {
    Caller { simulator: spreetail::start(options).await.unwrap(), http: http() }
}

impl Caller {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/api/v0/{path}", self.simulator.base_url())
    }

    pub(crate) fn token_request(&self, client_id: &str, secret: &str) -> RequestBuilder {
        let form = Form::new()
            .text("GrantType", "client_credentials")
            .text("ClientId", client_id.to_owned())
            .text("ClientSecret", secret.to_owned());
        self.http.post(self.url("oauth/token")).header("accept", "application/json").multipart(form)
    }

    pub(crate) async fn token_status(&self, client_id: &str, secret: &str) -> StatusCode {
        self.token_request(client_id, secret).send().await.unwrap().status()
    }

    pub(crate) async fn token(&self, client_id: &str, secret: &str) -> String {
        let answer: Value = self.token_request(client_id, secret).send().await.unwrap().json().await.unwrap();
        answer["accessToken"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn login(&self) -> String {
        let Login { client_id, client_secret } = self.simulator.login();
        self.token(client_id, client_secret).await
    }

    pub(crate) fn create_request(&self, token: &str, name: &str) -> RequestBuilder {
        let request = self.http.post(self.url("client-credentials")).bearer_auth(token);
        request.header("accept", "application/json").json(&json!({ "name": name, "expires": null }))
    }

    pub(crate) async fn create(&self, token: &str, name: &str) -> Value {
        self.create_request(token, name).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn list(&self, token: &str) -> Vec<Value> {
        let request = self.http.get(self.url("client-credentials")).bearer_auth(token);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn listed_names(&self, token: &str) -> Vec<String> {
        self.list(token).await.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn delete(&self, token: &str, key: &str) -> Response {
        let url = self.url(&format!("client-credentials/{key}"));
        self.http.delete(url).bearer_auth(token).send().await.unwrap()
    }

    pub(crate) fn only_live(&self) -> Credential {
        let live = self.simulator.record().live();
        assert_eq!(live.len(), 1);
        live[0].clone()
    }
}

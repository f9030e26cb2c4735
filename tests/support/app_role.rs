//! A mount of AppRole at a real OpenBao: secret IDs of two roles.

use credwright_harness::openbao::{OpenBao, ROOT_TOKEN};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The roles; a change of the spec goes from one to the other.
pub(crate) const ROLES: [&str; 2] = ["orders", "reporting"];

/// A credential that exists at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alive {
    /// Its client ID or, if it is one of several secrets of a client, the ID of the secret.
    pub(crate) id: String,
    pub(crate) name: String,
}

/// One server for all cases.
pub(crate) async fn server() -> &'static OpenBao {
    static SERVER: OnceCell<OpenBao> = OnceCell::const_new();
    SERVER.get_or_init(async || OpenBao::start().await.unwrap()).await
}

/// A mount with the roles.
pub(crate) struct Mount {
    name: String,
    http: reqwest::Client,
}

impl Mount {
    pub(crate) async fn new(name: &str) -> Self {
        let mount =
            Self { name: name.to_owned(), http: reqwest::Client::builder().no_proxy().build().unwrap() };
        mount.asked(Method::POST, &format!("sys/auth/{name}"), json!({ "type": "approle" })).await;
        for role in ROLES {
            mount.asked(Method::POST, &mount.path(&format!("role/{role}")), json!({})).await;
        }
        mount
    }

    fn path(&self, rest: &str) -> String {
        format!("auth/{}/{rest}", self.name)
    }

    /// Does what an administrator may do.
    async fn asked(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}/v1/{path}", server().await.origin());
        let request = self.http.request(method, url).header("x-vault-token", ROOT_TOKEN).json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// The role ID and secret ID of a role that may do everything in this mount.
    pub(crate) async fn login(&self) -> (String, String) {
        let rights =
            format!("path \"{}\" {{ capabilities = [\"read\", \"list\", \"update\"] }}", self.path("*"));
        self.asked(Method::PUT, &format!("sys/policies/acl/{}", self.name), json!({ "policy": rights }))
            .await;
        let role = self.path("role/credwright");
        self.asked(Method::POST, &role, json!({ "token_policies": [self.name] })).await;
        let (_, role_id) = self.asked(Method::GET, &format!("{role}/role-id"), json!({})).await;
        let (_, secret_id) = self.asked(Method::POST, &format!("{role}/secret-id"), json!({})).await;
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        (text(&role_id["data"]["role_id"]), text(&secret_id["data"]["secret_id"]))
    }

    pub(crate) async fn accepts(&self, (role_id, secret_id): &(String, String)) -> bool {
        let pair = json!({ "role_id": role_id, "secret_id": secret_id });
        self.asked(Method::POST, &self.path("login"), pair).await.0.is_success()
    }

    /// The secret IDs of all roles.
    pub(crate) async fn alive(&self) -> Vec<Alive> {
        let mut alive = Vec::new();
        for role in ROLES {
            let of_role = self.path(&format!("role/{role}/secret-id"));
            let (_, list) = self.asked(Method::GET, &format!("{of_role}?list=true"), json!({})).await;
            for id in list["data"]["keys"].as_array().into_iter().flatten() {
                let look_up = json!({ "secret_id_accessor": id });
                let path = format!("{of_role}-accessor/lookup");
                let (_, found) = self.asked(Method::POST, &path, look_up).await;
                let name = found["data"]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                alive.push(Alive { id: id.as_str().unwrap().to_owned(), name });
            }
        }
        alive
    }
}

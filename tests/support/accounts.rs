//! Accounts of a scene besides the one that it has: simulators on its clock, with provider objects
//! and logins for them.

use credwright_simulator::{Login, Simulator, cloud_connexa, cloud_director, expereo};
use serde_json::{Value, json};

use super::Scene;

/// The spec with more members, or with others.
pub(crate) fn with(mut spec: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no object: {more}") };
    spec.as_object_mut().unwrap().extend(more);
    spec
}

fn pair(login: &Login) -> Value {
    json!({ "client_id": login.client_id, "client_secret": login.client_secret })
}

impl Scene {
    /// A Secret with a login, which its owner lets Credwright use.
    pub(crate) async fn put_login_secret(&self, name: &str, login: Value) {
        let metadata = json!({ "name": name, "labels": { "credwright.dev/role": "login" } });
        self.put_secret(json!({ "metadata": metadata, "stringData": login })).await;
    }

    /// The login of the scene's own account.
    pub(crate) async fn put_login(&self, name: &str) {
        self.put_login_secret(name, pair(self.provider.login())).await;
    }

    /// The spec of a Spreetail provider.
    pub(crate) fn spreetail(&self, url: &str, login: &str) -> Value {
        json!({
            "spreetail": { "baseUrl": url },
            "login": { "secretRef": { "name": login } },
            "limits": { "requestsPerSecond": 1000, "concurrent": 32 },
        })
    }

    /// The provider `name` with a login of its own, if it needs one.
    pub(crate) async fn create_account(&self, name: &str, driver: Value, login: Option<Value>) {
        let mut spec = with(driver, json!({ "limits": { "requestsPerSecond": 1000 } }));
        if let Some(login) = login {
            let secret = format!("{name}-admin");
            self.put_login_secret(&secret, login).await;
            spec["login"] = json!({ "secretRef": { "name": secret } });
        }
        self.create_provider(name, spec).await;
    }

    /// The provider `expereo`. Settings that are not documented are off, unless `block` and
    /// `change` say otherwise.
    pub(crate) async fn expereo(
        &self,
        block: Value,
        change: impl FnOnce(&mut expereo::Options),
    ) -> Simulator {
        let mut options = expereo::Options::new(self.clock.of_a_provider());
        change(&mut options);
        let scope = options.login_scope.clone();
        let simulator = expereo::start(options).await.unwrap();
        let base = simulator.base_url();
        let urls = json!({ "baseUrl": base, "tokenUrl": format!("{base}{}", expereo::TOKEN_PATH) });
        let login = with(pair(simulator.login()), json!({ "scope": scope }));
        self.create_account("expereo", json!({ "expereo": with(urls, block) }), Some(login)).await;
        simulator
    }

    /// The provider `cloud-director`, with a user's password as its login.
    pub(crate) async fn cloud_director(&self) -> Simulator {
        let options = cloud_director::Options::new(self.clock.of_a_provider());
        let org = options.org.clone();
        let simulator = cloud_director::start(options).await.unwrap();
        let driver = json!({ "cloudDirector": { "baseUrl": simulator.base_url(), "org": org } });
        let login = simulator.login();
        let login = json!({ "username": login.client_id, "password": login.client_secret });
        self.create_account("cloud-director", driver, Some(login)).await;
        simulator
    }

    /// The provider `cloud-connexa`, which has no login: people make its credentials.
    pub(crate) async fn cloud_connexa(&self) -> Simulator {
        let options = cloud_connexa::Options::new(self.clock.of_a_provider());
        let simulator = cloud_connexa::start(options).await.unwrap();
        self.at_cloud_connexa(&simulator).await;
        simulator
    }

    /// The provider `cloud-connexa` for an account that there is already.
    pub(crate) async fn at_cloud_connexa(&self, account: &Simulator) {
        let driver = json!({ "cloudConnexa": { "baseUrl": account.base_url() } });
        self.create_account("cloud-connexa", driver, None).await;
    }
}

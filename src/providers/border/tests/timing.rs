use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::{
    ops::metrics::Meter,
    providers::{http::EgressPolicy, stopwatch::Stopwatch},
};

/// A driver that checks in each call that its time is taken.
struct Checking {
    capabilities: Capabilities,
    stopwatch: Arc<Stopwatch>,
}

impl Checking {
    fn check(&self) {
        assert!(self.stopwatch.runs(), "a call whose time is not taken");
    }
}

#[async_trait]
impl Driver for Checking {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn fields(&self, _: &[String]) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.check();
        Ok(())
    }

    async fn verify(&self, _: &VerifyRequest) -> Result<Verdict, Failure> {
        self.check();
        Ok(Verdict::Accepted)
    }

    async fn create(&self, _: &CreateRequest) -> Result<Issued, NotIssued> {
        self.check();
        Ok(Issued {
            ids: BTreeMap::new(),
            client_id: "one".to_owned(),
            client_secret: SecretString::default(),
            expires_at: None,
            handle: None,
            fields: BTreeMap::new(),
            secret_aliases: Vec::new(),
            ..Issued::default()
        })
    }

    async fn find(&self, _: &FindRequest) -> Result<Vec<Found>, Failure> {
        self.check();
        Ok(Vec::new())
    }

    async fn revoke(&self, _: &RevokeRequest) -> Result<Revocation, Failure> {
        self.check();
        Ok(Revocation::Revoked)
    }

    async fn close(&self) {
        self.check();
    }
}

#[tokio::test]
async fn the_time_of_every_call_is_taken() {
    let settings = serde_json::from_value(json!({ "cloudConnexa": { "cloudId": "acme" } })).unwrap();
    let stopwatch = Arc::<Stopwatch>::default();
    let checking = Checking { capabilities: able(), stopwatch: stopwatch.clone() };
    let http = Http::new(&settings, &EgressPolicy::default(), Meter::default()).ok().unwrap();
    let driver = bounded(checking, Arc::new(http));
    let (name, client_id) = ("one".to_owned(), "one".to_owned());
    let create = CreateRequest { name, ..CreateRequest::default() };
    let verify = VerifyRequest {
        client_id: client_id.clone(),
        client_secret: SecretString::default(),
        scopes: Vec::new(),
        ..VerifyRequest::default()
    };
    let revoke = RevokeRequest { client_id, ids: BTreeMap::new(), handle: None, ..RevokeRequest::default() };
    let calls = async {
        driver.probe().await.unwrap();
        driver
            .lister()
            .unwrap()
            .find(&FindRequest { tag: "t".to_owned(), ..FindRequest::default() })
            .await
            .unwrap();
        driver.verify(&verify).await.unwrap();
        driver.revoker().unwrap().revoke(&revoke).await.unwrap();
        driver.close().await;
        driver.issuer().unwrap().create(&create).await
    };
    let created = stopwatch.clone().during(calls).await;
    assert!(created.is_ok());
    assert!(!stopwatch.runs() && stopwatch.began().is_some());
}

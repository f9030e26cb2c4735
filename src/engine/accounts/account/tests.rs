use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::{
    api::ProviderKind,
    ops::metrics::Meter,
    providers::{
        CreateRequest, FindRequest, Found, Issued, Issuer, Lister, NotIssued, Revocation, RevokeRequest,
        Revoker, Verdict, VerifyRequest, registry,
    },
};

/// A driver that checks in each call that its time is taken.
struct Checking {
    capabilities: Arc<Capabilities>,
    stopwatch: Arc<Stopwatch>,
}

impl Checking {
    fn check(&self) {
        assert!(self.stopwatch.runs(), "a call whose time is not taken");
    }
}

#[async_trait]
impl Provider for Checking {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn identity(&self) -> Option<&str> {
        None
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        Some(self)
    }

    fn lister(&self) -> Option<&dyn Lister> {
        Some(self)
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        Some(self)
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.check();
        Ok(())
    }

    async fn verify(&self, _: &VerifyRequest) -> Result<Verdict, Failure> {
        self.check();
        Ok(Verdict::Accepted)
    }

    async fn close(&self) {
        self.check();
    }
}

#[async_trait]
impl Issuer for Checking {
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
        })
    }
}

#[async_trait]
impl Lister for Checking {
    async fn find(&self, _: &FindRequest) -> Result<Vec<Found>, Failure> {
        self.check();
        Ok(Vec::new())
    }
}

#[async_trait]
impl Revoker for Checking {
    async fn revoke(&self, _: &RevokeRequest) -> Result<Revocation, Failure> {
        self.check();
        Ok(Revocation::Revoked)
    }
}

fn account_of(driver: Arc<dyn Provider>, capabilities: Arc<Capabilities>) -> Account {
    let usable = Usable {
        driver,
        capabilities,
        fingerprint: "f".to_owned(),
        setup: "s".to_owned(),
        allow: None,
        at_once: 1,
    };
    Account {
        built_from: BuiltFrom { object: ("uid".to_owned(), 1), login: 0, content: None },
        deleting: false,
        setup: Ok(usable),
        health: Health::unknown(Timestamp::UNIX_EPOCH),
        slowed: false,
        probed: true,
        listed: None,
        written_at: None,
        standing: Standing::default(),
        fields: BTreeMap::new(),
    }
}

#[tokio::test]
async fn the_time_of_every_call_for_a_credential_is_taken() {
    let settings = serde_json::from_value(json!({ "cloudConnexa": { "cloudId": "acme" } })).unwrap();
    let some = registry::build(&settings, None, &registry::EgressPolicy::default(), Meter::default());
    let capabilities = Arc::new(some.ok().unwrap().capabilities().clone());
    let stopwatch = Arc::<Stopwatch>::default();
    let checking = Checking { capabilities: capabilities.clone(), stopwatch: stopwatch.clone() };
    let at = ledger::Account {
        kind: ProviderKind::CredentialProvider,
        name: "server".to_owned(),
        fingerprint: "f".to_owned(),
    };
    let accounts = Accounts::default();
    let account = account_of(Arc::new(checking), capabilities);
    accounts.all().insert(ProviderKey::of_account(&at, "shop"), account);

    let driver = accounts.driver_of(&at, "shop", stopwatch.clone()).unwrap();
    let (name, client_id) = ("one".to_owned(), "one".to_owned());
    driver.probe().await.unwrap();
    let create = CreateRequest { name, scopes: Vec::new(), expires_at: None, subnets: Vec::new() };
    assert!(driver.issuer().unwrap().create(&create).await.is_ok());
    driver.lister().unwrap().find(&FindRequest { tag: "t".to_owned() }).await.unwrap();
    let verify = VerifyRequest {
        client_id: client_id.clone(),
        client_secret: SecretString::default(),
        scopes: Vec::new(),
    };
    driver.verify(&verify).await.unwrap();
    let revoke = RevokeRequest { client_id, ids: BTreeMap::new(), handle: None };
    driver.revoker().unwrap().revoke(&revoke).await.unwrap();
    driver.close().await;
    assert!(!stopwatch.runs() && stopwatch.began().is_some());
}

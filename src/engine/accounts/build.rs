//! From a provider object, and those that it refers to, to a driver that can be called.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    account::{Account, BuiltFrom, Usable},
    contents::Contents,
    health::Health,
};
use crate::{
    api::{Limits, Reason},
    engine::{Engine, EngineError, ProviderKey, ProviderObject, version},
    lifecycle::{Standing, naming},
    providers::registry::{self, EgressPolicy},
};

impl Engine {
    /// Returns the current account, or builds it again if the object, or one that it refers to, has
    /// changed. Of each of them, the metadata are read first.
    pub(super) async fn built_account(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        before: Option<Account>,
    ) -> Result<Account, EngineError> {
        let mut looked = Vec::new();
        for source in object.sources(key) {
            let metadata = self.metadata_of(&source).await?;
            looked.push((source, metadata));
        }
        let versions = looked.iter().map(|(_, it)| it.as_ref().map_or(0, version)).collect();
        let mut built_from =
            BuiltFrom { object: (object.uid(), object.generation()), versions, content: None };
        let before = before.filter(|it| it.built_from.object == built_from.object);
        if let Some(before) = before.clone().filter(|it| it.built_from.versions == built_from.versions) {
            return Ok(before);
        }
        let contents = self.contents(&looked).await?;
        built_from.content = contents.as_ref().ok().map(Contents::hash);
        // Our own finalizer, or an annotation, does not make it a different login.
        if let Some(before) =
            before.filter(|it| built_from.content.is_some() && it.built_from.content == built_from.content)
        {
            return Ok(Account { built_from, ..before });
        }
        let setup = contents.and_then(|contents| self.build((key, object), contents));
        Ok(self.new_account(object, built_from, setup))
    }

    /// An account that refers to an object that Credwright may not read: it exists, reports that,
    /// and everything that needs no call continues.
    pub(super) fn without_sources(&self, object: &ProviderObject, refusal: &EngineError) -> Account {
        let why = refusal.status().map(|status| status.message.as_str()).unwrap_or_default();
        let message = format!(
            "Credwright may not read an object that the provider refers to: {why}. Give it the right to; \
             Credwright retries by itself"
        );
        let built_from =
            BuiltFrom { object: (object.uid(), object.generation()), versions: Vec::new(), content: None };
        self.new_account(object, built_from, Err((Reason::LoginMissing, message)))
    }

    fn new_account(
        &self,
        object: &ProviderObject,
        built_from: BuiltFrom,
        setup: Result<Usable, (Reason, String)>,
    ) -> Account {
        let probed = setup.is_err();
        Account {
            built_from,
            deleting: object.deleting(),
            setup,
            health: Health::unknown(self.now()),
            probed,
            written_at: None,
            slowed: false,
            standing: Standing::default(),
            fields: BTreeMap::new(),
            listings: Default::default(),
        }
    }

    fn build(
        &self,
        (key, object): (&ProviderKey, &ProviderObject),
        contents: Contents,
    ) -> Result<Usable, (Reason, String)> {
        if let Some(why) = object.unreadable() {
            let message = format!(
                "its spec cannot be read by this version of Credwright: {why}; correct it, or upgrade Credwright"
            );
            return Err((Reason::ProviderInvalid, message));
        }
        let settings = object.settings();
        let private_allowed = matches!(object, ProviderObject::Cluster(_));
        let content = contents.hash();
        let egress = EgressPolicy { tls: contents.tls, ..self.settings.egress_policy(private_allowed) };
        let login = contents.login.as_ref();
        let driver = registry::build(settings, login, &egress, self.meter(key)).map_err(|error| {
            let reason = if error.lacks_login() { Reason::LoginMissing } else { Reason::ProviderInvalid };
            (reason, error.message())
        })?;
        let identity = driver.identity().unwrap_or_default().to_owned();
        Ok(Usable {
            capabilities: Arc::new(driver.capabilities().clone()),
            // Not of the object's UID: a restore gives it another one, and it is the same account.
            fingerprint: naming::fingerprint(&[&registry::account(settings), &identity]),
            setup: object.setup(&content),
            allow: object.allow(),
            at_once: Limits::at_once(settings.limits.as_ref()),
            driver,
        })
    }
}

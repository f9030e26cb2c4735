//! From a provider object and its login Secret to a driver that can be called.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::ByteString;
use kube::{Api, Resource};
use secrecy::SecretString;

use super::{
    account::{Account, BuiltFrom, Usable},
    health::Health,
};
use crate::{
    api::{LOGIN_FINALIZER, Limits, ROLE_LABEL, ROLE_LOGIN, Reason},
    engine::{
        Engine, EngineError, Key, Partial, ProviderKey, ProviderObject, Secret, call, carries,
        consent::{self, Refusal},
        stores::login_content,
        version,
    },
    lifecycle::{Standing, naming},
    providers::registry,
};

impl Engine {
    /// Returns the current account, or builds it again if the object or its login has changed. Of a
    /// login Secret, the metadata are read first: without its owner's consent it is never read.
    pub(super) async fn built_account(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        before: Option<Account>,
    ) -> Result<Account, EngineError> {
        let login = object.login(key);
        let looked = match &login {
            None => None,
            Some(at) => {
                let api: Api<Partial<Secret>> = self.within(&at.namespace);
                call("reading the login Secret's metadata", api.get_opt(&at.name)).await?
            }
        };
        let login_version = looked.as_ref().map_or(0, version);
        let of = (object.uid(), object.generation());
        let before = before.filter(|it| it.built_from.object == of);
        if let Some(before) = before.clone().filter(|it| it.built_from.login == login_version) {
            return Ok(before);
        }
        let offered = login.as_ref().map(|at| offered(at, looked.as_ref()));
        if let (Some(at), Some(Err(_)), Some(looked)) = (&login, &offered, &looked)
            && carries(looked, LOGIN_FINALIZER)
        {
            // Its label was taken off while no operator was there to see it: no watch tells of it
            // any more.
            self.remove_login_finalizer(at).await?;
        }
        let secret = match (&login, &offered) {
            (Some(at), Some(Ok(()))) => {
                call("reading the login Secret", self.secrets(&at.namespace).get_opt(&at.name)).await?
            }
            _ => None,
        };
        let content = secret.as_ref().map(|secret| login_content(secret, &self.sealer));
        let built_from = BuiltFrom { object: of, login: login_version, content };
        // Our own finalizer, or an annotation, does not make it a different login.
        if let Some(before) =
            before.filter(|it| built_from.content.is_some() && it.built_from.content == built_from.content)
        {
            return Ok(Account { built_from, ..before });
        }
        let content = built_from.content.as_deref().unwrap_or_default();
        let setup =
            offered.transpose().and_then(|_| self.build((key, object), login.as_ref(), (secret, content)));
        Ok(self.new_account(object, built_from, setup))
    }

    /// An account whose login Credwright may not read: it exists, reports that, and everything that
    /// needs no call continues.
    pub(super) fn without_login(&self, object: &ProviderObject, refusal: &EngineError) -> Account {
        let why = refusal.status().map(|status| status.message.as_str()).unwrap_or_default();
        let message = format!(
            "Credwright may not read the login Secret: {why}. Give it the right to; Credwright retries by \
             itself"
        );
        let built_from = BuiltFrom { object: (object.uid(), object.generation()), login: 0, content: None };
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

    /// Returns the content of a login Secret, if there is one that may be used.
    pub(in crate::engine) async fn login_of(
        &self,
        at: &Key,
    ) -> Result<Result<registry::LoginData, (Reason, String)>, EngineError> {
        let secret = call("reading the login Secret", self.secrets(&at.namespace).get_opt(&at.name)).await?;
        Ok(login_data(at, secret))
    }

    fn build(
        &self,
        (key, object): (&ProviderKey, &ProviderObject),
        login: Option<&Key>,
        (secret, content): (Option<Secret>, &str),
    ) -> Result<Usable, (Reason, String)> {
        if let Some(why) = object.unreadable() {
            let message = format!(
                "its spec cannot be read by this version of Credwright: {why}; correct it, or upgrade Credwright"
            );
            return Err((Reason::ProviderInvalid, message));
        }
        let settings = object.settings();
        let data = login.map(|at| login_data(at, secret)).transpose()?;
        let private_allowed = matches!(object, ProviderObject::Cluster(_));
        let egress = self.settings.egress_policy(private_allowed);
        let driver = registry::build(settings, data.as_ref(), &egress, self.meter(key)).map_err(|error| {
            let reason = if error.lacks_login() { Reason::LoginMissing } else { Reason::ProviderInvalid };
            (reason, error.message())
        })?;
        let identity = driver.identity().unwrap_or_default().to_owned();
        Ok(Usable {
            capabilities: Arc::new(driver.capabilities().clone()),
            // Not of the object's UID: a restore gives it another one, and it is the same account.
            fingerprint: naming::fingerprint(&[&registry::account(settings), &identity]),
            setup: object.setup(content),
            allow: object.allow(),
            at_once: Limits::at_once(settings.limits.as_ref()),
            driver,
        })
    }
}

/// Checks that a Secret may be read as a login; the error says what has to be done.
fn offered<K: Resource>(at: &Key, secret: Option<&K>) -> Result<(), (Reason, String)> {
    match secret {
        Some(secret) => consent::given(secret, ROLE_LOGIN).map_err(|refusal| not_offered(at, refusal)),
        None => {
            let Key { namespace, name } = at;
            let message = format!(
                "the login Secret {namespace}/{name} does not exist: create it with the label {ROLE_LABEL}: {ROLE_LOGIN}"
            );
            Err((Reason::LoginMissing, message))
        }
    }
}

fn not_offered(at: &Key, refusal: Refusal) -> (Reason, String) {
    let Key { namespace, name } = at;
    let todo = match refusal {
        Refusal::Unlabelled => format!("its owner has to give it the label {ROLE_LABEL}: {ROLE_LOGIN}"),
        Refusal::Own => "it is one that Credwright writes; name another in login.secretRef".to_owned(),
    };
    (Reason::LoginMissing, format!("the Secret {namespace}/{name} may not be used as a login: {todo}"))
}

/// The data of a login Secret, if its owner consents to its use.
fn login_data(at: &Key, secret: Option<Secret>) -> Result<registry::LoginData, (Reason, String)> {
    offered(at, secret.as_ref())?;
    let secret = secret.unwrap_or_default();
    consent::given_by(&secret, ROLE_LOGIN).map_err(|refusal| not_offered(at, refusal))?;
    let Key { namespace, name } = at;
    let text = |(key, ByteString(bytes)): (String, ByteString)| match String::from_utf8(bytes) {
        Ok(text) => Ok((key, SecretString::from(text))),
        Err(_) => Err((
            Reason::ProviderInvalid,
            format!("the login Secret {namespace}/{name}: the key {key} is not text"),
        )),
    };
    secret.data.unwrap_or_default().into_iter().map(text).collect::<Result<BTreeMap<_, _>, _>>()
}

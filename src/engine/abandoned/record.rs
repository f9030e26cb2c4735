//! A record and the Secret beside it, which has the data for retries.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::ByteString;
use kube::{Api, Resource, ResourceExt, core::ObjectMeta};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        ABANDONED_TYPE, AbandonedCredential, AbandonedCredentialSpec, AbandonedOwner, AbandonedProvider,
        AbandonedStatus, ProviderKind, ProviderSettings,
    },
    engine::{
        Decoded, Engine, EngineError, Key, ProviderKey, Secret, Secrets, call, ignore_absence, only, post,
        stores::Purpose, version,
    },
    lifecycle::{Abandonment, status::of_abandoned, to_second},
    providers::registry::{self, ClientCertificate, TlsMaterial},
};

/// The most that is kept beside a record. A Secret takes 1 MiB.
const MATERIAL_MAX: usize = 768 * 1024;
/// The keys of the Secret beside a record.
const RETRY_SPEC_KEY: &str = "provider";
const CLIENT_SECRET_KEY: &str = "client_secret";
const HANDLE_KEY: &str = "handle";
const LOGIN_PREFIX: &str = "login.";
const CLIENT_CERTIFICATE_KEY: &str = "tls.crt";
const CLIENT_CERTIFICATE_KEY_KEY: &str = "tls.key";

/// The non-secret part of what a retry needs. The secrets are in the same Secret, under their own
/// keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetrySpec {
    /// The provider's spec, if there was a provider object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<ProviderSettings>,
    /// True if its spec names a login.
    pub(super) needs_login: bool,
    /// The scopes that it was made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
}

/// The data that a retry needs.
pub(super) struct RetryMaterial {
    pub(super) spec: RetrySpec,
    pub(super) login: registry::LoginData,
    pub(super) tls: TlsMaterial,
    pub(super) secrets: Option<Secrets>,
}

/// Puts the certificates of a ConfigMap into the settings: it may be gone when they are needed.
fn write_out(settings: &mut ProviderSettings, tls: &TlsMaterial) {
    if let (Some(settings), Some(bundle)) = (&mut settings.tls, &tls.ca_bundle) {
        settings.ca_bundle_ref = None;
        settings.ca_bundle = Some(BASE64_STANDARD.encode(bundle));
    }
}

impl Engine {
    pub(super) fn records(&self) -> Api<Decoded<AbandonedCredential>> {
        self.within(&self.settings.namespace)
    }

    pub(super) fn own_secrets(&self) -> Api<Secret> {
        self.within(&self.settings.namespace)
    }

    /// Creates a record, unless it is there already.
    pub(super) async fn put_record(
        &self,
        record: AbandonedCredential,
    ) -> Result<Decoded<AbandonedCredential>, EngineError> {
        let (records, record) = (self.records(), Decoded::from(record));
        match call("recording an abandoned credential", records.create(&post(), &record)).await {
            Err(error) if error.is_already_exists() => {
                call("reading an abandoned credential", records.get(&record.name_any())).await
            }
            made => made,
        }
    }

    pub(super) fn record_of(
        &self,
        key: &Key,
        it: &Abandonment,
        provider: &ProviderKey,
    ) -> AbandonedCredential {
        let shared = provider.kind == ProviderKind::ClusterCredentialProvider;
        let spec = AbandonedCredentialSpec {
            kind: it.kind,
            provider: AbandonedProvider {
                kind: provider.kind,
                namespace: (!shared).then(|| provider.namespace.to_string()),
                name: provider.name.to_string(),
                account: it.account.fingerprint.clone(),
            },
            credential: AbandonedOwner {
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
                revision: it.revision,
            },
            name: it.name.clone(),
            client_id: it.client_id.clone(),
            id: it.secret_id.clone(),
            parameters: it.parameters.clone(),
            ids: it.ids.clone(),
            expires_at: it.expires_at.map(to_second),
            since: to_second(self.now()),
            why: it.why.clone(),
        };
        let mut record = AbandonedCredential::new(&it.record, spec);
        record.metadata.namespace = Some(self.settings.namespace.clone());
        record
    }

    /// Writes the Secret beside a record.
    pub(super) async fn store_material(
        &self,
        record: &AbandonedCredential,
        provider: &ProviderKey,
        secrets: Option<Secrets>,
        scopes: Vec<String>,
    ) -> Result<(), EngineError> {
        let object = self.stores.providers.get(provider);
        let mut settings = object.as_ref().map(|object| object.settings().clone());
        let sources = object.as_ref().map(|object| object.sources(provider)).unwrap_or_default();
        let needs_login = sources.iter().any(|source| source.purpose == Purpose::Login);
        let mut data = BTreeMap::new();
        if let Some(settings) = &mut settings
            && let Ok(contents) = self.contents_of(sources).await?
        {
            let keys = registry::login_keys(settings);
            let login = contents.login.into_iter().flatten();
            for (key, value) in login.filter(|(key, _)| keys.contains(&key.as_str())) {
                data.insert(format!("{LOGIN_PREFIX}{key}"), bytes(&value));
            }
            write_out(settings, &contents.tls);
            if let Some(client) = &contents.tls.client_certificate {
                data.insert(CLIENT_CERTIFICATE_KEY.to_owned(), bytes(&client.certificate));
                data.insert(CLIENT_CERTIFICATE_KEY_KEY.to_owned(), bytes(&client.key));
            }
        }
        let spec = RetrySpec { settings, needs_login, scopes };
        let encoded = serde_json::to_vec(&spec).unwrap_or_default();
        data.insert(RETRY_SPEC_KEY.to_owned(), ByteString(encoded));
        if let Some(secrets) = secrets {
            data.insert(CLIENT_SECRET_KEY.to_owned(), bytes(&secrets.client_secret));
            data.extend(secrets.handle.map(|handle| (HANDLE_KEY.to_owned(), bytes(&handle))));
        }
        if data.values().map(|value| value.0.len()).sum::<usize>() > MATERIAL_MAX {
            // The provider object may exist for a while; the data for revoking is more important.
            data.retain(|key, _| !key.starts_with(LOGIN_PREFIX));
        }
        let name = record.name_any();
        let secret = beside(record, data);
        let api = self.own_secrets();
        match call("storing the data for retries", api.create(&post(), &secret)).await {
            Err(error) if error.is_already_exists() => {
                call("storing the data for retries", api.replace(&name, &post(), &secret)).await.map(drop)
            }
            made => made.map(drop),
        }
    }

    /// Returns the data beside a record; `None` if there is nothing that a retry could use.
    pub(super) async fn retry_material(
        &self,
        record: &AbandonedCredential,
    ) -> Result<Option<RetryMaterial>, EngineError> {
        let api = self.own_secrets();
        let secret = call("reading the data for retries", api.get_opt(&record.name_any())).await?;
        let Some(secret) = secret.filter(|it| it.type_.as_deref() == Some(ABANDONED_TYPE)) else {
            return Ok(None);
        };
        let mut texts: BTreeMap<String, SecretString> = BTreeMap::new();
        for (key, ByteString(bytes)) in secret.data.unwrap_or_default() {
            if let Ok(text) = String::from_utf8(bytes) {
                texts.insert(key, text.into());
            }
        }
        let spec = texts.remove(RETRY_SPEC_KEY).and_then(|it| serde_json::from_str(it.expose_secret()).ok());
        let handle = texts.remove(HANDLE_KEY);
        let secrets = texts.remove(CLIENT_SECRET_KEY).map(|client_secret| Secrets { client_secret, handle });
        let client = texts.remove(CLIENT_CERTIFICATE_KEY).zip(texts.remove(CLIENT_CERTIFICATE_KEY_KEY));
        let client_certificate = client.map(|(certificate, key)| ClientCertificate { certificate, key });
        let tls = TlsMaterial { client_certificate, ca_bundle: None };
        let login = texts
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(LOGIN_PREFIX)?.to_owned(), value)))
            .collect();
        Ok(Some(RetryMaterial { spec: spec.unwrap_or_default(), login, tls, secrets }))
    }

    /// Drops a deleted record.
    pub fn forget_abandoned(&self, key: &Key, version: u64) {
        self.stores.abandoned.remove(key, version);
        self.stores.unreadable.forget::<AbandonedCredential>(key);
    }

    /// Keeps a record as the API server has just given it.
    pub fn see_abandoned(&self, record: Decoded<AbandonedCredential>) -> bool {
        self.stores.unreadable.note(&record);
        let Decoded { object: record, unreadable: None } = record else {
            return self.stores.abandoned.remove(&Key::of(&record), version(&record));
        };
        self.stores.abandoned.put(Key::of(&record), version(&record), Arc::new(record))
    }

    /// Writes a record's status. Returns whether another writer has changed it meanwhile.
    pub(super) async fn write_abandoned_status(
        &self,
        record: &Arc<AbandonedCredential>,
        mut status: AbandonedStatus,
    ) -> Result<bool, EngineError> {
        let before = record.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
        let as_of = (record.metadata.generation, self.now());
        status.conditions = of_abandoned(record.spec.kind, &status, before, as_of);
        if record.status.as_ref() == Some(&status) {
            return Ok(false);
        }
        let written = self.replace_status(&self.records(), &record.metadata, &status).await;
        let (there, is_written) = match written {
            Err(error) if error.is_not_found() => return Ok(false),
            written => written?,
        };
        self.see_abandoned(there);
        Ok(!is_written)
    }

    /// Removes a record and its Secret, without waiting for the garbage collector.
    pub(super) async fn remove_abandoned(&self, record: &AbandonedCredential) -> Result<(), EngineError> {
        let (name, api) = (record.name_any(), self.own_secrets());
        let beside = call("reading the data for retries", api.get_opt(&name)).await?.filter(|secret| {
            secret.owner_references().iter().any(|owner| Some(&owner.uid) == record.metadata.uid.as_ref())
        });
        let (records, only_this) = (self.records(), only(record.uid()));
        let deleted = call("removing an abandoned credential", records.delete(&name, &only_this)).await;
        ignore_absence(deleted.map(drop))?;
        self.stores.abandoned.remove(&Key::of(record), version(record));
        if let Some(secret) = beside {
            let deleted = call("removing the data for retries", api.delete(&name, &only(secret.uid()))).await;
            ignore_absence(deleted.map(drop))?;
        }
        Ok(())
    }
}

/// The Secret of a record, which is deleted with it.
pub(super) fn beside(record: &AbandonedCredential, data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            namespace: record.namespace(),
            name: Some(record.name_any()),
            owner_references: record.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(ABANDONED_TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

fn bytes(text: &SecretString) -> ByteString {
    ByteString(text.expose_secret().as_bytes().to_vec())
}

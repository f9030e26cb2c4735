//! The bounds of records: how many of them a namespace may leave behind, and for how long.
//!
//! A tenant's own providers can be made to refuse every revocation. Each record is kept in memory
//! and tried again every hour. So their number has to be bounded, and they must not outlive their
//! provider and namespace for ever.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::ResourceExt;

use super::record::beside;
use crate::{
    api::{AbandonedCredential, AbandonedKind, AbandonedStatus, ProviderKind, instant},
    engine::{Engine, EngineError, Key, ProviderKey, Secret, call, put},
    lifecycle::{Abandonment, naming, to_second},
};

/// The largest number of records for the providers of one namespace. Later ones are only counted.
const RECORDS_MAX: usize = 500;
/// The time for which a record stays after its provider and its namespace were deleted.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The time between two checks of a record that only a person can end.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// The prefix of the names of records that count others.
const COUNT_PREFIX: &str = "more-";
/// The keys of the Secret beside such a record.
const COUNT_KEY: &str = "count";
const NAMES_KEY: &str = "names";
/// The longest list of names in it: the newest.
const NAMES_MAX: usize = 64 * 1024;
/// The key beside any record with the time since which its provider and its namespace are gone.
const GONE_SINCE_KEY: &str = "gone_since";
/// The attempts at a write that others get in the way of.
const ATTEMPTS: usize = 5;

/// Returns whether a record stands for credentials that have none of their own.
pub(super) fn counts_others(record: &AbandonedCredential) -> bool {
    record.name_any().starts_with(COUNT_PREFIX)
}

impl Engine {
    /// Returns whether the providers of this namespace have so many records that another credential
    /// is only counted.
    pub(super) fn has_too_many_records(&self, provider: &ProviderKey, record: &str) -> bool {
        let own = Key::new(&self.settings.namespace, record);
        if provider.kind != ProviderKind::CredentialProvider || self.stores.abandoned.get(&own).is_some() {
            return false;
        }
        let namespace = Some(&*provider.namespace);
        let records = self.stores.abandoned.select(|_, it| {
            (it.spec.provider.namespace.as_deref() == namespace && !counts_others(it)).then_some(())
        });
        records.len() >= RECORDS_MAX
    }

    /// Counts a credential in the one record of its namespace for all that have none of their own.
    pub(super) async fn count_abandoned(
        &self,
        key: &Key,
        it: &Abandonment,
        provider: &ProviderKey,
    ) -> Result<(), EngineError> {
        let name = format!("{COUNT_PREFIX}{}", naming::fingerprint(&[&*provider.namespace]));
        let why = format!("{RECORDS_MAX} credentials of this namespace's providers are recorded already");
        let count = Abandonment {
            record: name.clone(),
            kind: AbandonedKind::NotRevoked,
            client_id: None,
            secret_id: None,
            parameters: BTreeMap::new(),
            ids: BTreeMap::new(),
            expires_at: None,
            why,
            ..it.clone()
        };
        let record = self.put_record(self.record_of(key, &count, provider)).await?;
        let (namespace, object) = (&key.namespace, &key.name);
        tracing::warn!(%namespace, name = %object, record = %name, credential = %it.name, "abandoned credential counted, too many records");
        match self.change_beside(&record, |data| count_one_more(data, &it.name)).await {
            // The log has reported it already.
            Err(error) if error.is_refusal() => Ok(()),
            counted => counted,
        }
    }

    /// Writes the status of a record that counts others. Nothing is called for it.
    pub(super) async fn tend_count(
        &self,
        record: &Arc<AbandonedCredential>,
        before: AbandonedStatus,
    ) -> Result<Option<Timestamp>, EngineError> {
        let secret = call(
            "reading the count of unrecorded credentials",
            self.own_secrets().get_opt(&record.name_any()),
        )
        .await?;
        let count = secret.and_then(|it| text(&it, COUNT_KEY)).unwrap_or_else(|| "1".to_owned());
        let (name, own) = (record.name_any(), &self.settings.namespace);
        let namespace = record.spec.provider.namespace.as_deref().unwrap_or_default();
        let message = format!(
            "{count} more credentials of providers in the namespace {namespace} were not revoked and have no record of \
             their own: look for them at the providers and remove them (the Secret {name} lists their names), then \
             delete this record: kubectl delete abandonedcredential {name} --namespace={own}"
        );
        let observed_generation = record.metadata.generation;
        let status = AbandonedStatus { observed_generation, message: Some(message), ..before };
        let overtaken = self.write_abandoned_status(record, status).await?;
        Ok(Some(if overtaken { self.now() } else { self.now() + LOOK_AGAIN }))
    }

    /// Returns whether a record is over because its provider and its namespace have been gone for
    /// long. The record of a shared provider never ends that way.
    pub(super) async fn ends_with_its_namespace(
        &self,
        record: &AbandonedCredential,
    ) -> Result<bool, EngineError> {
        let provider = &record.spec.provider;
        let Some(namespace) = provider.namespace.as_deref() else { return Ok(false) };
        let key = ProviderKey::resolve(provider.kind, &provider.name, namespace);
        if self.stores.providers.get(&key).is_some() || self.is_there(namespace).await? {
            return Ok(false);
        }
        let now = to_second(self.now());
        let secret =
            call("reading the data for retries", self.own_secrets().get_opt(&record.name_any())).await?;
        let since = secret.and_then(|it| instant::parsed(&text(&it, GONE_SINCE_KEY)?));
        let Some(since) = since else {
            let note = |data: &mut BTreeMap<String, ByteString>| {
                data.insert(GONE_SINCE_KEY.to_owned(), ByteString(now.to_string().into_bytes()));
            };
            return self.change_beside(record, note).await.map(|()| false);
        };
        if now.duration_since(since) < KEPT_FOR {
            return Ok(false);
        }
        let (name, spec) = (record.name_any(), &record.spec);
        let client = spec.client_id.as_deref().unwrap_or("unknown");
        tracing::warn!(
            record = %name, %namespace, credential = %spec.name, %client,
            "abandoned credential given up, its provider and namespace gone for 30 days"
        );
        Ok(true)
    }

    /// Returns whether a namespace exists, or may exist.
    async fn is_there(&self, namespace: &str) -> Result<bool, EngineError> {
        match self.read_namespace(namespace).await {
            Ok(there) => Ok(there.is_some()),
            // Our rights in a namespace go with it.
            Err(error) if error.is_refusal() => Ok(self.stores.has_anything_in(namespace)),
            Err(error) => Err(error),
        }
    }

    /// Changes the Secret beside a record, or makes it.
    async fn change_beside(
        &self,
        record: &AbandonedCredential,
        change: impl Fn(&mut BTreeMap<String, ByteString>),
    ) -> Result<(), EngineError> {
        let (api, name) = (self.own_secrets(), record.name_any());
        for _ in 0..ATTEMPTS {
            let there = call("reading the Secret of a record", api.get_opt(&name)).await?;
            let mut secret = there.unwrap_or_else(|| beside(record, BTreeMap::new()));
            change(secret.data.get_or_insert_default());
            match put("writing the Secret of a record", &api, &secret).await {
                Err(error) if error.is_overtaken() => {}
                written => return written.map(drop),
            }
        }
        Err(EngineError::Conflict("the Secret of a record"))
    }
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.value(key)?.to_vec()).ok()
}

fn count_one_more(data: &mut BTreeMap<String, ByteString>, name: &str) {
    let read = |key: &str| data.get(key).and_then(|it| std::str::from_utf8(&it.0).ok()).unwrap_or_default();
    let count = read(COUNT_KEY).parse::<u64>().unwrap_or(0).saturating_add(1);
    let names = format!("{}{name}\n", read(NAMES_KEY));
    let oldest = names.len().saturating_sub(NAMES_MAX);
    let from = if oldest == 0 { Some(0) } else { names[oldest..].find('\n').map(|at| oldest + at + 1) };
    let names = names.get(from.unwrap_or(0)..).unwrap_or_default().to_owned();
    data.insert(COUNT_KEY.to_owned(), ByteString(count.to_string().into_bytes()));
    data.insert(NAMES_KEY.to_owned(), ByteString(names.into_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_counts_says_how_many_and_lists_the_newest_names() {
        let mut data = BTreeMap::new();
        for number in 0..2000 {
            count_one_more(
                &mut data,
                &format!("prod-orders-kwabcdefghijkmnp-{number}-abcd-and-some-more-of-a-name"),
            );
        }
        assert_eq!(data[COUNT_KEY].0, b"2000");
        let names = String::from_utf8(data[NAMES_KEY].0.clone()).unwrap_or_default();
        assert!(names.len() <= NAMES_MAX && names.len() > NAMES_MAX - 100, "{}", names.len());
        assert!(names.starts_with("prod-orders-kw"), "whole names only");
        assert!(names.ends_with("-1999-abcd-and-some-more-of-a-name\n"));
    }
}

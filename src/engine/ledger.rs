//! The form of a ledger's Secret, and its removal.

use k8s_openapi::ByteString;
use kube::{Api, Resource, ResourceExt, api::PatchParams, core::ObjectMeta};

use crate::api::{ApiCredential, LEDGER_FINALIZER, LEDGER_TYPE, ROLE_LABEL, ROLE_LEDGER, ledger_name};

use super::{
    DOCUMENT_KEY, Engine, EngineError, Key, Partial, SEALED_KEY, Secret, call, ignore_absence,
    metadata_version, only, without,
};

impl Engine {
    /// Deletes a closed ledger: first the object, which its finalizer keeps, then the finalizer.
    /// Does not repeat the delete if the ledger is already terminating: the first answer may have
    /// been lost.
    pub(super) async fn release_ledger(&self, key: &Key) -> Result<(), EngineError> {
        let Some(entry) = self.stores.ledgers.get(key) else { return Ok(()) };
        let name = ledger_name(&key.name);
        let api = self.secrets(&key.namespace);
        let Some(secret) = call("reading the ledger", api.get_opt(&name)).await? else {
            self.stores.ledgers.remove(key, entry.version);
            return Ok(());
        };
        if secret.uid().as_ref() != Some(&entry.uid) {
            return Err(EngineError::Conflict("the ledger"));
        }
        self.keep_mints(key, &entry).await;
        let mut last = secret.metadata.clone();
        if secret.metadata.deletion_timestamp.is_none() {
            match call("deleting the ledger", api.delete(&name, &only(Some(entry.uid.clone())))).await {
                Ok(deleted) => last = deleted.left().map_or(last, |secret| secret.metadata),
                Err(error) => ignore_absence(Err(error))?,
            }
        }
        self.remove_ledger_finalizer(key, &last).await?;
        self.stores.ledgers.remove(key, metadata_version(&last));
        Ok(())
    }

    /// Removes our finalizer from a ledger or its copy, if it still has this version. Returns
    /// whether that was the last one.
    pub(super) async fn remove_ledger_finalizer(
        &self,
        key: &Key,
        ledger: &ObjectMeta,
    ) -> Result<bool, EngineError> {
        let name = ledger.name.as_deref().unwrap_or_default();
        let finalizers = ledger.finalizers.as_deref().unwrap_or_default();
        let (patch, last) = without(LEDGER_FINALIZER, finalizers, ledger.resource_version.clone());
        let api: Api<Partial<Secret>> = self.within(&key.namespace);
        let patched = call("releasing the ledger", api.patch(name, &PatchParams::default(), &patch)).await;
        ignore_absence(patched.map(drop))?;
        Ok(last)
    }
}

/// The metadata of a ledger that is made for `object`.
pub(super) fn ledger_metadata(object: &ApiCredential) -> ObjectMeta {
    ObjectMeta {
        namespace: object.namespace(),
        name: Some(ledger_name(&object.name_any())),
        labels: Some([(ROLE_LABEL.to_owned(), ROLE_LEDGER.to_owned())].into()),
        finalizers: Some(vec![LEDGER_FINALIZER.to_owned()]),
        owner_references: object.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// A ledger Secret of any name.
pub(super) fn ledger_secret(metadata: ObjectMeta, document: ByteString, sealed: ByteString) -> Secret {
    let data = [(DOCUMENT_KEY.to_owned(), document), (SEALED_KEY.to_owned(), sealed)];
    Secret { metadata, type_: Some(LEDGER_TYPE.to_owned()), data: Some(data.into()), ..Secret::default() }
}

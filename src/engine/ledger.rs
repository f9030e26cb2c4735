//! Reading and writing the ledger: compare and swap, with read-back.
//!
//! A ledger is only ever written with the resourceVersion that it was read at, or as a create. A
//! stale cache, a second replica, an old leader: their write conflicts, and without that write
//! there is no provider call. When the API server's answer is lost, or its own retry makes a write
//! conflict with itself, the ledger is read back: our write id in it means that the write is ours.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::{Api, Resource, ResourceExt, api::PatchParams, core::ObjectMeta};

use crate::{
    api::{ApiCredential, LEDGER_FINALIZER, LEDGER_TYPE, ROLE_LABEL, ROLE_LEDGER, ledger_name},
    lifecycle::{
        growth::{DOCUMENT_MAX, SEALED_MAX},
        ledger::{Document, Edit},
        world::Memory,
    },
};

use super::{
    Engine, EngineError,
    kubernetes::{call, ignore_absence, metadata_version, only, post, without},
    seal::{Material, Place, SealError, Secrets, random_id},
    stores::{DOCUMENT_KEY, Key, SEALED_KEY, ledger_entry, open_ledger},
    wire::{Partial, Secret},
};

/// A ledger with its secrets, for the length of a pass.
pub(super) struct OpenLedger {
    metadata: ObjectMeta,
    pub(super) document: Document,
    pub(super) material: Material,
}

impl OpenLedger {
    pub(super) fn version(&self) -> u64 {
        metadata_version(&self.metadata)
    }

    /// Makes it the ledger of `object`, if it was another's.
    pub(super) fn belongs_to(&mut self, object: &ApiCredential) {
        let ObjectMeta { labels, owner_references, .. } = ledger_metadata(object);
        self.metadata.owner_references = owner_references;
        self.metadata.labels.get_or_insert_default().extend(labels.unwrap_or_default());
    }

    /// Applies `edits` with the secrets that `keep` adds, drops the secrets of ended revisions, and
    /// stamps the document as a new write.
    fn edit(
        &mut self,
        edits: &[Edit],
        keep: Option<(u32, Secrets)>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        if let Some((revision, secrets)) = keep {
            self.material.insert(revision, secrets);
        }
        for edit in edits {
            self.document.apply(edit, now)?;
        }
        let alive = |revision| self.document.revision(revision).is_some_and(|it| it.state.may_be_alive());
        self.material.retain(alive);
        self.document.write_id = random_id();
        self.document.written_at = now;
        self.document.ledger_uid.clone_from(&self.metadata.uid);
        // Somebody may have removed it, and then no watch reports the ledger.
        let labels = self.metadata.labels.get_or_insert_default();
        labels.insert(ROLE_LABEL.to_owned(), ROLE_LEDGER.to_owned());
        // A restore may have removed it; a terminating ledger takes no new one.
        let finalizers = self.metadata.finalizers.get_or_insert_default();
        if self.metadata.deletion_timestamp.is_none() && !finalizers.iter().any(|it| it == LEDGER_FINALIZER) {
            finalizers.push(LEDGER_FINALIZER.to_owned());
        }
        Ok(())
    }
}

impl Engine {
    pub(super) fn ledgers(&self, key: &Key) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }

    /// Reads and opens the ledger from the API server, and tells the stores.
    pub(super) async fn read_ledger(&self, key: &Key) -> Result<Option<OpenLedger>, EngineError> {
        let (name, known) = (ledger_name(&key.name), self.stores.ledgers.version(key));
        let Some(secret) = call("reading the ledger", self.ledgers(key).get_opt(&name)).await? else {
            self.stores.ledgers.remove(key, known);
            return Ok(None);
        };
        self.stores.ledgers.put(key.clone(), ledger_entry(&secret, &self.sealer));
        let (document, material) = open_ledger(&secret, &self.sealer).map_err(EngineError::Ledger)?;
        Ok(Some(OpenLedger { metadata: secret.metadata, document, material }))
    }

    /// Makes the ledger of `object` with its first edits.
    pub(super) async fn create_ledger(
        &self,
        object: &ApiCredential,
        edits: &[Edit],
        keep: Option<(u32, Secrets)>,
    ) -> Result<OpenLedger, EngineError> {
        self.keep_lost().await;
        let key = Key::of(object);
        let uid = object.uid().unwrap_or_default();
        let metadata = ledger_metadata(object);
        let document = Document::new(&self.settings.cluster_id, &uid, object.spec.deletion_policy);
        let mut open = OpenLedger { metadata, document, material: Material::default() };
        open.edit(edits, keep, self.now())?;
        let secret = self.secret(&open)?;
        let made = call("creating the ledger", self.ledgers(&key).create(&post(), &secret)).await;
        self.written(&key, open, made).await
    }

    /// Writes `open` with `edits`, and with the secrets that `keep` adds.
    pub(super) async fn write_ledger(
        &self,
        key: &Key,
        mut open: OpenLedger,
        edits: &[Edit],
        keep: Option<(u32, Secrets)>,
    ) -> Result<OpenLedger, EngineError> {
        self.keep_lost().await;
        open.edit(edits, keep, self.now())?;
        let secret = self.secret(&open)?;
        let name = ledger_name(&key.name);
        let replaced = call("writing the ledger", self.ledgers(key).replace(&name, &post(), &secret)).await;
        let written = self.written(key, open, replaced).await;
        self.note_written(key, &written);
        written
    }

    /// Remembers since when a ledger cannot be written: it may be immutable, or a policy refuses
    /// it.
    fn note_written<T>(&self, key: &Key, written: &Result<T, EngineError>) {
        let memory = self.remembered(key);
        let unwritable = match written {
            Ok(_) => None,
            Err(error) if error.is_refusal() => memory.unwritable.or(Some(self.now())),
            Err(_) => memory.unwritable,
        };
        if unwritable != memory.unwritable {
            self.remember(key, Memory { unwritable, ..memory });
        }
    }

    /// Returns the Secret to write for a ledger as it stands: sealed for its own place.
    pub(super) fn secret(&self, open: &OpenLedger) -> Result<Secret, EngineError> {
        let failed =
            |what: &dyn std::fmt::Display| EngineError::Ledger(format!("it cannot be encoded: {what}"));
        let document = serde_json::to_vec(&open.document).map_err(|error| failed(&error))?;
        let place = Place {
            namespace: open.metadata.namespace.as_deref().unwrap_or_default(),
            name: open.metadata.name.as_deref().unwrap_or_default(),
            document: &document,
        };
        let sealed = self.sealer.seal(&open.material, place).map_err(|error: SealError| failed(&error))?;
        for (what, length, max) in
            [("document", document.len(), DOCUMENT_MAX), ("sealed part", sealed.len(), SEALED_MAX)]
        {
            // No call is made whose result could not be written afterwards.
            if length > max {
                return Err(EngineError::Ledger(format!("its {what} would be longer than {max} bytes")));
            }
        }
        Ok(ledger_secret(open.metadata.clone(), ByteString(document), ByteString(sealed)))
    }

    /// Takes the answer to a write or, if that was lost or says that someone else was first, reads
    /// back whose write is there.
    async fn written(
        &self,
        key: &Key,
        mut open: OpenLedger,
        answer: Result<Secret, EngineError>,
    ) -> Result<OpenLedger, EngineError> {
        match answer {
            Ok(secret) => {
                self.stores.ledgers.put(key.clone(), ledger_entry(&secret, &self.sealer));
                open.metadata = secret.metadata;
                Ok(open)
            }
            Err(error) if error.is_refusal() || error.is_not_found() => Err(error),
            Err(error) => match self.read_ledger(key).await? {
                Some(there) if there.document.write_id == open.document.write_id => Ok(there),
                _ if error
                    .status()
                    .is_some_and(|status| status.is_conflict() || status.is_already_exists()) =>
                {
                    Err(EngineError::Conflict("the ledger"))
                }
                _ => Err(error),
            },
        }
    }

    /// Deletes a closed ledger: first the object, which its finalizer keeps, then the finalizer.
    /// Does not repeat the delete if the ledger is already terminating: the first answer may have
    /// been lost.
    pub(super) async fn release_ledger(&self, key: &Key) -> Result<(), EngineError> {
        let Some(entry) = self.stores.ledgers.get(key) else { return Ok(()) };
        let name = ledger_name(&key.name);
        let api = self.ledgers(key);
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
        let api: Api<Partial<Secret>> = Api::namespaced(self.client.clone(), &key.namespace);
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

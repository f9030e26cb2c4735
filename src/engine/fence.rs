//! The fence: the only door through which the content of a ledger is written.
//!
//! A ledger is only ever written with the resourceVersion that it was read at, or as a create. A
//! stale cache, a second replica, an old leader: their write conflicts, and without that write
//! there is no provider call. When the API server's answer is lost, or its own retry makes a write
//! conflict with itself, the ledger is read back: our write id in it means that the write is ours.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::{ResourceExt, core::ObjectMeta};

use crate::{
    api::{ApiCredential, LEDGER_FINALIZER, ROLE_LABEL, ROLE_LEDGER, ledger_name},
    lifecycle::{
        Answer, Document, Edit, Memory,
        growth::{DOCUMENT_MAX, SEALED_MAX},
    },
};

use super::{
    Engine, EngineError, Key, LedgerEntry, Material, Sealer, Secret, Secrets, call,
    ledger::{ledger_metadata, ledger_secret},
    ledger_entry, metadata_version, open_ledger, post, random_id,
    seal::{Place, SealError},
};

/// The ledger of one pass, behind its fence.
pub(super) struct Ledger<'a> {
    engine: &'a Engine,
    key: Key,
    /// The fence: the version that was decided on, or that this pass has written since.
    seen: Option<u64>,
    /// The ledger with its secrets, once it was read.
    open: Option<OpenLedger>,
}

/// A ledger with its secrets.
pub(super) struct OpenLedger {
    metadata: ObjectMeta,
    pub(super) document: Document,
    pub(super) material: Material,
}

impl<'a> Ledger<'a> {
    /// The ledger of the object at `key`, of which nothing was decided yet.
    pub(super) fn of(engine: &'a Engine, key: Key) -> Self {
        Self { engine, key, seen: None, open: None }
    }

    /// Puts the fence where the ledger is in the stores. Returns that ledger, to decide on it.
    pub(super) fn observe(&mut self) -> Option<LedgerEntry> {
        let entry = self.engine.stores.ledgers.get(&self.key);
        self.seen = entry.as_ref().map(|entry| entry.version);
        entry
    }

    /// Returns the version at the fence; `None` if there was no ledger.
    pub(super) fn seen(&self) -> Option<u64> {
        self.seen
    }

    /// Moves the fence to the ledger's current version, because the outcome has to be recorded even
    /// if somebody wrote meanwhile. Returns whether somebody did.
    pub(super) fn catch_up(&mut self) -> bool {
        let known = self.seen;
        self.observe();
        known != self.seen
    }

    /// The ledger, if it is the one that was decided on. A change by another writer since then is a
    /// conflict, and never overwritten.
    pub(super) async fn read(&mut self) -> Result<&OpenLedger, EngineError> {
        let open = self.take().await?;
        Ok(self.open.insert(open))
    }

    /// The ledger, if this pass has read or written it.
    pub(super) fn opened(&self) -> Option<&OpenLedger> {
        self.open.as_ref()
    }

    /// Writes the ledger with `edits`.
    pub(super) async fn write(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let open = self.take().await?;
        self.replace(open, edits, None).await
    }

    /// The same with the secrets of a revision.
    pub(super) async fn write_keeping(
        &mut self,
        edits: &[Edit],
        secrets: (u32, Secrets),
    ) -> Result<(), EngineError> {
        let open = self.take().await?;
        self.replace(open, edits, Some(secrets)).await
    }

    /// Writes the ledger, or creates it for `object` if there was none.
    pub(super) async fn write_or_create(
        &mut self,
        object: &ApiCredential,
        edits: &[Edit],
        secrets: Option<(u32, Secrets)>,
    ) -> Result<(), EngineError> {
        if self.seen.is_none() {
            return self.create(object, edits, secrets).await;
        }
        let open = self.take().await?;
        self.replace(open, edits, secrets).await
    }

    /// Writes the ledger as that of `object`, if it was another's.
    pub(super) async fn write_as_of(
        &mut self,
        object: &ApiCredential,
        edits: &[Edit],
    ) -> Result<(), EngineError> {
        let mut open = self.take().await?;
        open.belongs_to(object);
        self.replace(open, edits, None).await
    }

    /// Writes an answer to its intent, which may be in any state by now: the only write that no
    /// fence stops. After a failure the ledger is read again, since another writer may have changed
    /// it.
    pub(super) async fn write_answer(
        &mut self,
        answer: Answer,
        secrets: (u32, Secrets),
    ) -> Result<(), EngineError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.engine.read_ledger(&self.key).await?.ok_or(EngineError::Gone("the ledger"))?,
        };
        self.replace(open, &[Edit::Answer(Box::new(answer))], Some(secrets)).await
    }

    /// Returns the ledger's Secret as its copy has it: without the UID, since the next ledger will
    /// have another.
    pub(super) async fn copied(&mut self) -> Result<Secret, EngineError> {
        let sealer = &self.engine.sealer;
        let open = self.read().await?;
        open.secret(&Document { ledger_uid: None, ..open.document.clone() }, sealer)
    }

    async fn take(&mut self) -> Result<OpenLedger, EngineError> {
        if let Some(open) = self.open.take()
            && Some(open.version()) == self.seen
        {
            return Ok(open);
        }
        let open = self.engine.read_ledger(&self.key).await?.ok_or(EngineError::Gone("the ledger"))?;
        if Some(open.version()) == self.seen { Ok(open) } else { Err(EngineError::Conflict("the ledger")) }
    }

    async fn create(
        &mut self,
        object: &ApiCredential,
        edits: &[Edit],
        secrets: Option<(u32, Secrets)>,
    ) -> Result<(), EngineError> {
        let engine = self.engine;
        engine.keep_lost().await;
        let uid = object.uid().unwrap_or_default();
        let document = Document::new(&engine.settings.cluster_id, &uid, object.spec.deletion_policy);
        let metadata = ledger_metadata(object);
        let mut open = OpenLedger { metadata, document, material: Material::default() };
        open.edit(edits, secrets, engine.now())?;
        let secret = open.secret(&open.document, &engine.sealer)?;
        let made =
            call("creating the ledger", engine.secrets(&self.key.namespace).create(&post(), &secret)).await;
        let written = self.written(open, made).await?;
        self.hold(written);
        Ok(())
    }

    async fn replace(
        &mut self,
        mut open: OpenLedger,
        edits: &[Edit],
        secrets: Option<(u32, Secrets)>,
    ) -> Result<(), EngineError> {
        let engine = self.engine;
        engine.keep_lost().await;
        open.edit(edits, secrets, engine.now())?;
        let secret = open.secret(&open.document, &engine.sealer)?;
        let (api, name) = (engine.secrets(&self.key.namespace), ledger_name(&self.key.name));
        let replaced = call("writing the ledger", api.replace(&name, &post(), &secret)).await;
        let written = self.written(open, replaced).await;
        self.note_written(&written);
        self.hold(written?);
        Ok(())
    }

    /// Keeps the ledger open for the rest of the pass. Its own write moves the fence.
    fn hold(&mut self, open: OpenLedger) {
        self.seen = Some(open.version());
        self.open = Some(open);
    }

    /// Remembers since when a ledger cannot be written: it may be immutable, or a policy refuses
    /// it.
    fn note_written<T>(&self, written: &Result<T, EngineError>) {
        let memory = self.engine.remembered(&self.key);
        let unwritable = match written {
            Ok(_) => None,
            Err(error) if error.is_refusal() => memory.unwritable.or(Some(self.engine.now())),
            Err(_) => memory.unwritable,
        };
        if unwritable != memory.unwritable {
            self.engine.remember(&self.key, Memory { unwritable, ..memory });
        }
    }

    /// Takes the answer to a write or, if that was lost or says that someone else was first, reads
    /// back whose write is there.
    async fn written(
        &self,
        mut open: OpenLedger,
        answer: Result<Secret, EngineError>,
    ) -> Result<OpenLedger, EngineError> {
        let engine = self.engine;
        match answer {
            Ok(secret) => {
                engine.stores.ledgers.put(self.key.clone(), ledger_entry(&secret, &engine.sealer));
                open.metadata = secret.metadata;
                Ok(open)
            }
            Err(error) if error.is_refusal() || error.is_not_found() => Err(error),
            Err(error) => match engine.read_ledger(&self.key).await? {
                Some(there) if there.document.write_id == open.document.write_id => Ok(there),
                _ if error.is_overtaken() => Err(EngineError::Conflict("the ledger")),
                _ => Err(error),
            },
        }
    }
}

impl Engine {
    /// Reads and opens the ledger from the API server, and tells the stores.
    async fn read_ledger(&self, key: &Key) -> Result<Option<OpenLedger>, EngineError> {
        let (name, known) = (ledger_name(&key.name), self.stores.ledgers.version(key));
        let Some(secret) = call("reading the ledger", self.secrets(&key.namespace).get_opt(&name)).await?
        else {
            self.stores.ledgers.remove(key, known);
            return Ok(None);
        };
        self.stores.ledgers.put(key.clone(), ledger_entry(&secret, &self.sealer));
        let (document, material) = open_ledger(&secret, &self.sealer).map_err(EngineError::Ledger)?;
        Ok(Some(OpenLedger { metadata: secret.metadata, document, material }))
    }
}

impl OpenLedger {
    fn version(&self) -> u64 {
        metadata_version(&self.metadata)
    }

    /// Makes it the ledger of `object`, if it was another's.
    fn belongs_to(&mut self, object: &ApiCredential) {
        let ObjectMeta { labels, owner_references, .. } = ledger_metadata(object);
        self.metadata.owner_references = owner_references;
        self.metadata.labels.get_or_insert_default().extend(labels.unwrap_or_default());
    }

    /// Applies `edits` with the secrets that come with them, drops the secrets of ended revisions,
    /// and stamps the document as a new write.
    fn edit(
        &mut self,
        edits: &[Edit],
        secrets: Option<(u32, Secrets)>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        if let Some((revision, secrets)) = secrets {
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

    /// Returns the Secret to write with `document`: sealed for the ledger's own place.
    fn secret(&self, document: &Document, sealer: &Sealer) -> Result<Secret, EngineError> {
        let failed =
            |what: &dyn std::fmt::Display| EngineError::Ledger(format!("it cannot be encoded: {what}"));
        let document = serde_json::to_vec(document).map_err(|error| failed(&error))?;
        let place = Place {
            namespace: self.metadata.namespace.as_deref().unwrap_or_default(),
            name: self.metadata.name.as_deref().unwrap_or_default(),
            document: &document,
        };
        let sealed = sealer.seal(&self.material, place).map_err(|error: SealError| failed(&error))?;
        for (what, length, max) in
            [("document", document.len(), DOCUMENT_MAX), ("sealed part", sealed.len(), SEALED_MAX)]
        {
            // No call is made whose result could not be written afterwards.
            if length > max {
                return Err(EngineError::Ledger(format!("its {what} would be longer than {max} bytes")));
            }
        }
        Ok(ledger_secret(self.metadata.clone(), ByteString(document), ByteString(sealed)))
    }
}

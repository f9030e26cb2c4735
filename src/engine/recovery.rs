//! Ledgers that were restored, deleted or lost: the lifecycle's decisions, applied to the Secrets.

use k8s_openapi::ByteString;
use kube::{Api, ResourceExt, core::ObjectMeta};
use secrecy::SecretString;

use crate::{
    api::{ApiCredential, LEDGER_FINALIZER, copy_name, ledger_name},
    lifecycle::{
        Edit, Failure, FailureKind, Inherited, Outcome, Published, Recovery, Revision,
        render::{self, TakenBack},
    },
};

use super::{
    DOCUMENT_KEY, Engine, EngineError, Key, Material, Partial, Pass, SEALED_KEY, Secret, Secrets, call,
    copy_entry, ignore_absence,
    ledger::{ledger_metadata, ledger_secret},
    ledger_entry, only, open_ledger, post,
    stores::open_as,
    version,
};

impl Pass<'_> {
    /// Makes a restored ledger this object's.
    pub(super) async fn inherit(
        &mut self,
        object: &ApiCredential,
        inherited: &Inherited,
    ) -> Result<(), EngineError> {
        self.confirm(object).await?;
        let edit = Edit::Inherit {
            cluster_id: self.engine.settings.cluster_id.clone(),
            object_uid: object.uid().unwrap_or_default(),
            inherited: inherited.clone(),
        };
        self.ledger.write_as_of(object, &[edit]).await
    }

    /// Rebuilds a ledger. The pair comes from the target, its only source.
    pub(super) async fn recover(
        &mut self,
        object: &ApiCredential,
        recovery: &Recovery,
    ) -> Result<Outcome, EngineError> {
        self.confirm(object).await?;
        let mut revisions = recovery.revisions.clone();
        let mut keep = None;
        if let Some(published) = &recovery.published {
            let it = revisions.iter().find(|it| it.revision == published.revision);
            let of = it.ok_or(EngineError::Gone("the revision"))?;
            let Some(taken) = self.take_back(object, published, of).await? else {
                let message =
                    format!("the Secret {} does not hold the pair that was published", published.target);
                return Ok(Outcome::Failed(Failure::new(FailureKind::Malformed, message)));
            };
            let it = revisions.iter_mut().find(|it| it.revision == published.revision);
            keep = Some((published.revision, fill(it.ok_or(EngineError::Gone("the revision"))?, taken)));
        }
        let (inherited, mints) = (recovery.inherited.clone(), recovery.mints.clone());
        let edits = [Edit::Rebuild { inherited, revisions, mints }];
        self.ledger.write_or_create(object, &edits, keep).await?;
        Ok(Outcome::Done)
    }

    async fn take_back(
        &self,
        object: &ApiCredential,
        published: &Published,
        of: &Revision,
    ) -> Result<Option<TakenBack>, EngineError> {
        let api = self.engine.secrets(&self.key.namespace);
        let secret = call("reading the Secret", api.get_opt(&published.target)).await?;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let text = |(key, ByteString(bytes)): (String, ByteString)| {
            Some((key, SecretString::from(String::from_utf8(bytes).ok()?)))
        };
        let data = data.into_iter().filter_map(text).collect();
        let taken = render::take_back(object.spec.secret.as_ref(), data);
        let is_it = |it: &TakenBack| published.client_id.as_ref().is_none_or(|id| *id == it.client_id);
        let ledgers = &self.engine.stores.ledgers;
        let is_free = |it: &TakenBack| {
            let account = &of.account.fingerprint;
            let is_held = |it| ledgers.held_by_another(&it, account, &self.key);
            !of.identity_with(&it.client_id).is_some_and(is_held)
        };
        Ok(taken.filter(is_it).filter(is_free))
    }

    /// Copies a terminating ledger so that it can be recreated. The copy is sealed for the place of
    /// the ledger and does not know the UID that the next one will have. It has our finalizer: if
    /// recreating fails, it is the only record of the credentials.
    pub(super) async fn copy_ledger(&mut self) -> Result<(), EngineError> {
        let mut copy = self.ledger.copied().await?;
        copy.metadata = ObjectMeta {
            namespace: Some(self.key.namespace.to_string()),
            name: Some(copy_name(&self.key.name)),
            labels: copy.metadata.labels,
            finalizers: Some(vec![LEDGER_FINALIZER.to_owned()]),
            owner_references: copy.metadata.owner_references,
            ..ObjectMeta::default()
        };
        self.engine.put_copy(&self.key, &copy).await
    }
}

/// Puts the content of a target into a rebuilt revision. Returns its secret.
fn fill(revision: &mut Revision, taken: TakenBack) -> Secrets {
    revision.client_id = Some(taken.client_id);
    revision.fields = taken.fields;
    revision.secret_aliases = taken.secret_aliases;
    Secrets { client_secret: taken.client_secret, handle: None }
}

impl Engine {
    /// Writes a copy. Another Secret with that name is no copy of ours, and blocks it.
    async fn put_copy(&self, key: &Key, copy: &Secret) -> Result<(), EngineError> {
        let api = self.secrets(&key.namespace);
        let made = match call("copying the ledger", api.create(&post(), copy)).await {
            Err(error) if error.is_already_exists() => {
                self.remove_copy(key).await?;
                call("copying the ledger", api.create(&post(), copy)).await?
            }
            made => made?,
        };
        let entry = copy_entry(&made, &key.name, &self.sealer);
        self.stores.copies.put(key.clone(), entry.version, entry);
        Ok(())
    }

    /// Takes our finalizer off a ledger that is being deleted, if it is still the one that was
    /// decided on.
    pub(super) async fn drop_ledger(&self, key: &Key, seen: Option<u64>) -> Result<(), EngineError> {
        let (api, name) = (self.secrets(&key.namespace), ledger_name(&key.name));
        let Some(secret) = call("reading the ledger", api.get_opt(&name)).await? else {
            self.stores.ledgers.remove(key, seen.unwrap_or_default());
            return Ok(());
        };
        if Some(version(&secret)) != seen || secret.metadata.deletion_timestamp.is_none() {
            self.stores.ledgers.put(key.clone(), ledger_entry(&secret, &self.sealer));
            return Err(EngineError::Conflict("the ledger"));
        }
        if self.remove_ledger_finalizer(key, &secret.metadata).await? {
            self.stores.ledgers.remove(key, version(&secret));
        } else if let Some(left) = call("reading the ledger", api.get_opt(&name)).await? {
            // Others have finalizers on it, too: the removal of ours has to be recorded, or it
            // would be repeated without end.
            self.stores.ledgers.put(key.clone(), ledger_entry(&left, &self.sealer));
        }
        Ok(())
    }

    /// Recreates a ledger from its copy, byte for byte.
    pub(super) async fn restore_ledger(&self, object: &ApiCredential) -> Result<(), EngineError> {
        let key = Key::of(object);
        let api = self.secrets(&key.namespace);
        let (copy, _) = self.read_copy(&key).await?;
        let mut data = copy.data.unwrap_or_default();
        let mut part = |key: &str| data.remove(key).unwrap_or_default();
        let secret = ledger_secret(ledger_metadata(object), part(DOCUMENT_KEY), part(SEALED_KEY));
        match call("recreating the ledger", api.create(&post(), &secret)).await {
            Ok(made) => {
                self.stores.ledgers.put(key, ledger_entry(&made, &self.sealer));
                Ok(())
            }
            Err(error) if error.is_already_exists() => {
                let there = call("reading the ledger", api.get_opt(&ledger_name(&key.name))).await?;
                if let Some(there) = there.filter(|there| open_ledger(there, &self.sealer).is_ok()) {
                    self.stores.ledgers.put(key, ledger_entry(&there, &self.sealer));
                }
                Err(EngineError::Conflict("the ledger"))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads and opens the copy of a ledger.
    pub(super) async fn read_copy(&self, key: &Key) -> Result<(Secret, Material), EngineError> {
        let name = copy_name(&key.name);
        let copy = call("reading the ledger's copy", self.secrets(&key.namespace).get_opt(&name)).await?;
        let copy = copy.ok_or(EngineError::Gone("the ledger's copy"))?;
        match open_as(&copy, &ledger_name(&key.name), &self.sealer) {
            Ok((_, material)) => Ok((copy, material)),
            Err(why) => Err(EngineError::Ledger(why)),
        }
    }

    /// Removes the copy of a ledger.
    pub(super) async fn remove_copy(&self, key: &Key) -> Result<(), EngineError> {
        let (api, name) = (self.secrets(&key.namespace), copy_name(&key.name));
        let metadata: Api<Partial<Secret>> = self.within(&key.namespace);
        let known = self.stores.copies.version(key);
        if let Some(copy) = call("reading the ledger's copy", metadata.get_opt(&name)).await? {
            self.remove_ledger_finalizer(key, &copy.metadata).await?;
            let deleted = call("removing the ledger's copy", api.delete(&name, &only(copy.uid()))).await;
            ignore_absence(deleted.map(drop))?;
        }
        self.stores.copies.remove(key, known);
        Ok(())
    }
}

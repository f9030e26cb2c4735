//! Gathering a world: from the stores, and with at most one look at the API server for what the stores cannot know.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{ApiCredential, CREDENTIAL_FINALIZER},
    lifecycle::ledger::Document,
    lifecycle::schedule,
    lifecycle::world::{CopyView, LedgerView, Operator, ProviderView, Subject, TargetView, World},
};

use super::{
    Engine, EngineError, Pass,
    kubernetes::carries,
    seal::entropy,
    stores::{Key, LedgerEntry, ProviderKey, TargetEntry},
};

impl Pass<'_> {
    /// The world as it is now.
    ///
    /// # Errors
    /// If the API server cannot be read.
    pub async fn observe(&mut self) -> Result<World, EngineError> {
        let object = self.engine.stores.credentials.get(&self.key);
        let ledger = self.engine.stores.ledgers.get(&self.key);
        self.seen = ledger.as_ref().map(|entry| entry.version);
        let document = ledger.as_ref().and_then(|entry| entry.document.as_ref().ok());
        let copy = self.engine.stores.copies.get(&self.key);
        let copied = copy.as_ref().and_then(|it| it.document.as_ref());
        let providers = self.providers(object.as_deref(), document.or(copied).map(|it| &**it));
        let targets = match &object {
            Some(object) => self.targets(object, &predecessors(ledger.as_ref(), object)).await?,
            None => Vec::new(),
        };
        let intake = object.as_ref().and_then(|object| self.intake(object));
        let uninstalling = self.uninstalling(object.as_deref()).await?;
        let settings = &self.engine.settings;
        Ok(World {
            subject: Subject {
                namespace: self.key.namespace.clone(),
                name: self.key.name.clone(),
                object,
                namespace_labels: self.engine.stores.namespaces.get(&self.key.namespace),
            },
            ledger: ledger_view(ledger),
            copy: copy.map(|copy| CopyView { document: copy.document }),
            strays: self.engine.accounts.strays_of(&self.key),
            targets,
            intake,
            providers,
            uninstalling,
            minted_before: self.engine.stores.ledgers.minted_before(&self.key),
            memory: self.engine.remembered(&self.key),
            operator: Operator {
                cluster_id: settings.cluster_id.clone(),
                writer: settings.writer.clone(),
                skew: self.engine.clock.skew(),
                started: self.engine.started,
                revocation_deadline: settings.revocation_deadline,
                entropy: entropy(),
            },
        })
    }

    fn providers(
        &self,
        object: Option<&ApiCredential>,
        document: Option<&Document>,
    ) -> BTreeMap<(crate::api::ProviderKind, String), ProviderView> {
        // Without a ledger it is status that tells where they were made.
        let status = object.filter(|_| document.is_none()).and_then(|it| it.status.as_ref());
        let listed =
            status.into_iter().flat_map(|it| &it.credentials).filter_map(|it| it.provider_ref.as_ref());
        let named = object.map(|it| &it.spec.provider_ref).into_iter().chain(listed);
        let used = document.into_iter().flat_map(|it| &it.revisions).map(|it| &it.account);
        let named = named.map(|it| (it.kind, it.name.clone()));
        let used = used.map(|it| (it.kind, it.name.clone()));
        let mut views = BTreeMap::new();
        for (kind, name) in named.chain(used) {
            let key = ProviderKey::resolve(kind, &name, &self.key.namespace);
            let view = match self.engine.provider_view(&key, &self.key) {
                Some(view) => view,
                None if self.engine.stores.providers.get(&key).is_some() => continue,
                None => ProviderView::Unusable {
                    reason: crate::api::Reason::ProviderMissing,
                    message: format!(
                        "there is no {kind:?} named {name}: create it, or correct spec.providerRef"
                    ),
                },
            };
            views.insert((kind, name), view);
        }
        views
    }

    /// Whether our definitions are being deleted: asked once in a pass, and only where it matters.
    async fn uninstalling(&mut self, object: Option<&ApiCredential>) -> Result<bool, EngineError> {
        let matters = object.is_some_and(|object| {
            object.metadata.deletion_timestamp.is_some() && carries(object, CREDENTIAL_FINALIZER)
        });
        if matters && self.uninstalling.is_none() {
            self.uninstalling = Some(self.engine.definition_is_going().await?);
        }
        Ok(matters && self.uninstalling == Some(true))
    }

    /// The object's Secrets, and whatever has the name of its target. A Secret that is not ours is not watched, so before a
    /// first publication, and once in a pass, the API server is asked.
    async fn targets(
        &mut self,
        object: &ApiCredential,
        predecessors: &Predecessors,
    ) -> Result<Vec<TargetView>, EngineError> {
        let owner = object.uid().unwrap_or_default();
        let stores = &self.engine.stores;
        let wanted = Key {
            namespace: self.key.namespace.clone(),
            name: object.spec.target_name(&self.key.name).to_owned(),
        };
        let mut entries = stores.targets_of(&self.key.namespace, &owner);
        if !entries.iter().any(|(key, _)| *key == wanted)
            && let Some(entry) = stores.targets.get(&wanted)
        {
            entries.push((wanted.clone(), entry));
        }
        let known = entries.iter().any(|(key, _)| *key == wanted);
        let mut targets: Vec<TargetView> =
            entries.iter().map(|(key, entry)| target_view(key, entry, object, predecessors)).collect();
        if !known && object.metadata.deletion_timestamp.is_none() && !object.spec.suspend {
            if self.inspected.is_none() {
                self.inspected = Some(self.engine.inspect_target(&wanted, &owner).await?);
            }
            targets.extend(self.inspected.clone().flatten().filter(|it| it.name == wanted.name));
        }
        Ok(targets)
    }
}

impl Engine {
    /// When the newest credential of an object ends; what never does, or has none, comes last.
    #[must_use]
    pub fn ends(&self, key: &Key) -> Timestamp {
        let document = self.stores.ledgers.get(key).and_then(|entry| entry.document.ok());
        let end = document.and_then(|document| schedule::end(document.newest_issued()?));
        end.unwrap_or(Timestamp::MAX)
    }
}

/// The UIDs of the objects before this one whose Secrets it may take over. A ledger that was written for this object alone has
/// none; where there is no ledger yet, a Secret that lost its owner in a restore is enough.
struct Predecessors {
    objects: Vec<String>,
    ownerless: bool,
}

fn predecessors(ledger: Option<&LedgerEntry>, object: &ApiCredential) -> Predecessors {
    let uid = object.uid().unwrap_or_default();
    let document = ledger.and_then(|entry| entry.document.as_ref().ok());
    let inherited = document.and_then(|it| it.inherited.as_ref());
    let mut objects: Vec<String> = inherited.map(|it| it.objects.clone()).unwrap_or_default();
    objects.extend(document.map(|it| it.object_uid.clone()));
    objects.retain(|it| *it != uid);
    let ownerless = document.is_none() || inherited.is_some() || !objects.is_empty();
    Predecessors { objects, ownerless }
}

fn ledger_view(entry: Option<LedgerEntry>) -> LedgerView {
    match entry {
        None => LedgerView::Absent,
        Some(LedgerEntry { document: Err(why), terminating, .. }) => {
            LedgerView::Unreadable { why, terminating: terminating.is_some() }
        }
        Some(LedgerEntry { document: Ok(document), owned, uid, held, terminating, .. }) => {
            LedgerView::Present { document, uid, held, terminating, owned }
        }
    }
}

fn target_view(
    key: &Key,
    entry: &TargetEntry,
    object: &ApiCredential,
    predecessors: &Predecessors,
) -> TargetView {
    let owned = entry.owner == object.uid();
    let inherited = !owned
        && entry.intact.is_some()
        && match &entry.owner {
            Some(owner) => predecessors.objects.contains(owner),
            None => predecessors.ownerless && !has_controller(&entry.metadata),
        };
    let ours = owned || inherited;
    let output = object.spec.secret.as_ref();
    let has = |there: &Option<BTreeMap<String, String>>, asked: &BTreeMap<String, String>| {
        asked.iter().all(|(key, value)| there.as_ref().and_then(|there| there.get(key)) == Some(value))
    };
    let dressed = output.is_none_or(|output| {
        has(&entry.metadata.labels, &output.labels) && has(&entry.metadata.annotations, &output.annotations)
    });
    TargetView {
        name: key.name.clone(),
        ours,
        inherited,
        intact: entry.intact.clone().filter(|_| ours && dressed),
        immutable: entry.immutable,
        terminating: entry.metadata.deletion_timestamp.is_some(),
        created_at: entry.created_at,
    }
}

fn has_controller(metadata: &kube::core::ObjectMeta) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| owner.controller == Some(true))
}

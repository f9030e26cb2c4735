//! Gathering a world: from the stores, and with at most one call to the API server for facts that
//! the stores cannot know.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{ApiCredential, CREDENTIAL_FINALIZER, ProviderKind, Reason},
    lifecycle::{
        CopyView, Document, LedgerView, Operator, ProviderView, Subject, TargetView, World, schedule,
    },
};

use super::{
    Engine, EngineError, Key, LedgerEntry, Pass, ProviderKey, TargetEntry, carries, pass::Inspected,
    seal::entropy, stores::asked,
};

impl Pass<'_> {
    /// The world as it is now.
    ///
    /// # Errors
    /// If the API server cannot be read.
    pub async fn observe(&mut self) -> Result<World, EngineError> {
        let object = self.engine.stores.credentials.get(&self.key);
        let ledger = self.ledger.observe();
        let uninstalling = self.uninstalling(object.as_deref()).await?;
        let at_target = match &self.inspected {
            Inspected::There(it) => object.as_ref().and_then(|object| self.unknown(object, it)),
            Inspected::NotYet | Inspected::Missing => None,
        };
        Ok(self.engine.world_of(&self.key, object, ledger, Looked { at_target, uninstalling }))
    }

    /// Returns whether our CRDs are being deleted: read once in a pass, and only where it matters.
    async fn uninstalling(&mut self, object: Option<&ApiCredential>) -> Result<bool, EngineError> {
        let matters = object.is_some_and(|object| {
            object.metadata.deletion_timestamp.is_some() && carries(object, CREDENTIAL_FINALIZER)
        });
        if matters && self.uninstalling.is_none() {
            self.uninstalling = Some(self.engine.definition_is_going().await?);
        }
        Ok(matters && self.uninstalling == Some(true))
    }

    /// Asks the API server, once in a pass, for a Secret with the name of the object's target: one
    /// that is not ours is not watched. Returns whether there is one that `world` does not show.
    ///
    /// # Errors
    /// If the API server cannot be read.
    pub async fn finds_target(&mut self, world: &World) -> Result<bool, EngineError> {
        let object = world.subject.object.as_ref().filter(|it| !world.deleting() && !it.spec.suspend);
        let Some(object) = object.filter(|_| world.target().is_none()) else { return Ok(false) };
        if !matches!(self.inspected, Inspected::NotYet) {
            return Ok(false);
        }
        let (wanted, owner) = (wanted_target(&self.key, object), object.uid().unwrap_or_default());
        let there = self.engine.inspect_target(&wanted, &owner).await?;
        self.inspected = there.map_or(Inspected::Missing, Inspected::There);
        Ok(matches!(self.inspected, Inspected::There(_)))
    }

    /// Returns the inspected Secret, if it is the object's target and in no store.
    fn unknown(&self, object: &ApiCredential, inspected: &TargetView) -> Option<TargetView> {
        let wanted = wanted_target(&self.key, object);
        let is_it = *inspected.name == *wanted.name && self.engine.stores.targets.get(&wanted).is_none();
        is_it.then(|| inspected.clone())
    }
}

/// The answers of the API server for a world, which no store knows.
#[derive(Debug, Default)]
pub(super) struct Looked {
    at_target: Option<TargetView>,
    uninstalling: bool,
}

fn wanted_target(key: &Key, object: &ApiCredential) -> Key {
    Key::new(&key.namespace, object.spec.target_name(&key.name))
}

impl Engine {
    /// Returns the view of an object in the stores.
    pub(super) fn world(&self, key: &Key, looked: Looked) -> World {
        let (object, ledger) = (self.stores.credentials.get(key), self.stores.ledgers.get(key));
        self.world_of(key, object, ledger, looked)
    }

    fn world_of(
        &self,
        key: &Key,
        object: Option<Arc<ApiCredential>>,
        ledger: Option<LedgerEntry>,
        looked: Looked,
    ) -> World {
        let document = ledger.as_ref().and_then(|entry| entry.document.as_ref().ok());
        let copy = self.stores.copies.get(key);
        let copied = copy.as_ref().and_then(|it| it.document.as_ref());
        let providers = self.provider_views(key, object.as_deref(), document.or(copied).map(|it| &**it));
        let mut targets = Vec::new();
        if let Some(object) = &object {
            targets = self.targets(key, object, &predecessors(ledger.as_ref(), object));
            targets.extend(looked.at_target);
        }
        let at = object.as_ref().map(|object| ProviderKey::wanted_by(object, &key.namespace));
        let strays = at.map(|provider| self.accounts.strays_of(key, &provider));
        let settings = &self.settings;
        World {
            intake: object.as_ref().and_then(|object| self.intake(key, object)),
            strays: strays.unwrap_or_default(),
            subject: Subject {
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
                object,
                namespace_labels: self.stores.namespaces.get(&key.namespace),
            },
            ledger: ledger_view(ledger),
            copy: copy.map(|copy| CopyView { document: copy.document }),
            targets,
            providers,
            uninstalling: looked.uninstalling,
            minted_before: self.stores.ledgers.minted_before(key),
            memory: self.remembered(key),
            operator: Operator {
                egress: self.settings.egress_addresses.clone(),
                cluster_id: settings.cluster_id.clone(),
                writer: settings.writer.clone(),
                skew: self.clock.skew(),
                started: self.started(),
                revocation_deadline: settings.revocation_deadline,
                entropy: entropy(),
            },
        }
    }

    fn provider_views(
        &self,
        of: &Key,
        object: Option<&ApiCredential>,
        document: Option<&Document>,
    ) -> BTreeMap<(ProviderKind, String), ProviderView> {
        // Without a ledger, status says where they were made.
        let status = object.filter(|_| document.is_none()).and_then(|it| it.status.as_ref());
        let listed =
            status.into_iter().flat_map(|it| &it.credentials).filter_map(|it| it.provider_ref.as_ref());
        let named = object.map(|it| &it.spec.provider_ref).into_iter().chain(listed);
        let used = document.into_iter().flat_map(|it| &it.revisions).map(|it| &it.account);
        let named = named.map(|it| (it.kind, it.name.clone()));
        let used = used.map(|it| (it.kind, it.name.clone()));
        let mut views = BTreeMap::new();
        for (kind, name) in named.chain(used) {
            let key = ProviderKey::resolve(kind, &name, &of.namespace);
            let view = match self.provider_view(&key, of) {
                Some(view) => view,
                None if self.stores.providers.get(&key).is_some() => continue,
                None => ProviderView::Unusable {
                    reason: Reason::ProviderMissing,
                    message: format!(
                        "there is no {kind:?} named {name}: create it, or correct spec.providerRef"
                    ),
                },
            };
            views.insert((kind, name), view);
        }
        views
    }

    /// The object's Secrets, as far as the watch tells of them.
    fn targets(&self, key: &Key, object: &ApiCredential, predecessors: &Predecessors) -> Vec<TargetView> {
        let (wanted, owner) = (wanted_target(key, object), object.uid().unwrap_or_default());
        let mut entries = self.stores.targets_of(&key.namespace, &owner);
        if !entries.iter().any(|(key, _)| *key == wanted)
            && let Some(entry) = self.stores.targets.get(&wanted)
        {
            entries.push((wanted, entry));
        }
        entries.iter().map(|(key, entry)| target_view(key, entry, object, predecessors)).collect()
    }

    /// Returns when the newest credential of an object ends; an object whose credential never ends,
    /// or that has none, comes last.
    #[must_use]
    pub fn ends(&self, key: &Key) -> Timestamp {
        let document = self.stores.ledgers.get(key).and_then(|entry| entry.document.ok());
        let end = document.and_then(|document| schedule::end(document.newest_issued()?));
        end.unwrap_or(Timestamp::MAX)
    }
}

/// The UIDs of the earlier objects whose Secrets it may adopt. A ledger that was written for this
/// object alone has none. Without a ledger, a Secret that lost its owner in a restore is enough.
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
    let Some(entry) = entry else { return LedgerView::Absent };
    let LedgerEntry { document, sealed, owned, up_to_date, uid, held, terminating, .. } = entry;
    match document {
        Ok(document) => LedgerView::Present { document, sealed, uid, held, terminating, owned, up_to_date },
        Err(why) => LedgerView::Unreadable { why, held, terminating: terminating.is_some() },
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
            None => predecessors.ownerless && entry.controller.is_none(),
        };
    let ours = owned || inherited;
    let applied = entry.applied == asked(object.spec.secret.as_ref());
    TargetView {
        name: key.name.to_string(),
        ours,
        inherited,
        intact: entry.intact.clone().filter(|_| ours && applied),
        immutable: entry.immutable,
        terminating: entry.terminating,
        created_at: entry.created_at,
    }
}

/// Returns whether a Secret is this object's to write: its own, or inherited.
pub(super) fn is_ours(
    key: &Key,
    entry: &TargetEntry,
    object: &ApiCredential,
    ledger: Option<&LedgerEntry>,
) -> bool {
    target_view(key, entry, object, &predecessors(ledger, object)).ours
}

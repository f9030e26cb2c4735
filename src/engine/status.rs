//! Writing status, finalizers and nothing else of the ApiCredential.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{
        ApiCredential, ApiCredentialStatus, CREDENTIAL_FINALIZER, ConditionType, FIELD_MANAGER, GROUP, Reason,
    },
    lifecycle::{
        obstacle::{self, Obstacle},
        plan::{Rest, Wake},
        status,
        telling::{self, When},
        world::{Memory, World},
    },
};

use super::{
    Engine, EngineError,
    kubernetes::{call, version},
    observe::Looked,
    stores::Key,
    wire::Decoded,
};

impl Engine {
    fn credentials(&self, namespace: &str) -> Api<Decoded<ApiCredential>> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Keeps an object as the API server has just given it.
    pub fn see_credential(&self, decoded: Decoded<ApiCredential>) -> bool {
        self.stores.unreadable.note(&decoded);
        let object = shrunk(decoded.object);
        self.stores.credentials.put(Key::of(&*object), version(&*object), object)
    }

    /// Stores the answer to a write of an object's status. Returns whether another writer's change
    /// came with it.
    fn see_answer(&self, decoded: Decoded<ApiCredential>, based_on: &Arc<ApiCredential>) -> bool {
        self.stores.unreadable.note(&decoded);
        let object = shrunk(decoded.object);
        self.stores.credentials.put_answer(Key::of(&*object), version(&*object), based_on, object)
    }

    /// Writes into the status of an object that its spec cannot be read. The other fields stay:
    /// they were true when they were written.
    ///
    /// # Errors
    /// If the API server cannot be written.
    pub async fn show_unreadable(&self, key: &Key) -> Result<bool, EngineError> {
        let Some(why) = self.stores.unreadable.why::<ApiCredential>(key) else { return Ok(false) };
        let Some(object) = self.stores.credentials.get(key) else { return Ok(true) };
        let message = format!(
            "the spec cannot be read by this version of Credwright: {why}; correct it, or upgrade Credwright"
        );
        let draft = (ConditionType::Ready, false, Reason::SpecUnreadable, message);
        let mut status = object.status.clone().unwrap_or_default();
        let ready = status::condition(draft, &status.conditions, object.metadata.generation, self.now());
        status.conditions.retain(|it| it.type_ != ready.type_);
        status.conditions.insert(0, ready);
        status.observed_generation = object.metadata.generation;
        if object.status.as_ref() != Some(&status) {
            let written = self.apply_status(&object, &status).await?;
            if self.see_answer(written, &object) {
                return Err(EngineError::Conflict("the object"));
            }
        }
        Ok(true)
    }

    /// Writes status if it should say something else than it does.
    ///
    /// # Errors
    /// A conflict if the answer contains another writer's change: the plan was made for the object
    /// before it.
    pub(super) async fn write_status(&self, world: &World, rest: &Rest) -> Result<Wake, EngineError> {
        let Some(object) = &world.subject.object else { return Ok(rest.wake) };
        let status = status::view(world, object, rest, self.now());
        if object.status.as_ref() == Some(&status) {
            return Ok(rest.wake);
        }
        match telling::when(world.memory.told, fingerprint(&status), self.now()) {
            When::Now(told) => {
                let memory = Memory { told: Some(told), ..self.remembered(&Key::of(&**object)) };
                self.remember(&Key::of(&**object), memory);
            }
            When::At(at) => return Ok(rest.wake.or_at(at)),
        }
        let overtaken = match self.apply_status(object, &status).await {
            Ok(written) => self.see_answer(written, object),
            Err(error) if error.is_not_found() => return Ok(rest.wake),
            Err(error) => return Err(error),
        };
        if let Some(note) = status::notice(world, object, rest) {
            self.publish_event(object, &note).await;
        }
        if overtaken { Err(EngineError::Conflict("the object")) } else { Ok(rest.wake) }
    }

    /// Writes into the object's status what prevents its processing. If that fails, too, it is only
    /// logged.
    pub async fn tell_of(&self, key: &Key, error: &EngineError) {
        let failed = self.remembered(key).failed.saturating_add(1);
        self.remember(key, Memory { failed, ..self.remembered(key) });
        let Some(obstacle) = obstacle(error) else { return };
        let world = self.world(key, Looked::default());
        let Some(rest) = obstacle::rest(&world, &obstacle, failed) else { return };
        if let Err(untold) = self.write_status(&world, &rest).await {
            let Key { namespace, name } = key;
            tracing::warn!(%namespace, %name, error = %untold, "status not written, retrying");
        }
    }

    async fn apply_status(
        &self,
        object: &ApiCredential,
        status: &ApiCredentialStatus,
    ) -> Result<Decoded<ApiCredential>, EngineError> {
        let patch = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "ApiCredential",
            "metadata": { "name": object.name_any(), "uid": object.metadata.uid },
            "status": status,
        });
        let api = self.credentials(&object.namespace().unwrap_or_default());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        call("writing status", api.patch_status(&object.name_any(), &params, &Patch::Apply(patch))).await
    }

    /// Reads the object once more before a step that cannot be undone. The watch may lag and the
    /// fence does not cover the spec: acting on an old spec could replace or abandon a credential
    /// made for the new one.
    pub(super) async fn confirm_object(&self, object: &ApiCredential) -> Result<(), EngineError> {
        let api = self.credentials(&object.namespace().unwrap_or_default());
        let essence = |it: &ApiCredential| (it.uid(), it.metadata.generation);
        match call("reading the object", api.get_opt(&object.name_any())).await? {
            Some(fresh) if fresh.unreadable.is_none() && essence(&fresh) == essence(object) => return Ok(()),
            Some(fresh) => self.see_credential(fresh),
            None => self.forget_credential(object),
        };
        Err(EngineError::Conflict("the object"))
    }

    /// It was deleted. Another one may have its name by now.
    fn forget_credential(&self, object: &ApiCredential) -> bool {
        self.stores.remove_credential(&Key::of(object), version(object))
    }

    /// Confirms that there is no such object. The watch may lag.
    pub(super) async fn confirm_absence(&self, key: &Key) -> Result<(), EngineError> {
        match call("reading the object", self.credentials(&key.namespace).get_opt(&key.name)).await? {
            None => Ok(()),
            Some(there) => {
                self.see_credential(there);
                Err(EngineError::Conflict("the object"))
            }
        }
    }

    /// Puts our finalizer on the object.
    pub(super) async fn add_finalizer(&self, object: &ApiCredential) -> Result<(), EngineError> {
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(CREDENTIAL_FINALIZER.to_owned());
        self.write_finalizers(object, finalizers).await
    }

    /// Takes our finalizer off the object.
    pub(super) async fn remove_finalizer(&self, object: &ApiCredential) -> Result<(), EngineError> {
        let finalizers =
            object.finalizers().iter().filter(|it| *it != CREDENTIAL_FINALIZER).cloned().collect();
        self.write_finalizers(object, finalizers).await
    }

    async fn write_finalizers(
        &self,
        object: &ApiCredential,
        finalizers: Vec<String>,
    ) -> Result<(), EngineError> {
        let patch = json!({ "metadata": { "resourceVersion": object.metadata.resource_version, "finalizers": finalizers } });
        let api = self.credentials(&object.namespace().unwrap_or_default());
        let name = object.name_any();
        let patched =
            call("writing finalizers", api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))).await;
        match patched {
            Ok(object) if object.metadata.deletion_timestamp.is_some() && object.finalizers().is_empty() => {
                self.forget_credential(&object);
                Ok(())
            }
            Ok(object) => {
                self.see_credential(object);
                Ok(())
            }
            Err(error) if error.is_not_found() => {
                self.forget_credential(object);
                Ok(())
            }
            Err(error) if error.status().is_some_and(kube::core::Status::is_conflict) => {
                match call("reading the object", api.get_opt(&name)).await? {
                    Some(fresh) => self.see_credential(fresh),
                    None => self.forget_credential(object),
                };
                Err(EngineError::Conflict("the object"))
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the obstacle to show for an error; `None` if it is nothing to report: another process
/// works, or another writer was first.
fn obstacle(error: &EngineError) -> Option<Obstacle> {
    match error {
        EngineError::NotLeading | EngineError::Stopping | EngineError::Conflict(_) | EngineError::Gone(_) => {
            None
        }
        EngineError::Kubernetes { what, .. } if error.is_refusal() => {
            let why = error.status().map(|status| status.message.clone()).unwrap_or_default();
            Some(Obstacle::Refused { what: (*what).to_owned(), why })
        }
        _ => Some(Obstacle::Failed(error.to_string())),
    }
}

fn fingerprint(status: &ApiCredentialStatus) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(status).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// An object as it is kept.
fn shrunk(mut object: ApiCredential) -> Arc<ApiCredential> {
    if let Some(status) = &mut object.status {
        // Decoding makes room for four.
        status.conditions.shrink_to_fit();
        status.credentials.shrink_to_fit();
    }
    Arc::new(object)
}

//! All that touches the ApiCredential itself: its copy in the stores, a fresh read of it, its
//! finalizer, and the write of its status.

use std::sync::Arc;

use kube::api::{Api, Patch, PatchParams, ResourceExt};
use serde_json::json;

use crate::api::{ApiCredential, ApiCredentialStatus, CREDENTIAL_FINALIZER};

use super::{Decoded, Engine, EngineError, Key, call, version};

impl Engine {
    fn credentials(&self, namespace: &str) -> Api<Decoded<ApiCredential>> {
        self.within(namespace)
    }

    /// Keeps an object as the API server has just given it.
    pub fn see_credential(&self, decoded: Decoded<ApiCredential>) -> bool {
        self.stores.unreadable.note(&decoded);
        let object = shrunk(decoded.object);
        self.stores.credentials.put(Key::of(&*object), version(&*object), object)
    }

    /// Writes the object's status.
    ///
    /// # Errors
    /// A conflict if somebody else has changed the object meanwhile: the plan was made for the
    /// object before.
    pub(super) async fn put_status(
        &self,
        object: &ApiCredential,
        status: &ApiCredentialStatus,
    ) -> Result<(), EngineError> {
        let api = self.credentials(&object.namespace().unwrap_or_default());
        let (there, is_written) = self.replace_status(&api, &object.metadata, status).await?;
        self.see_credential(there);
        if is_written { Ok(()) } else { Err(EngineError::Conflict("the object")) }
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
                self.forget_credential(&object)
            }
            Ok(object) => self.see_credential(object),
            Err(error) if error.is_not_found() => self.forget_credential(object),
            Err(error) if error.is_write_conflict() => {
                match call("reading the object", api.get_opt(&name)).await? {
                    Some(fresh) => self.see_credential(fresh),
                    None => self.forget_credential(object),
                };
                return Err(EngineError::Conflict("the object"));
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }
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

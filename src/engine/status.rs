//! Writing status, finalizers and nothing else of the ApiCredential.

use std::sync::Arc;

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{ApiCredential, ApiCredentialStatus, CREDENTIAL_FINALIZER, FIELD_MANAGER, GROUP},
    lifecycle::{plan::Plan, status, world::World},
};

use super::{
    Engine, EngineError,
    kubernetes::{call, version},
    stores::Key,
};

impl Engine {
    fn credentials(&self, namespace: &str) -> Api<ApiCredential> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Keeps an object as the API server has just given it.
    pub fn see_credential(&self, mut object: ApiCredential) -> bool {
        object.metadata.managed_fields = None;
        if let Some(annotations) = &mut object.metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        if let Some(status) = &mut object.status {
            // Decoding makes room for four.
            status.conditions.shrink_to_fit();
            status.credentials.shrink_to_fit();
        }
        self.stores.credentials.put(Key::of(&object), version(&object), Arc::new(object))
    }

    /// Writes status if it should say something else than it does.
    pub(super) async fn write_status(&self, world: &World, plan: &Plan) -> Result<(), EngineError> {
        let Some(object) = &world.subject.object else { return Ok(()) };
        let status = status::view(world, object, plan, self.now());
        if object.status.as_ref() == Some(&status) {
            return Ok(());
        }
        match self.apply_status(object, &status).await {
            Ok(written) => self.see_credential(written),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(note) = status::notice(world, object, plan) {
            self.publish_event(object, &note).await;
        }
        Ok(())
    }

    async fn apply_status(
        &self,
        object: &ApiCredential,
        status: &ApiCredentialStatus,
    ) -> Result<ApiCredential, EngineError> {
        let patch = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "ApiCredential",
            "metadata": { "name": object.name_any(), "uid": object.metadata.uid },
            "status": status,
        });
        let api = self.credentials(&object.namespace().unwrap_or_default());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        call("writing status", api.patch_status(&object.name_any(), &params, &Patch::Apply(patch))).await
    }

    /// Reads the object once more before what cannot be undone. The watch may be behind, and the ledger's fence does not tell:
    /// from an old spec, a credential that was made for the new one would be replaced or given up.
    pub(super) async fn confirm_object(&self, object: &ApiCredential) -> Result<(), EngineError> {
        let api = self.credentials(&object.namespace().unwrap_or_default());
        let essence = |it: &ApiCredential| (it.uid(), it.metadata.generation);
        match call("reading the object", api.get_opt(&object.name_any())).await? {
            Some(fresh) if essence(&fresh) == essence(object) => return Ok(()),
            Some(fresh) => self.see_credential(fresh),
            None => self.forget_credential(object),
        };
        Err(EngineError::Conflict("the object"))
    }

    /// It is gone. Another one may have its name by now.
    fn forget_credential(&self, object: &ApiCredential) -> bool {
        self.stores.credentials.remove(&Key::of(object), version(object))
    }

    /// Makes sure that there is no such object. The watch may not have told of it yet.
    pub(super) async fn confirm_absence(&self, key: &Key) -> Result<(), EngineError> {
        match call("looking for the object", self.credentials(&key.namespace).get_opt(&key.name)).await? {
            None => Ok(()),
            Some(there) => {
                self.see_credential(there);
                Err(EngineError::Conflict("the object"))
            }
        }
    }

    /// Puts our finalizer on the object.
    pub(super) async fn hold_object(&self, object: &ApiCredential) -> Result<(), EngineError> {
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(CREDENTIAL_FINALIZER.to_owned());
        self.write_finalizers(object, finalizers).await
    }

    /// Takes our finalizer off the object.
    pub(super) async fn release_object(&self, object: &ApiCredential) -> Result<(), EngineError> {
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

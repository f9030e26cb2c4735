//! The RoleBinding that gives Credwright its rights in a namespace, if it works in some namespaces only: rights that go first, with a
//! namespace that is deleted, would leave behind what can only be ended with them.
//!
//! It is held from the first object in the namespace until the last thing of ours in it has gone.

use std::collections::HashMap;

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, ResourceExt};
use tokio::sync::Mutex;

use crate::api::RIGHTS_FINALIZER;

use super::{
    Engine, EngineError,
    finalizer::Change,
    kubernetes::{call, carries},
    wire::Partial,
};

/// Which bindings are held, as far as that is known. Locked while one is written, so that nothing is begun with rights that are just
/// being let go.
#[derive(Default)]
pub(super) struct Rights(Mutex<HashMap<String, bool>>);

impl Engine {
    /// Holds the rights in a namespace while there is anything of ours in it, and lets them go after that. What is as it should be is
    /// not looked at again.
    ///
    /// # Errors
    /// If they cannot be held: they are going, or the API server cannot be reached. Nothing may then be begun in the namespace.
    pub async fn tend_rights(&self, namespace: &str) -> Result<(), EngineError> {
        let Some(name) = &self.settings.role_binding else { return Ok(()) };
        let mut known = self.rights.0.lock().await;
        let needed = self.stores.has_anything_in(namespace);
        if known.get(namespace) == Some(&needed) {
            return Ok(());
        }
        let bindings: Api<Partial<RoleBinding>> = Api::namespaced(self.client.clone(), namespace);
        match call("reading the RoleBinding", bindings.get_opt(name)).await? {
            None => tracing::info!(namespace, name, "the RoleBinding does not exist"),
            Some(_) if !needed => Change::Off.of(RIGHTS_FINALIZER, &bindings, name).await?,
            Some(binding) if carries(&binding, RIGHTS_FINALIZER) => {}
            Some(binding) => {
                let uid = binding.uid().unwrap_or_default();
                Change::On(&uid).of(RIGHTS_FINALIZER, &bindings, name).await?;
            }
        }
        known.insert(namespace.to_owned(), needed);
        Ok(())
    }
}

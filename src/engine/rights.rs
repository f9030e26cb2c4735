//! The RoleBinding that gives Credwright its rights in a namespace, if it works in some namespaces
//! only. If a namespace deletion removed this RoleBinding first, Credwright could not revoke what
//! is left there.
//!
//! It has our finalizer from the first object in the namespace until the last of ours there is
//! gone.

use std::collections::HashMap;

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, ResourceExt};
use tokio::sync::Mutex;

use crate::api::RIGHTS_FINALIZER;

use super::{Engine, EngineError, Partial, call, carries, finalizer::Change};

/// The bindings that have our finalizer, as far as that is known. Locked while one is written, so
/// that nothing starts with rights that are just being released.
#[derive(Default)]
pub(super) struct Rights(Mutex<HashMap<String, bool>>);

impl Engine {
    /// Adds a finalizer to the RoleBinding in a namespace while there is anything of ours in it,
    /// and removes it after that. A binding that is right is not read again.
    ///
    /// # Errors
    /// If the finalizer cannot be added: the RoleBinding is terminating, or the API server cannot
    /// be reached. Nothing may then be started in the namespace.
    pub async fn tend_rights(&self, namespace: &str) -> Result<(), EngineError> {
        let Some(name) = &self.settings.role_binding else { return Ok(()) };
        let mut known = self.rights.0.lock().await;
        let needed = self.stores.has_anything_in(namespace);
        if known.get(namespace) == Some(&needed) {
            return Ok(());
        }
        let bindings: Api<Partial<RoleBinding>> = self.within(namespace);
        match call("reading the RoleBinding", bindings.get_opt(name)).await? {
            None => tracing::info!(namespace, name, "the RoleBinding does not exist"),
            Some(_) if !needed => Change::Remove.of(RIGHTS_FINALIZER, &bindings, name).await?,
            Some(binding) if carries(&binding, RIGHTS_FINALIZER) => {}
            Some(binding) => {
                let uid = binding.uid().unwrap_or_default();
                Change::Add(&uid).of(RIGHTS_FINALIZER, &bindings, name).await?;
            }
        }
        known.insert(namespace.to_owned(), needed);
        Ok(())
    }
}

//! Letting go of everything, for good or until Credwright is installed again: finalizers and owner
//! references come off, and every Secret and credential stays as it is.

use std::time::Duration;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::Deployment, core::v1::Pod, rbac::v1::RoleBinding},
};
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, Resource};
use kube::{Client, core::Status};
use serde_json::json;

use crate::api::{
    ApiCredential, CREDENTIAL_FINALIZER, ClusterCredentialProvider, CredentialProvider, GROUP,
    LEDGER_FINALIZER, LOGIN_FINALIZER, PROVIDER_FINALIZER, RIGHTS_FINALIZER, ROLE_LABEL,
};

use super::{EngineError, Partial, Secret, call, ignore_absence};

/// Every finalizer that Credwright puts on anything.
const FINALIZERS: [&str; 5] =
    [CREDENTIAL_FINALIZER, LEDGER_FINALIZER, LOGIN_FINALIZER, PROVIDER_FINALIZER, RIGHTS_FINALIZER];
/// The number of objects per page of a list.
const PAGE: u32 = 250;
/// The pause between two checks of a pod that is stopping.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The numbers of objects whose finalizers were removed.
#[derive(Clone, Debug, Default)]
pub struct Detached {
    /// Ledgers, the Secrets that workloads read, and logins.
    pub secrets: usize,
    /// ApiCredentials.
    pub credentials: usize,
    /// Providers of both kinds.
    pub providers: usize,
    /// RoleBindings that gave Credwright its rights.
    pub role_bindings: usize,
    /// Namespaces where Credwright has no rights: they were deleted, or their RoleBinding was,
    /// after everything that needed it.
    pub skipped: Vec<String>,
}

impl Detached {
    /// Returns whether nothing had to be removed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.secrets + self.credentials + self.providers + self.role_bindings == 0
    }

    fn add(&mut self, more: &Self) {
        self.secrets += more.secrets;
        self.credentials += more.credentials;
        self.providers += more.providers;
    }
}

/// Removes finalizers from everything in `namespaces`, or everywhere. Secrets come first: an object
/// without a finalizer may be deleted at any moment, and its dependents with it. Last come the
/// rights to do all that, the RoleBindings of this name in `namespaces`. An object without our
/// finalizer is not written, so this may be repeated.
///
/// # Errors
/// If the API server refuses a list or a write; finalizers removed until then stay removed.
pub async fn detach(
    client: &Client,
    namespaces: &[String],
    role_binding: &str,
) -> Result<Detached, EngineError> {
    if namespaces.is_empty() {
        let mut done = detach_within(client, None).await?;
        let all: Api<Partial<ClusterCredentialProvider>> = Api::all(client.clone());
        done.providers += detach_listed(&all, |_| all.clone(), ListParams::default()).await?;
        return Ok(done);
    }
    let mut done = Detached::default();
    for namespace in namespaces {
        match detach_within(client, Some(namespace)).await {
            Ok(count) => done.add(&count),
            // Our RoleBinding has our finalizer while anything needs it: without the binding,
            // nothing has one.
            Err(error) if error.status().is_some_and(Status::is_forbidden) => {
                done.skipped.push(namespace.clone());
                continue;
            }
            Err(error) => return Err(error),
        }
        let bindings: Api<Partial<RoleBinding>> = Api::namespaced(client.clone(), namespace);
        let there = call("reading the RoleBinding", bindings.get_opt(role_binding)).await?;
        if let Some(binding) = there {
            done.role_bindings += usize::from(remove_finalizers(&bindings, &binding.metadata).await?);
        }
    }
    Ok(done)
}

async fn detach_within(client: &Client, namespace: Option<&str>) -> Result<Detached, EngineError> {
    Ok(Detached {
        secrets: detach_all::<Secret>(client, namespace, Some(ROLE_LABEL)).await?,
        credentials: detach_all::<ApiCredential>(client, namespace, None).await?,
        providers: detach_all::<CredentialProvider>(client, namespace, None).await?,
        ..Detached::default()
    })
}

async fn detach_all<K>(
    client: &Client,
    namespace: Option<&str>,
    label: Option<&str>,
) -> Result<usize, EngineError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + 'static,
{
    let within = |namespace: &str| Api::<Partial<K>>::namespaced(client.clone(), namespace);
    let listed = namespace.map_or_else(|| Api::all(client.clone()), within);
    let params = label.map_or_else(ListParams::default, |label| ListParams::default().labels(label));
    detach_listed(&listed, |metadata| within(metadata.namespace.as_deref().unwrap_or_default()), params).await
}

async fn detach_listed<K>(
    listed: &Api<Partial<K>>,
    of: impl Fn(&ObjectMeta) -> Api<Partial<K>>,
    params: ListParams,
) -> Result<usize, EngineError>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let mut params = params.limit(PAGE);
    let mut count = 0;
    loop {
        let page = call("listing objects with Credwright's finalizer", listed.list(&params)).await?;
        for object in page.items {
            count += usize::from(remove_finalizers(&of(&object.metadata), &object.metadata).await?);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(count),
        }
    }
}

/// Stops the operator: scales its Deployment to 0, and waits until none of its pods is left, for as
/// long as that takes.
///
/// # Errors
/// If the Deployment cannot be read or scaled, or its pods cannot be listed.
pub async fn stop(client: &Client, namespace: &str, deployment: &str) -> Result<(), EngineError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let Some(there) = call("reading the Deployment", deployments.get_opt(deployment)).await? else {
        return Ok(());
    };
    let none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    call("scaling the Deployment", deployments.patch_scale(deployment, &PatchParams::default(), &none))
        .await?;
    let labels = there.spec.unwrap_or_default().selector.match_labels.unwrap_or_default();
    let selector: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods: Api<Partial<Pod>> = Api::namespaced(client.clone(), namespace);
    let of_it = ListParams::default().labels(&selector.join(","));
    while !call("listing the operator's pods", pods.list(&of_it)).await?.items.is_empty() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Removes our finalizer from one object. Returns whether there was one.
async fn remove_finalizers<K>(api: &Api<Partial<K>>, metadata: &ObjectMeta) -> Result<bool, EngineError>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let Some(patch) = without_ours(metadata) else { return Ok(false) };
    let name = metadata.name.as_deref().unwrap_or_default();
    let patched = call("letting go", api.patch(name, &PatchParams::default(), &patch)).await;
    match patched {
        // A concurrent writer has changed it: the next pass finds its finalizer.
        Err(error) if error.is_write_conflict() => {}
        patched => ignore_absence(patched.map(drop))?,
    }
    Ok(true)
}

/// Returns a patch that removes our finalizers and our objects' ownership, and nothing else; `None`
/// if there are none.
fn without_ours(metadata: &ObjectMeta) -> Option<Patch<serde_json::Value>> {
    let finalizers: Vec<&String> = metadata.finalizers.iter().flatten().collect();
    let owners: Vec<_> = metadata.owner_references.iter().flatten().collect();
    let mut left = (finalizers.clone(), owners.clone());
    left.0.retain(|finalizer| !FINALIZERS.contains(&finalizer.as_str()));
    left.1.retain(|owner| owner.api_version.split('/').next() != Some(GROUP));
    if left.0.len() == finalizers.len() && left.1.len() == owners.len() {
        return None;
    }
    Some(Patch::Merge(json!({ "metadata": {
        "resourceVersion": metadata.resource_version, "finalizers": left.0, "ownerReferences": left.1,
    } })))
}

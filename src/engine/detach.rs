//! Letting go of everything, for good or until Credwright is installed again: finalizers and owner references come off, and every
//! Secret and credential stays as it is.

use std::fmt::Debug;

use k8s_openapi::{NamespaceResourceScope, api::core::v1::Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::{ObjectMeta, Status},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::{
    ApiCredential, CREDENTIAL_FINALIZER, ClusterCredentialProvider, CredentialProvider, GROUP,
    LEDGER_FINALIZER, LOGIN_FINALIZER, PROVIDER_FINALIZER, ROLE_LABEL,
};

use super::{EngineError, kubernetes::call, ledger::ignore_absence};

/// Every finalizer that Credwright puts on anything.
const FINALIZERS: [&str; 4] = [CREDENTIAL_FINALIZER, LEDGER_FINALIZER, LOGIN_FINALIZER, PROVIDER_FINALIZER];
/// How many objects are listed at once.
const PAGE: u32 = 250;

/// How many objects were let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detached {
    /// Ledgers, the Secrets that workloads read, and logins.
    pub secrets: usize,
    /// ApiCredentials.
    pub credentials: usize,
    /// Providers of both kinds.
    pub providers: usize,
}

/// Lets go of everything in `namespaces`, or everywhere. Secrets come first: once an object is free it may go at any moment, and
/// what still belongs to it would go with it. What is free already is not written, so this may be repeated.
///
/// # Errors
/// If the API server refuses a list or a write; what was let go until then stays so.
pub async fn detach(client: &Client, namespaces: &[String]) -> Result<Detached, EngineError> {
    let everywhere = namespaces.is_empty();
    let within: Vec<Option<&str>> =
        if everywhere { vec![None] } else { namespaces.iter().map(|it| Some(it.as_str())).collect() };
    let mut done = Detached::default();
    for namespace in &within {
        done.secrets += let_go_of_all::<Secret>(client, *namespace, Some(ROLE_LABEL)).await?;
    }
    for namespace in &within {
        done.credentials += let_go_of_all::<ApiCredential>(client, *namespace, None).await?;
        done.providers += let_go_of_all::<CredentialProvider>(client, *namespace, None).await?;
    }
    if everywhere {
        let all: Api<ClusterCredentialProvider> = Api::all(client.clone());
        done.providers += let_go(&all, |_| all.clone(), ListParams::default()).await?;
    }
    Ok(done)
}

async fn let_go_of_all<K>(
    client: &Client,
    namespace: Option<&str>,
    label: Option<&str>,
) -> Result<usize, EngineError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let within = |namespace: &str| Api::<K>::namespaced(client.clone(), namespace);
    let listed = namespace.map_or_else(|| Api::all(client.clone()), within);
    let params = label.map_or_else(ListParams::default, |label| ListParams::default().labels(label));
    let_go(&listed, |metadata| within(metadata.namespace.as_deref().unwrap_or_default()), params).await
}

async fn let_go<K>(
    listed: &Api<K>,
    of: impl Fn(&ObjectMeta) -> Api<K>,
    params: ListParams,
) -> Result<usize, EngineError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut params = params.limit(PAGE);
    let mut freed = 0;
    loop {
        let page = call("listing what Credwright holds", listed.list_metadata(&params)).await?;
        for object in page.items {
            let Some(patch) = freeing(&object.metadata) else { continue };
            let (api, name) = (of(&object.metadata), object.name_any());
            let patched =
                call("letting go", api.patch_metadata(&name, &PatchParams::default(), &patch)).await;
            match patched {
                // Somebody has just written it: whoever looks again finds it held.
                Err(error) if error.status().is_some_and(Status::is_conflict) => {}
                patched => ignore_absence(patched.map(drop))?,
            }
            freed += 1;
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(freed),
        }
    }
}

/// What takes our finalizers and our objects' ownership off, and nothing else; `None` if there are none.
fn freeing(metadata: &ObjectMeta) -> Option<Patch<serde_json::Value>> {
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

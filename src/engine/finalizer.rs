//! Our finalizers on objects of others.
//!
//! They are added by server-side apply, which needs no version and conflicts with nobody.

use kube::api::{Api, Patch, PatchParams, Resource, ResourceExt};
use serde_json::json;

use super::{EngineError, Partial, call, carries, ignore_absence, without};

/// The field manager: with one of their own, status and finalizers do not take each other away.
const MANAGER: &str = "credwright-finalizers";

/// The change to a finalizer.
pub(super) enum Change<'a> {
    /// It is put on the object with this UID.
    Add(&'a str),
    /// It is removed, no matter who added it.
    Remove,
}

impl Change<'_> {
    pub(super) async fn of<K>(
        &self,
        finalizer: &str,
        api: &Api<Partial<K>>,
        name: &str,
    ) -> Result<(), EngineError>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        match self {
            Self::Add(uid) => {
                let patch = Patch::Apply(json!({
                    "apiVersion": K::api_version(&()), "kind": K::kind(&()),
                    "metadata": { "name": name, "uid": uid, "finalizers": [finalizer] },
                }));
                let params = PatchParams::apply(MANAGER).force();
                call("adding a finalizer", api.patch(name, &params, &patch)).await.map(drop)
            }
            // A concurrent writer has often removed it already.
            Self::Remove => match removed(finalizer, api, name).await {
                Err(error) if error.is_write_conflict() => removed(finalizer, api, name).await,
                done => done,
            },
        }
    }
}

async fn removed<K>(finalizer: &str, api: &Api<Partial<K>>, name: &str) -> Result<(), EngineError>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let there = call("reading finalizers", api.get_opt(name)).await?;
    let Some(there) = there.filter(|it| carries(it, finalizer)) else {
        return Ok(());
    };
    let (patch, _) = without(finalizer, there.finalizers(), there.resource_version());
    let patched = call("removing a finalizer", api.patch(name, &PatchParams::default(), &patch)).await;
    ignore_absence(patched.map(drop))
}

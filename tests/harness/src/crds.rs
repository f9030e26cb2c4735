//! The installation of CustomResourceDefinitions.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};

use crate::wait;

/// Generous, because the API server of a crowded machine takes its time.
const DEADLINE: Duration = Duration::from_secs(120);

/// Installs CRDs, and waits until they are established.
///
/// # Errors
/// If the API server refuses one, or does not establish it in time.
pub async fn install(client: &Client, all: &[CustomResourceDefinition]) -> Result<()> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in all {
        let params = PatchParams::apply("harness").force();
        crds.patch(&crd.name_any(), &params, &Patch::Apply(crd)).await?;
    }
    for crd in all {
        wait::until("a CRD to be established", DEADLINE, async || {
            let status = crds.get(&crd.name_any()).await?.status;
            let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
            Ok(conditions.iter().any(|it| it.type_ == "Established" && it.status == "True").then_some(()))
        })
        .await?;
    }
    Ok(())
}

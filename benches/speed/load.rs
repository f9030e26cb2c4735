//! The objects that are measured.

use std::time::Duration;

use anyhow::{Result, ensure};
use credwright::api::{ApiCredential, crds};
use credwright_harness::{crds::install, operator::Operator, wait};
use credwright_simulator::Simulator;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::json;

use crate::{CONCURRENCY, cluster, floor};

/// The prefix of the names of all measured objects, also in the floor.
pub(crate) const PREFIX: &str = "measured-";

/// The namespaces of the three runs.
pub(crate) const OPERATED: &str = "operated";
pub(crate) const FLOOR_BEFORE: &str = "floor-before";
pub(crate) const FLOOR_AFTER: &str = "floor-after";

/// Out of the way: the provider is not what is measured.
pub(crate) const LIMITS: (u32, u32) = (10_000, 1_000);

const DEADLINE: Duration = Duration::from_secs(600);

pub(crate) fn name(number: usize) -> String {
    format!("{PREFIX}{number:06}")
}

/// Creates the CRDs and the namespaces.
pub(crate) async fn prepare(client: &Client) -> Result<()> {
    let mut all = crds::all();
    all.push(floor::definition()?);
    install(client, &all).await?;
    cluster::create_namespaces(client, &["credwright-system", OPERATED, FLOOR_BEFORE, FLOOR_AFTER]).await
}

/// The provider and `count` objects at it.
pub(crate) async fn create(client: &Client, provider: &Simulator, count: usize) -> Result<()> {
    let limits = json!({ "requestsPerSecond": LIMITS.0, "concurrent": LIMITS.1, "mintsPerHour": 1_000_000 });
    cluster::create_provider(client, OPERATED, provider, limits).await?;
    let objects: Api<ApiCredential> = Api::namespaced(client.clone(), OPERATED);
    let creating = stream::iter(0..count).map(async |number| -> Result<()> {
        let object = json!({
            "metadata": { "name": name(number) },
            "spec": { "providerRef": { "name": "provider" }, "lifetime": "720h", "rotation": { "overlap": "24h" } },
        });
        objects.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    });
    creating.buffer_unordered(CONCURRENCY).try_collect().await
}

/// Returns the sizes of the two parts of a ledger, which the floor imitates.
pub(crate) async fn ledger_sizes(client: &Client) -> Result<(usize, usize)> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), OPERATED);
    let data = secrets.get(&format!("{}.credwright", name(0))).await?.data.unwrap_or_default();
    let length = |key: &str| data.get(key).map_or(0, |bytes| bytes.0.len());
    Ok((length("document"), length("sealed")))
}

/// Waits until all objects are Ready. Until the provider has made them all, only the provider is
/// asked.
pub(crate) async fn until_ready(
    client: &Client,
    provider: &Simulator,
    operator: &mut Operator,
    count: usize,
) -> Result<()> {
    let objects: Api<ApiCredential> = Api::namespaced(client.clone(), OPERATED);
    wait::until("all objects to be Ready", DEADLINE, async || {
        operator.ensure_running()?;
        if provider.record().created_count() < count {
            return Ok(None);
        }
        let list = objects.list(&ListParams::default()).await?;
        ensure!(list.items.len() == count, "{} objects of {count}", list.items.len());
        let ready = list.iter().all(|object| {
            let conditions = object.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
        });
        Ok(ready.then_some(()))
    })
    .await
}

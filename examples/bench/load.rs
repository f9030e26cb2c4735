//! The objects that are measured.

use std::time::Duration;

use anyhow::{Result, ensure};
use credwright::api::{ApiCredential, CredentialProvider, crds};
use credwright_harness::{operator::Operator, wait};
use credwright_simulator::Simulator;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{CONCURRENCY, floor};

/// What the names of all measured objects begin with, in the floor too.
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

/// The definitions and the namespaces.
pub(crate) async fn prepare(client: &Client) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut all = crds::all();
    all.push(floor::definition()?);
    for definition in &all {
        let params = PatchParams::apply("bench").force();
        definitions.patch(&definition.name_any(), &params, &Patch::Apply(definition)).await?;
    }
    for definition in &all {
        wait::until("a definition to be established", Duration::from_secs(30), async || {
            let status = definitions.get(&definition.name_any()).await?.status;
            let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
            Ok(conditions.iter().any(|it| it.type_ == "Established" && it.status == "True").then_some(()))
        })
        .await?;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in ["credwright-system", OPERATED, FLOOR_BEFORE, FLOOR_AFTER] {
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    Ok(())
}

/// The provider and `count` objects at it.
pub(crate) async fn create(client: &Client, provider: &Simulator, count: usize) -> Result<()> {
    let login = provider.login();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": "login", "labels": { "credwright.dev/role": "login" } },
        "stringData": { "client_id": login.client_id, "client_secret": login.client_secret },
    }))?;
    Api::namespaced(client.clone(), OPERATED).create(&PostParams::default(), &secret).await?;
    let account: CredentialProvider = serde_json::from_value(json!({
        "metadata": { "name": "provider" },
        "spec": {
            "spreetail": { "baseUrl": provider.base_url() },
            "login": { "secretRef": { "name": "login" } },
            "limits": { "requestsPerSecond": LIMITS.0, "concurrent": LIMITS.1, "mintsPerHour": 1_000_000 },
        },
    }))?;
    Api::namespaced(client.clone(), OPERATED).create(&PostParams::default(), &account).await?;
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

/// How long the two parts of a ledger are, which the floor imitates.
pub(crate) async fn ledger_sizes(client: &Client) -> Result<(usize, usize)> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), OPERATED);
    let data = secrets.get(&format!("{}.credwright", name(0))).await?.data.unwrap_or_default();
    let length = |key: &str| data.get(key).map_or(0, |bytes| bytes.0.len());
    Ok((length("document"), length("sealed")))
}

/// Waits until all objects are Ready. Until the provider has made them all, only the provider is asked.
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

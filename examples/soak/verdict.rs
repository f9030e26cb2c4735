//! What must hold afterwards.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result};
use credwright::{
    api::{AbandonedCredential, ApiCredential, CredentialProvider},
    lifecycle::ledger::Document,
};
use credwright_harness::wait;
use credwright_simulator::Simulator;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Time for a lost answer to be settled, and for an overlap.
const TO_SETTLE: Duration = Duration::from_secs(480);
/// Time for everything to be revoked and go.
const TO_GO: Duration = Duration::from_secs(480);

/// What lives at the provider and is in no ledger and on no record.
pub(crate) async fn unaccounted(client: &Client, provider: &Simulator) -> Result<Vec<String>> {
    let mut known = listed(client).await?;
    let live = provider.record().live();
    known.extend(listed(client).await?);
    let unknown = live.into_iter().filter(|it| !known.contains(&it.client_id));
    Ok(unknown.map(|it| it.name.unwrap_or(it.client_id)).collect())
}

async fn listed(client: &Client) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for document in documents(client).await? {
        let alive = document.revisions.into_iter().filter(|it| it.state.may_be_alive());
        known.extend(alive.filter_map(|it| it.client_id));
    }
    let records: Api<AbandonedCredential> = Api::all(client.clone());
    known.extend(
        records.list(&ListParams::default()).await?.items.into_iter().filter_map(|it| it.spec.client_id),
    );
    Ok(known)
}

async fn documents(client: &Client) -> Result<Vec<Document>> {
    let secrets: Api<Secret> = Api::all(client.clone());
    let ledgers = secrets.list(&ListParams::default().labels("credwright.dev/role=ledger")).await?;
    let document = |it: Secret| serde_json::from_slice(&it.data?.get("document")?.0).ok();
    Ok(ledgers.items.into_iter().filter_map(document).collect())
}

/// Waits until every object is Ready, or has had as many credentials as it may have, and nothing is open or unaccounted for.
pub(crate) async fn settles(
    client: &Client,
    objects: &Api<ApiCredential>,
    provider: &Simulator,
) -> Result<()> {
    wait::until("everything to settle", TO_SETTLE, async || {
        let all = objects.list(&ListParams::default()).await?.items;
        let ready = all.iter().all(|it| {
            let conditions = it.status.iter().flat_map(|status| &status.conditions);
            it.metadata.deletion_timestamp.is_none()
                && conditions
                    .into_iter()
                    .any(|it| it.type_ == "Ready" && (it.status == "True" || it.reason == "MintLimit"))
        });
        Ok((ready && unaccounted(client, provider).await?.is_empty()).then_some(()))
    })
    .await
}

/// Deletes all objects, and waits until they and their credentials are gone. Returns what lives on all the same.
pub(crate) async fn all_go(
    client: &Client,
    objects: &Api<ApiCredential>,
    provider: &Simulator,
) -> Result<Vec<String>> {
    objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let records: Api<AbandonedCredential> = Api::all(client.clone());
    let gone = wait::until("everything to be revoked", TO_GO, async || {
        let left = objects.list_metadata(&ListParams::default()).await?.items.len();
        let recorded = records.list_metadata(&ListParams::default()).await?.items.len();
        Ok((left == 0 && recorded == 0).then_some(()))
    })
    .await;
    if let Err(error) = gone {
        eprintln!("soak: {error:#}");
    }
    let left = provider.record().live().into_iter();
    Ok(left.map(|it| it.name.unwrap_or(it.client_id)).collect())
}

/// How many secrets are where none may be, and how often an operator panicked.
pub(crate) async fn canaries_and_panics(
    client: &Client,
    provider: &Simulator,
    folder: &Path,
) -> Result<(usize, usize)> {
    let mut secrets: Vec<String> = provider.record().all().iter().map(|it| it.secret().to_owned()).collect();
    secrets.push(provider.login().client_secret.clone());
    let search = AhoCorasick::new(secrets)?;
    let mut texts = vec![
        all::<ApiCredential>(client).await?,
        all::<CredentialProvider>(client).await?,
        all::<AbandonedCredential>(client).await?,
        all::<ConfigMap>(client).await?,
        all::<Event>(client).await?,
    ];
    let mut panics = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "log") {
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            let text = String::from_utf8_lossy(&text).into_owned();
            panics += text.matches("panicked at").count();
            texts.push(text);
        }
    }
    Ok((texts.iter().map(|text| search.find_iter(text).count()).sum(), panics))
}

async fn all<K>(client: &Client) -> Result<String>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::all(client.clone());
    Ok(serde_json::to_string(&api.list(&ListParams::default()).await?.items)?)
}

/// What a failure is looked into with.
pub(crate) async fn show(client: &Client, names: &[String]) -> Result<()> {
    let secrets: Api<Secret> = Api::all(client.clone());
    let ledgers = secrets.list(&ListParams::default().labels("credwright.dev/role=ledger")).await?;
    for name in names {
        let of = ledgers.iter().find(|it| {
            let document = it.data.as_ref().and_then(|data| data.get("document"));
            document.is_some_and(|it| String::from_utf8_lossy(&it.0).contains(name.as_str()))
        });
        eprintln!("soak: {name}: ledger {:?}", of.map(ResourceExt::name_any));
    }
    Ok(())
}

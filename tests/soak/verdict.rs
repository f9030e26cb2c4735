//! The checks after the run.

use std::{collections::BTreeSet, time::Duration};

use aho_corasick::AhoCorasick;
use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use credwright::{
    api::{AbandonedCredential, ApiCredential},
    lifecycle::ledger::Document,
};
use credwright_harness::{
    hostile::{self as harness, Tenant},
    raw, wait,
};
use credwright_simulator::{Simulator, hostile as simulator};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};

use super::replicas::Replicas;

/// Time for a lost answer to be settled, and for an overlap.
const TO_SETTLE: Duration = Duration::from_secs(480);
/// Time for everything to be revoked and go.
const TO_GO: Duration = Duration::from_secs(480);

/// Returns the credentials that exist at the provider and are in no ledger and in no record.
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

/// Waits until every object is Ready, or has had as many credentials as it may have, and nothing is
/// open or unaccounted for. Returns how many objects have not come so far in time.
pub(crate) async fn settle(
    client: &Client,
    objects: &Api<ApiCredential>,
    provider: &Simulator,
) -> Result<usize> {
    let settled = wait::until("everything to settle", TO_SETTLE, async || {
        let all_are_well = unsettled(objects).await?.is_empty();
        Ok((all_are_well && unaccounted(client, provider).await?.is_empty()).then_some(()))
    })
    .await;
    let Err(error) = settled else { return Ok(0) };
    eprintln!("soak: {error:#}");
    let left = unsettled(objects).await?;
    left.iter().for_each(|it| eprintln!("soak: {it}"));
    Ok(left.len())
}

/// The objects that are neither Ready nor at their limit, with their conditions.
async fn unsettled(objects: &Api<ApiCredential>) -> Result<Vec<String>> {
    let all = objects.list(&ListParams::default()).await?.items.into_iter();
    Ok(all.filter(|it| !is_settled(it)).map(|it| format!("{}: {:?}", it.name_any(), it.status)).collect())
}

fn is_settled(object: &ApiCredential) -> bool {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    object.metadata.deletion_timestamp.is_none()
        && conditions.any(|it| it.type_ == "Ready" && (it.status == "True" || it.reason == "MintLimit"))
}

/// Deletes all objects, those of the noisy tenant too, and waits until they are gone, and the
/// credentials of the others with them. Returns what is there all the same: objects, records and
/// credentials.
pub(crate) async fn all_go(
    client: &Client,
    objects: &Api<ApiCredential>,
    noise: &Tenant,
    provider: &Simulator,
) -> Result<Vec<String>> {
    objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    noise.delete_credentials().await?;
    let records: Api<AbandonedCredential> = Api::all(client.clone());
    // A noisy server's answers cannot be told from lost ones, so what it was asked for stays on
    // record.
    let of_others = |it: &AbandonedCredential| it.spec.credential.namespace == super::NAMESPACE;
    let still_there = async || -> Result<Vec<String>> {
        let left = objects.list_metadata(&ListParams::default()).await?.items;
        let recorded = records.list(&ListParams::default()).await?.items.into_iter().filter(of_others);
        let mut names: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
        names.extend(recorded.map(|it| it.name_any()));
        names.extend(noise.credentials().await?);
        Ok(names)
    };
    let gone = wait::until("everything to be revoked", TO_GO, async || {
        Ok(still_there().await?.is_empty().then_some(()))
    })
    .await;
    if let Err(error) = gone {
        eprintln!("soak: {error:#}");
    }
    let mut left = still_there().await?;
    left.extend(provider.record().live().into_iter().map(|it| it.name.unwrap_or(it.client_id)));
    Ok(left)
}

/// Returns how many secrets are where none may be, and how often an operator logged a panic.
pub(crate) async fn canaries_and_panics(
    client: &Client,
    provider: &Simulator,
    replicas: &Replicas,
) -> Result<(usize, usize)> {
    let mut secrets: Vec<String> = provider.record().all().iter().map(|it| it.secret().to_owned()).collect();
    secrets.push(provider.login().client_secret.clone());
    secrets.extend([harness::CANARY.to_owned(), simulator::CANARY.to_owned()]);
    let encoded: Vec<String> = secrets.iter().map(|it| BASE64_STANDARD.encode(it)).collect();
    let search = AhoCorasick::new(secrets.iter().chain(&encoded))?;
    let (mut canaries, mut panics) = (0, 0);
    for plural in
        ["apicredentials", "credentialproviders", "clustercredentialproviders", "abandonedcredentials"]
            .into_iter()
            .chain(["configmaps", "events"])
    {
        // As text: some of them are poisoned.
        let text = raw::text(client, Method::GET, &raw::collection(None, plural), None).await?;
        canaries += found(&search, plural, &text);
    }
    for (number, log) in replicas.logs().enumerate() {
        let log = log?;
        canaries += found(&search, &format!("log {}", number + 1), &log);
        panics += panics_in(&log);
    }
    Ok((canaries, panics))
}

fn found(search: &AhoCorasick, place: &str, text: &str) -> usize {
    let count = search.find_iter(text).count();
    if count > 0 {
        eprintln!("soak: {count} secrets in {place}");
    }
    count
}

/// The operator logs where a panic happened, and nothing of its text. Before it has set that up,
/// Rust does.
fn panics_in(log: &str) -> usize {
    let is_panic = |line: &&str| line.contains(": panic location=") || line.contains("panicked at");
    log.lines().filter(is_panic).inspect(|line| eprintln!("soak: {line}")).count()
}

/// Prints the details that help to examine a failure.
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

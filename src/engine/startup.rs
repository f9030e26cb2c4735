//! Facts that are needed before anything else: the cluster's id, and the key that seals ledgers.

use ipnet::IpNet;
use k8s_openapi::{
    ByteString,
    api::{core::v1::Namespace, networking::v1::ServiceCIDR},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, ResourceExt};
use kube::{Client, core::Request};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::{
    LEDGER_TYPE, PREVIOUS_SEAL_NAME, ROLE_LABEL, ROLE_LEDGER, SEAL_NAME, SEAL_TYPE,
    crds::{SCHEMA_VERSION, SCHEMA_VERSION_ANNOTATION},
};

use super::{Engine, EngineError, Partial, Sealer, Secret, call, ignore_absence, put};

/// The CRD of ApiCredentials.
const DEFINITION: &str = "apicredentials.credwright.dev";

impl Engine {
    /// Returns whether the CRD of ApiCredentials is being deleted; `false` without the right to
    /// read it.
    pub(super) async fn definition_is_going(&self) -> Result<bool, EngineError> {
        let definitions: Api<Partial<CustomResourceDefinition>> = Api::all(self.client.clone());
        match call("reading Credwright's CRD", definitions.get_opt(DEFINITION)).await {
            Ok(there) => Ok(there.is_none_or(|it| it.metadata.deletion_timestamp.is_some())),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Checks that the CRDs in the cluster have all fields that this version knows. One of them stands
/// for all: they are applied together.
///
/// # Errors
/// If they lack some: the API server would remove them from each object that is written.
pub async fn check_definitions(client: &Client) -> Result<(), EngineError> {
    let definitions: Api<Partial<CustomResourceDefinition>> = Api::all(client.clone());
    let there = match call("reading Credwright's CRD", definitions.get_opt(DEFINITION)).await {
        Ok(Some(there)) => there,
        // Those that are missing are reported by the probe.
        Ok(None) => return Ok(()),
        Err(error) if error.is_refusal() => return Ok(()),
        Err(error) => return Err(error),
    };
    let version = there.annotations().get(SCHEMA_VERSION_ANNOTATION).and_then(|it| it.parse().ok());
    match version.unwrap_or(1) {
        there if there < SCHEMA_VERSION => Err(EngineError::OldDefinitions { there, needed: SCHEMA_VERSION }),
        _ => Ok(()),
    }
}

/// The number of ledgers without a label per page; anybody may create Secrets of that type.
const PAGE: u32 = 20;

/// The most ServiceCIDRs that are read; clusters have one or two.
const SERVICE_RANGES_MAX: u32 = 100;

const KEY: &str = "key";
/// The key of its Secret by which a person says that it is lost.
const LOST: &str = "lost";

/// The UID of `kube-system`, which stands for the cluster.
///
/// # Errors
/// If it cannot be read.
pub async fn cluster_id(client: &Client) -> Result<String, EngineError> {
    let namespaces: Api<Partial<Namespace>> = Api::all(client.clone());
    let system = call("reading the namespace kube-system", namespaces.get("kube-system")).await?;
    Ok(system.uid().unwrap_or_default())
}

/// Returns the ranges of the cluster's Services. Empty if there is no such right, or if the API
/// server does not tell them (before Kubernetes 1.33).
///
/// # Errors
/// If the API server does not answer.
pub async fn service_ranges(client: &Client) -> Result<Vec<IpNet>, EngineError> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        cidrs: Vec<IpNet>,
    }
    let path = <ServiceCIDR as kube::Resource>::url_path(&(), None);
    let request = Request::new(path).list(&ListParams::default().limit(SERVICE_RANGES_MAX));
    let list = async { client.request::<List>(request.map_err(kube::Error::BuildRequest)?).await };
    match call("listing ServiceCIDRs", list).await {
        Ok(list) => Ok(list.items.into_iter().flat_map(|it| it.spec.cidrs).collect()),
        Err(error) if error.is_refusal() || error.is_not_found() => {
            tracing::info!(%error, "ranges of Services unknown");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Returns the sealer with the key in Credwright's namespace. A missing key is created if there is
/// no ledger yet, or if there is a previous key, which opens the ledgers. Two replicas that start
/// together agree on one, because only one write can succeed.
///
/// # Errors
/// If the key can neither be read nor created, is not a key, or is missing although there are
/// ledgers `within` these namespaces (none means all): another key would open none of them, and
/// block the right one.
pub async fn sealer(client: &Client, namespace: &str, within: &[String]) -> Result<Sealer, EngineError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(before) = call("reading the previous sealing key", secrets.get_opt(PREVIOUS_SEAL_NAME)).await?
    else {
        return current(client, &secrets, Some(within)).await.and_then(|key| sealed_with(&key, SEAL_NAME));
    };
    let key = current(client, &secrets, None).await?;
    let before = key_of(before, PREVIOUS_SEAL_NAME)?;
    if *before == *key {
        let message = format!(
            "the Secrets {SEAL_NAME} and {PREVIOUS_SEAL_NAME} hold the same key: delete {SEAL_NAME}, and Credwright creates a new key"
        );
        return Err(EngineError::Ledger(message));
    }
    sealed_with(&key, SEAL_NAME)?.after(&before).map_err(|_| no_key(PREVIOUS_SEAL_NAME))
}

/// Returns the current key. A missing key is created, unless there are ledgers `within` these
/// namespaces that only it opens.
async fn current(
    client: &Client,
    secrets: &Api<Secret>,
    within: Option<&[String]>,
) -> Result<Zeroizing<Vec<u8>>, EngineError> {
    let namespace = secrets.namespace().unwrap_or_default();
    let there = call("reading the sealing key", secrets.get_opt(SEAL_NAME)).await?;
    let metadata = match there {
        Some(secret) if is_said_to_be_lost(&secret) => {
            tracing::warn!(namespace, name = SEAL_NAME, "sealing key declared lost, creating another");
            secret.metadata
        }
        Some(secret) => return key_of(secret, SEAL_NAME),
        None => {
            if let Some(within) = within
                && let Some(ledger) = some_ledger(client, within).await?
            {
                return Err(EngineError::Ledger(lost_key(namespace, &ledger)));
            }
            ObjectMeta {
                name: Some(SEAL_NAME.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            }
        }
    };
    match put("creating the sealing key", secrets, &new_key(metadata)).await {
        Ok(secret) => key_of(secret, SEAL_NAME),
        Err(error) if error.is_overtaken() => {
            key_of(call("reading the sealing key", secrets.get(SEAL_NAME)).await?, SEAL_NAME)
        }
        Err(error) => Err(error),
    }
}

fn new_key(metadata: ObjectMeta) -> Secret {
    Secret {
        metadata,
        type_: Some(SEAL_TYPE.to_owned()),
        immutable: Some(true),
        data: Some([(KEY.to_owned(), ByteString(Sealer::new_key().to_vec()))].into()),
    }
}

/// Returns whether a person has created the key's Secret to say that the key is lost.
fn is_said_to_be_lost(secret: &Secret) -> bool {
    let data = secret.data.as_ref();
    secret.type_.as_deref() == Some(SEAL_TYPE)
        && data.is_some_and(|data| data.contains_key(LOST) && !data.contains_key(KEY))
}

/// Returns the instructions for a person if the key is missing.
fn lost_key(namespace: &str, ledger: &str) -> String {
    format!(
        "the Secret {SEAL_NAME} in the namespace {namespace}, which holds the key that seals ledgers, is \
         missing, and there are ledgers that only it opens, such as {ledger}. Restore it from a backup. \
         Only if it is lost for good, say so, and Credwright creates another key: kubectl create secret \
         generic {SEAL_NAME} --namespace={namespace} --type={SEAL_TYPE} --from-literal={LOST}=yes; each \
         ledger then has to be rebuilt, as the condition LedgerUnreadable says"
    )
}

/// The Secrets that are ledgers by their type, with or without labels.
fn ledgers() -> ListParams {
    ListParams::default().fields(&format!("type={LEDGER_TYPE}"))
}

fn everywhere(client: &Client, within: &[String]) -> Vec<Api<Partial<Secret>>> {
    match within {
        [] => vec![Api::all(client.clone())],
        _ => within.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect(),
    }
}

/// One ledger, if there is any. A namespace where Credwright may not look has none for it.
async fn some_ledger(client: &Client, within: &[String]) -> Result<Option<String>, EngineError> {
    for api in everywhere(client, within) {
        match call("listing ledgers", api.list(&ledgers().limit(1))).await {
            Ok(found) => {
                if let Some(it) = found.items.first() {
                    return Ok(Some(format!("{}/{}", it.namespace().unwrap_or_default(), it.name_any())));
                }
            }
            Err(error) if error.is_refusal() && !within.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

impl Engine {
    /// Adds our label to ledgers from which somebody removed it while no operator was running: no
    /// watch reports those, and their credentials would be forgotten with their objects.
    ///
    /// # Errors
    /// If ledgers cannot be listed or written.
    pub async fn label_ledgers(&self, within: &[String]) -> Result<(), EngineError> {
        for everywhere in everywhere(&self.client, within) {
            let mut page = ledgers().labels(&format!("{ROLE_LABEL}!={ROLE_LEDGER}")).limit(PAGE);
            loop {
                let found = match call("listing ledgers", everywhere.list(&page)).await {
                    Err(error) if error.is_refusal() && !within.is_empty() => break,
                    found => found?,
                };
                for it in &found.items {
                    self.label_ledger(it).await?;
                }
                match found.metadata.continue_.filter(|it| !it.is_empty()) {
                    Some(next) => page.continue_token = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Puts our label back on one ledger. Where that is refused, it is left as it is: one namespace
    /// must not keep the others from being worked in.
    async fn label_ledger(&self, ledger: &Partial<Secret>) -> Result<(), EngineError> {
        let (namespace, name) = (ledger.namespace().unwrap_or_default(), ledger.name_any());
        tracing::warn!(%namespace, %name, "label {ROLE_LABEL} missing on a ledger, adding it");
        let patch = Patch::Merge(json!({ "metadata": { "labels": { ROLE_LABEL: ROLE_LEDGER } } }));
        let api: Api<Partial<Secret>> = self.within(&namespace);
        let patched = call("labelling a ledger", api.patch(&name, &PatchParams::default(), &patch)).await;
        match patched.map(drop) {
            Err(error) if error.is_refusal() => {
                tracing::warn!(%namespace, %name, %error, "labelling a ledger refused, skipping it");
                Ok(())
            }
            patched => ignore_absence(patched),
        }
    }
}

fn key_of(secret: Secret, name: &str) -> Result<Zeroizing<Vec<u8>>, EngineError> {
    let key = secret.data.and_then(|mut data| data.remove(KEY));
    key.map(|ByteString(bytes)| Zeroizing::new(bytes)).ok_or_else(|| no_key(name))
}

fn sealed_with(key: &[u8], name: &str) -> Result<Sealer, EngineError> {
    Sealer::new(key).map_err(|_| no_key(name))
}

fn no_key(name: &str) -> EngineError {
    EngineError::Ledger(format!(
        "the Secret {name} holds no sealing key of 32 bytes; restore it from a backup"
    ))
}

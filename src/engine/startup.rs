//! What has to be known before anything is looked at: the cluster's id, and the key that seals ledgers.

use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, ResourceExt, core::ObjectMeta};
use zeroize::Zeroizing;

use crate::api::{SEAL_NAME, SEAL_TYPE};

use super::{
    Engine, EngineError,
    kubernetes::{call, post},
    seal::Sealer,
};

/// The definition of ApiCredentials.
const DEFINITION: &str = "apicredentials.credwright.dev";

impl Engine {
    /// Whether the definition of ApiCredentials is being deleted. Who may not look at it does not know, and says no.
    pub(super) async fn definition_is_going(&self) -> Result<bool, EngineError> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        match call("reading our definition", definitions.get_metadata_opt(DEFINITION)).await {
            Ok(there) => Ok(there.is_none_or(|it| it.metadata.deletion_timestamp.is_some())),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

const KEY: &str = "key";

/// The UID of `kube-system`, which stands for the cluster.
///
/// # Errors
/// If it cannot be read.
pub async fn cluster_id(client: &Client) -> Result<String, EngineError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = call("reading the namespace kube-system", namespaces.get("kube-system")).await?;
    Ok(system.uid().unwrap_or_default())
}

/// The sealer with the key in Credwright's namespace, which is made if there is none. Two replicas that start together agree on
/// one, because only one create can succeed.
///
/// # Errors
/// If the key can neither be read nor made, or is not one.
pub async fn sealer(client: &Client, namespace: &str) -> Result<Sealer, EngineError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(secret) = call("reading the sealing key", secrets.get_opt(SEAL_NAME)).await? {
        return from_secret(secret);
    }
    let key = Sealer::new_key();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(SEAL_NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(SEAL_TYPE.to_owned()),
        immutable: Some(true),
        data: Some([(KEY.to_owned(), ByteString(key.to_vec()))].into()),
        ..Secret::default()
    };
    match call("making the sealing key", secrets.create(&post(), &secret)).await {
        Ok(secret) => from_secret(secret),
        Err(error) if error.is_already_exists() => {
            from_secret(call("reading the sealing key", secrets.get(SEAL_NAME)).await?)
        }
        Err(error) => Err(error),
    }
}

fn from_secret(secret: Secret) -> Result<Sealer, EngineError> {
    let key =
        secret.data.and_then(|mut data| data.remove(KEY)).map(|ByteString(bytes)| Zeroizing::new(bytes));
    let sealer = key.and_then(|key| Sealer::new(&key).ok());
    sealer.ok_or_else(|| {
        let message =
            format!("the Secret {SEAL_NAME} holds no sealing key of 32 bytes; restore it from a backup");
        EngineError::Ledger(message)
    })
}

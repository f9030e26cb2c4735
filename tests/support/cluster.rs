//! The objects that the benchmark and the soak test create in their control plane at first.

use anyhow::Result;
use credwright::api::CredentialProvider;
use credwright_simulator::Simulator;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

pub(crate) async fn create_namespaces(client: &Client, names: &[&str]) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in names {
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    Ok(())
}

/// The provider object `provider` with its login.
pub(crate) async fn create_provider(
    client: &Client,
    namespace: &str,
    provider: &Simulator,
    limits: Value,
) -> Result<()> {
    let login = provider.login();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": "login", "labels": { "credwright.dev/role": "login" } },
        "stringData": { "client_id": login.client_id, "client_secret": login.client_secret },
    }))?;
    Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &secret).await?;
    let account: CredentialProvider = serde_json::from_value(json!({
        "metadata": { "name": "provider" },
        "spec": {
            "spreetail": { "baseUrl": provider.base_url() },
            "login": { "secretRef": { "name": "login" } },
            "limits": limits,
        },
    }))?;
    Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &account).await?;
    Ok(())
}

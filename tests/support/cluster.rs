//! The objects that bench and soak create in their control plane before they start.

use std::time::Duration;

use anyhow::Result;
use credwright::api::CredentialProvider;
use credwright_harness::wait;
use credwright_simulator::Simulator;
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Installs definitions, and waits until they are established.
pub(crate) async fn define(client: &Client, all: &[CustomResourceDefinition]) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in all {
        let params = PatchParams::apply("examples").force();
        definitions.patch(&definition.name_any(), &params, &Patch::Apply(definition)).await?;
    }
    for definition in all {
        wait::until("a definition to be established", Duration::from_secs(30), async || {
            let status = definitions.get(&definition.name_any()).await?.status;
            let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
            Ok(conditions.iter().any(|it| it.type_ == "Established" && it.status == "True").then_some(()))
        })
        .await?;
    }
    Ok(())
}

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

//! The cluster: whose it is, and what is put into it and taken out again.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use credwright::api::{ApiCredential, CREDENTIAL_FINALIZER, LEDGER_FINALIZER, crds};
use credwright_harness::wait;
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::build;

#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) url: String,
    /// Made for the demo, and gone after it.
    pub(crate) is_thrown_away: bool,
    /// `true` if the CRDs existed before. Then they stay.
    pub(crate) had_definitions: bool,
}

impl Cluster {
    /// Takes the cluster of KUBECONFIG and makes a namespace in it.
    pub(crate) async fn enter() -> Result<Self> {
        let config = Config::infer().await.context("KUBECONFIG names no cluster; `make demo` starts one")?;
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config)?;
        let is_thrown_away = std::env::var_os("CREDWRIGHT_KUBECONFIG").is_some();
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let there =
            definitions.list_metadata(&ListParams::default()).await.context("asking the API server")?;
        let is_there = |name: &String| there.items.iter().any(|it| it.name_any() == *name);
        let had_definitions = crds::all().iter().map(ResourceExt::name_any).any(|name| is_there(&name));
        let namespace = format!("credwright-demo-{}", std::process::id());
        let object = serde_json::from_value(json!({ "metadata": { "name": namespace } }))?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &object).await.context("making a namespace")?;
        Ok(Self { client, namespace, url, is_thrown_away, had_definitions })
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// As the documentation says: `credwright crds | kubectl apply --server-side -f -`.
    pub(crate) async fn install_definitions(&self) -> Result<()> {
        let printed = Command::new(build::binary()?).arg("crds").output()?;
        ensure!(printed.status.success(), "`credwright crds` failed");
        kubectl(&["apply", "--server-side", "-f", "-"], Some(&printed.stdout))?;
        let names: Vec<String> =
            crds::all().iter().map(|it| format!("crd/{}", ResourceExt::name_any(it))).collect();
        let mut arguments = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        arguments.extend(names.iter().map(String::as_str));
        kubectl(&arguments, None)?;
        Ok(())
    }

    /// kubectl in the demo's namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<String> {
        let namespaced = [&["--namespace", self.namespace.as_str()], arguments].concat();
        kubectl(&namespaced, input)
    }

    /// Returns whether an ApiCredential, its ledger and its Secret are deleted.
    pub(crate) async fn is_gone(&self, name: &str, target: &str) -> Result<bool> {
        let object = self.api::<ApiCredential>().get_opt(name).await?.is_some();
        let ledger = self.api::<Secret>().get_opt(&format!("{name}.credwright")).await?.is_some();
        let secret = self.api::<Secret>().get_opt(target).await?.is_some();
        Ok(!(object || ledger || secret))
    }

    /// Takes out what was put in. Where the operator could not end its objects, their finalizers
    /// are taken off.
    pub(crate) async fn leave(&self) -> Result<()> {
        if self.is_thrown_away {
            return Ok(());
        }
        self.release::<ApiCredential>(CREDENTIAL_FINALIZER).await?;
        self.release::<Secret>(LEDGER_FINALIZER).await?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
        wait::until("the demo's namespace to go", Duration::from_secs(60), async || {
            Ok(namespaces.get_opt(&self.namespace).await?.is_none().then_some(()))
        })
        .await?;
        if !self.had_definitions {
            let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
            for definition in crds::all() {
                let name = definition.name_any();
                definitions.delete(&name, &DeleteParams::default()).await?;
                wait::until("a definition to go", Duration::from_secs(30), async || {
                    Ok(definitions.get_opt(&name).await?.is_none().then_some(()))
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn release<K>(&self, finalizer: &str) -> Result<()>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let api: Api<K> = self.api();
        for object in api.list(&ListParams::default()).await? {
            if object.finalizers().iter().any(|it| it == finalizer) {
                let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
                api.patch(&object.name_any(), &PatchParams::default(), &patch).await?;
            }
        }
        Ok(())
    }
}

fn kubectl(arguments: &[&str], input: Option<&[u8]>) -> Result<String> {
    let mut command = Command::new("kubectl");
    command.args(arguments).stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("kubectl cannot be run; the demo shows what it shows to you")?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        pipe.write_all(input)?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

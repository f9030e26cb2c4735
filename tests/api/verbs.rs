//! The operations of a test on an object: create it or see it rejected, change it, and read it with
//! kubectl.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credwright_harness::controlplane::{self, Cluster};
use credwright_harness::wait;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn credential_accepts(spec: &str) -> Result<()> {
    kind("ApiCredential").await?.accepts(&format!("providerRef: {{name: p}}\n{spec}")).await.map(drop)
}

pub(crate) async fn credential_rejects(spec: &str, message: &str) -> Result<()> {
    kind("ApiCredential").await?.rejects(&format!("providerRef: {{name: p}}\n{spec}"), message).await
}

pub(crate) async fn provider_accepts(spec: &str) -> Result<()> {
    kind("CredentialProvider").await?.accepts(spec).await.map(drop)
}

pub(crate) async fn provider_rejects(spec: &str, message: &str) -> Result<()> {
    kind("CredentialProvider").await?.rejects(spec, message).await
}

pub(crate) async fn cluster_provider_rejects(spec: &str, message: &str) -> Result<()> {
    kind("ClusterCredentialProvider").await?.rejects(spec, message).await
}

/// One kind of object, in a namespace of its own.
pub(crate) struct Kind {
    cluster: &'static Cluster,
    pub(crate) api: Api<DynamicObject>,
    resource: ApiResource,
    namespace: String,
}

pub(crate) async fn kind(name: &str) -> Result<Kind> {
    let cluster = controlplane::shared().await?;
    let client = cluster.client().await?;
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_try_init(|| install_definitions(&client)).await?;

    let metadata = ObjectMeta { generate_name: Some("api-".to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let namespace = Api::all(client.clone()).create(&PostParams::default(), &namespace).await?.name_any();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("credwright.dev", "v1alpha1", name));
    let api = match name {
        "ClusterCredentialProvider" => Api::all_with(client, &resource),
        _ => Api::namespaced_with(client, &namespace, &resource),
    };
    Ok(Kind { cluster, api, resource, namespace })
}

async fn install_definitions(client: &Client) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in credwright::api::crds::all() {
        let name = definition.name_any();
        let params = PatchParams::apply("credwright-tests").force();
        definitions.patch(&name, &params, &Patch::Apply(&definition)).await?;
        let established = kube::runtime::conditions::is_crd_established();
        let waiting = kube::runtime::wait::await_condition(definitions.clone(), &name, established);
        tokio::time::timeout(DEADLINE, waiting).await.context("waiting for Established")??;
    }
    Ok(())
}

impl Kind {
    pub(crate) async fn named(&self, name: &str, spec: &str) -> kube::Result<DynamicObject> {
        self.create(ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, spec).await
    }

    async fn create(&self, metadata: ObjectMeta, spec: &str) -> kube::Result<DynamicObject> {
        let spec: Value = serde_saphyr::from_str(spec).unwrap();
        let mut object = DynamicObject::new("", &self.resource).data(json!({ "spec": spec }));
        object.metadata = metadata;
        self.api.create(&PostParams::default(), &object).await
    }

    pub(crate) async fn accepts(&self, spec: &str) -> Result<DynamicObject> {
        let metadata = ObjectMeta { generate_name: Some("api-".to_owned()), ..ObjectMeta::default() };
        self.create(metadata, spec).await.with_context(|| spec.to_owned())
    }

    pub(crate) async fn rejects(&self, spec: &str, message: &str) -> Result<()> {
        let metadata = ObjectMeta { generate_name: Some("api-".to_owned()), ..ObjectMeta::default() };
        refused(&self.create(metadata, spec).await, spec, message)
    }

    async fn change(&self, object: &DynamicObject, spec: Value) -> kube::Result<DynamicObject> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api.patch(&object.name_any(), &PatchParams::default(), &patch).await
    }

    pub(crate) async fn lets_change(&self, object: &DynamicObject, spec: Value) -> Result<()> {
        let what = spec.to_string();
        self.change(object, spec).await.map(drop).context(what)
    }

    pub(crate) async fn refuses_change(
        &self,
        object: &DynamicObject,
        spec: Value,
        message: &str,
    ) -> Result<()> {
        let what = spec.to_string();
        refused(&self.change(object, spec).await, &what, message)
    }

    /// Returns the output of kubectl, once discovery knows the CRDs and `done` accepts the output.
    pub(crate) async fn kubectl(&self, arguments: &[&str], done: impl Fn(&str) -> bool) -> Result<String> {
        let cache = tempfile::tempdir()?;
        let mut shown = String::new();
        let waiting = wait::until("kubectl to know the CRDs", DEADLINE, async || {
            let mut kubectl = self.cluster.kubectl();
            kubectl.args(arguments).args(["--namespace", &self.namespace, "--cache-dir"]).arg(cache.path());
            let output = kubectl.output()?;
            shown = format!("{}{}", String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
            std::fs::remove_dir_all(cache.path())?;
            Ok((output.status.success() && done(&shown)).then_some(()))
        });
        waiting.await.with_context(|| format!("kubectl {arguments:?}"))?;
        Ok(shown)
    }
}

/// The API server says no, with this message, and says nothing that only we would understand.
pub(crate) fn refused(answer: &kube::Result<DynamicObject>, what: &str, message: &str) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 422 => {
            ensure!(
                !status.message.contains("evaluating rule"),
                "{what}\nbreaks a rule itself: {}",
                status.message
            );
            ensure!(
                status.message.contains(message),
                "{what}\nshould be refused because {message}; instead: {}",
                status.message
            );
            Ok(())
        }
        Err(error) => anyhow::bail!("{what}\nshould be refused because {message}; instead: {error}"),
        Ok(object) => {
            anyhow::bail!("{what}\nshould be refused because {message}, but was let in: {object:?}")
        }
    }
}

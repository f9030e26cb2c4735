//! The operations of a test on an object: create it or see it rejected, change it, and read it with
//! kubectl.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credwright_harness::controlplane::{self, Cluster};
use credwright_harness::{crds, wait};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn parsed(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
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
    let all = credwright::api::crds::all();
    INSTALLED.get_or_try_init(|| crds::install(&client, &all)).await?;

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

impl Kind {
    fn object(&self, metadata: ObjectMeta, spec: Value) -> DynamicObject {
        DynamicObject { metadata, ..DynamicObject::new("", &self.resource).data(json!({ "spec": spec })) }
    }

    /// Creates an object with a name of its own.
    pub(crate) async fn created(&self, spec: Value) -> Result<DynamicObject> {
        let what = spec.to_string();
        let metadata = ObjectMeta { generate_name: Some("api-".to_owned()), ..ObjectMeta::default() };
        self.api.create(&PostParams::default(), &self.object(metadata, spec)).await.context(what)
    }

    /// Returns the answer to a create that is not carried out.
    pub(crate) async fn tried(&self, name: &str, spec: Value) -> kube::Result<DynamicObject> {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        self.api.create(&dry_run(), &self.object(metadata, spec)).await
    }

    /// Returns the answer to a change of the spec that is not carried out.
    pub(crate) async fn changed(&self, object: &DynamicObject, spec: Value) -> kube::Result<DynamicObject> {
        let new = self.object(object.metadata.clone(), spec);
        self.api.replace(&object.name_any(), &dry_run(), &new).await
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

fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

/// The API server says no with this message, and says nothing that only we would understand. It
/// says yes if there is no message.
pub(crate) fn judged(answer: &kube::Result<DynamicObject>, what: &str, message: &str) -> Result<()> {
    let said = match answer {
        Ok(_) if message.is_empty() => return Ok(()),
        Ok(object) => {
            anyhow::bail!("{what}\nshould be refused because {message}, but was let in: {object:?}")
        }
        Err(kube::Error::Api(status)) if status.code == 422 => &status.message,
        Err(error) => anyhow::bail!("{what}\nshould be judged, but: {error}"),
    };
    ensure!(!message.is_empty(), "{what}\nshould be let in; instead: {said}");
    ensure!(!said.contains("evaluating rule"), "{what}\nbreaks a rule itself: {said}");
    ensure!(said.contains(message), "{what}\nshould be refused because {message}; instead: {said}");
    Ok(())
}

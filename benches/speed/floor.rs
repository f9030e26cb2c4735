//! The floor: the writes that issuing takes, made by a bare client that decides nothing and calls
//! no provider.
//!
//! No operator that keeps the same records can be faster. The objects have the schema and the
//! validation rules of an ApiCredential but are of another group, and the Secrets are as large and
//! have another label, so that Credwright sees none of them.

use anyhow::{Context, Result};
use credwright::api::crds;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::{core::v1::Secret, events::v1::Event},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::{CONCURRENCY, load::name};

const GROUP: &str = "bench.credwright.dev";
const KIND: &str = "FloorCredential";
const PLURAL: &str = "floorcredentials";

/// About as long as what the operator writes at a first issue.
pub(crate) const DOCUMENT_BYTES: usize = 1_000;
pub(crate) const SEALED_BYTES: usize = 90;

/// The definition of an ApiCredential under another name.
pub(crate) fn definition() -> Result<CustomResourceDefinition> {
    let original = crds::all().into_iter().find(|it| it.spec.names.kind == "ApiCredential");
    let mut definition = original.context("there is a definition of ApiCredential")?;
    definition.metadata.name = Some(format!("{PLURAL}.{GROUP}"));
    definition.spec.group = GROUP.to_owned();
    let names = &mut definition.spec.names;
    names.kind = KIND.to_owned();
    names.plural = PLURAL.to_owned();
    names.singular = Some("floorcredential".to_owned());
    names.list_kind = Some(format!("{KIND}List"));
    names.short_names = None;
    names.categories = None;
    Ok(definition)
}

struct Floor {
    objects: Api<DynamicObject>,
    secrets: Api<Secret>,
    events: Api<Event>,
}

/// Creates `count` objects, then makes the six writes of each, as many at once as the operator
/// does.
pub(crate) async fn run(admin: &Client, client: &Client, namespace: &str, count: usize) -> Result<()> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, "v1alpha1", KIND), PLURAL);
    let objects: Api<DynamicObject> = Api::namespaced_with(admin.clone(), namespace, &resource);
    let creating = stream::iter(0..count).map(async |number| -> Result<DynamicObject> {
        let object = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": KIND,
            "metadata": { "name": name(number) },
            "spec": { "providerRef": { "name": "provider" }, "lifetime": "720h", "rotation": { "overlap": "24h" } },
        });
        Ok(objects.create(&PostParams::default(), &serde_json::from_value(object)?).await?)
    });
    let created: Vec<DynamicObject> = creating.buffer_unordered(CONCURRENCY).try_collect().await?;
    let floor = Floor {
        objects: Api::namespaced_with(client.clone(), namespace, &resource),
        secrets: Api::namespaced(client.clone(), namespace),
        events: Api::namespaced(client.clone(), namespace),
    };
    stream::iter(&created).map(|object| floor.issue(object)).buffer_unordered(CONCURRENCY).try_collect().await
}

impl Floor {
    async fn issue(&self, object: &DynamicObject) -> Result<()> {
        let name = object.name_any();
        let finalizers = json!({ "metadata": {
            "resourceVersion": object.resource_version(), "finalizers": ["bench.credwright.dev/revoke"],
        }});
        let patch = Patch::Merge(finalizers);
        let mut held = self.objects.patch(&name, &PatchParams::default(), &patch).await?;

        let ledger = format!("{name}.credwright");
        let written = self.secrets.create(&PostParams::default(), &secret(object, &ledger, true)?).await?;
        let mut again = secret(object, &ledger, true)?;
        again.metadata.resource_version = written.resource_version();
        self.secrets.replace(&ledger, &PostParams::default(), &again).await?;
        self.secrets.create(&PostParams::default(), &secret(object, &name, false)?).await?;
        self.events.create(&PostParams::default(), &event(object)?).await?;
        held.data["status"] = status(object);
        self.objects.replace_status(&name, &PostParams::default(), &held).await?;
        Ok(())
    }
}

fn secret(object: &DynamicObject, name: &str, is_ledger: bool) -> Result<Secret> {
    let data = if is_ledger {
        json!({ "document": "x".repeat(DOCUMENT_BYTES), "sealed": "x".repeat(SEALED_BYTES) })
    } else {
        let url = "http://127.0.0.1:10000/api/v0/oauth/token";
        let (id, secret) = ("0123456789abcdef0123456789abcdef", "x".repeat(44));
        let expires = "2027-01-01T00:00:00Z";
        json!({ "client_id": id, "client_secret": secret, "token_url": url, "expires_at": expires })
    };
    let finalizers = if is_ledger { json!(["bench.credwright.dev/ledger"]) } else { json!([]) };
    let digest = "x".repeat(44);
    Ok(serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": { "bench.credwright.dev/role": "floor" },
            "annotations": if is_ledger { json!({}) } else {
                json!({ "bench.credwright.dev/revision": "1", "bench.credwright.dev/digest": digest, "bench.credwright.dev/from": digest })
            },
            "finalizers": finalizers,
            "ownerReferences": [{
                "apiVersion": format!("{GROUP}/v1alpha1"), "kind": KIND, "controller": true,
                "name": object.name_any(), "uid": object.uid(),
            }],
        },
        "type": if is_ledger { "bench.credwright.dev/ledger" } else { "Opaque" },
        "stringData": data,
    }))?)
}

fn event(object: &DynamicObject) -> Result<Event> {
    let name = object.name_any();
    Ok(serde_json::from_value(json!({
        "metadata": { "name": format!("{name}.0123456789abcdef") },
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal", "reason": "Issued", "action": "Reconcile",
        "note": format!("the Secret {name} holds revision 1 (client 0123456789abcdef0123456789abcdef)"),
        "regarding": {
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": KIND,
            "namespace": object.namespace(), "name": name, "uid": object.uid(),
        },
        "reportingController": "bench.credwright.dev/floor",
        "reportingInstance": "floor",
    }))?)
}

fn status(object: &DynamicObject) -> Value {
    let now = "2026-01-01T00:00:00Z";
    let client = "0123456789abcdef0123456789abcdef";
    let condition = |type_: &str, reason: &str| {
        json!({
            "type": type_, "status": "True", "reason": reason, "observedGeneration": 1, "lastTransitionTime": now,
            "message": format!("the Secret holds revision 1 (client {client})"),
        })
    };
    json!({
        "observedGeneration": 1,
        "conditions": [condition("Ready", "Issued"), condition("Published", "Issued"), condition("ProviderReachable", "LoginAccepted")],
        "clientId": client, "revision": 1, "expiresAt": now, "renewalTime": now,
        "credentials": [{
            "revision": 1, "state": "Active", "name": "operated-measured-000000-kwabcdefghijklmn-1abcd",
            "clientId": client, "issuedAt": now, "expiresAt": now, "reason": "FirstIssue",
        }],
        "binding": { "name": object.name_any() },
    })
}

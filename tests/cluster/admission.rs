//! The policies of charts/credwright/files/admission.yaml refuse at admission what the operator
//! would otherwise only say in a status.

use std::io::Write;

use credwright::api::ApiCredential;
use credwright_harness::controlplane::{ControlPlane, ControlPlaneOptions};
use k8s_openapi::api::{
    core::v1::{Namespace, Secret},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{Scene, install_crds, rights, with};

const POLICIES: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/charts/credwright/files/admission.yaml"));
const TENANT: &str = "a-tenant";

/// Somebody who may write ApiCredentials and Secrets in the scene's namespace, and nothing else.
async fn tenant(scene: &Scene, control_plane: &ControlPlane) -> Client {
    let rules = json!([
        { "apiGroups": ["credwright.dev"], "resources": ["apicredentials"], "verbs": ["*"] },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["*"] },
    ]);
    let subject = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TENANT });
    allow(scene, TENANT, rules, subject).await;
    acting_as(control_plane, TENANT).await
}

/// Binds a role with these rules, both of this name.
async fn allow(scene: &Scene, name: &str, rules: Value, subject: Value) {
    let role = json!({ "metadata": { "name": name }, "rules": rules });
    let binding = json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
        "subjects": [subject],
    });
    let post = PostParams::default();
    scene.api::<Role>().create(&post, &serde_json::from_value(role).unwrap()).await.unwrap();
    scene.api::<RoleBinding>().create(&post, &serde_json::from_value(binding).unwrap()).await.unwrap();
}

async fn acting_as(control_plane: &ControlPlane, user: &str) -> Client {
    let mut config = control_plane.cluster().config().await.unwrap();
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).unwrap()
}

/// Returns the error with which a tenant is refused `spec` at the provider `name`; `None` if it is
/// allowed.
async fn refused(api: &Api<ApiCredential>, name: &str, more: &Value) -> Option<String> {
    let spec =
        with(json!({ "providerRef": { "kind": "ClusterCredentialProvider", "name": name } }), more.clone());
    let object = json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
        "metadata": { "name": "tried" }, "spec": spec,
    });
    let object: ApiCredential = serde_json::from_value(object).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&dry, &object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.is_forbidden() => Some(status.message),
        Err(error) => Some(error.to_string()),
    }
}

/// A control plane with the policies, which hold for everybody on it. The operator of each test is
/// Credwright there.
async fn policed() -> &'static ControlPlane {
    static POLICED: OnceCell<ControlPlane> = OnceCell::const_new();
    let start = async || {
        let control_plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        install_crds(&control_plane.client().await.unwrap()).await;
        let is_an_operator = format!("request.userInfo.username.startsWith('{}')", rights::user(""));
        apply_policies(&control_plane, &is_an_operator);
        control_plane
    };
    POLICED.get_or_init(start).await
}

/// A scene where the policies are in force, and a tenant in it.
async fn set_up(name: &str) -> (&'static ControlPlane, Scene, Client) {
    let control_plane = policed().await;
    let scene = Scene::on(control_plane.cluster(), name).await;
    let tenants = tenant(&scene, control_plane).await;
    in_force(&scene, &tenants).await;
    (control_plane, scene, tenants)
}

/// Applies the policies; the expression tells who is Credwright.
pub(crate) fn apply_policies(control_plane: &ControlPlane, is_credwright: &str) {
    let default = "request.userInfo.username == 'system:serviceaccount:credwright-system:credwright'";
    assert!(POLICIES.contains(default));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(POLICIES.replace(default, is_credwright).as_bytes()).unwrap();
    let applied = control_plane.cluster().kubectl().args(["apply", "-f"]).arg(file.path()).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}

/// A policy that is new refuses nothing, and then everything until it has seen its parameters.
async fn in_force(scene: &Scene, tenants: &Client) {
    let secrets: Api<Secret> = Api::namespaced(tenants.clone(), &scene.namespace);
    let objects: Api<ApiCredential> = Api::namespaced(tenants.clone(), &scene.namespace);
    let ledger = json!({ "metadata": { "name": "tried.credwright" } });
    let ledger: Secret = serde_json::from_value(ledger).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let works = async || {
        secrets.create(&dry, &ledger).await.is_err()
            && refused(&objects, "not-there", &json!({})).await.is_none()
    };
    scene.wait("tried", "the policies are in force", works).await;
}

/// Waits until the policy rejects: policies and their parameters take effect after a moment.
async fn is_refused_soon(scene: &Scene, api: &Api<ApiCredential>, provider: &str) {
    scene
        .wait("tried", "the policy knows", async || refused(api, provider, &json!({})).await.is_some())
        .await;
}

/// Shared providers, each with other rules.
fn providers(namespace: &str) -> Vec<(&'static str, Value)> {
    let own = json!({ "names": [namespace] });
    let selected = |selector: Value| json!({ "namespaces": { "selector": selector } });
    let expression = |key: &str, operator: &str, values: Value| {
        selected(json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }))
    };
    vec![
        ("nobodys", json!({ "namespaces": {} })),
        ("anothers", json!({ "namespaces": { "names": ["elsewhere"] } })),
        ("ours", json!({ "namespaces": own })),
        ("everybodys", selected(json!({}))),
        ("paid", selected(json!({ "matchLabels": { "plan": "paid" } }))),
        ("free", selected(json!({ "matchLabels": { "plan": "free" } }))),
        ("in", expression("plan", "In", json!(["paid", "gold"]))),
        ("not-in", expression("plan", "NotIn", json!(["paid"]))),
        ("absent-not-in", expression("team", "NotIn", json!(["web"]))),
        ("exists", expression("plan", "Exists", json!([]))),
        ("exists-not", expression("plan", "DoesNotExist", json!([]))),
        ("scoped", json!({ "namespaces": own, "scopes": ["read", "list"] })),
        ("short", json!({ "namespaces": own, "maxLifetime": "48h" })),
        ("outlived", json!({ "namespaces": own, "retain": true })),
        (
            "opened",
            json!({ "namespaces": own, "parameters": {
                "role": { "perNamespace": { namespace: ["reader"], "elsewhere": ["writer"] } },
                "plan": { "fromNamespace": { "label": "plan" } },
                "team": { "fromNamespace": { "label": "team" } },
                "zone": { "values": ["a", "b"] },
            } }),
        ),
        ("netted", json!({ "namespaces": own, "subnets": ["203.0.113.0/24", "2001:db8::/32"] })),
    ]
}

/// The requests of a tenant at each provider, with a part of the message that rejects it.
fn wishes() -> Vec<(&'static str, Value, Option<&'static str>)> {
    let stranger = Some("does not allow namespace");
    let unopened = Some("its owner opens values in spec.allow.parameters");
    vec![
        ("nobodys", json!({}), stranger),
        ("anothers", json!({}), stranger),
        ("ours", json!({}), None),
        ("everybodys", json!({}), None),
        ("paid", json!({}), None),
        ("free", json!({}), stranger),
        ("in", json!({}), None),
        ("not-in", json!({}), stranger),
        ("absent-not-in", json!({}), None),
        ("exists", json!({}), None),
        ("exists-not", json!({}), stranger),
        ("not-there", json!({}), None),
        ("scoped", json!({ "scopes": ["read"] }), None),
        ("scoped", json!({ "scopes": ["read", "write"] }), Some("allows only read, list")),
        ("scoped", json!({}), Some("request at least one")),
        ("short", json!({}), None),
        ("short", json!({ "lifetime": "48h" }), None),
        ("short", json!({ "lifetime": "48h1s" }), Some("allows at most 48h")),
        ("ours", json!({ "deletionPolicy": "Retain" }), Some("credentials outlive their objects")),
        ("ours", json!({ "deletionPolicy": "Revoke" }), None),
        ("outlived", json!({ "deletionPolicy": "Retain" }), None),
        ("opened", json!({ "parameters": { "role": "reader", "plan": "paid", "zone": "b" } }), None),
        ("opened", json!({ "parameters": { "role": "writer" } }), unopened),
        ("opened", json!({ "parameters": { "plan": "free" } }), unopened),
        ("opened", json!({ "parameters": { "team": "web" } }), unopened),
        ("opened", json!({ "parameters": { "zone": "c" } }), unopened),
        ("opened", json!({ "parameters": { "project": "42" } }), unopened),
        ("ours", json!({ "parameters": { "project": "42" } }), unopened),
        ("netted", json!({ "subnets": ["203.0.113.128/25", "2001:db8:1::/48"] }), None),
        (
            "netted",
            json!({ "subnets": ["203.0.113.0/24", "198.51.100.0/24"] }),
            Some("allows only subnets within"),
        ),
        ("netted", json!({ "subnets": ["0.0.0.0/1", "128.0.0.0/1"] }), Some("allows only subnets within")),
        ("netted", json!({}), Some("request at least one")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_allow_rules_are_rejected_at_admission_and_existing_objects_can_be_deleted() {
    let (_control_plane, scene, tenants) = set_up("admitted").await;
    let labels = Patch::Merge(json!({ "metadata": { "labels": { "plan": "paid" } } }));
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    namespaces.patch(&scene.namespace, &PatchParams::default(), &labels).await.unwrap();
    for (name, allow) in providers(&scene.namespace) {
        scene.share(name, json!({}), allow).await;
    }
    let api: Api<ApiCredential> = Api::namespaced(tenants, &scene.namespace);
    is_refused_soon(&scene, &api, "netted").await;
    for (name, more, expected) in wishes() {
        let why = refused(&api, name, &more).await;
        let right = why.as_deref().map(|why| expected.is_some_and(|part| why.contains(part)));
        assert_eq!(right, expected.map(|_| true), "{name} {more}: {why:?}");
    }
    // What is not allowed any more may still be revoked and go.
    let _operator = scene.operator_as(|_, options| options.cluster_providers = true).await;
    let reference = json!({ "kind": "ClusterCredentialProvider", "name": "ours" });
    scene.issue("orders", json!({ "providerRef": reference, "lifetime": "720h" })).await;
    scene.share("ours", json!({}), json!({ "namespaces": { "names": ["elsewhere"] } })).await;
    is_refused_soon(&scene, &api, "ours").await;
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let change = async |spec: &Value| api.patch("orders", &dry, &Patch::Merge(json!({ "spec": spec }))).await;
    for harmless in [
        json!({ "suspend": true }),
        json!({ "secret": { "name": "renamed" } }),
        json!({ "rotation": { "overlap": "1h" } }),
    ] {
        change(&harmless).await.unwrap();
    }
    for new in [
        json!({ "scopes": ["read"] }),
        json!({ "lifetime": "48h" }),
        json!({ "name": "another" }),
        json!({ "rotation": { "request": "now" } }),
        json!({ "deletionPolicy": "Retain" }),
    ] {
        let why = change(&new).await.unwrap_err().to_string();
        assert!(why.contains("does not allow namespace"), "{new}: {why}");
    }
    api.delete("orders", &DeleteParams::default()).await.unwrap();
    scene.goes("orders").await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_changes_of_ledgers_are_rejected_at_admission() {
    let (_control_plane, scene, tenants) = set_up("hands-off").await;
    let _operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let secrets: Api<Secret> = Api::namespaced(tenants, &scene.namespace);
    let edit = Patch::Merge(json!({ "data": { "document": "e30=" } }));
    let edited = async || {
        secrets
            .patch("orders.credwright", &PatchParams { dry_run: true, ..PatchParams::default() }, &edit)
            .await
    };
    scene.wait("orders", "the policy is in force", async || edited().await.is_err()).await;
    let why = edited().await.unwrap_err().to_string();
    assert!(why.contains("only Credwright writes ledgers"), "{why}");
    for (name, labels, type_) in [
        ("mine", json!({ "credwright.dev/role": "ledger" }), "Opaque"),
        ("mine.credwright", json!({}), "Opaque"),
        ("mine.credwright-copy", json!({}), "Opaque"),
        ("mine", json!({}), "credwright.dev/ledger"),
    ] {
        let secret = json!({ "metadata": { "name": name, "labels": labels }, "type": type_ });
        let made = secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await;
        assert!(made.is_err(), "{name} {labels} {type_}");
    }
    let login = json!({ "metadata": { "name": "mine", "labels": { "credwright.dev/role": "login" } } });
    secrets.create(&PostParams::default(), &serde_json::from_value(login).unwrap()).await.unwrap();
    // It may be deleted, and is recreated: the policy does not hinder the operator, which has all
    // rights.
    let before = scene.secret("orders.credwright").await.unwrap().metadata.uid;
    let _ = secrets.delete("orders.credwright", &DeleteParams::default()).await.unwrap();
    scene
        .wait("orders", "the ledger is recreated", async || {
            let there = scene.secret("orders.credwright").await;
            there.is_some_and(|it| it.metadata.uid != before)
        })
        .await;
    scene.remove("orders").await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (1, 0));
}

/// RBAC lets it write every Secret, so whoever has its token could have one of a stronger account
/// made, and read it.
#[tokio::test(flavor = "multi_thread")]
async fn credwrights_own_service_account_writes_no_secret_of_others_and_no_token() {
    let (control_plane, scene, _) = set_up("own-secrets").await;
    let _operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let secret = |name: &str, type_: &str, labels: Value| -> Secret {
        let metadata = json!({ "name": name, "labels": labels });
        serde_json::from_value(json!({ "metadata": metadata, "type": type_ })).unwrap()
    };
    let stranger = secret("stranger", "Opaque", json!({}));
    scene.api::<Secret>().create(&PostParams::default(), &stranger).await.unwrap();
    let own = acting_as(control_plane, &rights::user(&scene.namespace)).await;
    let secrets: Api<Secret> = Api::namespaced(own, &scene.namespace);
    let delete = DeleteParams { dry_run: true, ..DeleteParams::default() };
    scene
        .wait("orders", "the policy is in force", async || secrets.delete("stranger", &delete).await.is_err())
        .await;
    let refused = |why: String, part: &str| assert!(why.contains(part), "{why}");
    let (post, params) = (PostParams::default(), PatchParams::default());
    refused(secrets.delete("stranger", &delete).await.unwrap_err().to_string(), "writes and deletes only");
    let marked = json!({ "credwright.dev/role": "target" });
    for metadata in [json!({ "labels": marked }), json!({ "finalizers": ["credwright.dev/login"] })] {
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        refused(
            secrets.patch("stranger", &params, &patch).await.unwrap_err().to_string(),
            "writes and deletes",
        );
    }
    for (type_, labels, part) in [
        ("Opaque", json!({}), "writes and deletes only"),
        ("kubernetes.io/service-account-token", marked.clone(), "no tokens of service accounts"),
        ("bootstrap.kubernetes.io/token", marked.clone(), "no tokens of service accounts"),
    ] {
        let mut made = secret("made", type_, labels);
        let of = ("kubernetes.io/service-account.name".to_owned(), "default".to_owned());
        made.metadata.annotations = Some([of].into());
        refused(secrets.create(&post, &made).await.unwrap_err().to_string(), part);
    }

    // A Secret whose marks a tenant has taken off is put right, and in the end it goes.
    let bare = json!({ "metadata": { "labels": { "credwright.dev/role": null } }, "data": null });
    scene.merge_secret("orders", bare).await;
    scene
        .wait("orders", "its Secret is put right", async || {
            scene.secret("orders").await.is_some_and(|it| it.data.is_some_and(|data| !data.is_empty()))
        })
        .await;
    scene.remove("orders").await;
    scene.wait("orders", "its Secret goes", async || scene.secret("orders").await.is_none()).await;
}

/// The storage version migrator may only list and patch, and gives up at the first write that is
/// forbidden: then a key of the encryption at rest could never be retired.
#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_write_to_a_ledger_is_admitted_for_a_service_account_that_may_only_patch() {
    let (control_plane, scene, _) = set_up("migrated").await;
    let _operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let subject = json!({ "kind": "ServiceAccount", "name": "migrator", "namespace": scene.namespace });
    let patch_only = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"] }]);
    allow(&scene, "migrator", patch_only, subject).await;
    let migrator = format!("system:serviceaccount:{}:migrator", scene.namespace);
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    let secrets =
        async |user: &str| Api::<Secret>::namespaced(acting_as(control_plane, user).await, &scene.namespace);
    let (migrator, collector) = (secrets(&migrator).await, secrets(collector).await);
    let name = "orders.credwright";
    let forged = Patch::Merge(json!({ "data": { "document": "e30=" } }));
    scene
        .wait("orders", "the policy is in force", async || {
            let dry = PatchParams { dry_run: true, ..PatchParams::default() };
            migrator
                .patch(name, &dry, &forged)
                .await
                .is_err_and(|error| error.to_string().contains("only Credwright"))
        })
        .await;

    let before = scene.secret(name).await.unwrap();
    let unowned = json!({ "metadata": { "ownerReferences": null } });
    let refused = [
        ("data", json!({ "data": { "document": "e30=" } })),
        ("one key less", json!({ "data": { "sealed": null } })),
        ("stringData", json!({ "stringData": { "document": "{}" } })),
        ("immutable", json!({ "immutable": true })),
        ("our label", json!({ "metadata": { "labels": { "credwright.dev/role": null } } })),
        ("our finalizer", json!({ "metadata": { "finalizers": null } })),
        ("its owner", unowned.clone()),
    ];
    for (what, patch) in refused {
        let written = migrator.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        let why = written.expect_err(what).to_string();
        assert!(why.contains("only Credwright writes ledgers"), "{what}: {why}");
    }
    let role = Patch::Merge(json!({ "metadata": { "labels": { "credwright.dev/role": "ledger" } } }));
    let written = migrator.patch("orders", &PatchParams::default(), &role).await;
    assert!(written.is_err(), "another Secret cannot become a ledger");

    let its = json!({ "metadata": { "uid": before.metadata.uid, "resourceVersion": before.metadata.resource_version } });
    let mut applied = its.clone();
    applied["apiVersion"] = json!("v1");
    applied["kind"] = json!("Secret");
    let params = PatchParams::default();
    migrator.patch(name, &params, &Patch::Merge(its)).await.unwrap();
    migrator.patch(name, &PatchParams::apply("migrator"), &Patch::Apply(applied)).await.unwrap();
    let noted =
        json!({ "metadata": { "annotations": { "example.com/seen": "yes" }, "labels": { "team": "web" } } });
    migrator.patch(name, &params, &Patch::Merge(noted)).await.unwrap();

    // What the collector does when the object is deleted with `--cascade=orphan`, and no more.
    let forged = json!({ "metadata": { "ownerReferences": null }, "data": { "document": "e30=" } });
    collector.patch(name, &params, &Patch::Merge(forged)).await.unwrap_err();
    collector.patch(name, &PatchParams { dry_run: true, ..params }, &Patch::Merge(unowned)).await.unwrap();
    assert_eq!(scene.secret(name).await.unwrap().data, before.data);
    assert!(scene.secret_works("orders").await);
}

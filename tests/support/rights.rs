//! Operators in tests act as a user who has the chart's rights and no others: a rule that is
//! missing fails a test.

use std::collections::{BTreeMap, BTreeSet};

use credwright::controller::Options;
use credwright_harness::controlplane::Cluster;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleBinding};
use kube::{
    Api, Client, Config, Resource,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::with;

const RULES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/charts/credwright/files/rules.yaml"));

/// The RoleBinding in each namespace, as the chart names it.
pub(crate) const ROLE_BINDING: &str = "credwright";

/// The grants of this process. A test starts many operators, and most of them need the same rights.
static GRANTED: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());

/// Gives the user of an operator in `home` what it needs for `options`, if that has not been done.
pub(crate) async fn grant(cluster: &Cluster, client: &Client, home: &str, options: &Options) {
    let cluster = cluster.kubeconfig().display().to_string();
    let bindings = format!("{cluster} {home} {:?} {}", options.namespaces, options.cluster_providers);
    let mut granted = GRANTED.lock().await;
    if !granted.contains(&cluster) {
        define_roles(client).await;
        granted.insert(cluster);
    }
    if !granted.contains(&bindings) {
        bind(client, home, options).await;
        granted.insert(bindings);
    }
}

async fn define_roles(client: &Client) {
    let mut rules = rules();
    let everywhere = rules["everywhere"].clone();
    rules.get_mut("bound").unwrap().extend(everywhere);
    let roles: Api<ClusterRole> = Api::all(client.clone());
    for (group, rules) in &rules {
        apply(&roles, &role(group), json!({ "rules": rules })).await;
    }
}

async fn bind(client: &Client, home: &str, options: &Options) {
    let everywhere: Api<ClusterRoleBinding> = Api::all(client.clone());
    let within = |namespace: &str| Api::<RoleBinding>::namespaced(client.clone(), namespace);
    apply(&within(home), "credwright-home", bound(home, "home")).await;
    apply(&everywhere, &format!("definition-{home}"), bound(home, "definition")).await;
    if options.cluster_providers {
        apply(&everywhere, &format!("shared-{home}"), bound(home, "shared")).await;
    }
    if options.namespaces.is_empty() {
        apply(&everywhere, &format!("everywhere-{home}"), bound(home, "everywhere")).await;
    }
    for namespace in &options.namespaces {
        apply(&within(namespace), ROLE_BINDING, bound(home, "bound")).await;
    }
}

/// The rules by where they are needed.
pub(crate) fn rules() -> BTreeMap<String, Vec<PolicyRule>> {
    serde_saphyr::from_str(RULES).unwrap()
}

/// The same client configuration, as that user.
pub(crate) fn as_operator(mut config: Config, home: &str) -> Config {
    config.auth_info.impersonate = Some(user(home));
    config
}

pub(crate) fn user(home: &str) -> String {
    format!("operator-of-{home}")
}

fn role(group: &str) -> String {
    format!("credwright-{group}")
}

fn bound(home: &str, group: &str) -> Value {
    json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role(group) },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user(home) }],
    })
}

async fn apply<K>(api: &Api<K>, name: &str, content: Value)
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let object = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": { "name": name },
    });
    let object = with(object, content);
    let params = PatchParams::apply("tests").force();
    api.patch(name, &params, &Patch::Apply(object)).await.unwrap();
}

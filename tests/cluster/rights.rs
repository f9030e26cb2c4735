//! The chart's rules are those that are needed: the API server's audit log tells what was asked
//! for.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use credwright::{api::CredentialProvider, controller::Options, engine::leadership::LeaseHolder};
use credwright_harness::{
    controlplane::{ControlPlane, ControlPlaneOptions},
    tls::Authority,
};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use serde_json::{Value, json};

use crate::{
    admission::apply_policies,
    networks::put_config_map,
    stage::hours,
    support::{Running, Scene, eventually, install_crds, power::Line, rights},
};

/// A request, as rules know it: where, the API group, the resource and the verb.
type Asked = (Place, String, String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Home,
    Elsewhere,
}

/// Returns the requests of the operator of `home`, and those of them that were forbidden.
fn asked(log: &Path, home: &str) -> (BTreeSet<Asked>, BTreeSet<Asked>) {
    let text = std::fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut all = (BTreeSet::new(), BTreeSet::new());
    for line in lines.filter(|it| it["impersonatedUser"]["username"] == rights::user(home).as_str()) {
        let of = |key: &str| line["objectRef"][key].as_str().unwrap_or_default().to_owned();
        let place = if of("namespace") == home { Place::Home } else { Place::Elsewhere };
        let resource = match of("subresource").as_str() {
            "" => of("resource"),
            sub => format!("{}/{sub}", of("resource")),
        };
        let one = (place, of("apiGroup"), resource, line["verb"].as_str().unwrap().to_owned());
        if line["responseStatus"]["code"] == 403 {
            all.1.insert(one.clone());
        }
        all.0.insert(one);
    }
    all
}

/// Lists and watches of Secrets and ConfigMaps that ask for others than ours: there may be any
/// number of them, of any size.
fn unselected(log: &Path, home: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_both = lines.filter(|it| {
        it["impersonatedUser"]["username"] == rights::user(home).as_str()
            && ["secrets", "configmaps"].iter().any(|resource| it["objectRef"]["resource"] == *resource)
            && ["list", "watch"].iter().any(|verb| it["verb"] == *verb)
    });
    let uris: Vec<String> = of_both.map(|it| it["requestURI"].as_str().unwrap().to_owned()).collect();
    assert!(uris.len() > 3, "{uris:?}");
    let selects = |uri: &String| {
        uri.contains("labelSelector=credwright.dev%2Frole&")
            || uri.contains("labelSelector=credwright.dev%2Frole%3Dca-bundle&")
                && uri.contains("/configmaps?")
            || uri.contains("fieldSelector=type%3Dcredwright.dev%2Fledger")
    };
    uris.into_iter().filter(|uri| !selects(uri)).collect()
}

/// Returns the rights that the rules grant. `ledgers` is not a resource: only an admission policy
/// asks for that right, and never the API server.
fn allowed() -> BTreeSet<Asked> {
    let mut all = BTreeSet::new();
    for (group, rules) in rights::rules() {
        let place = if group == "home" { Place::Home } else { Place::Elsewhere };
        for rule in rules {
            let resources = rule.resources.unwrap_or_default();
            for resource in resources.iter().filter(|it| *it != "ledgers") {
                for verb in &rule.verbs {
                    let api = rule.api_groups.as_ref().unwrap()[0].clone();
                    all.insert((place, api, resource.clone(), verb.clone()));
                }
            }
        }
    }
    all
}

/// Two replicas, of which one works and the other one takes over.
async fn two_replicas(home: &Scene, tenant: &Scene) {
    let within = |options: &mut Options| options.namespaces = vec![tenant.namespace.clone()];
    let replica = async |identity: &str| {
        home.operator_as(|settings, options| {
            within(options);
            let (lease, identity) = ("credwright".to_owned(), identity.to_owned());
            settings.lease = Some(LeaseHolder { lease, identity });
        })
        .await
    };
    let operator = replica("one").await;
    tenant.moves_in().await;
    tenant.publishes("orders", 1).await;
    let standby = replica("two").await;
    eventually("the standby knows everything", async || standby.operator.has_all_synced()).await;
    // It lists and watches the Lease, and reads it again every few seconds.
    let calls = standby.power.calls() + 1;
    eventually("it stands by", async || standby.power.calls() > calls).await;
    operator.stop().await;
    eventually("the standby leads", async || standby.operator.leads()).await;
}

/// In one namespace only, with a Lease: a life with everything that may happen in it.
async fn live_in_one(home: &Scene, tenant: &Scene) {
    let within = |options: &mut Options| options.namespaces = vec![tenant.namespace.clone()];
    two_replicas(home, tenant).await;

    let operator = home.operator_as(|_, options| within(options)).await;
    tenant.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    tenant.run_until_only(&operator, "orders", 2).await;
    let uid = tenant.secret("orders.credwright").await.unwrap().metadata.uid;
    tenant.delete_secret("orders.credwright").await;
    eventually("the ledger is recreated", async || {
        let there = tenant.secret("orders.credwright").await;
        there.is_some_and(|it| it.metadata.uid != uid)
            && tenant.secret("orders.credwright-copy").await.is_none()
    })
    .await;
    tenant.delete_secret("spreetail-admin").await;
    tenant
        .run_until(&operator, "orders", "the login goes", async || {
            tenant.secret("spreetail-admin").await.is_none()
        })
        .await;
    tenant.put_login("spreetail-admin").await;
    tenant.rest(&operator).await;

    end_in_one(home, tenant, &operator).await;
}

async fn end_in_one(home: &Scene, tenant: &Scene, operator: &Running) {
    // What cannot be revoked in time, and is when that is possible; the answers to the record and
    // to what is kept beside it are lost.
    let answers = [("secrets", AtomicBool::new(false)), ("abandonedcredentials", AtomicBool::new(false))];
    let within = format!("/namespaces/{}/", home.namespace);
    operator.power.set_fault(move |request| {
        let path = request.uri().path();
        let makes = request.method() == http::Method::POST && path.contains(&within);
        let (_, lost) = answers.iter().find(|(resource, _)| path.ends_with(resource))?;
        (makes && !lost.swap(true, Ordering::Relaxed)).then_some(Line::AppliedButTimedOut)
    });
    home.provider.stop().await;
    tenant.delete("orders").await;
    assert!(home.reaches(&[operator], hours(1), async || tenant.is_gone("orders").await).await);
    assert_eq!(home.abandoned().await.len(), 1);
    home.provider.start_again().await.unwrap();
    assert!(home.reaches(&[operator], hours(24), async || home.abandoned().await.is_empty()).await);
    for _ in 0..2 {
        tenant.issue("billing", json!({ "lifetime": "720h" })).await;
        tenant.remove("billing").await;
        eventually("its Secret goes", async || tenant.secret("billing").await.is_none()).await;
    }
    tenant.delete_provider("spreetail").await;
    let providers = tenant.api::<CredentialProvider>();
    eventually("the provider goes", async || providers.get_opt("spreetail").await.unwrap().is_none()).await;
}

/// In all namespaces, at a provider that they share.
async fn live_everywhere(home: &Scene, tenant: &Scene, streaming_lists: bool) {
    let _operator =
        home.operator_as(|_, options| *options = Options { streaming_lists, ..Options::default() }).await;
    // Another each time: one that is deleted stays until nothing was made there.
    let name = if streaming_lists { "shared-by-stream" } else { "shared-by-page" };
    home.share(name, json!({}), json!({ "namespaces": { "names": [tenant.namespace] } })).await;
    let reference = json!({ "kind": "ClusterCredentialProvider", "name": name });
    tenant.issue(name, json!({ "providerRef": reference, "lifetime": "720h" })).await;
    tenant.delete(name).await;
    tenant.goes(name).await;
    home.delete_shared_provider(name).await;
}

/// A tenant's provider at a Service of the cluster, with the certificates of a ConfigMap.
async fn reach_for_a_service(home: &Scene, tenant: &Scene) {
    let operator = home
        .operator_as(|settings, options| {
            *options = Options::default();
            settings.egress = Default::default();
        })
        .await;
    let services: Api<Service> = Api::namespaced(home.client.clone(), "default");
    let address = services.get("kubernetes").await.unwrap().spec.unwrap().cluster_ip.unwrap();
    put_config_map(tenant, json!({ "ca.crt": Authority::new().unwrap().pem() })).await;
    let mut inside = tenant.spreetail(&format!("https://{address}"), "spreetail-admin");
    inside["tls"] = json!({ "caBundleRef": { "name": "company-ca" } });
    tenant.create_provider("inside", inside).await;
    let spec = json!({ "providerRef": { "name": "inside" } });
    tenant.apply("inside", spec).await;
    let message = tenant.says("inside", ("Ready", "False", "ProviderUnavailable")).await;
    assert!(message.contains(&format!("{address} is an address of a Service in this cluster")), "{message}");
    tenant.delete("inside").await;
    tenant.goes("inside").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_is_missing_and_none_is_never_used() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let options = ControlPlaneOptions { audit_log: Some(log.clone()), ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(options).await.unwrap();
    install_crds(&control_plane.client().await.unwrap()).await;
    let home = Scene::on(control_plane.cluster(), "home").await;
    let tenant = home.neighbour("tenant").await;
    // A write that its own policy refuses is in the log like one that lacks a right.
    let is_credwright = format!("request.userInfo.username == '{}'", rights::user(&home.namespace));
    apply_policies(&control_plane, &is_credwright);
    live_in_one(&home, &tenant).await;
    live_everywhere(&home, &tenant, true).await;
    live_everywhere(&home, &tenant, false).await;
    reach_for_a_service(&home, &tenant).await;

    let (asked, refused) = asked(&log, &home.namespace);
    assert!(refused.is_empty(), "refused, so a rule is missing: {refused:#?}");
    assert_eq!(unselected(&log, &home.namespace), Vec::<String>::new());
    let unused: Vec<Asked> = allowed().difference(&asked).cloned().collect();
    assert!(unused.is_empty(), "never used, so a rule is too many: {unused:#?}");
}

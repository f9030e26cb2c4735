//! A provider and its login stay until what was made with them is gone, and no longer.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use credwright::{api::CredentialProvider, controller::Options, engine::Settings};
use credwright_harness::random::Random;
use http::Method;
use jiff::SignedDuration;
use k8s_openapi::api::{
    core::v1::{Namespace, Secret},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    stage::{hours, minutes},
    support::{Running, Scene, eventually, power::Line, rights::ROLE_BINDING},
};

/// The time limit for the namespace controller to delete a hundred namespaces on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);
const LOGIN: &str = "spreetail-admin";

impl Scene {
    async fn login_is_held(&self) -> bool {
        let login = self.secret(LOGIN).await;
        login.is_some_and(|it| it.finalizers().iter().any(|it| it == "credwright.dev/login"))
    }

    async fn has_provider(&self) -> bool {
        self.api::<CredentialProvider>().get_opt("spreetail").await.unwrap().is_some()
    }

    async fn provider_says(&self, reason: &str) -> String {
        self.wait("orders", &format!("the provider says {reason}"), async || {
            self.provider_condition("spreetail").await.is_some_and(|(_, why, _)| why == reason)
        })
        .await;
        self.provider_condition("spreetail").await.unwrap().2
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_provider_and_its_login_stay_until_their_credentials_are_gone() {
    let (scene, operator) = Scene::running("held").await;
    scene.rest(&operator).await;
    assert!(!scene.login_is_held().await, "nothing was made with it");
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    assert!(scene.login_is_held().await);
    scene.delete_provider("spreetail").await;
    scene.delete_secret(LOGIN).await;
    let message = scene.provider_says("ProviderDeleting").await;
    assert!(message.contains("(1 of them may still work)"), "{message}");
    scene.jump(&operator, minutes(60)).await;
    assert!(scene.has_provider().await && scene.login_is_held().await);
    assert!(scene.secret_works("orders").await);
    scene.apply("later", json!({})).await;
    scene.says("later", ("Ready", "False", "ProviderDeleting")).await;
    assert_eq!(scene.made().len(), 1, "nothing is made there any more");

    // A restart finds everything as it was.
    operator.kill().await;
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    scene.remove("orders").await;
    scene
        .wait("later", "the provider and its login are gone", async || {
            !scene.has_provider().await && scene.secret(LOGIN).await.is_none()
        })
        .await;
    assert_eq!((scene.provider.record().live().len(), scene.abandoned().await.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_can_be_replaced_and_is_released_with_its_owners_consent() {
    let (scene, operator) = Scene::with_orders("replaced").await;
    scene.delete_secret(LOGIN).await;
    scene.jump(&operator, minutes(1)).await;
    scene
        .wait("orders", "the login goes, though it was in use", async || scene.secret(LOGIN).await.is_none())
        .await;
    scene.provider_says("LoginMissing").await;
    scene.put_login(LOGIN).await;
    scene.provider_says("LoginAccepted").await;
    scene.wait("orders", "the new one is held", async || scene.login_is_held().await).await;

    scene.merge_secret(LOGIN, json!({ "metadata": { "labels": { "credwright.dev/role": null } } })).await;
    scene.provider_says("LoginMissing").await;
    scene.wait("orders", "it is let go", async || !scene.login_is_held().await).await;
    assert!(scene.secret(LOGIN).await.is_some());
}

/// Deletes some of what is there, in an order that `random` chooses, and then all the rest with the
/// namespace.
async fn move_out(scene: &Scene, random: &mut Random) {
    let mut order = ["object", "provider", "login", "target", "ledger"];
    for index in (1..order.len()).rev() {
        order.swap(index, random.below(index + 1));
    }
    let delete = DeleteParams::default();
    for what in &order[..random.below(order.len() + 1)] {
        let secrets = scene.api::<Secret>();
        let done = match *what {
            "object" => {
                scene.api::<credwright::api::ApiCredential>().delete("orders", &delete).await.map(drop)
            }
            "provider" => scene.api::<CredentialProvider>().delete("spreetail", &delete).await.map(drop),
            "login" => secrets.delete(LOGIN, &delete).await.map(drop),
            "ledger" => secrets.delete("orders.credwright", &delete).await.map(drop),
            _ => secrets.delete("orders", &delete).await.map(drop),
        };
        assert!(!matches!(done, Err(error) if !matches!(&error, kube::Error::Api(it) if it.is_not_found())));
    }
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &delete).await.unwrap();
}

async fn everywhere(scene: &Scene) -> Running {
    let change = |settings: &mut Settings, options: &mut Options| {
        options.namespaces = Vec::new();
        // Its clock is moved while Kubernetes' own controllers take their time.
        settings.revocation_deadline = hours(400);
    };
    scene.operator_as(change).await
}

/// Its ledger is copied and let go, and then the namespace goes, in which no ledger can be made any
/// more.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_in_a_recreated_ledger_are_recorded_when_its_namespace_is_deleted() {
    let (_control_plane, scene) = Scene::apart("operator").await;
    let tenant = scene.neighbour("tenant").await;
    let operator = everywhere(&scene).await;
    tenant.moves_in().await;
    tenant.publishes("orders", 1).await;
    tenant.rest(&operator).await;
    // The first Secret that is made is the copy, the second the ledger.
    let made = AtomicUsize::new(0);
    operator.power.set_fault({
        let (client, name) = (tenant.client.clone(), tenant.namespace.clone());
        move |request| {
            let makes = request.method() == Method::POST
                && request.uri().path() == format!("/api/v1/namespaces/{name}/secrets");
            if !makes || made.fetch_add(1, Ordering::Relaxed) != 1 {
                return None;
            }
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let secrets: Api<Secret> = Api::namespaced(client.clone(), &name);
            let name = name.clone();
            Some(Line::Behind(Box::pin(async move {
                let delete = DeleteParams::default();
                let _ = namespaces.delete(&name, &delete).await.unwrap();
                // Until nothing can be made in it any more.
                let dry = PostParams { dry_run: true, ..PostParams::default() };
                let probe = serde_json::from_value(json!({ "metadata": { "name": "probe" } })).unwrap();
                let began = Instant::now();
                while secrets.create(&dry, &probe).await.is_ok() {
                    assert!(began.elapsed() < PATIENCE, "the namespace does not go");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                // Nobody says in which order a namespace is emptied.
                let _ = secrets.delete("orders.credwright-copy", &delete).await.unwrap();
            })))
        }
    });
    tenant.delete_secret("orders.credwright").await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    // The clock stands still: nothing waits for the deadline.
    eventually("the namespace is gone", async || {
        namespaces.get_opt(&tenant.namespace).await.unwrap().is_none()
    })
    .await;
    assert_eq!(scene.abandoned().await.len(), 1);
    let revoked = async || scene.abandoned().await.is_empty();
    assert!(scene.reaches(&[&operator], hours(2), revoked).await);
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (1, 0));
}

/// All that a namespace holds is deleted at once and in any order, and for half of them while no
/// operator is there to see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deleted_namespaces_leave_nothing_at_the_provider() {
    const TENANTS: usize = 100;
    let (_control_plane, scene) = Scene::apart("operator").await;
    let seed = u64::try_from(scene.now().as_millisecond()).unwrap();
    eprintln!("the order is that of seed {seed}");
    let mut random = Random::new(seed);
    let operator = everywhere(&scene).await;
    let mut tenants = Vec::new();
    for _ in 0..TENANTS {
        let tenant = scene.neighbour("tenant").await;
        tenant.moves_in().await;
        tenants.push(tenant);
    }
    for tenant in &tenants {
        tenant.publishes("orders", 1).await;
    }
    let (seen, unseen) = tenants.split_at(TENANTS / 2);
    for tenant in seen {
        move_out(tenant, &mut random).await;
    }
    operator.kill().await;
    for tenant in unseen {
        move_out(tenant, &mut random).await;
    }
    let operator = everywhere(&scene).await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let all_gone = async || {
        let there = namespaces.list(&kube::api::ListParams::default()).await.unwrap();
        !there.items.iter().any(|it| it.name_any().starts_with("tenant"))
    };
    let gone = scene.reaches_within(PATIENCE, &[&operator], hours(300), all_gone).await;
    assert!(gone, "something waits for the deadline");
    let abandoned: Vec<Value> =
        scene.abandoned().await.iter().map(|it| serde_json::to_value(&it.spec).unwrap()).collect();
    assert_eq!(abandoned, Vec::<Value>::new());
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (TENANTS, 0));
}

/// A namespace's controller deletes rights as it deletes everything else, in any order.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_in_a_deleted_namespace_stay_until_nothing_needs_them() {
    let scene = Scene::new("home").await;
    let tenant = scene.neighbour("tenant").await;
    let within = vec![tenant.namespace.clone()];
    let operator = scene.operator_as(|_, options| options.namespaces = within).await;
    let held = async || {
        let bindings: Api<RoleBinding> = tenant.api();
        bindings.get(ROLE_BINDING).await.unwrap().finalizers().contains(&"credwright.dev/rights".to_owned())
    };
    tenant.rest(&operator).await;
    assert!(!held().await, "nothing is there yet");
    tenant.moves_in().await;
    tenant.publishes("orders", 1).await;
    assert!(held().await);
    tenant.delete("orders").await;
    tenant.delete_provider("spreetail").await;
    tenant.run_until(&operator, "orders", "the rights are free", async || !held().await).await;
    tenant.delete_secret(LOGIN).await;
    tenant.moves_in().await;
    tenant.publishes("orders", 1).await;
    // First its rights, and then the rest.
    let bindings: Api<RoleBinding> = tenant.api();
    let _ = bindings.delete(ROLE_BINDING, &DeleteParams::default()).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let _ = namespaces.delete(&tenant.namespace, &DeleteParams::default()).await.unwrap();
    eventually("the namespace goes", async || {
        scene.clock.advance(SignedDuration::from_millis(100));
        namespaces.get_opt(&tenant.namespace).await.unwrap().is_none()
    })
    .await;
    assert_eq!((scene.provider.record().live().len(), scene.abandoned().await.len()), (0, 0));
}

/// The power may go right after the last thing that needed them has gone.
#[tokio::test(flavor = "multi_thread")]
async fn rights_that_nothing_needs_are_released_by_the_next_operator() {
    let scene = Scene::new("forgotten").await;
    // Whatever is left would have somebody look.
    scene.delete_provider("spreetail").await;
    scene.delete_secret(LOGIN).await;
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    operator.kill().await;
    let bindings: Api<RoleBinding> = scene.api();
    let held = json!({ "metadata": { "finalizers": ["credwright.dev/rights"] } });
    bindings.patch(ROLE_BINDING, &PatchParams::default(), &Patch::Merge(held)).await.unwrap();
    let _operator = scene.operator().await;
    eventually("they are free", async || bindings.get(ROLE_BINDING).await.unwrap().finalizers().is_empty())
        .await;
}

/// No watch tells of a Secret without the label.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_lost_its_label_while_no_operator_ran_is_released() {
    let (scene, operator) = Scene::running("unlabelled").await;
    scene.issue("orders", json!({})).await;
    operator.stop().await;
    let label = json!({ "metadata": { "labels": { "credwright.dev/role": null } } });
    scene.merge_secret("spreetail-admin", label).await;
    scene.api::<Secret>().delete("spreetail-admin", &DeleteParams::default()).await.unwrap();
    assert!(scene.secret("spreetail-admin").await.is_some(), "it is held");
    let _operator = scene.operator().await;
    eventually("it goes", async || scene.secret("spreetail-admin").await.is_none()).await;
}

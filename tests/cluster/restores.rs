//! Backups that are restored, and ledgers that are put back: nothing is minted while what was
//! restored works, and nothing is revoked that somebody may still be using.

use credwright::api::ApiCredential;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::stage::hours;
use crate::support::{Running, Scene};

/// The content of a backup: objects without UIDs, owners and status.
pub(crate) struct Backup {
    object: Value,
    secrets: Vec<Secret>,
}

impl Scene {
    /// Backs up `orders` and these of its Secrets.
    pub(crate) async fn back_up(&self, secrets: &[&str]) -> Backup {
        let object = self.get("orders").await;
        let mut kept = Vec::new();
        for name in secrets {
            let mut secret = self.secret(name).await.unwrap();
            let old = std::mem::take(&mut secret.metadata);
            secret.metadata.name = old.name;
            secret.metadata.labels = old.labels;
            secret.metadata.annotations = old.annotations;
            kept.push(secret);
        }
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
            "metadata": { "name": "orders" }, "spec": object.spec,
        });
        Backup { object, secrets: kept }
    }

    /// Deletes all objects of `orders` while no operator runs.
    pub(crate) async fn wipe(&self) {
        let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        let (params, delete) = (PatchParams::default(), DeleteParams::default());
        let objects = self.api::<ApiCredential>();
        objects.patch("orders", &params, &free).await.unwrap();
        objects.delete("orders", &delete).await.unwrap();
        for name in ["orders", "orders.credwright"] {
            let secrets = self.api::<Secret>();
            let _ = secrets.patch(name, &params, &free).await;
            let _ = secrets.delete(name, &delete).await;
        }
        self.wait("orders", "all is gone", async || {
            self.secret("orders").await.is_none() && self.secret("orders.credwright").await.is_none()
        })
        .await;
    }

    /// The same, and what `backup` holds is there instead.
    async fn wipe_and_restore(&self, backup: &Backup) {
        self.wipe().await;
        self.restore_secrets(backup).await;
        self.restore_object(backup).await;
    }

    pub(crate) async fn restore_secrets(&self, backup: &Backup) {
        for secret in &backup.secrets {
            self.api::<Secret>().create(&PostParams::default(), secret).await.unwrap();
        }
    }

    pub(crate) async fn restore_object(&self, backup: &Backup) {
        let object: ApiCredential = serde_json::from_value(backup.object.clone()).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap();
    }

    /// An operator of another cluster, with the same key to the ledgers.
    async fn operator_elsewhere(&self) -> Running {
        self.operator_as(|settings, _| settings.cluster_id = "another-cluster".to_owned()).await
    }

    /// `orders` gets another credential, and is deleted at last: only that one is revoked.
    async fn never_ends_the_first(&self, operator: &Running) {
        self.merge("orders", json!({ "spec": { "rotation": { "request": "one of our own" } } })).await;
        self.run_until_only(operator, "orders", 2).await;
        assert_eq!(self.made()[0].revoked_at, None, "another cluster may be using it");
        self.remove("orders").await;
        let made = self.made();
        assert!(made[0].revoked_at.is_none() && made[1].revoked_at.is_some(), "{made:?}");
    }

    pub(crate) async fn is_owned(&self, secret: &str) -> bool {
        let uid = self.get("orders").await.uid();
        let secret = self.secret(secret).await.unwrap();
        secret.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f31_a_restore_mints_nothing_and_leftovers_are_revoked_after_the_next_issue() {
    let (scene, operator) = Scene::running("restore").await;
    scene.issue("orders", json!({ "lifetime": "2160h" })).await;
    let first = scene.pair("orders").await.unwrap();
    let backup = scene.back_up(&["orders.credwright", "orders"]).await;
    // After the backup it is rotated: what is made now is in no ledger later.
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.publishes("orders", 2).await;
    let second = scene.pair("orders").await.unwrap();
    operator.kill().await;
    scene.wipe().await;

    let operator = scene.operator().await;
    scene.restore_secrets(&backup).await;
    scene.rest(&operator).await;
    scene.restore_object(&backup).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene
        .wait("orders", "the Secrets have their new owner", async || {
            scene.is_owned("orders").await && scene.is_owned("orders.credwright").await
        })
        .await;
    assert_eq!(scene.pair("orders").await.unwrap(), first);
    scene.jump(&operator, hours(30)).await;
    scene.jump(&operator, hours(30)).await;
    assert_eq!(scene.made().len(), 2, "nothing is minted while what was restored works");
    assert_eq!(scene.provider.record().live().len(), 2, "nothing is revoked");
    assert!(scene.token_is_granted(&first).await && scene.token_is_granted(&second).await);

    scene.merge("orders", json!({ "spec": { "rotation": { "request": "three" } } })).await;
    scene
        .wait("orders", "a new one is published", async || {
            scene.pair("orders").await.is_some_and(|pair| pair != first)
        })
        .await;
    assert!(scene.token_is_granted(&second).await, "the stray lives on through the overlap");
    scene
        .run_until(&operator, "orders", "only the new one is left", async || {
            scene.provider.record().live().len() == 1
        })
        .await;
    assert!(scene.secret_works("orders").await);
    scene
        .run_until(&operator, "orders", "nothing is inherited any more", async || {
            scene.document("orders").await.unwrap().inherited.is_none()
        })
        .await;
    assert_eq!(scene.made().len(), 3);
}

/// The name at the provider has the tag of the object that was restored, and the ledger that is
/// rebuilt belongs to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_credential_is_revoked_after_its_ledger_was_lost_and_rebuilt() {
    let (scene, operator) = Scene::with_orders("restore-rebuilt").await;
    let backup = scene.back_up(&["orders.credwright", "orders"]).await;
    operator.kill().await;
    scene.wipe_and_restore(&backup).await;
    let operator = scene.operator().await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.rest(&operator).await;
    operator.stop().await;

    scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": null } })).await;
    scene.delete_secret("orders.credwright").await;
    let operator = scene.operator().await;
    scene.wait("orders", "it is rebuilt", async || scene.document("orders").await.is_some()).await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.run_until_only(&operator, "orders", 2).await;
    let live = scene.provider.record().live().len();
    assert_eq!((scene.made().len(), live), (2, 1), "the restored one is revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_without_the_target_renders_it_again_and_mints_nothing() {
    let (scene, operator) = Scene::with_orders("restore-bare").await;
    let pair = scene.pair("orders").await;
    let backup = scene.back_up(&["orders.credwright"]).await;
    operator.kill().await;
    scene.wipe_and_restore(&backup).await;
    let _operator = scene.operator().await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    assert_eq!((scene.pair("orders").await, scene.made().len()), (pair, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_ledger_does_not_overwrite_a_newer_target() {
    let (scene, operator) = Scene::with_orders("rolled-back").await;
    let old = scene.secret("orders.credwright").await.unwrap();
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two", "overlap": "0s" } } })).await;
    scene.has_only("orders", 2).await;
    let pair = scene.pair("orders").await.unwrap();
    operator.stop().await;

    let data = json!({ "data": old.data });
    scene.merge_secret("orders.credwright", data).await;
    let operator = scene.operator().await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    assert_eq!(scene.pair("orders").await.unwrap(), pair);
    assert_eq!(scene.status("orders").await.revision, Some(2));
    scene.jump(&operator, hours(30)).await;
    assert!(scene.secret_works("orders").await);
    assert_eq!(scene.made().len(), 2);
    scene.tells("LedgerRebuilt").await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "three" } } })).await;
    scene.publishes("orders", 3).await;
    scene.run_until_only(&operator, "orders", 3).await;
    assert_eq!(scene.provider.record().live().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_another_cluster_is_borrowed_until_its_renewal_and_then_left_alone() {
    let (scene, operator) = Scene::with_orders("borrowed").await;
    let first = scene.pair("orders").await.unwrap();
    operator.kill().await;

    let elsewhere = scene.operator_elsewhere().await;
    scene
        .wait("orders", "it is taken over", async || {
            scene.document("orders").await.unwrap().inherited.is_some()
        })
        .await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.jump(&elsewhere, hours(30)).await;
    assert_eq!((scene.pair("orders").await.unwrap(), scene.made().len()), (first.clone(), 1));
    let renewal = scene.status("orders").await.renewal_time.unwrap();
    scene.jump_to(&elsewhere, renewal).await;
    scene.run_until_only(&elsewhere, "orders", 2).await;
    assert_ne!(scene.pair("orders").await.unwrap(), first);
    assert_eq!(scene.made()[0].revoked_at, None, "it is the other cluster's");
    scene.remove("orders").await;
    let made = scene.made();
    assert!(made[0].revoked_at.is_none() && made[1].revoked_at.is_some());
}

/// The other cluster's own backups list what it borrowed, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_borrowed_credential_stays_borrowed_when_its_ledger_is_restored_again() {
    let (scene, operator) = Scene::with_orders("borrowed-twice").await;
    operator.kill().await;
    let borrows = async || {
        let borrowed = async || {
            let document = scene.document("orders").await.unwrap();
            document.inherited.is_some_and(|it| it.borrowed() == 1)
        };
        scene.wait("orders", "it is borrowed", borrowed).await;
        scene.says("orders", ("Ready", "True", "Issued")).await;
    };
    let elsewhere = scene.operator_elsewhere().await;
    borrows().await;
    let backup = scene.back_up(&["orders.credwright", "orders"]).await;
    elsewhere.kill().await;
    scene.wipe_and_restore(&backup).await;

    let elsewhere = scene.operator_elsewhere().await;
    borrows().await;
    scene.never_ends_the_first(&elsewhere).await;
}

/// Nothing tells any more whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_known_only_from_a_restored_secret_is_used_and_never_revoked() {
    let (scene, operator) = Scene::with_orders("borrowed-bare").await;
    let backup = scene.back_up(&["orders"]).await;
    operator.kill().await;
    scene.wipe_and_restore(&backup).await;

    let elsewhere = scene.operator_elsewhere().await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.jump(&elsewhere, hours(30)).await;
    assert_eq!(scene.made().len(), 1, "nothing is minted while it works");
    scene.never_ends_the_first(&elsewhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_borrowed_credential_is_adopted_when_a_person_claims_it() {
    let (scene, operator) = Scene::with_orders("claimed").await;
    operator.kill().await;
    let elsewhere = scene.operator_elsewhere().await;
    scene
        .wait("orders", "it is taken over", async || {
            scene.document("orders").await.unwrap().inherited.is_some()
        })
        .await;
    let claim = json!({ "metadata": { "annotations": { "credwright.dev/claim": "another-cluster" } } });
    scene.merge("orders", claim).await;
    scene.rest(&elsewhere).await;
    assert_eq!(scene.made().len(), 1, "a claim alone mints nothing");
    scene.remove("orders").await;
    assert_eq!(scene.provider.record().live().len(), 0);
}

/// A cluster that was rolled back, and one of which a clone is at work, look the same: somebody has
/// made credentials under our tag that the ledger never asked for.
#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_with_one_identity_neither_mint_nor_revoke_until_a_person_claims_it() {
    let (scene, operator) = Scene::with_orders("clash").await;
    let (ledger, target) =
        (scene.secret("orders.credwright").await.unwrap(), scene.secret("orders").await.unwrap());
    let status = scene.status("orders").await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.publishes("orders", 2).await;
    operator.stop().await;
    // As if etcd had been rolled back: every record is as it was, UIDs and all.
    scene.merge_secret("orders.credwright", json!({ "data": ledger.data })).await;
    let annotations = target.metadata.annotations;
    scene
        .merge_secret("orders", json!({ "data": target.data, "metadata": { "annotations": annotations } }))
        .await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": null } } })).await;
    let params = PatchParams::default();
    let patch = Patch::Merge(json!({ "status": status }));
    scene.api::<ApiCredential>().patch_status("orders", &params, &patch).await.unwrap();

    let operator = scene.operator().await;
    let message = scene.says("orders", ("Ready", "True", "IdentityClash")).await;
    assert!(message.contains("is tagged for this object"), "{message}");
    scene.jump(&operator, hours(600)).await;
    scene.says("orders", ("Stalled", "True", "IdentityClash")).await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 2), "renewal was due");
    let claim = json!({ "metadata": { "annotations": { "credwright.dev/claim": "test-cluster" } } });
    scene.merge("orders", claim).await;
    scene
        .run_until(&operator, "orders", "a new one has replaced both", async || {
            scene.provider.record().live().len() == 1 && scene.secret_works("orders").await
        })
        .await;
    assert_eq!(scene.made().len(), 3);
}

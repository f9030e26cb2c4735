//! Ledgers that somebody deletes, loses or edits: they are recreated or rebuilt, and no credential
//! of another owner is shown or revoked.

use credwright::{api::CredentialStatus, engine::seal::Sealer, lifecycle::ledger::SCHEMA};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::stage::hours;
use crate::support::{Power, Scene, eventually, power::Cut};

impl Scene {
    /// Deletes the ledger of `orders`, as a curious user would.
    async fn delete_ledger(&self) -> Option<String> {
        let secrets = self.api::<Secret>();
        let before = secrets.get("orders.credwright").await.unwrap().uid();
        let _ = secrets.delete("orders.credwright", &DeleteParams::default()).await.unwrap();
        before
    }

    /// Returns whether the ledger exists, is another one than before, and the copy is deleted.
    async fn has_ledger_other_than(&self, before: &Option<String>) -> bool {
        let ledger = self.secret("orders.credwright").await;
        let recreated =
            ledger.is_some_and(|it| it.uid() != *before && it.metadata.deletion_timestamp.is_none());
        recreated && self.secret("orders.credwright-copy").await.is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_a_user_deletes_is_recreated_after_a_crash_at_any_call() {
    let (scene, operator) = Scene::with_orders("ledger-deleted").await;
    let pair = scene.pair("orders").await;
    operator.stop().await;
    let mut cuts = 0;
    for number in 0.. {
        let mut went_off = false;
        for cut in [Cut::Before(number), Cut::After(number)] {
            let before = scene.delete_ledger().await;
            let power = Power::cut(cut);
            let operator = scene.operator_with(power.clone(), scene.clock.clone()).await;
            scene
                .wait("orders", "the power goes, or the ledger is there again", async || {
                    power.is_off() || scene.has_ledger_other_than(&before).await
                })
                .await;
            went_off |= power.is_off();
            cuts += usize::from(power.is_off());
            operator.kill().await;
            let operator = scene.operator().await;
            scene
                .wait("orders", "the ledger is there again", async || {
                    scene.has_ledger_other_than(&before).await
                })
                .await;
            scene.rest(&operator).await;
        }
        if !went_off {
            break;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts >= 12, "{cuts}");
    assert_eq!((scene.pair("orders").await, scene.made().len()), (pair, 1));
    let _operator = scene.operator().await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two", "overlap": "0s" } } })).await;
    scene.has_only("orders", 2).await;
    assert_eq!(
        scene.provider.record().live().len(),
        1,
        "it is the ledger that it was, and nothing is held back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_rebuilt_and_mints_nothing() {
    let (scene, operator) = Scene::with_orders("ledger-lost").await;
    let pair = scene.pair("orders").await;
    operator.stop().await;
    scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": null } })).await;
    scene.delete_ledger().await;
    let operator = scene.operator().await;
    scene.wait("orders", "it is there again", async || scene.document("orders").await.is_some()).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.jump(&operator, hours(30)).await;
    assert_eq!((scene.pair("orders").await, scene.made().len()), (pair, 1));
    scene.tells("LedgerRebuilt").await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.publishes("orders", 2).await;
    scene.run_until_only(&operator, "orders", 2).await;
    assert_eq!(scene.provider.record().live().len(), 1, "found by its name under our tag, and revoked");
}

/// The spec names another provider by then; status tells where each was made.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_lost_ledger_are_revoked_at_their_own_provider() {
    let scene = Scene::new("lost-moved").await;
    let other = scene.another_account("elsewhere").await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.merge("orders", json!({ "spec": { "providerRef": { "name": "elsewhere" } } })).await;
    let lists_both = async || {
        let at = |it: &CredentialStatus| it.provider_ref.as_ref().map(|it| it.name.clone());
        let listed: Vec<_> = scene.status("orders").await.credentials.iter().filter_map(at).collect();
        listed == ["elsewhere", "spreetail"]
    };
    scene.wait("orders", "status lists both", lists_both).await;
    operator.kill().await;
    scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": null } })).await;
    scene.delete_ledger().await;
    let operator = scene.operator().await;
    let is_rebuilt = async || scene.document("orders").await.is_some_and(|it| it.inherited.is_some());
    scene.wait("orders", "it is put together again", is_rebuilt).await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "three" } } })).await;
    scene.run_until_only(&operator, "orders", 3).await;
    assert_eq!((scene.provider.record().live().len(), other.record().live().len()), (0, 1));
}

/// Only status still lists the credential then, so status has to stay until it can be revoked.
#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_ledger_and_target_during_an_outage_leaves_no_credential_behind() {
    let (scene, operator) = Scene::with_orders("all-lost").await;
    operator.stop().await;
    scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": null } })).await;
    scene.delete_ledger().await;
    scene.delete_secret("orders").await;
    let consent = |role| json!({ "metadata": { "labels": { "credwright.dev/role": role } } });
    scene.merge_secret("spreetail-admin", consent(None)).await;
    let operator = scene.operator().await;
    scene.says("orders", ("Ready", "False", "LedgerLost")).await;
    scene.rest(&operator).await;
    operator.kill().await;
    scene.merge_secret("spreetail-admin", consent(Some("login"))).await;
    let operator = scene.operator().await;
    scene.run_until_only(&operator, "orders", 2).await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 1));
    assert!(scene.secret_works("orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_sealing_key_a_ledger_is_reported_and_rebuilt_once_a_person_deletes_it() {
    let (scene, operator) = Scene::with_orders("seal-lost").await;
    let pair = scene.pair("orders").await;
    operator.stop().await;
    scene.delete_secret("credwright-seal").await;
    let lost = scene.fails_to_start().await;
    assert!(lost.contains("only it opens, such as") && lost.contains("orders.credwright"), "{lost}");
    assert!(scene.secret("credwright-seal").await.is_none(), "none is made in its place");
    // As the message says.
    let said = json!({
        "metadata": { "name": "credwright-seal" }, "type": "credwright.dev/seal", "stringData": { "lost": "yes" },
    });
    scene.put_secret(said).await;
    let operator = scene.operator().await;
    let message = scene.says("orders", ("Ready", "False", "LedgerUnreadable")).await;
    assert!(message.contains("delete the Secret orders.credwright"), "{message}");
    assert_eq!((scene.pair("orders").await, scene.made().len()), (pair.clone(), 1));
    scene.delete_ledger().await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.jump(&operator, hours(30)).await;
    assert_eq!((scene.pair("orders").await, scene.made().len()), (pair, 1));
    assert_eq!(scene.provider.record().live().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sealing_key_seals_everything_again_so_that_the_previous_one_can_be_deleted() {
    let (scene, operator) = Scene::running("seal-new").await;
    for name in ["orders", "paused"] {
        scene.issue(name, json!({ "lifetime": "720h" })).await;
    }
    scene.merge("paused", json!({ "spec": { "suspend": true } })).await;
    scene.says("paused", ("Ready", "True", "Suspended")).await;
    let pairs = async || (scene.pair("orders").await, scene.pair("paused").await);
    let before = pairs().await;
    operator.stop().await;

    // As docs/operations.md says.
    let key = async || scene.secret("credwright-seal").await.unwrap().data.unwrap()["key"].clone();
    let first = key().await;
    let copy = json!({
        "metadata": { "name": "credwright-seal-previous" }, "type": "credwright.dev/seal", "data": { "key": first },
    });
    scene.put_secret(copy).await;
    // A tenant's: neither key opens it, and it must not keep the key before in use.
    let forged = json!({
        "metadata": { "name": "forged.credwright", "labels": { "credwright.dev/role": "ledger" } },
        "type": "credwright.dev/ledger", "stringData": { "document": "{}", "sealed": "nothing that was sealed" },
    });
    scene.put_secret(forged).await;
    let same = scene.fails_to_start().await;
    assert!(same.contains("hold the same key: delete credwright-seal"), "{same}");
    scene.delete_secret("credwright-seal").await;
    let operator = scene.operator().await;
    let left = || {
        let text = operator.operator.metrics().text();
        let series = "credwright_sealed_before{kind=\"ledger\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).map(ToOwned::to_owned)
    };
    eventually("nothing needs the key before", async || left().as_deref() == Some("0")).await;
    assert_ne!(key().await, first, "Credwright has made another key");
    operator.stop().await;

    scene.delete_secret("credwright-seal-previous").await;
    let operator = scene.operator().await;
    scene.merge("orders", json!({ "spec": { "secret": { "labels": { "seen": "yes" } } } })).await;
    scene.rest(&operator).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    assert_eq!(pairs().await, before);
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 2), "nothing was minted");
    scene.remove("orders").await;
    assert_eq!(scene.provider.record().live().len(), 1, "its ledger still tells what to revoke");
}

/// The attempts of a tenant who may edit Secrets.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_a_tenant_edits_is_not_used() {
    let (scene, operator) = Scene::running("ledger-edited").await;
    scene.issue("victim", json!({ "lifetime": "720h" })).await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    operator.stop().await;
    let genuine = scene.secret("orders.credwright").await.unwrap().data.unwrap();
    let victim = scene.secret("victim.credwright").await.unwrap().data.unwrap();
    let document = String::from_utf8(genuine["document"].0.clone()).unwrap();
    let (victims, own) = (scene.pair("victim").await.unwrap(), scene.pair("orders").await.unwrap());
    let edit = |document: String, sealed: &ByteString| json!({ "data": { "document": ByteString(document.into_bytes()), "sealed": sealed } });
    let newer = |document: &str| document.replace("\"schema\":1", "\"schema\":2");
    let edits = [
        ("a client ID", edit(document.replace(&own.0, &victims.0), &genuine["sealed"]), "cannot be opened"),
        (
            "another state",
            edit(document.replace("\"Issued\"", "\"Revoking\""), &genuine["sealed"]),
            "cannot be opened",
        ),
        ("another's document and secrets", json!({ "data": victim }), "cannot be opened"),
        ("another's secrets", edit(document.clone(), &victim["sealed"]), "cannot be opened"),
        ("a schema of its own", edit(newer(&document), &genuine["sealed"]), "cannot be opened"),
        ("no JSON", edit("{".to_owned(), &genuine["sealed"]), "cannot be opened"),
        ("300 KiB", edit(" ".repeat(300 * 1024), &genuine["sealed"]), "larger than"),
        ("nothing", json!({ "data": { "document": null } }), "has no key document"),
    ];
    for (what, patch, expected) in edits {
        scene.merge_secret("orders.credwright", patch).await;
        let operator = scene.operator().await;
        let message = scene.says("orders", ("Ready", "False", "LedgerUnreadable")).await;
        assert!(message.contains(expected), "{what}: {message}");
        scene.jump(&operator, hours(2)).await;
        operator.stop().await;
        scene.merge_secret("orders.credwright", json!({ "data": genuine })).await;
        let _operator = scene.operator().await;
        scene.says("orders", ("Ready", "True", "Issued")).await;
    }
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 2));
    assert!(scene.token_is_granted(&victims).await && scene.token_is_granted(&own).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_a_newer_schema_is_not_written_to() {
    let (scene, operator) = Scene::with_orders("newer-schema").await;
    operator.stop().await;
    let key = scene.secret("credwright-seal").await.unwrap().data.unwrap();
    let sealer = Sealer::new(&key["key"].0).unwrap();
    let ledger = scene.secret("orders.credwright").await.unwrap();
    let data = ledger.data.unwrap();
    let place = |document| credwright::engine::seal::Place {
        namespace: &scene.namespace,
        name: "orders.credwright",
        document,
    };
    let material = sealer.open(&data["sealed"].0, place(&data["document"].0)).unwrap();
    let document = String::from_utf8(data["document"].0.clone()).unwrap();
    let newer = SCHEMA + 1;
    let document = document.replace("\"schema\":1", &format!("\"schema\":{newer}")).into_bytes();
    let sealed = sealer.seal(&material, place(&document)).unwrap();
    let patch = json!({ "data": { "document": ByteString(document), "sealed": ByteString(sealed) } });
    let params = PatchParams::default();
    let written =
        scene.api::<Secret>().patch("orders.credwright", &params, &Patch::Merge(patch)).await.unwrap();
    let operator = scene.operator().await;
    let message = scene.says("orders", ("Ready", "False", "LedgerUnreadable")).await;
    let expected = format!("schema {newer}, written by a newer Credwright; upgrade this one");
    assert!(message.contains(&expected), "{message}");
    scene.jump(&operator, hours(700)).await;
    let after = scene.secret("orders.credwright").await.unwrap();
    assert_eq!(after.resource_version(), written.resource_version());
    assert_eq!(scene.made().len(), 1);
}

/// Without its label no watch tells of a ledger, and after a restart nobody would know of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_label_is_taken_off_gets_it_back() {
    let (scene, operator) = Scene::with_orders("unlabelled").await;
    scene.rest(&operator).await;
    let unlabel = || json!({ "metadata": { "labels": { "credwright.dev/role": null } } });
    let labelled = async || {
        let ledger = scene.secret("orders.credwright").await.unwrap();
        ledger.labels().get("credwright.dev/role").map(String::as_str) == Some("ledger")
    };
    scene.merge_secret("orders.credwright", unlabel()).await;
    scene.wait("orders", "it is labelled again", &labelled).await;
    operator.stop().await;

    scene.merge_secret("orders.credwright", unlabel()).await;
    let _operator = scene.operator().await;
    scene.wait("orders", "it is labelled again after a restart", &labelled).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.remove("orders").await;
    assert!(scene.provider.record().live().is_empty());
}

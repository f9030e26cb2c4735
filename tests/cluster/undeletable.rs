//! A credential that its provider will not delete: it says so until a person has removed it, and
//! holds back nobody else.

use credwright_simulator::{Fault, Operation, Rule};
use serde_json::{Value, json};

use crate::{stage::minutes, support::Scene};

fn rotated(request: &str) -> Value {
    json!({ "rotation": { "overlap": "0s", "request": request } })
}

fn refusal(client_id: &str, code: u16) -> Rule {
    Rule { path_end: Some(client_id.to_owned()), ..Rule::every(Operation::Delete, Fault::status(code)) }
}

/// Issues `orders`, and replaces its credential, which is answered with `code` to each attempt to
/// delete it. Returns its client ID.
async fn replaced(scene: &Scene, code: u16) -> String {
    scene.issue("orders", rotated("one")).await;
    let (client_id, _) = scene.pair("orders").await.unwrap();
    scene.provider.faults().add(refusal(&client_id, code));
    scene.apply("orders", rotated("leaked")).await;
    scene.publishes("orders", 2).await;
    client_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_cannot_be_deleted_is_reported_until_a_person_has_removed_it() {
    for code in [403, 404, 405] {
        let (scene, operator) = Scene::running("undeletable").await;
        let client_id = replaced(&scene, code).await;
        let said = scene.says("orders", ("ActionRequired", "True", "RevocationFailed")).await;
        assert!(said.contains(&client_id), "{code}: {said}");
        scene.jump(&operator, minutes(11)).await;
        scene.says("orders", ("ActionRequired", "True", "RevocationFailed")).await;

        scene.provider.faults().clear();
        scene.delete_at_provider(&client_id).await;
        scene.provider.faults().add(refusal(&client_id, code));
        let gone =
            async || scene.condition("orders", "ActionRequired").await.is_none_or(|it| it.0 == "False");
        assert!(scene.reaches(&[&operator], minutes(11), gone).await, "{code}: it is still asked for");
        assert_eq!(scene.abandoned().await, [], "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_cannot_be_deleted_delays_no_other_at_its_account() {
    let (scene, _operator) = Scene::running("others").await;
    replaced(&scene, 500).await;
    // The clock stands still, so that nobody can be waiting for a pause to end.
    for number in 0..5 {
        scene.issue(&format!("other-{number}"), json!({})).await;
    }
    scene.says("orders", ("ProviderReachable", "True", "LoginAccepted")).await;
}

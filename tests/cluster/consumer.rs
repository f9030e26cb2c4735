//! A workload that never sees a refusal.

use jiff::SignedDuration;
use serde_json::json;

use crate::stage::minutes;
use crate::support::Scene;

/// The workload uses what it read at the last step, and then what it reads now: files in a pod lag
/// behind, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_reads_the_secret_is_never_refused_through_twenty_rotations() {
    const ROTATIONS: usize = 20;
    let (scene, operator) = Scene::running("consumer").await;
    let spec = json!({ "lifetime": "21m", "rotation": { "renewBefore": "9m", "overlap": "4m" } });
    scene.issue("orders", spec).await;
    let mut known = scene.pair("orders").await.unwrap();
    let mut asked = 0;
    for _ in 0..20 * ROTATIONS {
        if scene.made().len() > ROTATIONS {
            break;
        }
        scene.jump(&operator, minutes(1) + SignedDuration::from_secs(30)).await;
        assert!(scene.token_is_granted(&known).await, "refused though it was read one step ago");
        known = scene.pair("orders").await.unwrap();
        assert!(scene.token_is_granted(&known).await, "refused as it was read");
        asked += 2;
    }
    assert!(scene.made().len() > ROTATIONS, "only {} after {asked} looks", scene.made().len());
    // Of the older ones, none lived longer than its overlap and the step in which that ended.
    let made = scene.made();
    for pair in made.windows(2).take(ROTATIONS - 2) {
        let revoked_at =
            pair[0].revoked_at.unwrap_or_else(|| panic!("never revoked: {pair:#?} of {made:#?}"));
        let late = revoked_at.duration_since(pair[1].created);
        assert!(late >= minutes(4) && late <= minutes(8), "revoked {late:#} after its replacement");
    }
    scene.assert_all_accounted_for().await;
}

//! `/livez` of an operator whose items do not end, though the API server answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use credwright::ops::server;
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify};

use crate::{
    stage::http,
    support::{Scene, eventually, power::Line},
};

/// The time after which an operator hangs. A call of the API server is given up after 15 s, which
/// has to be longer.
const HANGS: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn livez_fails_while_items_wait_and_none_ends_and_only_then() {
    let scene = Scene::new("hanging").await;
    let operator = scene
        .operator_as(|_, options| {
            (options.concurrency, options.hang_after) = (1, HANGS);
        })
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(server::serve(listener, operator.operator.clone()));
    let asked = async |probe: &str| {
        let answer = http().get(format!("http://{address}/{probe}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    eventually("it is ready", async || asked("readyz").await.0 == 200).await;
    scene.issue("orders", json!({})).await;

    // The one item that there is room for waits for an answer, and alone it keeps nobody waiting.
    let release = Arc::new(Notify::new());
    let (held, first, arrived) = (release.clone(), AtomicBool::new(true), Arc::<AtomicBool>::default());
    let told = arrived.clone();
    operator.power.set_fault(move |request| {
        // A step at a provider would leave its slot to others; a write of status does not.
        let writes = request.uri().path().ends_with("/apicredentials/orders/status");
        (writes && first.swap(false, Ordering::SeqCst)).then(|| {
            told.store(true, Ordering::SeqCst);
            Line::Held(held.clone())
        })
    });
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "now" } } })).await;
    eventually("a write of the status waits", async || arrived.load(Ordering::SeqCst)).await;
    tokio::time::sleep(HANGS + HANGS / 4).await;
    assert_eq!(asked("livez").await, (200, "ok\n".to_owned()), "nothing else is ready");

    scene.apply("other", json!({})).await;
    eventually("it says that it hangs", async || {
        let (code, said) = asked("livez").await;
        code == 503 && said.contains("no item was processed")
    })
    .await;
    assert_eq!(asked("readyz").await.0, 200, "the API server answers");

    release.notify_one();
    scene.publishes("orders", 2).await;
    scene.publishes("other", 1).await;
    assert_eq!(asked("livez").await, (200, "ok\n".to_owned()), "it works again");
    served.abort();
}

//! Each place where a tenant can write what Credwright decodes, with each value that a decoder may
//! stumble over. The API server refuses the value, or the object says that it is not Ready, or
//! nothing changes. The rotation of another object is never late.

use std::time::{Duration, Instant};

use credwright_simulator::{Simulator, cloud_connexa};
use jiff::SignedDuration;
use kube::core::Status;

use super::*;

/// The time that a rotation of another object may take, in real time on two busy processors.
const QUICK: Duration = Duration::from_secs(20);
/// The longest that the injected clock moves for one place.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// The values, as JSON.
fn values() -> [String; 8] {
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    let others = ["1e400", "18446744073709551616", "-7", "[[]]", "true", "null", "\"9999-12-31T23:59:59Z\""];
    let [a, b, c, d, e, f, g] = others.map(str::to_owned);
    [deep, a, b, c, d, e, f, g]
}

/// The expected result of a value that the API server accepts.
enum Comes {
    /// This ApiCredential keeps a Secret that the provider accepts.
    Works(&'static str),
    /// This object of ours says why it is not Ready.
    Shown(&'static str, &'static str),
}

use Comes::{Shown, Works};

/// A place: what is patched, with what, and what comes of it. `VALUE` stands for a value, `TEXT`
/// for a string of its JSON, `BYTES` for that in base64.
struct Place {
    what: &'static str,
    at: String,
    bodies: &'static [&'static str],
    comes: Comes,
}

#[expect(clippy::too_many_lines, reason = "it is one table")]
fn places(scene: &Scene) -> Vec<Place> {
    let status = |path: String| format!("{path}/status");
    let place = |what, at, bodies, comes| Place { what, at, bodies, comes };
    vec![
        place(
            "the status of a credential",
            status(ours(scene, "apicredentials", "odd")),
            &[
                r#"{"status":VALUE}"#,
                r#"{"status":{"revision":VALUE}}"#,
                r#"{"status":{"expiresAt":VALUE}}"#,
                r#"{"status":{"conditions":VALUE}}"#,
                r#"{"status":{"lastRotation":VALUE}}"#,
                r#"{"status":{"credentials":VALUE}}"#,
                r#"{"status":{"credentials":[{"revision":VALUE,"state":"Issued","name":"n","reason":"FirstIssue"}]}}"#,
            ],
            Works("odd"),
        ),
        place(
            "annotations of a credential",
            ours(scene, "apicredentials", "odd"),
            &[
                r#"{"metadata":{"annotations":{"credwright.dev/removed":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/clock-is-right":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/claim":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/claim":VALUE}}}"#,
            ],
            Works("odd"),
        ),
        place(
            "annotations of a provider",
            ours(scene, "credentialproviders", "spreetail"),
            &[
                r#"{"metadata":{"annotations":{"credwright.dev/account":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/refused":TEXT}}}"#,
            ],
            Works("odd"),
        ),
        place(
            "the status of a provider",
            status(ours(scene, "credentialproviders", "spreetail")),
            &[
                r#"{"status":VALUE}"#,
                r#"{"status":{"conditions":VALUE}}"#,
                r#"{"status":{"capabilities":VALUE}}"#,
                r#"{"status":{"credentials":VALUE}}"#,
            ],
            Works("odd"),
        ),
        place(
            "the metadata of a registration",
            ours(scene, "credentialproviders", "registration"),
            &[
                r#"{"spec":{"oauthRegistration":{"metadata":VALUE}}}"#,
                r#"{"spec":{"oauthRegistration":{"metadata":{"m":VALUE}}}}"#,
            ],
            Shown("credentialproviders", "registration"),
        ),
        place(
            "annotations and labels of a target",
            secret(scene, "odd"),
            &[
                r#"{"metadata":{"annotations":{"credwright.dev/revision":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/digest":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/rendered-from":TEXT}}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/dressed-with":TEXT}}}"#,
                r#"{"metadata":{"labels":{"credwright.dev/role":TEXT}}}"#,
            ],
            Works("odd"),
        ),
        place(
            "what the API server manages of a target",
            secret(scene, "odd"),
            &[
                r#"{"metadata":{"annotations":{"touched":TEXT},"managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","time":VALUE,"fieldsType":"FieldsV1","fieldsV1":{"f:data":{}}}]}}"#,
                r#"{"metadata":{"annotations":{"touched":TEXT},"managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":VALUE}]}}"#,
                r#"{"metadata":{"finalizers":VALUE}}"#,
                r#"{"metadata":{"ownerReferences":VALUE}}"#,
            ],
            Works("odd"),
        ),
        place(
            "a login",
            secret(scene, "other-login"),
            &[
                r#"{"data":{"client_id":BYTES}}"#,
                r#"{"data":{"client_secret":BYTES}}"#,
                r#"{"data":{"client_secret":VALUE}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/role":TEXT}}}"#,
            ],
            Shown("credentialproviders", "locked"),
        ),
        place(
            "an intake",
            secret(scene, "manual-intake"),
            &[
                r#"{"data":{"issued_at":BYTES}}"#,
                r#"{"data":{"expires_at":BYTES}}"#,
                r#"{"data":{"client_id":BYTES}}"#,
                r#"{"data":{"client_secret":BYTES}}"#,
                r#"{"metadata":{"annotations":{"credwright.dev/try-again":TEXT}}}"#,
            ],
            Shown("apicredentials", "manual"),
        ),
        place(
            "a ledger that a tenant has labelled",
            secret(scene, "pretended.credwright"),
            &[r#"{"data":{"document":BYTES}}"#, r#"{"data":{"sealed":BYTES}}"#],
            Shown("apicredentials", "pretended"),
        ),
    ]
}

/// Sends a merge patch as it is. Returns whether the API server let it in.
async fn is_let_in(client: &Client, path: &str, body: String) -> bool {
    let request = Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(body.into_bytes())
        .unwrap();
    let answer = client.request_text(request).await;
    if let Err(kube::Error::Api(status)) = &answer {
        let Status { code, message, .. } = &**status;
        assert!([400, 415, 422, 500].contains(code), "{path}: {code} {message}");
        return false;
    }
    answer.map(|_| true).unwrap()
}

/// The tenant's other objects: none of them can ever be Ready.
async fn prepare(scene: &Scene, portal: &Simulator) {
    let labelled = |name: &str, role: &str, keys: [&str; 2]| {
        let data: serde_json::Map<_, _> =
            keys.map(|key| (key.to_owned(), json!("none"))).into_iter().collect();
        json!({ "metadata": { "name": name, "labels": { "credwright.dev/role": role } }, "stringData": data })
    };
    scene.put_secret(labelled("other-login", "login", ["client_id", "client_secret"])).await;
    scene.put_secret(labelled("manual-intake", "intake", ["client_id", "client_secret"])).await;
    scene.put_secret(labelled("pretended.credwright", "ledger", ["document", "sealed"])).await;
    let issuer = json!({ "oauthRegistration": { "issuer": "https://127.0.0.1:9" } });
    scene.create_provider("registration", issuer).await;
    scene.create_provider("locked", scene.spreetail(&scene.provider.base_url(), "other-login")).await;
    scene.at_cloud_connexa(portal).await;
    scene.apply("pretended", json!({})).await;
    let spec = json!({
        "providerRef": { "name": "cloud-connexa" }, "lifetime": "700h", "scopes": ["networks:read"],
        "subnets": ["203.0.113.0/24"], "intake": { "secretName": "manual-intake" },
    });
    scene.apply("manual", spec).await;
}

async fn holds(scene: &Scene, comes: &Comes) -> bool {
    match comes {
        Works(name) => {
            let Ok(target) = raw::ask(&scene.client, Method::GET, &secret(scene, name), None).await else {
                return false;
            };
            let text = |key: &str| {
                let bytes = BASE64_STANDARD.decode(target["data"][key].as_str()?).ok()?;
                String::from_utf8(bytes).ok()
            };
            let pair = text("client_id").zip(text("client_secret"));
            pair.is_some_and(|(id, secret)| scene.provider.record().accepts(&id, &secret))
        }
        Shown(plural, name) => {
            let path = ours(scene, plural, name);
            let Ok(object) = raw::ask(&scene.client, Method::GET, &path, None).await else {
                return false;
            };
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.into_iter().find(|it| it["type"] == "Ready");
            ready.is_some_and(|it| {
                it["status"] != "True" && it["message"].as_str().is_some_and(|why| !why.is_empty())
            })
        }
    }
}

/// Rotates `well`, and returns how long that took.
async fn rotated(scene: &Scene, number: usize) -> Duration {
    let began = Instant::now();
    let request =
        json!({ "spec": { "rotation": { "request": format!("request-{number}"), "overlap": "0s" } } });
    let well = ours(scene, "apicredentials", "well");
    raw::ask(&scene.client, Method::PATCH, &well, Some(&request)).await.unwrap();
    is_published(scene, "well", u32::try_from(number).unwrap() + 2).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_value_of_a_tenant_is_reported_on_its_object_or_ignored_and_delays_no_other() {
    let scene = Scene::new("poison-matrix").await;
    let portal =
        cloud_connexa::start(cloud_connexa::Options::new(scene.clock.of_a_provider())).await.unwrap();
    scene.apply("odd", json!({})).await;
    scene.apply("well", json!({})).await;
    prepare(&scene, &portal).await;
    let operator = scene.operator().await;
    is_ready(&operator).await;
    is_published(&scene, "odd", 1).await;
    is_published(&scene, "well", 1).await;
    for (number, place) in places(&scene).into_iter().enumerate() {
        let (mut let_in, mut refused) = (0, 0);
        for body in place.bodies {
            for value in values() {
                let text = json!(value).to_string();
                let bytes = json!(BASE64_STANDARD.encode(&value)).to_string();
                let body = body.replace("VALUE", &value).replace("TEXT", &text).replace("BYTES", &bytes);
                let is_in = is_let_in(&scene.client, &place.at, body).await;
                *(if is_in { &mut let_in } else { &mut refused }) += 1;
            }
            let settled = async || operator.operator.is_idle() && holds(&scene, &place.comes).await;
            let is_so = scene.reaches(&[&operator], LONGEST, settled).await;
            assert!(is_so, "{}, with {body}", place.what);
        }
        // Only so many credentials are made in an hour.
        scene.pass_time(&[&operator], SignedDuration::from_mins(61)).await;
        let took = rotated(&scene, number).await;
        println!("{}: {let_in} let in, {refused} refused; another rotation took {took:?}", place.what);
        assert!(let_in > 0, "{}: nothing is let in", place.what);
        assert!(took < QUICK, "{}: another rotation took {took:?}", place.what);
        assert!(holds(&scene, &place.comes).await, "{}", place.what);
        is_ready(&operator).await;
    }
}

//! Providers where a person makes the credential: the tests play the person, and know only what
//! `ActionRequired` says.

use std::{io::Write, ops::Deref, process::Stdio};

use credwright_harness::controlplane;
use credwright_simulator::{Fault, Form, Login, Operation, Portal, Simulator, vonage};
use serde_json::{Value, json};

use crate::{
    stage::{hours, minutes},
    support::{Running, Scene, logs, with},
};

/// A scene with an account at a provider whose portal a person uses.
struct Desk {
    scene: Scene,
    account: Simulator,
}

impl Deref for Desk {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

const INTAKE: &str = "orders-intake";

/// The spec of `orders` at CloudConnexa.
fn wanted() -> Value {
    json!({
        "providerRef": { "name": "cloud-connexa" },
        "name": "orders-prod",
        "scopes": ["networks:read", "users:read"],
        "lifetime": "700h",
        "subnets": ["203.0.113.0/24"],
        "rotation": { "overlap": "1h" },
        "intake": { "secretName": INTAKE },
    })
}

impl Desk {
    async fn connexa(name: &str) -> Self {
        let scene = Scene::new(name).await;
        let account = scene.cloud_connexa().await;
        Self { scene, account }
    }

    async fn vonage(name: &str) -> Self {
        let scene = Scene::new(name).await;
        let account = vonage::start(vonage::Options::new(scene.clock.of_a_provider())).await.unwrap();
        let driver = json!({ "vonageContactCenter": { "baseUrl": account.base_url() } });
        scene.create_account("vonage", driver, None).await;
        Self { scene, account }
    }

    fn portal(&self) -> &dyn Portal {
        self.account.portal().unwrap()
    }

    /// Waits for instructions with this reason, and returns them.
    async fn asked(&self, reason: &'static str) -> String {
        self.says("orders", ("ActionRequired", "True", reason)).await
    }

    async fn asked_nothing(&self) {
        self.wait("orders", "nothing is asked", async || {
            self.condition("orders", "ActionRequired").await.is_none()
        })
        .await;
    }

    /// Puts a pair into the intake as people do, with what else they know of it.
    async fn put(&self, pair: &Login, more: Value) {
        let data = json!({ "client_id": pair.client_id, "client_secret": pair.client_secret });
        let metadata = json!({ "name": INTAKE, "labels": { "credwright.dev/role": "intake" } });
        let secret = json!({ "metadata": metadata, "stringData": with(data, more) });
        if self.secret(INTAKE).await.is_some() {
            self.merge_secret(INTAKE, secret).await;
        } else {
            self.put_secret(secret).await;
        }
    }

    /// Puts a pair there and lets it lie for as long as people hesitate.
    async fn give(&self, operator: &Running, pair: &Login) {
        self.put(pair, json!({})).await;
        self.try_it(operator).await;
    }

    async fn try_it(&self, operator: &Running) {
        self.rest(operator).await;
        self.jump(operator, minutes(1)).await;
    }

    fn token_calls(&self, client: &str) -> usize {
        let calls = self.account.record().requests();
        calls
            .iter()
            .filter(|it| it.operation == Operation::Token && it.client.as_deref() == Some(client))
            .count()
    }

    async fn holds(&self, pair: &Login) -> bool {
        self.pair("orders").await == Some((pair.client_id.clone(), pair.client_secret.clone()))
    }

    async fn notes(&self) -> Vec<String> {
        self.events().await.into_iter().filter_map(|it| it.note).collect()
    }
}

/// The form that somebody fills in who does what the text says.
fn form(asked: &str) -> Form {
    let after = |words: &str| {
        let rest = asked.split(words).nth(1)?;
        Some(rest.split(';').next()?.trim().to_owned())
    };
    let list = |words: &str| {
        after(words).iter().flat_map(|it| it.split(", ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let scopes = ["choose exactly these permissions: ", "choose exactly these scopes: "].map(list);
    Form {
        name: after("create a credential named ").unwrap(),
        scopes: scopes.concat(),
        term: after("choose the term "),
        subnets: list("allow it from these subnets only: "),
    }
}

/// The command in the text, with the client ID filled in, run by a shell; the secret is typed.
async fn run_the_command(asked: &str, pair: &Login) {
    let from = asked.find("kubectl create secret").unwrap();
    let line = asked[from..].split("--filename=-. ").next().unwrap();
    let line = format!("{} --filename=-", line.trim_end_matches("--filename=-").trim());
    let line = line.replace("CLIENT-ID", &pair.client_id);
    let kubectl = controlplane::shared().await.unwrap().kubectl();
    let mut shell = std::process::Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &format!("kubectl() {{ \"$KUBECTL\" \"$@\"; }}; {line}")]);
    shell.env("KUBECTL", kubectl.get_program());
    shell.envs(kubectl.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let mut running = shell.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(running.stdin.take().unwrap(), "{}", pair.client_secret).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_follows_the_steps_gets_a_credential_and_later_its_replacement() {
    let desk = Desk::connexa("by-hand").await;
    let operator = desk.operator().await;
    desk.apply("orders", wanted()).await;
    let asked = desk.asked("IntakeAwaited").await;
    println!("{asked}");
    assert_eq!(
        desk.condition("orders", "Stalled").await.unwrap().0,
        "True",
        "it says that waiting does not help"
    );
    let filled = form(&asked);
    assert_eq!(
        (filled.term.as_deref(), filled.subnets.len(), filled.scopes.len()),
        (Some("one month"), 1, 2)
    );
    let first = desk.portal().create(&filled).unwrap();
    run_the_command(&asked, &first).await;
    desk.try_it(&operator).await;
    desk.says("orders", ("Ready", "True", "Issued")).await;
    desk.asked_nothing().await;
    assert!(desk.holds(&first).await);
    assert!(desk.value("orders", "token_url").await.unwrap().starts_with(&desk.account.base_url()));
    let named = desk.status("orders").await.credentials[0].name.clone();
    assert_eq!(desk.account.record().credential(&first.client_id).unwrap().name, Some(named));

    // The replacement is asked for in time, and workloads notice nothing of the wait.
    let renewal = desk.status("orders").await.renewal_time.unwrap();
    desk.jump_to(&operator, renewal + minutes(1)).await;
    let asked = desk.asked("IntakeAwaited").await;
    assert!(asked.contains("still holds the pair of revision 1"), "{asked}");
    let (ready, _, _) = desk.condition("orders", "Ready").await.unwrap();
    assert_eq!((ready.as_str(), desk.condition("orders", "Stalled").await), ("True", None));
    let told = desk.notes().await.len();
    desk.jump(&operator, hours(25)).await;
    desk.wait("orders", "a reminder", async || desk.notes().await.len() > told).await;
    let second = desk.portal().create(&form(&asked)).unwrap();
    run_the_command(&asked, &second).await;
    desk.try_it(&operator).await;
    desk.wait("orders", "the second is published", async || desk.holds(&second).await).await;
    assert!(desk.account.record().accepts(&first.client_id, &first.client_secret), "the overlap");

    // After the overlap a person is asked to remove the old one, and Credwright sees that they did.
    desk.asked_nothing().await;
    desk.jump(&operator, hours(1)).await;
    let asked = desk.asked("RemovalAwaited").await;
    assert!(asked.contains(&first.client_id), "{asked}");
    desk.jump(&operator, hours(2)).await;
    assert_eq!(desk.revision("orders", 1).await.state, "Revoking", "it still works");
    assert!(desk.portal().delete(&first.client_id));
    desk.jump(&operator, hours(2)).await;
    desk.has_only("orders", 2).await;
    desk.asked_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_explained_and_nothing_is_published_or_lost() {
    let desk = Desk::connexa("refused").await;
    let operator = desk.operator().await;
    desk.apply("orders", wanted()).await;
    let asked = desk.asked("IntakeAwaited").await;
    let pair = desk.portal().create(&form(&asked)).unwrap();
    let mistyped = Login { client_secret: "Canary-Mistyped".to_owned(), ..pair.clone() };
    desk.give(&operator, &mistyped).await;
    let said = desk.asked("IntakeRefused").await;
    assert!(said.contains(&pair.client_id) && said.contains("credwright.dev/try-again"), "{said}");
    let before = desk.token_calls(&pair.client_id);
    desk.jump(&operator, minutes(58)).await;
    assert_eq!(desk.token_calls(&pair.client_id), before, "one attempt for each content");
    desk.jump(&operator, minutes(3)).await;
    assert_eq!(desk.token_calls(&pair.client_id), before + 1, "and one every hour");
    desk.merge_secret(INTAKE, json!({ "metadata": { "annotations": { "credwright.dev/try-again": "1" } } }))
        .await;
    desk.try_it(&operator).await;
    assert_eq!(desk.token_calls(&pair.client_id), before + 2, "or when a person asks for another");
    desk.put(&mistyped, json!({ "expires_at": "soon" })).await;
    desk.says("orders", ("ActionRequired", "True", "IntakeInvalid")).await;
    desk.put(&pair, json!({ "expires_at": (desk.now() - hours(1)).to_string() })).await;
    let said = desk.asked("IntakeInvalid").await;
    desk.wait("orders", "it has expired", async || {
        desk.condition("orders", "ActionRequired").await.unwrap().2.contains("expired at")
    })
    .await;
    assert!(desk.secret("orders").await.is_none(), "{said}");
    desk.put(&pair, json!({ "expires_at": (desk.now() + hours(500)).to_string() })).await;
    desk.try_it(&operator).await;
    desk.says("orders", ("Ready", "True", "Issued")).await;
    assert!(desk.holds(&pair).await);
    let end = desk.status("orders").await.expires_at.unwrap();
    assert!(end <= desk.now() + hours(500), "what the person said of it: {end}");
    let sooner = desk.now() + hours(400);
    desk.put(&pair, json!({ "expires_at": sooner.to_string() })).await;
    desk.wait("orders", "the person knows better now", async || {
        let shown = desk.status("orders").await.expires_at;
        shown.is_some_and(|at| at <= sooner)
            && desk.value("orders", "expires_at").await == Some(sooner.to_string())
    })
    .await;

    // Another object cannot have the same pair, nor can a Secret that its owner did not label.
    desk.apply("twin", with(wanted(), json!({ "secret": { "name": "twin-api" } }))).await;
    let said = desk.says("twin", ("ActionRequired", "True", "IntakeInvalid")).await;
    assert!(said.contains("belongs to another ApiCredential"), "{said}");
    desk.put_secret(json!({ "metadata": { "name": "unlabelled" }, "stringData": { "client_id": "a", "client_secret": "b" } }))
        .await;
    desk.apply("stray", with(wanted(), json!({ "intake": { "secretName": "unlabelled" } }))).await;
    desk.says("stray", ("ActionRequired", "True", "IntakeAwaited")).await;
    assert!(desk.secret("stray").await.is_none());
    assert!(!logs::text().contains("Canary-Mistyped"), "what is mistyped is often another secret");
}

/// The advice once changed nothing for ten minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_cannot_be_verified_from_here_is_taken_once_the_spec_skips_verification() {
    let desk = Desk::connexa("skip").await;
    let operator = desk.operator().await;
    desk.apply("orders", wanted()).await;
    let asked = desk.asked("IntakeAwaited").await;
    let pair = desk.portal().create(&form(&asked)).unwrap();
    desk.account.faults().every(Operation::Token, Fault::status(403));
    desk.give(&operator, &pair).await;
    let said = desk.asked("ProviderForbidden").await;
    for part in [
        "turn on Enable API",
        "spec.intake.verify: Skip",
        "kubectl annotate secret",
        "; the next attempt is at ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let calls = desk.token_calls(&pair.client_id);
    desk.merge("orders", json!({ "spec": { "intake": { "verify": "Skip" } } })).await;
    desk.wait("orders", "it is published untried", async || desk.holds(&pair).await).await;
    assert_eq!(desk.token_calls(&pair.client_id), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_to_remove_the_credential_of_a_deleted_object() {
    let desk = Desk::vonage("vonage").await;
    let operator = desk.operator().await;
    let spec = json!({
        "providerRef": { "name": "vonage" }, "scopes": ["users:read", "stats"],
        "intake": { "secretName": INTAKE },
    });
    desk.apply("orders", spec).await;
    let asked = desk.asked("IntakeAwaited").await;
    let pair = desk.portal().create(&form(&asked)).unwrap();
    desk.give(&operator, &pair).await;
    let (ready, reason, message) = desk.condition("orders", "Ready").await.unwrap();
    assert_eq!((ready.as_str(), reason.as_str()), ("True", "Issued"), "{message}");
    let status = desk.status("orders").await;
    assert_eq!((status.expires_at, status.renewal_time), (None, None), "nothing is known of its end");
    assert_eq!(desk.value("orders", "scope").await.unwrap(), "stats users:read");
    desk.remove("orders").await;
    let records = desk.abandoned().await;
    assert_eq!(records.len(), 1, "it is on record");
    assert_eq!(records[0].spec.client_id.as_ref(), Some(&pair.client_id));
    let left = |note: &String| note.contains(&pair.client_id) && note.contains("remove it at");
    desk.wait("orders", "a note of what is left behind", async || desk.notes().await.iter().any(left)).await;
    assert!(desk.secret(INTAKE).await.is_some(), "the intake is the person's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_another_namespace_only_claims_can_be_taken_by_its_owner() {
    let desk = Desk::connexa("owner").await;
    let squatter = desk.neighbour("squatter").await;
    let both = vec![desk.namespace.clone(), squatter.namespace.clone()];
    let operator = desk.operator_as(|_, options| options.namespaces = both).await;
    desk.apply("orders", wanted()).await;
    let pair = desk.portal().create(&form(&desk.asked("IntakeAwaited").await)).unwrap();

    // The client ID is no secret, so anybody can claim it, and with `Skip` nobody tries the made-up
    // secret.
    squatter.at_cloud_connexa(&desk.account).await;
    let metadata = json!({ "name": INTAKE, "labels": { "credwright.dev/role": "intake" } });
    let data = json!({ "client_id": pair.client_id, "client_secret": "made-up" });
    squatter.put_secret(json!({ "metadata": metadata, "stringData": data })).await;
    let untried = json!({ "intake": { "secretName": INTAKE, "verify": "Skip" } });
    squatter.apply("claim", with(wanted(), untried.clone())).await;
    desk.try_it(&operator).await;
    squatter.says("claim", ("Ready", "True", "Issued")).await;

    desk.give(&operator, &pair).await;
    desk.says("orders", ("Ready", "True", "Issued")).await;
    assert!(desk.holds(&pair).await);

    // What the provider has confirmed is held against everybody.
    squatter.remove("claim").await;
    squatter.apply("again", with(wanted(), untried)).await;
    let said = squatter.says("again", ("ActionRequired", "True", "IntakeInvalid")).await;
    assert!(said.contains("belongs to another ApiCredential"), "{said}");
}

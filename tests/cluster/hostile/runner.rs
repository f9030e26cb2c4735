//! Plays a lie: an hour of it, and what comes after.

use std::{panic::AssertUnwindSafe, sync::Mutex};

use credwright_simulator::{Operation, Simulator};
use futures::{FutureExt, StreamExt, stream};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{During, Known, Lie, Place};
use crate::{
    stage::{hours, minutes},
    support::{Running, Scene, with},
};

/// The number of concurrent scenes. They wait most of the time.
const AT_A_TIME: usize = 8;

/// The cost of a lie.
struct Figures {
    creates: usize,
    made: usize,
    calls: usize,
    probes: usize,
    healed: SignedDuration,
}

/// Plays all, prints what each cost, and fails with the names of those that cost too much.
pub(super) async fn play(lies: &'static [Lie]) {
    let failed = Mutex::new(Vec::new());
    let played =
        stream::iter(lies).map(async |lie| (lie, AssertUnwindSafe(play_one(lie)).catch_unwind().await));
    let rows: Vec<String> = played
        .buffered(AT_A_TIME)
        .map(|(lie, figures)| match figures {
            Ok(Figures { creates, made, calls, probes, healed }) => {
                format!(
                    "{:<58} | {creates:>3} | {made:>3} | {calls:>4} | {probes:>3} | {:>3} min",
                    lie.name,
                    healed.as_mins()
                )
            }
            Err(_) => {
                failed.lock().unwrap().push(lie.name);
                format!("{:<58} | failed, see above", lie.name)
            }
        })
        .collect()
        .await;
    println!(
        "{:<58} | asked for | made | calls | of them by the login for a token | healed after",
        "what the provider does"
    );
    println!("{}", rows.join("\n"));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn play_one(lie: &'static Lie) -> Figures {
    let stage = Stage::set(lie).await;
    let before = stage.count();
    stage.begin().await;
    for _ in 0..6 {
        // A second more: what is due when the hour is over has come by then.
        stage.scene.pass_time(&[&stage.operator], minutes(10) + SignedDuration::from_secs(1)).await;
        stage.nobody_is_harmed().await;
    }
    let after = stage.count();
    let [creates, made, calls, probes] = [0, 1, 2, 3].map(|it| after[it] - before[it]);
    stage.cost(creates, calls).await;
    let healed = stage.heals().await;
    stage.operator.stop().await;
    Figures { creates, made, calls, probes, healed }
}

struct Stage {
    lie: &'static Lie,
    scene: Scene,
    operator: Running,
    /// The account that lies, if it is not the scene's.
    expereo: Option<Simulator>,
    bystander: Simulator,
}

impl Stage {
    async fn set(lie: &'static Lie) -> Self {
        let scene = Scene::new("lie").await;
        let expereo = match lie.at {
            Place::Spreetail => None,
            Place::Expereo => {
                let block = json!({ "list": "Enabled", "delete": "Enabled" });
                Some(scene.expereo(block, |_| {}).await)
            }
        };
        let bystander = scene.another_account("elsewhere").await;
        let operator = scene.operator().await;
        let stage = Self { lie, scene, operator, expereo, bystander };
        stage.scene.issue("neighbour", stage.spec(json!({ "lifetime": "8760h" }))).await;
        stage.scene.issue("bystander", stage.elsewhere(1)).await;
        if lie.during != During::Issue {
            stage.scene.issue("orders", stage.orders()).await;
            stage.scene.rest(&stage.operator).await;
            let renewal = stage.scene.status("orders").await.renewal_time.unwrap();
            stage.scene.jump_to(&stage.operator, renewal - minutes(1)).await;
        }
        if lie.during == During::Revocation {
            stage.scene.jump(&stage.operator, minutes(2)).await;
            stage.scene.publishes("orders", 2).await;
        }
        stage
    }

    fn spec(&self, more: Value) -> Value {
        let spec = match self.lie.at {
            Place::Spreetail => json!({ "providerRef": { "name": "spreetail" } }),
            Place::Expereo => json!({ "providerRef": { "name": "expereo" }, "scopes": ["BasicRead"] }),
        };
        with(spec, more)
    }

    fn orders(&self) -> Value {
        match self.lie.during {
            During::Issue => self.spec(json!({})),
            _ => self.spec(json!({ "lifetime": "720h", "rotation": { "overlap": "15m" } })),
        }
    }

    fn elsewhere(&self, request: u32) -> Value {
        json!({
            "providerRef": { "name": "elsewhere" }, "lifetime": "8760h",
            "rotation": { "request": request.to_string(), "overlap": "15m" },
        })
    }

    fn liar(&self) -> &Simulator {
        self.expereo.as_ref().unwrap_or(&self.scene.provider)
    }

    /// Makes the provider lie, and requests a credential for both objects.
    async fn begin(&self) {
        let pair = async |name: &str| self.scene.pair(name).await.map(|(client_id, _)| client_id);
        let known = Known {
            neighbour: pair("neighbour").await.unwrap(),
            login: self.liar().login().client_id.clone(),
            own: pair("orders").await,
            elsewhere: self.bystander.base_url(),
            now: self.scene.now(),
        };
        (self.lie.tell)(self.liar().faults(), &known);
        if self.lie.during == During::Issue {
            self.scene.apply("orders", self.orders()).await;
        }
        self.scene.apply("bystander", self.elsewhere(2)).await;
    }

    /// Creates that were asked for, credentials made, calls, and tokens for the login.
    fn count(&self) -> [usize; 4] {
        let record = self.liar().record();
        let requests = record.requests();
        let probes = requests.iter().filter(|it| it.operation == Operation::Token && it.by_login).count();
        [record.arrived(Operation::Create), record.created_count(), requests.len(), probes]
    }

    /// Checks that the published pairs work, and that only our own credentials are revoked,
    /// whatever the provider says.
    async fn nobody_is_harmed(&self) {
        for (name, provider) in
            [("orders", self.liar()), ("neighbour", self.liar()), ("bystander", &self.bystander)]
        {
            let Some((client_id, secret)) = self.scene.pair(name).await else {
                assert!(name == "orders" && self.lie.during == During::Issue, "{name} has no Secret");
                continue;
            };
            assert!(provider.record().accepts(&client_id, &secret), "{}: {name} is refused", self.lie.name);
        }
        for (name, provider) in [("neighbour", self.liar()), ("bystander", &self.bystander)] {
            assert_eq!(self.scene.condition(name, "Ready").await.unwrap().0, "True", "{name}");
            let login = provider.record().credential(&provider.login().client_id).unwrap();
            assert_eq!(login.revoked_at, None, "the login of {name}");
        }
        let foreign = |name: &str| !name.starts_with(&format!("{}-orders-kw", self.scene.namespace));
        for credential in self.liar().record().all() {
            let is_foreign = credential.name.as_deref().is_some_and(foreign);
            assert!(!is_foreign || credential.revoked_at.is_none(), "{credential:#?}");
        }
    }

    /// Checks the cost, the condition, and that the bystander got its credential.
    async fn cost(&self, creates: usize, calls: usize) {
        let Lie { name, creates: (least, most), calls: most_calls, .. } = self.lie;
        assert!((*least..=*most).contains(&creates), "{name}: {creates} creates were asked for");
        assert!(calls <= *most_calls, "{name}: {calls} calls");
        if let Some(((type_, status, reason), part)) = self.lie.says {
            let said = self.scene.condition("orders", type_).await;
            let fits = |(is, why, message): &(String, String, String)| {
                is == status && why == reason && message.contains(part)
            };
            assert!(said.as_ref().is_some_and(fits), "{name}: {said:#?}");
        }
        self.scene.has_only("bystander", 2).await;
        let record = self.bystander.record();
        assert_eq!((record.arrived(Operation::Create), record.created_count()), (2, 2));
        assert!(record.requests().len() <= 60, "{}", record.requests().len());
    }

    /// The provider is itself again. Returns how long it takes until all is well.
    async fn heals(&self) -> SignedDuration {
        self.liar().faults().clear();
        let since = self.scene.now();
        let live = || {
            let tag = format!("{}-orders-kw", self.scene.namespace);
            self.liar().record().live_with_tag(&tag).len()
        };
        let is_well = async || {
            let Some(document) = self.scene.document("orders").await else { return false };
            let alive = document.revisions.iter().filter(|it| it.state.may_be_alive()).count();
            let pair = self.scene.pair("orders").await;
            let works = pair.is_some_and(|(id, secret)| self.liar().record().accepts(&id, &secret));
            alive == 1 && works && live() == 1
        };
        let is_healed = async || {
            is_well().await && self.scene.status("orders").await.renewal_time.is_none_or(|at| at > since)
        };
        if !self.scene.reaches(&[&self.operator], hours(30), is_healed).await {
            self.scene.fail("orders", self.lie.name).await;
        }
        let healed = self.scene.now().duration_since(since);
        self.nobody_is_harmed().await;
        healed
    }
}

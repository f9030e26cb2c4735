//! `make soak`: two hundred objects are created, changed and deleted under faults of all kinds:
//! operators are killed, the API server is restarted, etcd stands still, connections die, answers
//! are lost, clocks jump, the provider fails in many ways, and a noisy tenant uses all its rights.
//! At the end every credential is in a ledger, no workload was refused, and no secret was shown.
//!
//! The trouble and the wishes follow from a seed, which is printed. `make soak SEED=…` repeats
//! them. The trouble lasts for ten minutes, or for `MINUTES=…`, and is followed by at most a
//! quarter of an hour in which everything settles.
#![expect(clippy::disallowed_methods, reason = "the soak runs on real time, outside of the operator")]

#[path = "../support/cluster.rs"]
mod cluster;
mod plan;
mod replicas;
mod report;
mod tenants;
mod trouble;
mod verdict;

use std::{
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use credwright::api::{ApiCredential, crds};
use credwright_harness::{
    controlplane::{ControlPlane, ControlPlaneOptions},
    crds::install,
    hostile::Tenant,
    random::Random,
};
use credwright_simulator::{Clock, Simulator, spreetail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::json;

use self::{
    replicas::Replicas,
    report::{Verdict, step},
    tenants::Counts,
    trouble::{Happened, Noise, Victims, Way},
};

const OBJECTS: usize = 200;
const NAMESPACE: &str = "soaked";
const NOISY: &str = "noisy";
/// The default duration of the run.
const MINUTES: u64 = 10;

/// Everything that runs, and who uses it.
struct Scene {
    control_plane: ControlPlane,
    client: Client,
    provider: Simulator,
    way: Way,
    replicas: Replicas,
    noise: Noise,
    objects: Api<ApiCredential>,
}

impl Scene {
    async fn begin(folder: &Path) -> Result<Self> {
        let control_plane = ControlPlane::start(ControlPlaneOptions::default()).await?;
        let client = control_plane.client().await?;
        let provider = spreetail::start(spreetail::Options::new(Clock::real())).await?;
        install(&client, &crds::all()).await?;
        cluster::create_namespaces(&client, &[NAMESPACE, NOISY, "credwright-system"]).await?;
        let limits = json!({ "requestsPerSecond": 500, "concurrent": 32, "mintsPerHour": 1_000_000 });
        cluster::create_provider(&client, NAMESPACE, &provider, limits).await?;
        let way = Way::to(&control_plane).await?;
        let kubeconfig = way.kubeconfig(&control_plane, folder)?;
        let replicas = Replicas::start(&kubeconfig, folder).await?;
        let noise = Noise::new(Tenant::new(client.clone(), vec![NOISY.to_owned()])).await?;
        let objects = Api::namespaced(client.clone(), NAMESPACE);
        Ok(Self { control_plane, client, provider, way, replicas, noise, objects })
    }

    /// Makes trouble under load.
    async fn soak(&mut self, seed: u64, minutes: u64) -> Result<(Counts, Happened)> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let (counts, happened) = (Counts::default(), Happened::default());
        let random = |stream: u64| Random::new(seed.wrapping_add(stream << 48));
        let plan = plan::plan(&mut random(1), minutes);
        let (planned, end) = (plan.len(), Instant::now() + Duration::from_secs(minutes * 60));
        let (provider, objects) = (&self.provider, &self.objects);
        let mut victims = Victims {
            control_plane: &mut self.control_plane,
            replicas: &mut self.replicas,
            way: &self.way,
            provider,
            noise: &mut self.noise,
        };
        let (suffered, (), (), ()) = tokio::join!(
            victims.suffer(plan, &happened, end),
            tenants::wish(objects, OBJECTS, &counts, (random(2), end)),
            tenants::work((objects, &secrets), provider, OBJECTS, &counts, (random(3), end)),
            report::progress(provider, (&counts, &happened), planned, end),
        );
        suffered?;
        Ok((counts, happened))
    }

    /// Lets everything settle, and then deletes it.
    async fn judge(&mut self) -> Result<Verdict> {
        let Self { client, objects, provider, noise, replicas, .. } = self;
        let unsettled = verdict::settle(client, objects, provider).await?;
        let unaccounted = verdict::unaccounted(client, provider).await?;
        verdict::show(client, &unaccounted).await?;
        step("all objects are deleted");
        let left = verdict::all_go(client, objects, &noise.tenant, provider).await?;
        verdict::show(client, &left).await?;
        replicas.revive().await?;
        let (canaries, panics) = verdict::canaries_and_panics(client, provider, replicas).await?;
        Ok(Verdict { unsettled, unaccounted: unaccounted.len(), left: left.len(), canaries, panics })
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let number = |name: &str| -> Result<Option<u64>> {
        let text = std::env::var(name).ok().filter(|text| !text.is_empty());
        text.map(|text| text.parse().with_context(|| format!("{name}: a number, not {text:?}"))).transpose()
    };
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let seed = number("CREDWRIGHT_SOAK_SEED")?.unwrap_or(now);
    let minutes = number("CREDWRIGHT_SOAK_MINUTES")?.unwrap_or(MINUTES).max(1);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let logs = folder.display();
    step(&format!("seed {seed}, {OBJECTS} objects, {minutes} minutes of trouble; logs in {logs}"));
    let mut scene = Scene::begin(&folder).await?;
    let (counts, happened) = scene.soak(seed, minutes).await?;
    step("the trouble is over; everything has to settle");
    let verdict = scene.judge().await?;
    let counts = (&counts, &happened, scene.way.meddled());
    Ok(if report::print(seed, &scene.provider, counts, &scene.replicas, &verdict) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

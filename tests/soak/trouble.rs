//! Makes what is planned go wrong.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Result;
use credwright_harness::{
    balancer::Balancer,
    controlplane::ControlPlane,
    gateway::{Gateway, Meddled},
    hostile::Tenant,
};
use credwright_simulator::{Fault, Operation, Rule, Simulator, hostile};

use super::{
    plan::{Kind, OUTAGE, PAUSE, Trouble},
    replicas::Replicas,
};

/// The time that the API server drops answers.
const LOSS: Duration = Duration::from_secs(10);
/// The time that a tenant with 64 scopes waits for a token.
const SLOW: Duration = Duration::from_secs(9);

/// The number of faults of each kind.
#[derive(Default)]
pub(crate) struct Happened(Mutex<BTreeMap<Kind, usize>>);

impl Happened {
    fn count(&self, kind: Kind) {
        if let Ok(mut counts) = self.0.lock() {
            *counts.entry(kind).or_default() += 1;
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> usize {
        self.0.lock().ok().and_then(|counts| counts.get(&kind).copied()).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> usize {
        Kind::all().map(|kind| self.of(kind)).sum()
    }
}

/// The way from the operators to the API server: a balancer that forgets connections, and behind it
/// a gateway that loses answers.
pub(crate) struct Way {
    balancer: Balancer,
    gateway: Gateway,
}

impl Way {
    pub(crate) async fn to(control_plane: &ControlPlane) -> Result<Self> {
        let gateway = Gateway::start(control_plane.client().await?).await?;
        let balancer = Balancer::start(gateway.address()).await?;
        Ok(Self { balancer, gateway })
    }

    /// Writes the kubeconfig of those who go this way.
    pub(crate) fn kubeconfig(&self, control_plane: &ControlPlane, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("kubeconfig");
        let server = format!("http://{}", self.balancer.address());
        fs::write(&path, control_plane.kubeconfig_by_way_of(&server)?)?;
        Ok(path)
    }

    pub(crate) fn meddled(&self) -> Meddled {
        self.gateway.meddled()
    }
}

/// The noisy tenant, and how much it has created of each kind.
pub(crate) struct Noise {
    pub(crate) tenant: Tenant,
    tarpit: String,
    created: BTreeMap<Kind, usize>,
}

impl Noise {
    pub(crate) async fn new(tenant: Tenant) -> Result<Self> {
        let (tarpit, slow) = (hostile::tarpit().await?, hostile::slow(SLOW).await?);
        tenant.providers(&slow, &hostile::talkative().await?, 1).await?;
        Ok(Self { tenant, tarpit, created: BTreeMap::new() })
    }

    async fn more(&mut self, kind: Kind) -> Result<()> {
        let count = match kind {
            Kind::Tarpits => 10,
            Kind::Poison => 3,
            _ => 4,
        };
        let created = self.created.entry(kind).or_default();
        let numbers = *created..*created + count;
        *created += count;
        match kind {
            Kind::Tarpits => self.tenant.tarpits(&self.tarpit, numbers).await,
            Kind::Slow => self.tenant.slow(numbers).await,
            Kind::Talkative => self.tenant.talkative(numbers).await,
            _ => self.tenant.poison(numbers).await,
        }
    }
}

/// Everything that something can go wrong with.
pub(crate) struct Victims<'a> {
    pub(crate) control_plane: &'a mut ControlPlane,
    pub(crate) replicas: &'a mut Replicas,
    pub(crate) way: &'a Way,
    pub(crate) provider: &'a Simulator,
    pub(crate) noise: &'a mut Noise,
}

impl Victims<'_> {
    /// Makes trouble by the plan, and waits until `end`.
    pub(crate) async fn suffer(
        &mut self,
        plan: Vec<(Duration, Trouble)>,
        happened: &Happened,
        end: Instant,
    ) -> Result<()> {
        // What takes longer than planned delays what comes after it, or all of that would come at
        // once.
        let (mut at, mut planned) = (Instant::now(), Duration::ZERO);
        for (after, trouble) in plan {
            at += after - planned;
            planned = after;
            if at >= end {
                break;
            }
            self.wait_until(at).await?;
            let (kind, began) = (trouble.kind(), Instant::now());
            match self.make(trouble).await {
                Ok(()) => happened.count(kind),
                Err(error) => eprintln!("soak: {}: {error:#}", kind.name()),
            }
            at += began.elapsed().saturating_sub(kind.takes());
        }
        self.wait_until(end).await?;
        self.provider.faults().clear();
        Ok(())
    }

    async fn wait_until(&mut self, instant: Instant) -> Result<()> {
        while Instant::now() < instant {
            self.replicas.revive().await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn make(&mut self, trouble: Trouble) -> Result<()> {
        match trouble {
            Trouble::Kill(which) => self.replicas.kill(which).await?,
            Trouble::RestartApiServer => self.control_plane.restart_apiserver().await?,
            Trouble::PauseEtcd => {
                self.control_plane.pause_etcd()?;
                tokio::time::sleep(PAUSE).await;
                self.control_plane.resume_etcd()?;
            }
            Trouble::ForgetConnections => self.way.balancer.forget(),
            Trouble::LoseAnswers(one_of) => self.way.gateway.lose_one_of(one_of, Instant::now() + LOSS),
            Trouble::JumpClock(by, long) => self.way.gateway.shift(by, Instant::now() + long),
            Trouble::Outage => {
                self.provider.stop().await;
                tokio::time::sleep(OUTAGE).await;
                self.provider.start_again().await?;
            }
            Trouble::Provider(_, on, times, fault) => self.provider.faults().next_n(on, times, fault),
            Trouble::Throttle(on, retry_after, long) => {
                let until = Some(self.provider.clock().now() + long);
                let fault = Fault::rate_limited(retry_after);
                self.provider.faults().add(Rule { until, ..Rule::every(on, fault) });
            }
            Trouble::Undeletable(number, times) => self.refuse_deletes(number, times),
            Trouble::Noise(kind) => self.noise.more(kind).await?,
        }
        Ok(())
    }

    fn refuse_deletes(&self, number: usize, times: usize) {
        let live = self.provider.record().live();
        let Some(chosen) = live.get(number % live.len().max(1)) else { return };
        self.provider.faults().add(Rule {
            path_end: Some(chosen.client_id.clone()),
            times: Some(times),
            ..Rule::every(Operation::Delete, Fault::status(500))
        });
    }
}

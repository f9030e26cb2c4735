//! What goes wrong, and when: chosen beforehand from the seed.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use credwright_harness::{controlplane::ControlPlane, operator::Operator, random::Random};
use credwright_simulator::{Fault, Matching, Operation, RetryAfter, Simulator};

/// How many operators run side by side.
const REPLICAS: usize = 2;
const KILLS: usize = 50;
const RESTARTS: usize = 3;
const PAUSES: usize = 3;
const FAULTS: usize = 60;
/// How long etcd stands still.
const PAUSE: Duration = Duration::from_secs(20);
/// How long the provider is down.
const OUTAGE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// `kill -9` of a replica, which is started again at once.
    Kill(usize),
    RestartApiServer,
    PauseEtcd,
    Provider(usize),
}

/// How often each happened.
#[derive(Default)]
pub(crate) struct Happened {
    pub(crate) kills: usize,
    pub(crate) restarts: usize,
    pub(crate) pauses: usize,
    pub(crate) faults: usize,
}

/// The replicas, and where their logs are.
pub(crate) struct Replicas {
    running: Vec<Option<Operator>>,
    binary: PathBuf,
    kubeconfig: PathBuf,
    folder: PathBuf,
    started: usize,
}

impl Replicas {
    pub(crate) async fn start(binary: PathBuf, kubeconfig: &Path, folder: &Path) -> Result<Self> {
        let (kubeconfig, folder) = (kubeconfig.to_owned(), folder.to_owned());
        let mut replicas = Self { running: Vec::new(), binary, kubeconfig, folder, started: 0 };
        for _ in 0..REPLICAS {
            let operator = replicas.another().await?;
            replicas.running.push(Some(operator));
        }
        Ok(replicas)
    }

    async fn another(&mut self) -> Result<Operator> {
        self.started += 1;
        let log = self.folder.join(format!("operator-{}.log", self.started));
        let arguments =
            ["--allow-egress", "127.0.0.0/8", "--revocation-deadline", "5m", "--log", "credwright=trace"];
        Operator::start(&self.binary, &arguments, Some(&self.kubeconfig), &log).await
    }

    async fn kill(&mut self, which: usize) -> Result<()> {
        drop(self.running[which].take());
        self.running[which] = Some(self.another().await?);
        Ok(())
    }

    /// A replica that has ended by itself is started again, as Kubernetes would: while the API server is away none can start.
    async fn revive(&mut self) -> Result<()> {
        for which in 0..REPLICAS {
            if self.running[which].as_mut().is_none_or(|it| it.ensure_running().is_err()) {
                self.kill(which).await?;
            }
        }
        Ok(())
    }
}

/// Makes trouble until `end`.
pub(crate) async fn make(
    control_plane: &mut ControlPlane,
    replicas: &mut Replicas,
    provider: &Simulator,
    (mut random, end): (Random, Instant),
) -> Result<Happened> {
    let mut happened = Happened::default();
    for (at, trouble) in plan(&mut random, end) {
        while Instant::now() < at {
            replicas.revive().await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        match trouble {
            Trouble::Kill(which) => {
                replicas.kill(which).await?;
                happened.kills += 1;
            }
            Trouble::RestartApiServer => {
                control_plane.restart_apiserver().await?;
                happened.restarts += 1;
            }
            Trouble::PauseEtcd => {
                control_plane.pause_etcd()?;
                tokio::time::sleep(PAUSE).await;
                control_plane.resume_etcd()?;
                happened.pauses += 1;
            }
            Trouble::Provider(number) => {
                fail(provider, number, &mut random).await?;
                happened.faults += 1;
            }
        }
    }
    provider.faults().clear();
    replicas.revive().await?;
    Ok(happened)
}

fn plan(random: &mut Random, end: Instant) -> Vec<(Instant, Trouble)> {
    let begin = Instant::now();
    let span = usize::try_from(end.duration_since(begin).as_millis()).unwrap_or(usize::MAX);
    let mut plan = Vec::new();
    for (times, trouble) in [(RESTARTS, Trouble::RestartApiServer), (PAUSES, Trouble::PauseEtcd)] {
        plan.extend((0..times).map(|_| (random.below(span), trouble)));
    }
    plan.extend((0..KILLS).map(|_| (random.below(span), Trouble::Kill(random.below(REPLICAS)))));
    plan.extend((0..FAULTS).map(|number| (random.below(span), Trouble::Provider(number))));
    plan.sort_by_key(|(at, _)| *at);
    plan.into_iter().map(|(at, trouble)| (begin + Duration::from_millis(at as u64), trouble)).collect()
}

async fn fail(provider: &Simulator, number: usize, random: &mut Random) -> Result<()> {
    if number.is_multiple_of(20) {
        provider.stop().await;
        tokio::time::sleep(OUTAGE).await;
        return Ok(provider.start_again().await?);
    }
    let operations =
        [Operation::Create, Operation::Create, Operation::Delete, Operation::List, Operation::Token];
    let on: Matching = (*random.one_of(&operations)).into();
    let faults = [
        Fault::TornBefore,
        Fault::LostAnswer,
        Fault::LostAnswer,
        Fault::CutBody,
        Fault::status(500),
        Fault::StatusAfterEffect { code: 504, body: String::new() },
        Fault::rate_limited(RetryAfter::Seconds(3)),
        Fault::Malformed,
        Fault::slow(Duration::from_secs(2)),
    ];
    provider.faults().next_n(on, 1 + random.below(4), random.one_of(&faults).clone());
    Ok(())
}

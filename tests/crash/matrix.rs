//! Every point at which the power can go, and what comes after.

use std::{
    io::Write,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use credwright_simulator::{Fault, Gate, Matching};
use futures::{FutureExt, StreamExt, future::join_all, stream};
use tokio::sync::Semaphore;

use crate::{
    account::Kind,
    case::{Case, Story},
    support::{Power, Running, logs, power::Cut},
};

/// The number of concurrent cases of all stories.
static ROOM: Semaphore = Semaphore::const_new(16);

/// All the cuts that were made.
static CUTS: AtomicUsize = AtomicUsize::new(0);
/// The number of calls tried beyond those of a run without cuts, as two runs do not make the same
/// calls.
const MARGIN: usize = 1;

/// The call at which the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// At a call to the API server.
    Kubernetes(Cut),
    /// At the k-th request to the provider.
    Provider(usize, Moment),
}

/// The effect of the cut on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// It is lost.
    Before,
    /// It has had its effect, and the answer is lost.
    After,
    /// It is under way, and has its effect when the operator is dead already.
    Late,
}

const LANES: [fn(usize) -> Point; 5] = [
    |k| Point::Kubernetes(Cut::Before(k)),
    |k| Point::Kubernetes(Cut::After(k)),
    |k| Point::Provider(k, Moment::Before),
    |k| Point::Provider(k, Moment::After),
    |k| Point::Provider(k, Moment::Late),
];

/// The cuts for which there are cases with another cut in the recovery.
#[derive(Clone, Copy)]
pub(crate) enum Doubles {
    None,
    /// Every n-th.
    Every(usize),
}

/// The result of one case.
struct Ran {
    /// The number of power cuts.
    cuts: usize,
    /// The number of credentials that were created and never used.
    wasted: usize,
}

/// A cut that waits for its call.
struct Armed {
    power: Power,
    gate: Option<Gate>,
    is_late: bool,
}

impl Point {
    fn arm(self, case: &Case) -> Armed {
        let (k, moment) = match self {
            Self::Kubernetes(cut) => return Armed { power: Power::cut(cut), gate: None, is_late: false },
            Self::Provider(k, moment) => (k, moment),
        };
        let gate = Gate::closed();
        let fault = match moment {
            Moment::Before | Moment::Late => Fault::GateBefore(gate.clone()),
            Moment::After => Fault::GateAfter(gate.clone()),
        };
        case.account.faults(&case.scene).after(Matching::any(), k, fault);
        Armed { power: Power::on(), gate: Some(gate), is_late: moment == Moment::Late }
    }
}

impl Armed {
    /// Resolves when the power has to go.
    async fn comes(&self, case: &Case, operator: &Running) {
        let Some(gate) = &self.gate else { return operator.power.went_off().await };
        while case.account.faults(&case.scene).outstanding() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        gate.wait_arrived().await;
    }
}

/// Tells `story` once for every point.
pub(crate) async fn sweep(story: Story, kind: Kind, doubles: Doubles) {
    logs::record_only_warnings();
    let began = Instant::now();
    let (calls, requests) = rehearse(story, kind).await;
    let lengths = [calls, calls, requests, requests, requests];
    let singles = LANES.iter().zip(lengths).flat_map(|(lane, length)| (0..length + MARGIN).map(lane));
    let mut plans: Vec<Vec<Point>> = singles.map(|point| vec![point]).collect();
    if let Doubles::Every(nth) = doubles {
        let firsts: Vec<Point> = plans.iter().map(|plan| plan[0]).step_by(nth).collect();
        plans.extend(
            firsts.into_iter().enumerate().map(|(index, first)| vec![first, second(index, calls, requests)]),
        );
    }
    let cases = stream::iter(plans).map(|plan| tell(story, kind, plan)).buffer_unordered(16);
    let mut ran: Vec<Ran> = cases.collect().await;
    let beyond = LANES.iter().zip(lengths).map(|(lane, length)| beyond(story, kind, *lane, length + MARGIN));
    ran.extend(join_all(beyond).await.into_iter().flatten());
    let of = |cuts: usize| ran.iter().filter(|it| it.cuts == cuts).count();
    let wasted: usize = ran.iter().map(|it| it.wasted).sum();
    let so_far = CUTS.fetch_add(of(1) + 2 * of(2), Ordering::Relaxed) + of(1) + 2 * of(2);
    // Not captured: this is the matrix's result.
    let _ = writeln!(
        std::io::stderr(),
        "{story:?} at {kind:?} ({calls} calls, {requests} requests): {} cuts, {} times another cut in the recovery, {wasted} \
         credentials created and never used, {:.0?}; {so_far} cuts so far",
        of(1),
        of(2),
        began.elapsed()
    );
    // The rehearsal may have made more calls than the others, too.
    let least = 2 * calls.saturating_sub(2 * MARGIN);
    assert!(of(1) + of(2) >= least, "fewer cuts than calls: the matrix is not what it says");
}

/// Another cut for each case, spread over the recovery.
fn second(index: usize, calls: usize, requests: usize) -> Point {
    let lane = LANES[index % LANES.len()];
    let length = if index % LANES.len() < 2 { calls } else { requests };
    lane((index * 7 / LANES.len()) % length)
}

/// Goes on for as long as there is anything to cut.
async fn beyond(story: Story, kind: Kind, lane: fn(usize) -> Point, from: usize) -> Vec<Ran> {
    let mut ran = Vec::new();
    for k in from.. {
        let one = tell(story, kind, vec![lane(k)]).await;
        if one.cuts == 0 {
            break;
        }
        ran.push(one);
    }
    ran
}

/// Tells the story without a cut. Returns how many calls it makes to the API server and to the
/// provider.
async fn rehearse(story: Story, kind: Kind) -> (usize, usize) {
    let case = Case::new(story, kind).await;
    let before = case.account.requests(&case.scene);
    let operator = case.scene.operator().await;
    case.run(&operator, "a run without cuts").await;
    let calls = (operator.power.calls(), case.account.requests(&case.scene) - before);
    case.check(0).await;
    operator.stop().await;
    calls
}

/// Tells the story with a cut at each of `points`, and then to its end.
async fn tell(story: Story, kind: Kind, points: Vec<Point>) -> Ran {
    let _room = ROOM.acquire().await.unwrap();
    let what = format!("{story:?} at {kind:?}, cut at {points:?}");
    match AssertUnwindSafe(told(story, kind, &points, &what)).catch_unwind().await {
        Ok(ran) => ran,
        Err(panic) => {
            eprintln!("this was {what}");
            std::panic::resume_unwind(panic)
        }
    }
}

async fn told(story: Story, kind: Kind, points: &[Point], what: &str) -> Ran {
    let case = Case::new(story, kind).await;
    let mut cuts = 0;
    for point in points {
        let armed = point.arm(&case);
        let operator = case.scene.operator_with(armed.power.clone(), case.scene.clock.clone()).await;
        let is_cut = tokio::select! {
            biased;
            () = armed.comes(&case, &operator) => true,
            () = case.run(&operator, what) => false,
        };
        operator.kill().await;
        if armed.is_late
            && let Some(gate) = &armed.gate
        {
            gate.release();
        }
        case.account.faults(&case.scene).clear();
        if !is_cut {
            break;
        }
        cuts += 1;
    }
    let operator = case.scene.operator().await;
    case.run(&operator, what).await;
    case.scene.pass_time(&[&operator], jiff::SignedDuration::from_secs(15)).await;
    let wasted = case.check(cuts).await;
    operator.stop().await;
    Ran { cuts, wasted }
}

//! The passing of time in a scene: the operators work until they are at rest, and then the clock
//! jumps to their next wake.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::{DEADLINE, Running, Scene};

/// The time that an operator must have been idle before the clock jumps to its next wake: watch
/// events may be under way.
const CALM: Duration = Duration::from_millis(60);
/// The pause between two checks of what the test waits for. Each asks the API server, which works
/// for all tests at once.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Scene {
    /// Waits until `condition` holds, and moves the clock to the operators' next wake whenever they
    /// are at rest. Returns whether it came to hold; `false` when nothing is due any more, or not
    /// before `limit`.
    pub(crate) async fn reaches(
        &self,
        operators: &[&Running],
        limit: SignedDuration,
        condition: impl AsyncFn() -> bool,
    ) -> bool {
        self.reaches_within(2 * DEADLINE, operators, limit, condition).await
    }

    /// The same, where Kubernetes' own controllers take longer in real time.
    pub(crate) async fn reaches_within(
        &self,
        patience: Duration,
        operators: &[&Running],
        limit: SignedDuration,
        condition: impl AsyncFn() -> bool,
    ) -> bool {
        let began = Instant::now();
        let until = self.clock.now() + limit;
        let is_idle = || operators.iter().all(|running| running.operator.is_idle());
        let (mut calm_since, mut looked, mut was_idle) = (began, None::<Instant>, false);
        loop {
            // On a busy machine the look takes longer than the calm that it is to find.
            let has_been_calm = calm_since.elapsed() > CALM;
            let came_to_rest = is_idle() && !was_idle;
            was_idle = is_idle();
            if has_been_calm || came_to_rest || looked.is_none_or(|at| at.elapsed() > LOOK_AGAIN) {
                if condition().await {
                    return true;
                }
                looked = Some(Instant::now());
            }
            if began.elapsed() > patience {
                eprintln!("no end in sight");
                return false;
            }
            if !is_idle() {
                calm_since = Instant::now();
            } else if has_been_calm {
                let next = operators.iter().filter_map(|running| running.operator.next_due()).min();
                match next.filter(|at| *at <= until) {
                    Some(at) => self.clock.move_to(at),
                    None => return condition().await,
                }
                calm_since = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Like [`Self::reaches`], and fails with a picture of the object if it does not.
    pub(crate) async fn run_until(
        &self,
        operator: &Running,
        name: &str,
        what: &str,
        condition: impl AsyncFn() -> bool,
    ) {
        if !self.reaches(&[operator], SignedDuration::from_hours(24 * 400), condition).await {
            self.fail(name, what).await;
        }
    }

    /// Runs until `name` is Ready and `revision` is published and nothing but it is alive.
    pub(crate) async fn run_until_only(&self, operator: &Running, name: &str, revision: u32) {
        self.run_until(operator, name, &format!("only revision {revision} is alive"), async || {
            self.is_only(name, revision).await
        })
        .await;
    }

    /// Returns whether `revision` is published, works, and is the only one that may be alive.
    pub(crate) async fn is_only(&self, name: &str, revision: u32) -> bool {
        let status = self.get(name).await.status.unwrap_or_default();
        let Some(document) = self.document(name).await else { return false };
        let alive: Vec<u32> =
            document.revisions.iter().filter(|it| it.state.may_be_alive()).map(|it| it.revision).collect();
        status.revision == Some(revision) && alive == [revision]
    }

    /// Lets the operators work for so long by the clock, jumping from wake to wake.
    pub(crate) async fn pass_time(&self, operators: &[&Running], length: SignedDuration) {
        let until = self.clock.now() + length;
        self.reaches(operators, length, async || self.clock.now() >= until).await;
        self.clock.move_to(until);
    }
}

//! The shares of a lane: which item may have one more permit, by the running work and by the speed
//! of each account.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Lane, SLOW};
use crate::{engine::ProviderKey, providers::stopwatch::Stopwatch};

/// So many quick calls in a row make a slow account an ordinary one again, and excuse one stall: an
/// honest provider must not have to share with the hostile ones because of a single hiccup. All
/// slow calls that ran at the same time were held up by the same stall.
const QUICK_AGAIN: u32 = 10;
/// An account that was slow within this time does not count as one that has been quick lately.
const STEADY_AFTER: Duration = Duration::from_secs(60 * 60);

/// One permit.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) lane: Lane,
    pub(super) account: ProviderKey,
    pub(super) namespace: Arc<str>,
    /// Runs while the provider is called.
    pub(super) stopwatch: Arc<Stopwatch>,
}

impl Running {
    fn is_late(&self, now: Instant) -> bool {
        self.stopwatch.total(now) >= SLOW
    }
}

/// The recent speed of an account.
#[derive(Debug, Default)]
struct Speed {
    is_slow: bool,
    slow_at: Option<Instant>,
    /// The end of the last stall that was excused.
    excused_at: Option<Instant>,
    /// The number of quick calls in a row, up to now.
    quick: u32,
}

impl Speed {
    /// Returns whether slow calls are excused, of which the last began at `since`.
    fn excuses(&self, since: Instant) -> bool {
        self.quick >= QUICK_AGAIN || self.is_of_the_last_stall(since)
    }

    fn is_of_the_last_stall(&self, since: Instant) -> bool {
        self.excused_at.is_some_and(|end| since < end)
    }

    fn is_steady(&self, now: Instant) -> bool {
        let recovered = self.slow_at.is_none_or(|at| now.duration_since(at) >= STEADY_AFTER);
        self.quick > 0 && recovered && !self.is_slow
    }

    fn was_slow(&mut self, since: Instant, now: Instant) {
        if self.is_of_the_last_stall(since) {
            return;
        }
        if self.quick >= QUICK_AGAIN {
            self.excused_at = Some(now);
        } else {
            (self.is_slow, self.slow_at) = (true, Some(now));
        }
        self.quick = 0;
    }

    fn was_quick(&mut self) {
        self.quick = self.quick.saturating_add(1);
        self.is_slow &= self.quick < QUICK_AGAIN;
    }
}

/// The permits that are given, and how quick each account has been.
#[derive(Debug)]
pub(super) struct Shares {
    sizes: BTreeMap<Lane, usize>,
    running: HashMap<u64, Running>,
    /// The number of permits of each account in each lane that are given now.
    counts: BTreeMap<Lane, HashMap<ProviderKey, usize>>,
    speeds: HashMap<ProviderKey, Speed>,
}

impl Shares {
    pub(super) fn new(sizes: BTreeMap<Lane, usize>) -> Self {
        Self { sizes, running: HashMap::new(), counts: BTreeMap::new(), speeds: HashMap::new() }
    }

    pub(super) fn know(&mut self, account: &ProviderKey) {
        if !self.speeds.contains_key(account) {
            self.speeds.insert(account.clone(), Speed::default());
        }
    }

    pub(super) fn forget(&mut self, account: &ProviderKey) {
        self.speeds.remove(account);
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn start(&mut self, number: u64, running: Running) {
        *self.counts.entry(running.lane).or_default().entry(running.account.clone()).or_default() += 1;
        self.running.insert(number, running);
    }

    pub(super) fn end(&mut self, number: u64, now: Instant) {
        let Some(ended) = self.running.remove(&number) else { return };
        if let Some(counts) = self.counts.get_mut(&ended.lane)
            && let Some(count) = counts.get_mut(&ended.account)
        {
            *count -= 1;
            if *count == 0 {
                counts.remove(&ended.account);
            }
        }
        let Some(since) = ended.stopwatch.began() else { return };
        // The state of an account is dropped with it.
        let Some(speed) = self.speeds.get_mut(&ended.account) else { return };
        if ended.is_late(now) {
            speed.was_slow(since, now);
        } else {
            speed.was_quick();
        }
    }

    /// Returns when the next permit may turn out to be slow. A call that has not begun yet may at
    /// the earliest be found slow a while later.
    pub(super) fn next_slow(&self, now: Instant) -> Option<Instant> {
        let late = self.running.values().filter_map(|it| {
            let left = SLOW.checked_sub(it.stopwatch.total(now)).filter(|left| !left.is_zero())?;
            Some(now + if it.stopwatch.runs() { left } else { SLOW })
        });
        late.min()
    }

    /// Returns whether an account has as many permits as it may have at once.
    pub(super) fn has_enough(&self, lane: Lane, account: &ProviderKey, at_once: usize) -> bool {
        let has = self.counts.get(&lane).and_then(|counts| counts.get(account)).copied().unwrap_or(0);
        has >= at_once
    }

    /// Returns whether one more permit may be given to a namespace at an account.
    pub(super) fn admits(
        &self,
        (lane, account, namespace): (Lane, &ProviderKey, &str),
        at_once: usize,
        now: Instant,
    ) -> bool {
        if self.has_enough(lane, account, at_once) {
            return false;
        }
        let size = self.sizes.get(&lane).copied().unwrap_or(1);
        let is_slow = |account: &ProviderKey| self.speeds.get(account).is_some_and(|it| it.is_slow);
        let (mut is_newcomer, mut late_since) = (true, None);
        let (mut slow, mut quick) = (0, 0);
        for it in self.running.values().filter(|it| it.lane == lane) {
            let (late, same) = (it.is_late(now), it.account == *account);
            is_newcomer &= !same && *it.namespace != *namespace;
            late_since = late_since.max(it.stopwatch.began().filter(|_| same && late));
            *(if late || is_slow(&it.account) { &mut slow } else { &mut quick }) += 1;
        }
        let slow_share = (size / 8).max(1);
        let is_excused = |since| self.speeds.get(account).is_none_or(|it| it.excuses(since));
        if is_slow(account) || late_since.is_some_and(|since| !is_excused(since)) {
            return slow < slow_share;
        }
        let free = size.saturating_sub(quick + slow.min(slow_share));
        let is_steady = self.speeds.get(account).is_some_and(|it| it.is_steady(now));
        let is_alone = self.speeds.keys().all(|it| it == account);
        // So many slow calls at once are more than were meant to run; only an account known to be
        // quick may add to them.
        let is_crowded = slow + quick >= 2 * size;
        if free == 0 || is_crowded && !is_steady {
            false
        } else if is_alone || free > (size / 4).max(1) {
            true
        } else {
            is_newcomer && (is_steady || free > size / 8)
        }
    }
}

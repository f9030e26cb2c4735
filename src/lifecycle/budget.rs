//! How many credentials an account may be asked for within an hour, and who may ask for the next one.
//!
//! Counted from the ledgers, so that neither a restart nor another replica begins anew. What nears its end is never held back by
//! it; everything else waits. Of a provider that namespaces share, one of them gets no more than is left for all the others, so that
//! there is always something left for who has not asked yet.

use jiff::{SignedDuration, Timestamp};

use crate::api::{Limits, Reason};

use super::{
    ledger::{MINT_WINDOW, Revision, State},
    mint::{last_third, rest_until},
    pass::Pass,
    plan::Plan,
    schedule,
    world::UsableProvider,
};

/// What an account may be asked for within an hour where its owner does not say so, if its schedules need less than half.
const MINTS_AT_LEAST: u32 = 100;
/// Over which time those that wait look again, so that they do not all do it at once.
const SPREAD: SignedDuration = SignedDuration::from_mins(5);
/// Requests that one rotation takes: the login, create, verify, revoke, and one in vain.
const REQUESTS_OF_A_ROTATION: u64 = 5;
/// What schedules count in.
pub const MILLIONTHS: u64 = 1_000_000;

/// What is left of an account's budget for one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// How many credentials may be asked for within an hour.
    pub limit: u32,
    /// When the next one may be, if not now.
    pub opens: Option<Timestamp>,
    /// Whether it is this namespace alone that has to wait.
    pub unfair: bool,
}

/// What was asked for at an account within the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// By all namespaces, in order of time.
    pub by_all: Vec<Timestamp>,
    /// By one of them, in order of time; `None` where a provider is not shared.
    pub by_one: Option<Vec<Timestamp>>,
}

impl Budget {
    /// What is left of `limit` for a namespace after what was `asked` for.
    #[must_use]
    pub fn after(limit: u32, asked: &Asked, now: Timestamp) -> Self {
        let Asked { by_all, by_one } = asked;
        let ends = by_all.iter().map(|mint| *mint + MINT_WINDOW).filter(|end| *end > now);
        let opens = [now].into_iter().chain(ends).find(|at| has_room(limit, by_all, by_one.as_deref(), *at));
        Self { limit, opens: opens.filter(|at| *at > now), unfair: has_room(limit, by_all, None, now) }
    }
}

fn has_room(limit: u32, by_all: &[Timestamp], by_one: Option<&[Timestamp]>, at: Timestamp) -> bool {
    let count = |mints: &[Timestamp]| {
        mints.len() - mints.partition_point(|mint| at.duration_since(*mint) >= MINT_WINDOW)
    };
    is_left(limit, count(by_all), by_one.map(count))
}

/// Whether something of `limit` is left after so many credentials, so many of them for who asks.
#[must_use]
pub fn is_left(limit: u32, by_all: usize, by_one: Option<usize>) -> bool {
    let left = (limit as usize).saturating_sub(by_all);
    left > 0 && by_one.is_none_or(|one| one == 0 || one < left)
}

/// What an account may be asked for within an hour: what its owner says, or twice what the schedules need.
#[must_use]
pub fn limit(limits: Option<&Limits>, needed: u64) -> u32 {
    let twice = u32::try_from(2 * needed.div_ceil(MILLIONTHS)).unwrap_or(u32::MAX);
    limits.and_then(|limits| limits.mints_per_hour).unwrap_or(MINTS_AT_LEAST.max(twice))
}

/// How many millionths of a credential a revision's schedule needs within an hour: it is replaced after two thirds of its life.
#[must_use]
pub fn needed(revision: &Revision) -> u64 {
    if revision.state != State::Issued {
        return 0;
    }
    let life =
        revision.issued_at.zip(schedule::end(revision)).map(|(issued, end)| end.duration_since(issued));
    let seconds = life.and_then(|life| u64::try_from(life.as_secs()).ok()).filter(|it| *it > 0);
    seconds.map_or(0, |seconds| 3600 * MILLIONTHS * 3 / (2 * seconds))
}

/// Why the limits of an account are too low for what its schedules need, with a fifth to spare; `None` if they are not.
#[must_use]
pub fn too_low(limits: Option<&Limits>, needed: u64, usable: u32) -> Option<String> {
    let limit = limit(limits, needed);
    if needed > u64::from(limit) * MILLIONTHS * 4 / 5 {
        return Some(format!(
            "the schedules need about {} new credentials an hour, and limits.mintsPerHour allows {limit}: raise it, or lengthen the \
             lifetimes; otherwise renewals come late and nothing else is issued",
            (needed + MILLIONTHS / 2) / MILLIONTHS
        ));
    }
    // Each is tried once an hour.
    let requests = (needed * REQUESTS_OF_A_ROTATION).div_ceil(MILLIONTHS) + u64::from(usable);
    let rate = u64::from(
        limits.and_then(|limits| limits.requests_per_second).unwrap_or(Limits::REQUESTS_PER_SECOND),
    );
    (requests > rate * 3600 * 4 / 5).then(|| {
        format!(
            "the schedules need about {requests} requests an hour, and limits.requestsPerSecond allows {}: raise it, or lengthen the \
             lifetimes; otherwise renewals come late",
            rate * 3600
        )
    })
}

/// The account's budget is used up, and this can wait.
pub(super) fn used_up(pass: &Pass<'_>, provider: &UsableProvider, why: Reason) -> Option<Plan> {
    let Budget { limit, opens, unfair } = provider.budget;
    let opens = opens.filter(|at| *at > pass.now)?;
    if is_urgent(pass, why) {
        return None;
    }
    let whose = if unfair {
        "this namespace has asked for as many credentials within the hour as are left for all others"
    } else {
        "as many credentials were asked for at this provider within the hour as it may be"
    };
    let message = format!(
        "{whose}: limits.mintsPerHour of the provider is {limit}. It goes on as soon as there is room; what nears its end does not wait"
    );
    let share = i64::from(schedule::spread(pass.world.object_uid(), pass.next_revision()));
    let wait = SignedDuration::from_millis(share * SPREAD.as_secs() * 1000 / i64::from(u16::MAX));
    let urgent = last_third(pass).filter(|_| why != Reason::FirstIssue).unwrap_or(Timestamp::MAX);
    Some(rest_until(pass, urgent.min(opens + wait), Reason::MintBudget, message))
}

/// Whether workloads would be without a credential soon, or are already.
fn is_urgent(pass: &Pass<'_>, why: Reason) -> bool {
    match why {
        Reason::FoundRevoked => true,
        Reason::FirstIssue => false,
        _ => last_third(pass).is_some_and(|at| at <= pass.now),
    }
}

//! The budget of new credentials of an account within an hour, and whose turn the next one is.
//!
//! Mints are counted from the ledgers, so that neither a restart nor another replica resets the
//! count. A renewal close to the end of its credential is not held back by the budget; everything
//! else waits. On a shared provider, one namespace may use at most half of what remains, so that
//! the others are never starved. There, renewals are exempt only as long as the schedules of their
//! namespace fit into its share: a credential that lives for seconds is always close to its end.

use jiff::Timestamp;

use crate::{
    api::Limits,
    lifecycle::model::{Budget, MINT_WINDOW, Moved, Revision, State},
};

use super::{backoff, schedule};

/// The budget of an account within an hour where its owner sets none, and its schedules need less
/// than half of this.
const MINTS_AT_LEAST: u32 = 100;
/// Requests that one rotation takes: the login, create, verify, revoke, and one that fails.
const REQUESTS_OF_A_ROTATION: u64 = 5;
/// The unit in which schedules count credentials.
pub const MILLIONTHS: u64 = 1_000_000;

/// The mints requested at an account within the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// By all namespaces, in order of time.
    pub by_all: Vec<Timestamp>,
    /// The requests of the namespace, in order of time; `None` if the provider is not shared.
    pub by_one: Option<Vec<Timestamp>>,
}

impl Budget {
    /// Returns the share of `limit` that remains for a namespace, after the mints in `asked`.
    #[must_use]
    pub fn after(limit: u32, asked: &Asked, now: Timestamp) -> Self {
        let Asked { by_all, by_one } = asked;
        let ends = by_all.iter().map(|mint| mint.later(MINT_WINDOW)).filter(|end| *end > now);
        let opens = [now].into_iter().chain(ends).find(|at| has_room(limit, by_all, by_one.as_deref(), *at));
        let unfair = has_room(limit, by_all, None, now);
        Self { limit, opens: opens.filter(|at| *at > now), unfair, renewals_wait: false }
    }
}

fn has_room(limit: u32, by_all: &[Timestamp], by_one: Option<&[Timestamp]>, at: Timestamp) -> bool {
    let count = |mints: &[Timestamp]| {
        let first = mints.partition_point(|mint| *mint <= at && !backoff::counts(*mint, at));
        mints[first..].partition_point(|mint| backoff::counts(*mint, at))
    };
    is_left(limit, count(by_all), by_one.map(count))
}

/// Returns whether anything of `limit` remains after the mints of all, and of the namespace that
/// asks.
#[must_use]
pub fn is_left(limit: u32, by_all: usize, by_one: Option<usize>) -> bool {
    let left = (limit as usize).saturating_sub(by_all);
    left > 0 && by_one.is_none_or(|one| one == 0 || one < left)
}

/// Returns the budget of an account within an hour: what its owner sets, or twice what the
/// schedules need.
#[must_use]
pub fn limit(limits: Option<&Limits>, needed: u64) -> u32 {
    let twice = u32::try_from(2 * needed.div_ceil(MILLIONTHS)).unwrap_or(u32::MAX);
    limits.and_then(|limits| limits.mints_per_hour).unwrap_or(MINTS_AT_LEAST.max(twice))
}

/// Returns the millionths of a credential that a revision's schedule needs within an hour: it is
/// replaced after two thirds of its life.
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

/// Returns whether the schedules of one namespace at a shared provider need more than its share:
/// half of `limit` is the most that one namespace gets.
#[must_use]
pub fn is_over_its_share(limit: u32, needed: u64) -> bool {
    needed.saturating_mul(2) > u64::from(limit) * MILLIONTHS
}

/// Returns why the limits of a shared provider are too low for the schedules of the namespace that
/// needs `most`, with a fifth to spare; `None` if they are not.
#[must_use]
pub fn share_too_low(limits: Option<&Limits>, needed: u64, most: Option<(&str, u64)>) -> Option<String> {
    let limit = limit(limits, needed);
    let (namespace, most) = most.filter(|(_, most)| most * 5 / 2 > u64::from(limit) * MILLIONTHS)?;
    Some(format!(
        "the schedules of namespace {namespace} need about {} new credentials an hour, but a namespace \
         may use at most half of limits.mintsPerHour, which is {limit}: raise it, or lengthen the \
         lifetimes. Otherwise renewals in this namespace are late",
        (most + MILLIONTHS / 2) / MILLIONTHS
    ))
}

/// Returns why the limits of an account are too low for its schedules, with a fifth to spare;
/// `None` if they are not.
#[must_use]
pub fn too_low(limits: Option<&Limits>, needed: u64, usable: u32) -> Option<String> {
    let limit = limit(limits, needed);
    if needed > u64::from(limit) * MILLIONTHS * 4 / 5 {
        return Some(format!(
            "the schedules need about {} new credentials an hour, but limits.mintsPerHour allows {limit}: \
             raise it, or lengthen the lifetimes. Otherwise renewals are late and nothing else is issued",
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
            "the schedules need about {requests} requests an hour, but limits.requestsPerSecond allows \
             {}: raise it, or lengthen the lifetimes. Otherwise renewals are late",
            rate * 3600
        )
    })
}

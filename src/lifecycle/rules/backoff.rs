//! Spacing after failures, and the limit on new credentials. Both are functions of the ledger's
//! history, so that neither a restart nor a new leader resets them.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ApiCredentialSpec, Reason},
    lifecycle::model::{
        Divided, FailureKind, FailureRecord, MINT_WINDOW, Moved, Repairs, Revision, StepKind, to_second,
    },
};

use super::{schedule, skew::TOLERANCE};

/// The fewest mints that an object may have within an hour.
const MINTS_AT_LEAST: u32 = 5;

const FIVE_SECONDS: SignedDuration = SignedDuration::from_secs(5);
const TEN_SECONDS: SignedDuration = SignedDuration::from_secs(10);
/// The fraction of the remaining life after which a failed renewal is tried again in its last
/// third.
const PART_OF_THE_REST: u16 = 12;

const HALF_A_MINUTE: SignedDuration = SignedDuration::from_secs(30);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);
const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const SIX_HOURS: SignedDuration = SignedDuration::from_hours(6);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Returns when a kind of step that failed may be tried again, which is always within a day.
#[must_use]
pub fn next_attempt(step: StepKind, record: &FailureRecord) -> Timestamp {
    let wait = match (step, record.reason, record.kind) {
        (StepKind::Mint, Reason::NeverAccepted, _) => {
            nth(record.count, &[SignedDuration::ZERO, HOUR, SIX_HOURS, DAY])
        }
        (StepKind::Mint, Reason::Unconfirmed, _) => nth(record.count, &[TEN_MINUTES, HOUR, SIX_HOURS]),
        (StepKind::Mint, _, Some(FailureKind::Ambiguous | FailureKind::Malformed)) => {
            doubling(record.count, HALF_A_MINUTE, HOUR)
        }
        // The provider may change its mind: a quota has room again, a scope was allowed meanwhile.
        (StepKind::Mint, _, Some(FailureKind::Rejected)) => HOUR,
        (StepKind::Mint, _, Some(FailureKind::Forbidden)) => {
            nth(record.count, &[MINUTE, FIVE_MINUTES, TEN_MINUTES])
        }
        (StepKind::Mint, _, Some(FailureKind::Unexplained)) => {
            doubling(record.count, FIVE_SECONDS, FIVE_MINUTES)
        }
        (_, _, Some(FailureKind::Forbidden | FailureKind::Rejected)) => TEN_MINUTES,
        // One answer that cannot be read may be a proxy's; if it persists, the provider's API has
        // changed.
        (_, _, Some(FailureKind::Malformed | FailureKind::Unexplained)) => {
            nth(record.count, &[TEN_SECONDS, MINUTE, TEN_MINUTES])
        }
        (StepKind::Publish, Reason::TargetForeign, _) => MINUTE,
        _ => doubling(record.count, FIVE_SECONDS, FIVE_MINUTES),
    };
    record.at.later(wait)
}

/// Returns when a renewal that failed may be tried again, if the published credential ends at `end`
/// and its last third begins at `third`: then sooner than `again`, at least half a minute after the
/// failed attempt at `failed`. After the end there is no hurry any more.
#[must_use]
pub fn before_the_end(
    again: Timestamp,
    failed: Timestamp,
    (third, end): (Timestamp, Timestamp),
) -> Timestamp {
    if failed >= end {
        return again;
    }
    let wait = if failed < third { HALF_A_MINUTE } else { end.duration_since(failed).part(PART_OF_THE_REST) };
    failed.later(wait.max(HALF_A_MINUTE)).max(third).min(again)
}

/// A failure in words, with the time at which it is tried again.
#[must_use]
pub fn with_next_attempt(message: &str, again: Timestamp) -> String {
    format!("{message}; the next attempt is at {}", to_second(again))
}

fn nth(count: u32, waits: &[SignedDuration]) -> SignedDuration {
    let index = (count.max(1) - 1) as usize;
    waits[index.min(waits.len() - 1)]
}

/// `first`, doubled for each further failure, up to `longest`.
#[must_use]
pub fn doubling(count: u32, first: SignedDuration, longest: SignedDuration) -> SignedDuration {
    let factor = 1_i32 << count.saturating_sub(1).min(20);
    first.checked_mul(factor).unwrap_or(longest).min(longest)
}

/// A part of `whole` that `seed` chooses, always the same one, so that those who failed together do
/// not come back together.
#[must_use]
pub fn part_of(whole: SignedDuration, seed: impl Hash) -> SignedDuration {
    let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(seed);
    let share = i32::from((hash >> 48) as u16);
    whole.checked_mul(share).map_or(SignedDuration::ZERO, |product| product / (1 << 16))
}

/// The number of repairs in a row, of a Secret that others change, that are made without a pause.
pub const REPAIRS_AT_ONCE: u32 = 20;
/// After so long without a repair, the count starts at zero.
const REPAIRS_FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

/// Returns the repairs in a row with the one that is made now.
#[must_use]
pub fn repaired(before: Option<Repairs>, now: Timestamp) -> Repairs {
    let recent = before.filter(|it| now.duration_since(it.last) < REPAIRS_FORGOTTEN);
    Repairs { count: recent.map_or(0, |it| it.count) + 1, last: now }
}

/// Returns the time of the next repair of a Secret: two writers that undo each other must not do so
/// without a pause.
#[must_use]
pub fn next_repair(repairs: Repairs) -> Timestamp {
    match repairs.count.checked_sub(REPAIRS_AT_ONCE) {
        None | Some(0) => repairs.last,
        Some(more) => repairs.last.later(doubling(more, SignedDuration::from_secs(1), MINUTE)),
    }
}

/// Returns the number of credentials that an object may have minted within an hour: five, or three
/// times what its lifetime needs, or the lifetime of the credential that it uses (a longer one
/// comes with the next credential). The *provider's* expiry does not count, or a provider that
/// answers with short lives could drive the limit up.
#[must_use]
pub fn mint_limit(spec: &ApiCredentialSpec, used: Option<&Revision>) -> u32 {
    let lifetimes = [spec.lifetime, used.and_then(|it| it.request.lifetime)];
    let Some(life) = lifetimes.into_iter().flatten().map(|it| it.signed()).min() else {
        return MINTS_AT_LEAST;
    };
    let between = life.saturating_sub(schedule::renew_before(spec, life)).as_secs().max(1);
    let needed = u32::try_from(MINT_WINDOW.as_secs() / between + 1).unwrap_or(u32::MAX);
    MINTS_AT_LEAST.max(needed.saturating_mul(3))
}

/// Returns whether a mint counts among those of the last hour. One in the future does not count
/// before its time: a wrong clock recorded it, and it would hold back all others until then. Clocks
/// may differ a little.
#[must_use]
pub fn counts(mint: Timestamp, now: Timestamp) -> bool {
    now.duration_since(mint) < MINT_WINDOW && mint.duration_since(now) <= TOLERANCE
}

/// Returns when the mint breaker lets the next credential through, or `None` if it does now.
#[must_use]
pub fn breaker_opens(
    mints: impl Iterator<Item = Timestamp>,
    limit: u32,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut recent: Vec<_> = mints.filter(|at| counts(*at, now)).collect();
    recent.sort_unstable();
    let surplus = recent.len().checked_sub(limit as usize)?;
    recent.get(surplus).map(|at| at.later(MINT_WINDOW))
}

//! Spacing after failures, and the limit on new credentials. Both are functions of the ledger's history, so that neither a
//! restart nor a new leader resets them.

use jiff::{SignedDuration, Timestamp};

use crate::api::{ApiCredentialSpec, Reason};

use super::{
    failure::FailureKind,
    ledger::{FailureRecord, MINT_WINDOW, Revision, StepKind},
    schedule,
};

/// The fewest mints that an object may have within an hour.
const MINTS_AT_LEAST: u32 = 5;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// When a kind of step that failed may be tried again; `Timestamp::MAX` means not before something changes.
#[must_use]
pub fn next_attempt(step: StepKind, record: &FailureRecord) -> Timestamp {
    let wait = match (step, record.reason, record.kind) {
        (StepKind::Mint, Reason::NeverAccepted, _) => {
            nth(record.count, &[SignedDuration::ZERO, HOUR, 6 * HOUR, 24 * HOUR])
        }
        (StepKind::Mint, Reason::Unconfirmed, _) => nth(record.count, &[10 * MINUTE, HOUR, 6 * HOUR]),
        (StepKind::Mint, _, Some(FailureKind::Ambiguous | FailureKind::Malformed)) => {
            doubling(record.count, 30 * SECOND, HOUR)
        }
        (StepKind::Mint, _, Some(FailureKind::Rejected)) => return Timestamp::MAX,
        (_, _, Some(FailureKind::Forbidden | FailureKind::Rejected)) => 10 * MINUTE,
        // One answer that cannot be read may be a proxy's; what stays so is a change of the provider's API.
        (_, _, Some(FailureKind::Malformed)) => nth(record.count, &[10 * SECOND, MINUTE, 10 * MINUTE]),
        (StepKind::Publish, Reason::TargetForeign, _) => MINUTE,
        _ => doubling(record.count, 5 * SECOND, 5 * MINUTE),
    };
    record.at.checked_add(wait).unwrap_or(Timestamp::MAX)
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

/// How often in a row a Secret that others change is put right at once.
pub const REPAIRS_AT_ONCE: u32 = 20;
/// After so long without a repair they are counted anew.
const REPAIRS_FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

/// How many repairs in a row the next one makes, after those that `repaired` tells of.
#[must_use]
pub fn repairs(repaired: Option<(u32, Timestamp)>, now: Timestamp) -> u32 {
    repaired.filter(|(_, at)| now.duration_since(*at) < REPAIRS_FORGOTTEN).map_or(1, |(count, _)| count + 1)
}

/// When a Secret may be put right again: two who write it in turn do not do so without a pause.
#[must_use]
pub fn next_repair((count, at): (u32, Timestamp)) -> Timestamp {
    match count.checked_sub(REPAIRS_AT_ONCE) {
        None | Some(0) => at,
        Some(more) => at + doubling(more, SignedDuration::from_secs(1), SignedDuration::from_mins(1)),
    }
}

/// How many credentials an object may have minted within an hour: five, or three times what its lifetime needs, or that for
/// which what it uses was made (a longer one comes with the next credential). What the *provider* says of expiry does not
/// count, or a provider that answers with short lives could drive the limit up.
#[must_use]
pub fn mint_limit(spec: &ApiCredentialSpec, used: Option<&Revision>) -> u32 {
    let lifetimes = [spec.lifetime, used.and_then(|it| it.request.lifetime)];
    let Some(life) = lifetimes.into_iter().flatten().map(|it| it.signed()).min() else {
        return MINTS_AT_LEAST;
    };
    let between = (life - schedule::renew_before(spec, life)).as_secs().max(1);
    let needed = u32::try_from(MINT_WINDOW.as_secs() / between + 1).unwrap_or(u32::MAX);
    MINTS_AT_LEAST.max(needed.saturating_mul(3))
}

/// When the mint breaker lets the next credential through, or `None` if it does now.
#[must_use]
pub fn breaker_opens(
    mints: impl Iterator<Item = Timestamp>,
    limit: u32,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut recent: Vec<_> = mints.filter(|at| now.duration_since(*at) < MINT_WINDOW).collect();
    recent.sort_unstable();
    let surplus = recent.len().checked_sub(limit as usize)?;
    recent.get(surplus).map(|at| *at + MINT_WINDOW)
}

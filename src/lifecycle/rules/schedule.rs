//! The times of a credential: its end, its replacement, and the revocation of the old one.
//!
//! Nothing here is random: jitter is a function of the object and the revision, so that every pass
//! and every replica gets the same time. A renewal time drawn on each pass could be dodged for
//! ever.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    api::{ApiCredentialSpec, Rotation},
    lifecycle::model::{Capabilities, Divided, Expiry, Moved, Revision},
};

/// The time for which old and new both work where the spec does not say.
const DEFAULT_OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// The pause between two tries of a published credential at the provider.
pub const CHECK_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The times of one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The end of its life: by the provider's clock, or by `lifetime` and ours.
    pub end: Timestamp,
    /// The time of its replacement.
    pub renewal: Timestamp,
}

/// Returns when `revision` ends: at the provider's expiry or at the end of its lifetime, whichever
/// is earlier. `None`: never.
#[must_use]
pub fn end(revision: &Revision) -> Option<Timestamp> {
    let issued = revision.issued_at?;
    let by_lifetime =
        revision.request.lifetime.and_then(|lifetime| issued.checked_add(lifetime.signed()).ok());
    [revision.expires_at, by_lifetime].into_iter().flatten().min()
}

/// The schedule of `revision`, or `None` if it never ends.
#[must_use]
pub fn schedule(object_uid: &str, spec: &ApiCredentialSpec, revision: &Revision) -> Option<Schedule> {
    let (issued, end) = (revision.issued_at?, end(revision)?);
    let life = end.duration_since(issued);
    let before = renew_before(spec, life);
    let jitter =
        before.as_millis() / 10 * i128::from(spread(object_uid, revision.revision)) / i128::from(u16::MAX);
    let jitter = SignedDuration::from_millis(i64::try_from(jitter).unwrap_or(0));
    Some(Schedule { end, renewal: end.earlier(before).earlier(jitter).max(issued) })
}

/// Returns how long before the end of `life` a credential is replaced: as the spec says, but a
/// third of its life if that is more than half of it.
#[must_use]
pub fn renew_before(spec: &ApiCredentialSpec, life: SignedDuration) -> SignedDuration {
    let third = life.part(3);
    match spec.rotation.as_ref().and_then(|rotation| rotation.renew_before) {
        Some(asked) if asked.signed() <= life.part(2) => asked.signed(),
        _ => third,
    }
}

/// Returns whether the spec's `renewBefore` is not followed because it is over half of `revision`'s
/// life.
#[must_use]
pub fn renew_before_is_too_long(spec: &ApiCredentialSpec, revision: &Revision) -> bool {
    let (Some(issued), Some(end)) = (revision.issued_at, end(revision)) else { return false };
    let asked = spec.rotation.as_ref().and_then(|rotation| rotation.renew_before);
    asked.is_some_and(|asked| asked.signed() > end.duration_since(issued).part(2))
}

/// A number that stands for an object's revision, evenly spread.
#[must_use]
pub fn spread(object_uid: &str, revision: u32) -> u16 {
    let hash = Sha256::digest(format!("{object_uid}/{revision}"));
    u16::from_be_bytes([hash[0], hash[1]])
}

/// Returns how long old and new both work.
#[must_use]
pub fn overlap(rotation: Option<&Rotation>) -> SignedDuration {
    rotation.and_then(|rotation| rotation.overlap).map_or(DEFAULT_OVERLAP, |overlap| overlap.signed())
}

/// Returns when a retired revision is revoked. The overlap is read from the current spec each time,
/// so that `request` with `overlap: 0s` is the emergency. It never outlasts the old credential, nor
/// the renewal of the new one.
#[must_use]
pub fn revoke_at(spec: &ApiCredentialSpec, old: &Revision, new: Option<Schedule>) -> Option<Timestamp> {
    let retired = old.retired_at?;
    if old.dead_at.is_some() {
        return Some(retired);
    }
    let by_overlap = retired.later(overlap(spec.rotation.as_ref()));
    [Some(by_overlap), end(old), new.map(|new| new.renewal)]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.max(retired))
}

/// Returns when a published revision is next tried at the provider: hourly since `last`, and spread
/// over the hour if the last time is not known.
#[must_use]
pub fn next_check(
    object_uid: &str,
    revision: &Revision,
    last: Option<Timestamp>,
    started: Timestamp,
) -> Timestamp {
    match last {
        Some(last) => last.later(CHECK_EVERY),
        None => {
            let since = revision.issued_at.map_or(started, |issued| issued.max(started));
            let share = CHECK_EVERY.as_secs() * i64::from(spread(object_uid, revision.revision))
                / i64::from(u16::MAX);
            since.later(SignedDuration::from_secs(share.max(60)))
        }
    }
}

/// Returns when the last third of a credential's life begins, and when it ends; `None` if it never
/// ends.
#[must_use]
pub fn last_third(revision: &Revision) -> Option<(Timestamp, Timestamp)> {
    let end = end(revision)?;
    Some((end.earlier(end.duration_since(revision.issued_at?).part(3)), end))
}

/// Returns when an unanswered call may be settled: at once if its own caller gave it up, and
/// otherwise not before the caller can no longer be waiting for it.
#[must_use]
pub fn settle_from(revision: &Revision, capabilities: &Capabilities) -> Timestamp {
    revision.unconfirmed_at.unwrap_or(revision.intent.call_by.later(capabilities.create_timeout()))
}

/// The end of life to ask a provider for, where it can enforce one.
#[must_use]
pub fn asked_expiry(revision: &Revision, capabilities: &Capabilities, now: Timestamp) -> Option<Timestamp> {
    match capabilities.expiry {
        Expiry::None | Expiry::OneOf(_) => None,
        Expiry::Instant => {
            revision.request.lifetime.and_then(|lifetime| now.checked_add(lifetime.signed()).ok())
        }
    }
}

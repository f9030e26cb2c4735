//! The rule for clocks: how far the clock of this process may be from the API server's.

use jiff::SignedDuration;

use crate::lifecycle::model::{Edit, Step, World};

/// The largest accepted difference of the clock from the API server's, and behind the last write of
/// a ledger.
pub(in crate::lifecycle) const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// Returns whether a clock that is ahead of the API server's by so much is wrong.
#[must_use]
pub fn is_wrong(skew: SignedDuration) -> bool {
    skew.unsigned_abs() > TOLERANCE.unsigned_abs()
}

/// Returns whether a step that was decided by a clock that seemed right must not be done by one
/// that is ahead by so much: exactly where the check of the clock would
/// hold it back, had it known. Deletion
/// continues.
#[must_use]
pub fn stops(world: &World, step: &Step, skew: SignedDuration) -> bool {
    let by_the_clock = matches!(step, Step::Mint(_) | Step::Record(Edit::StartRevoking(_)));
    by_the_clock && is_wrong(skew) && !world.is_ending()
}

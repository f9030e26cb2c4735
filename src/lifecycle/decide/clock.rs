//! The check of the clock. By a wrong clock, credentials would be revoked too early or renewed too
//! late, so nothing is minted, revoked or written down until it is right; the Secret of workloads
//! stays as it is.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{CLOCK_ANNOTATION, Reason, instant},
    lifecycle::{
        model::{
            ledger::Edit,
            plan::{Plan, Step},
            time::Moved,
            world::World,
        },
        status::to_second,
    },
};

use super::{facts::Pass, mint::rest_until, render_what_is_active};

/// The largest accepted difference of the clock from the API server's, and behind the last write of
/// a ledger.
pub(in crate::lifecycle) const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);
/// The time until the clock is checked again.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Returns whether a clock that is ahead of the API server's by so much is wrong.
#[must_use]
pub fn is_wrong(skew: SignedDuration) -> bool {
    skew.unsigned_abs() > TOLERANCE.unsigned_abs()
}

/// Returns whether a step that was decided by a clock that seemed right must not be done by one
/// that is ahead by so much: exactly where `check` would hold it back, had it known. Deletion
/// continues.
#[must_use]
pub fn stops(world: &World, step: &Step, skew: SignedDuration) -> bool {
    let by_the_clock = matches!(step, Step::Mint(_) | Step::Record(Edit::StartRevoking { .. }));
    by_the_clock && is_wrong(skew) && !Pass { world, now: Timestamp::MIN }.is_ending()
}

/// The clock of this process, or that of the ledger's last writer, is wrong. Deletion continues: a
/// credential that it cannot revoke is recorded.
pub(super) fn check(pass: &Pass<'_>) -> Option<Plan> {
    if pass.world.deleting() || pass.object()?.spec.suspend {
        return None;
    }
    let message = by_the_api_server(pass).or_else(|| by_the_ledger(pass))?;
    let rest = || rest_until(pass, pass.now.later(AGAIN), Reason::ClockSkew, message);
    render_what_is_active(pass).or_else(|| Some(rest()))
}

/// Returns whether the clock of this process, or that of the ledger's last writer, seems to be
/// wrong.
pub(super) fn seems_wrong(pass: &Pass<'_>) -> bool {
    by_the_api_server(pass).or_else(|| by_the_ledger(pass)).is_some()
}

fn by_the_api_server(pass: &Pass<'_>) -> Option<String> {
    let skew = pass.world.operator.skew;
    let direction = if skew.is_negative() { "behind" } else { "ahead of" };
    is_wrong(skew).then(|| {
        let seconds = std::time::Duration::from_secs(skew.unsigned_abs().as_secs());
        let seconds = SignedDuration::try_from(seconds).unwrap_or(SignedDuration::MAX);
        format!(
            "the clock of this node is {seconds:#} {direction} that of the API server: nothing is issued \
             or revoked until the clocks agree"
        )
    })
}

fn by_the_ledger(pass: &Pass<'_>) -> Option<String> {
    let written = to_second(pass.document()?.written_at);
    let annotations = pass.object().and_then(|object| object.metadata.annotations.as_ref());
    let said = annotations.and_then(|all| instant::parsed(all.get(CLOCK_ANNOTATION)?));
    if written.duration_since(pass.now) <= TOLERANCE || said == Some(written) {
        return None;
    }
    let (subject, now) = (&pass.world.subject, to_second(pass.now));
    Some(format!(
        "it is {now} by the clock of this node, but the ledger was last written at {written}: nothing is \
         issued or revoked until the clock is right. If it is, and the clock of the last writer was \
         wrong, say so: kubectl annotate apicred {} --namespace={} --overwrite \
         {CLOCK_ANNOTATION}={written}",
        subject.name, subject.namespace
    ))
}

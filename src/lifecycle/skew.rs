//! A clock that is wrong. By it, credentials would be revoked too early or renewed too late, so nothing is minted, revoked or written
//! down until it is right; what workloads read is kept as it is.

use jiff::{SignedDuration, Timestamp};

use crate::api::{CLOCK_ANNOTATION, Reason};

use super::{checks::render_what_is_active, mint::rest_until, pass::Pass, plan::Plan, status::to_second};

/// How far the clock may be from the API server's, and behind the last write of a ledger.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);
/// When it is looked at again.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Whether a clock that is ahead of the API server's by so much is wrong.
#[must_use]
pub fn is_wrong(skew: SignedDuration) -> bool {
    skew.abs() > TOLERANCE
}

/// The clock of this process, or that of the ledger's last writer, is wrong. Deletion goes on: what it cannot revoke is on record.
pub(super) fn check(pass: &Pass<'_>) -> Option<Plan> {
    if pass.world.deleting() || pass.object()?.spec.suspend {
        return None;
    }
    let message = by_the_api_server(pass).or_else(|| by_the_ledger(pass))?;
    let rest = || rest_until(pass, pass.now + AGAIN, Reason::ClockSkew, message);
    render_what_is_active(pass).or_else(|| Some(rest()))
}

fn by_the_api_server(pass: &Pass<'_>) -> Option<String> {
    let skew = pass.world.operator.skew;
    let direction = if skew.is_negative() { "behind" } else { "ahead of" };
    let seconds = SignedDuration::from_secs(skew.abs().as_secs());
    is_wrong(skew).then(|| {
        format!(
            "the clock here is {seconds:#} {direction} that of the API server: nothing is minted or revoked until the clocks of the \
             nodes agree"
        )
    })
}

fn by_the_ledger(pass: &Pass<'_>) -> Option<String> {
    let written = to_second(pass.document()?.written_at);
    let annotations = pass.object().and_then(|object| object.metadata.annotations.as_ref());
    let said = annotations.and_then(|all| all.get(CLOCK_ANNOTATION)?.parse::<Timestamp>().ok());
    if written.duration_since(pass.now) <= TOLERANCE || said == Some(written) {
        return None;
    }
    let (subject, now) = (&pass.world.subject, to_second(pass.now));
    Some(format!(
        "it is {now} by the clock here, and the ledger was last written at {written}: nothing is minted or revoked until the clock of \
         this node is right. If it is, and that of the last writer was wrong: kubectl annotate apicred {} --namespace={} --overwrite \
         {CLOCK_ANNOTATION}={written}",
        subject.name, subject.namespace
    ))
}

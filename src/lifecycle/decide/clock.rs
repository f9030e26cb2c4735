//! The check of the clock. By a wrong clock, credentials would be revoked too early or renewed too
//! late, so nothing is minted, revoked or written down until it is right; the Secret of workloads
//! stays as it is.

use jiff::SignedDuration;

use crate::{
    api::{CLOCK_ANNOTATION, Reason, instant},
    lifecycle::{
        model::{
            plan::Plan,
            time::{Moved, to_second},
        },
        rules::skew,
    },
};

use super::{facts::Pass, publish::render_what_is_active};

/// The time until the clock is checked again.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// The clock of this process, or that of the ledger's last writer, is wrong. Deletion continues: a
/// credential that it cannot revoke is recorded.
pub(super) fn check(pass: &Pass<'_>) -> Option<Plan> {
    if pass.world.deleting() || pass.object()?.spec.suspend {
        return None;
    }
    let message = by_the_api_server(pass).or_else(|| by_the_ledger(pass))?;
    let rest = || pass.rest_until(pass.now.later(AGAIN), Reason::ClockSkew, message);
    render_what_is_active(pass).or_else(|| Some(rest()))
}

/// Returns whether the clock of this process, or that of the ledger's last writer, seems to be
/// wrong.
pub(super) fn seems_wrong(pass: &Pass<'_>) -> bool {
    by_the_api_server(pass).or_else(|| by_the_ledger(pass)).is_some()
}

fn by_the_api_server(pass: &Pass<'_>) -> Option<String> {
    let ahead = pass.world.operator.skew;
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    skew::is_wrong(ahead).then(|| {
        let seconds = std::time::Duration::from_secs(ahead.unsigned_abs().as_secs());
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
    if written.duration_since(pass.now) <= skew::TOLERANCE || said == Some(written) {
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

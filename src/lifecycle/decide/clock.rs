//! The check of the clock. By a wrong clock, credentials would be revoked too early or renewed too
//! late, so nothing is minted, revoked or written down until it is right; the Secret of workloads
//! stays as it is.

use jiff::SignedDuration;

use crate::{
    api::{CLOCK_ANNOTATION, Reason, instant},
    lifecycle::{
        model::{Moved, Plan, to_second},
        rules::skew,
    },
};

use super::{facts::Facts, publish::render_what_is_active};

/// The time until the clock is checked again.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// The clock of this process, or that of the ledger's last writer, is wrong. Deletion continues: a
/// credential that it cannot revoke is recorded.
pub(super) fn check(facts: &Facts<'_>) -> Option<Plan> {
    if facts.world.deleting() || facts.object()?.spec.suspend {
        return None;
    }
    let message = by_the_api_server(facts).or_else(|| by_the_ledger(facts))?;
    let rest = || Plan::rest_until(facts.now.later(AGAIN), Reason::ClockSkew, message);
    render_what_is_active(facts).or_else(|| Some(rest()))
}

/// Returns whether the clock of this process, or that of the ledger's last writer, seems to be
/// wrong.
pub(super) fn seems_wrong(facts: &Facts<'_>) -> bool {
    by_the_api_server(facts).or_else(|| by_the_ledger(facts)).is_some()
}

fn by_the_api_server(facts: &Facts<'_>) -> Option<String> {
    let ahead = facts.world.operator.skew;
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

fn by_the_ledger(facts: &Facts<'_>) -> Option<String> {
    let written = to_second(facts.document()?.written_at);
    let said = facts.annotation(CLOCK_ANNOTATION).and_then(|it| instant::parsed(it));
    if written.duration_since(facts.now) <= skew::TOLERANCE || said == Some(written) {
        return None;
    }
    let (subject, now) = (&facts.world.subject, to_second(facts.now));
    Some(format!(
        "it is {now} by the clock of this node, but the ledger was last written at {written}: nothing is \
         issued or revoked until the clock is right. If it is, and the clock of the last writer was \
         wrong, say so: kubectl annotate apicred {} --namespace={} --overwrite \
         {CLOCK_ANNOTATION}={written}",
        subject.name, subject.namespace
    ))
}

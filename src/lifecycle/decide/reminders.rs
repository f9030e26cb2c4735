//! All steps that wait for a person: for the condition ActionRequired and for the daily reminder.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::Reason,
    lifecycle::{
        model::{FailureKind, Rest, State, Step, StepKind, to_second},
        rules::backoff,
    },
};

use super::{facts::Facts, removal};

/// The pause between two reminders.
const REMIND_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The number of failures of a revocation in a row after which a message is published.
pub(in crate::lifecycle) const TOLD_AFTER: u32 = 3;

/// Returns what a person has to do, the most important first: each with its reason and its steps.
pub(in crate::lifecycle) fn outstanding(facts: &Facts<'_>, rest: &Rest) -> Vec<(Reason, String)> {
    let silent = matches!(
        rest.reason,
        Reason::Suspended | Reason::Deleting | Reason::LedgerUnreadable | Reason::LedgerLost
    );
    if silent {
        return Vec::new();
    }
    let asked = rest.action.as_ref().map(|_| (rest.reason, rest.in_full()));
    let removals = removal::awaited(facts).map(|message| (Reason::RemovalAwaited, message));
    let refused = refused_revocation(facts).map(|message| (Reason::RevocationFailed, message));
    asked.into_iter().chain(removals).chain(refused).collect()
}

/// Returns the message about a revocation that the provider refuses, or that fails again and again:
/// the credential still works. Credwright retries until it succeeds, or until the pair is refused
/// because a person has removed the credential.
fn refused_revocation(facts: &Facts<'_>) -> Option<String> {
    let record = facts.failed(StepKind::Revoke)?;
    let refuses =
        record.kind.is_some_and(|kind| kind != FailureKind::Ambiguous && kind.is_of_one_credential());
    let revision = record.revision.and_then(|number| facts.document()?.revision(number))?;
    if revision.state != State::Revoking || !(refuses || record.count >= TOLD_AFTER) {
        return None;
    }
    let capabilities = facts.capabilities(revision)?;
    Some(format!(
        "{}; it may still be used. Remove {} at {}. Credwright retries at {}, and then notices that it is \
         gone",
        record.message,
        revision.described(),
        &capabilities.place,
        to_second(backoff::next_attempt(StepKind::Revoke, record))
    ))
}

/// The daily reminder of what a person has to do.
pub(super) enum Reminder {
    /// It is due.
    Due(Step),
    /// It is due then.
    At(Timestamp),
}

/// Returns the reminder of what a person has to do while Credwright rests; `None` if nobody has to
/// do anything.
pub(super) fn reminder(facts: &Facts<'_>, rest: &Rest) -> Option<Reminder> {
    let notes = outstanding(facts, rest);
    if notes.is_empty() {
        return None;
    }
    let (due, next) = reminders(facts)?;
    let last = facts.world.memory.reminded.unwrap_or(facts.world.operator.started);
    let is_due = due.is_some_and(|due| due > last);
    Some(if is_due { Reminder::Due(Step::Remind(notes)) } else { Reminder::At(next) })
}

/// The reminder that was due last, if there was one, and the next. They come whole days after the
/// object was created: the same for every process, so that a restart sends no reminder.
fn reminders(facts: &Facts<'_>) -> Option<(Option<Timestamp>, Timestamp)> {
    let made = facts.object()?.metadata.creation_timestamp.as_ref()?.0;
    let days = facts.now.duration_since(made).as_hours().max(0) / REMIND_EVERY.as_hours();
    let nth = |days: i64| made.checked_add(REMIND_EVERY.checked_mul(i32::try_from(days).ok()?)?).ok();
    Some((nth(days).filter(|_| days > 0), nth(days + 1)?))
}

//! What people have to do, all together: for the condition ActionRequired and for the daily reminder.

use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;

use super::{
    pass::Pass,
    plan::{Plan, Step, Wake},
    removal,
};

/// How often people are reminded.
const REMIND_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What a person has to do, the most important first: why, and what is so and what to do about it.
pub(super) fn outstanding(pass: &Pass<'_>, plan: &Plan) -> Vec<(Reason, String)> {
    let silent = matches!(
        plan.reason,
        Reason::Suspended | Reason::Deleting | Reason::LedgerUnreadable | Reason::LedgerLost
    );
    if silent {
        return Vec::new();
    }
    let asked = plan.action.as_ref().map(|_| (plan.reason, plan.in_full()));
    let removals = removal::awaited(pass).map(|message| (Reason::RemovalAwaited, message));
    asked.into_iter().chain(removals).collect()
}

/// A plan at rest, with the daily reminder of what a person has to do.
pub(super) fn with_reminder(pass: &Pass<'_>, plan: Plan) -> Plan {
    let notes: Vec<(Reason, String)> = match plan.step {
        Some(_) => Vec::new(),
        None => outstanding(pass, &plan),
    };
    if notes.is_empty() {
        return plan;
    }
    let Some((due, next)) = reminders(pass) else { return plan };
    let last = pass.world.memory.reminded.unwrap_or(pass.world.operator.started);
    if due.is_some_and(|due| due > last) {
        return Plan { step: Some(Step::Remind(notes)), wake: Wake::OnChange, ..plan };
    }
    let wake = match plan.wake {
        Wake::At(at) => Wake::At(at.min(next)),
        Wake::OnChange => Wake::At(next),
    };
    Plan { wake, ..plan }
}

/// The reminder that was due last, if there was one, and the next. They come whole days after the object was made: the same
/// for every process, so that a restart reminds nobody.
fn reminders(pass: &Pass<'_>) -> Option<(Option<Timestamp>, Timestamp)> {
    let made = pass.object()?.metadata.creation_timestamp.as_ref()?.0;
    let days = pass.now.duration_since(made).as_hours().max(0) / REMIND_EVERY.as_hours();
    let nth = |days: i64| Some(made + REMIND_EVERY * i32::try_from(days).ok()?);
    Some((nth(days).filter(|_| days > 0), nth(days + 1)?))
}

//! The parts of tables: times, plans in words, and rows.

use jiff::{SignedDuration, Timestamp};

use super::builders::*;
use crate::{
    api::{Duration, Reason},
    lifecycle::{
        decide,
        failure::FailureKind,
        ledger::{Edit, StepKind},
        plan::{Plan, Rest, Step},
    },
};

pub(super) use crate::lifecycle::{
    plan::Removed,
    world::{Repairs, Tried},
};

pub(super) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(super) fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

pub(super) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

pub(super) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub(super) fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

pub(super) fn lasting(text: &str) -> Option<Duration> {
    Some(text.parse().unwrap())
}

/// The reason, message, action and wake of a plan: of one with a step, the rest without it.
pub(super) fn rest_of(plan: &Plan) -> Rest {
    plan.clone().at_rest()
}

/// A plan in a few words, for tables and stories.
pub(super) fn in_words(plan: &Plan) -> String {
    let reason = rest_of(plan).reason.as_str();
    match plan.step() {
        None => format!("rest: {}", reason),
        Some(Step::Mint(it)) => format!("mint {}: {}", it.revision, reason),
        Some(Step::Take(it)) => format!("take {}: {}", it.revision, reason),
        Some(Step::Publish { revision, previous: None, .. }) => format!("publish {revision}"),
        Some(Step::Publish { revision, previous: Some(previous), .. }) => {
            format!("publish {revision} and {previous}")
        }
        Some(Step::Settle { revision }) => format!("settle {revision}"),
        Some(Step::Verify { revision }) => format!("verify {revision}"),
        Some(Step::Revoke { revision }) => format!("revoke {revision}"),
        Some(Step::Inherit(it)) => format!("inherit {} as {:?}", it.through, it.how),
        Some(Step::Recover(it)) => {
            let revisions: Vec<u32> = it.revisions.iter().map(|it| it.revision).collect();
            let published = it.published.as_ref().map(|it| it.revision);
            format!("recover {revisions:?}, published {published:?}, through {}", it.inherited.through)
        }
        Some(Step::Record(Edit::Stray(it))) => format!("stray {}", it.revision),
        Some(Step::Abandon(it)) => format!("abandon {}: {:?}", it.revision, it.kind),
        Some(Step::Record(edit)) => format!("record {edit:?}").replace("([", " [").replace("])", "]"),
        Some(step) => format!("{step:?}"),
    }
}

/// A sentence, a world, and what is decided.
pub(super) type Row = (&'static str, Scene, &'static str);

pub(super) fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (sentence, scene, expected) in rows {
        let plan = decide(&scene.world(), noon());
        let decided = in_words(&plan);
        if decided != expected {
            wrong.push(format!(
                "{sentence}:\n  expected {expected}\n  decided  {decided} ({})",
                rest_of(&plan).message
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) fn active() -> Scene {
    a_credential().issued(days(10)).published()
}

pub(super) fn rotating() -> Scene {
    a_credential().issued(days(80)).published().issued(minutes(1))
}

pub(super) fn overlapping() -> Scene {
    a_credential().issued(days(80)).retiring(hours(1)).issued(hours(2)).published()
}

pub(super) fn unpublishable(scene: Scene) -> Scene {
    scene.failed(StepKind::Publish, Reason::TemplateInvalid, FailureKind::Unavailable, seconds(1))
}

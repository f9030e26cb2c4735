//! A guard against passes that make no progress. A step that is needed again at once, although
//! nothing has changed since it was done, would be needed for ever, as fast as the API server
//! answers. So would a step that meets a write conflict each time. Both end the pass as an error,
//! which is retried with backoff.
//!
//! A step that is needed later (polling) is not affected: then the plan rests, and the next pass
//! begins with nothing done.

use std::mem::{Discriminant, discriminant};

use crate::lifecycle::model::{Edit, IntakeView, LedgerView, Memory, Step, TargetView, World};

/// The number of steps of one pass that may meet a write conflict: each of them leaves the newest
/// state behind, so the next attempt is as good as any.
const CONFLICTS: u32 = 5;

/// The progress of one pass.
#[derive(Debug, Default)]
pub struct Progress {
    done: Option<(Kind, Seen)>,
    conflicts: u32,
}

/// The cause for which a pass is ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// A step changes nothing.
    #[error("{0} succeeded, changed nothing and is needed again at once")]
    Repeated(String),
    /// Others get in the way.
    #[error("{CONFLICTS} write conflicts in a row, the last: {0}")]
    Conflicts(String),
}

/// The kind of a step, without the random parts of each plan.
type Kind = (Discriminant<Step>, Option<u32>, Option<Discriminant<Edit>>);

/// All that a step may change.
#[derive(Debug, PartialEq)]
struct Seen {
    object: Option<(Option<String>, Option<String>)>,
    ledger: Option<(String, String, bool, bool)>,
    copy: Option<Option<String>>,
    targets: Vec<TargetView>,
    intake: Option<IntakeView>,
    memory: Memory,
}

impl Progress {
    /// Notes that `step` is about to be done in `world`.
    ///
    /// # Errors
    /// If it was done in just this world before.
    pub fn begins(&mut self, world: &World, step: &Step) -> Result<(), Stuck> {
        let now = (kind(step), seen(world));
        if self.done.as_ref() == Some(&now) {
            return Err(Stuck::Repeated(name(step)));
        }
        self.done = Some(now);
        Ok(())
    }

    /// Notes that the step was not done, because of a write conflict.
    ///
    /// # Errors
    /// If that happens too often.
    pub fn gives_way(&mut self, to: &dyn std::fmt::Display) -> Result<(), Stuck> {
        self.done = None;
        self.conflicts += 1;
        if self.conflicts < CONFLICTS { Ok(()) } else { Err(Stuck::Conflicts(to.to_string())) }
    }
}

fn kind(step: &Step) -> Kind {
    let edit = match step {
        Step::Record(edit) => Some(discriminant(edit)),
        _ => None,
    };
    (discriminant(step), step.revision(), edit)
}

/// The step's name, without its data.
fn name(step: &Step) -> String {
    let text = format!("{step:?}");
    text.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn seen(world: &World) -> Seen {
    let object = world.subject.object.as_ref();
    let ledger = match &world.ledger {
        LedgerView::Absent => None,
        LedgerView::Unreadable { why, terminating, .. } => {
            Some((String::new(), why.clone(), false, *terminating))
        }
        LedgerView::Present { document, uid, held, terminating, .. } => {
            Some((uid.clone(), document.write_id.clone(), *held, terminating.is_some()))
        }
    };
    Seen {
        object: object.map(|it| (it.metadata.uid.clone(), it.metadata.resource_version.clone())),
        ledger,
        copy: world.copy.as_ref().map(|it| it.document.as_ref().map(|it| it.write_id.clone())),
        targets: world.targets.clone(),
        intake: world.intake.clone(),
        memory: world.memory.clone(),
    }
}

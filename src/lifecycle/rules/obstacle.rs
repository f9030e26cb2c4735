//! Messages about obstacles: a pass that ends as an error decides nothing, and without this an
//! object would never say why.

use crate::{
    api::Reason,
    lifecycle::model::{Rest, World},
};

/// The number of failed attempts in a row after which an error that may pass by itself is reported.
const TOLD_AFTER: u32 = 3;

/// The cause for which a pass could not be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The API server refuses a call: it needs a person.
    Refused {
        /// The call that was refused.
        what: String,
        /// The API server's words.
        why: String,
    },
    /// Anything else.
    Failed(String),
}

/// Returns the message about an obstacle that was met `attempts` times in a row; `None` if that is
/// too early. It does not name the next attempt, which is the queue's.
#[must_use]
pub fn rest(world: &World, obstacle: &Obstacle, attempts: u32) -> Option<Rest> {
    let (reason, message, action) = match obstacle {
        Obstacle::Refused { what, why } => {
            let message = format!(
                "the API server refuses a request that Credwright needs, {what}: {why}. Credwright \
                 retries by itself"
            );
            let action = format!(
                "have the quota raised, the policy changed or the right granted that this message names, \
                 in the namespace {}",
                world.subject.namespace
            );
            (Reason::ApiServerRefused, message, Some(action))
        }
        Obstacle::Failed(why) if attempts >= TOLD_AFTER => {
            let message = format!("Credwright cannot continue: {why}. It retries by itself");
            (Reason::NoProgress, message, None)
        }
        Obstacle::Failed(_) => return None,
    };
    Some(Rest { action, ..Rest::new(reason, message) })
}

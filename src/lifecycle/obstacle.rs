//! What keeps a pass from coming to rest, told to people: a pass that ends as an error decides
//! nothing, and without this an object would never say why.

use crate::api::Reason;

use super::{
    plan::{Plan, Wake},
    world::World,
};

/// How many attempts in a row have to fail before people are told of what may be over by itself.
const TOLD_AFTER: u32 = 3;

/// Why a pass could not be carried through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The API server refuses a call: it needs a person.
    Refused {
        /// What was being done.
        what: String,
        /// The API server's words.
        why: String,
    },
    /// Anything else.
    Failed(String),
}

/// Returns what people are told of an obstacle that was met `attempts` times in a row; `None` if
/// that is too early. What is waited for meanwhile is not in it: the next attempt is the queue's.
#[must_use]
pub fn plan(world: &World, obstacle: &Obstacle, attempts: u32) -> Option<Plan> {
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
    Some(Plan { step: None, reason, message, action, wake: Wake::OnChange })
}

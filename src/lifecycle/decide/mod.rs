//! The ordered, named checks. The first that returns a plan wins; read from top to bottom, they are
//! the specification.

use jiff::Timestamp;

use crate::api::Reason;

use super::{
    decide::facts::Facts,
    model::{plan::Plan, world::World},
};

mod by_hand;
mod clock;
pub(super) mod deletion;
pub(super) mod facts;
pub mod growth;
pub mod inherit;
mod mint;
mod object;
pub(super) mod permitted;
mod publish;
pub(super) mod recovery;
pub(super) mod reminders;
pub(super) mod removal;
mod request;
mod revoke;
mod supported;
pub(super) mod waiting;

/// Decides the next step. A function: same world, same time, same plan.
#[must_use]
pub fn decide(world: &World, now: Timestamp) -> Plan {
    let facts = Facts { world, now };
    let plan = CHECKS.iter().find_map(|check| check(&facts));
    reminders::with_reminder(&facts, plan.unwrap_or_else(|| facts.rest(Reason::Issued, String::new())))
}

type Check = fn(&Facts<'_>) -> Option<Plan>;

const CHECKS: &[Check] = &[
    recovery::needless_copy,
    deletion::without_ledger::unwritable,
    deletion::without_its_object,
    deletion::without_ledger::check,
    recovery::unreadable_ledger,
    deletion::predecessor,
    clock::check,
    inherit::take_over,
    inherit::claim,
    deletion::check,
    permitted::outlived,
    object::suspended,
    object::not_held,
    recovery::deleted_ledger,
    recovery::outdated_ledger,
    recovery::lost_ledger,
    object::note_policy,
    publish::follow_the_provider,
    publish::render_what_is_active,
    removal::said_to_be_gone,
    deletion::never_confirmed,
    revoke::settle,
    publish::verify,
    publish::publish,
    publish::retire,
    publish::try_what_is_published,
    inherit::identity_clash,
    inherit::strays,
    publish::note_renaming,
    publish::remove_renamed_target,
    revoke::start_revoking,
    revoke::revoke,
    removal::look,
    growth::hand_over,
    mint::give_up,
    mint::check,
];

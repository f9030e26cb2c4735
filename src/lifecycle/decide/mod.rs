//! The ordered, named checks. The first that returns a plan wins; read from top to bottom, they are
//! the specification.

use jiff::Timestamp;

use crate::api::Reason;

use super::model::{Plan, Rest, Wake, World};

mod by_hand;
mod clock;
pub(super) mod deletion;
pub(super) mod facts;
pub mod growth;
pub mod inherit;
mod instants;
mod mint;
mod object;
mod parameters;
pub(super) mod permitted;
mod publish;
pub(super) mod recovery;
pub(super) mod reminders;
pub(super) mod removal;
mod request;
mod supported;
pub(super) mod waiting;

use self::{facts::Facts, reminders::Reminder};

/// Decides the next step, or how long to rest. A function: same world, same time, same plan.
#[must_use]
pub fn decide(world: &World, now: Timestamp) -> Plan {
    let facts = Facts { world, now };
    let plan = CHECKS.iter().copied().flatten().find_map(|check| check(&facts));
    let rest = match plan.unwrap_or_else(|| Plan::rest(Reason::Issued, String::new())) {
        Plan::Rest(rest) => rest,
        act @ Plan::Act { .. } => return act,
    };
    let reminder = match reminders::reminder(&facts, &rest) {
        Some(Reminder::Due(step)) => {
            return Plan::Act { step, reason: rest.reason, message: rest.message };
        }
        Some(Reminder::At(at)) => Some(at),
        None => None,
    };
    let known = rest.wake.instant().into_iter().chain(reminder);
    Plan::Rest(Rest { wake: Wake::earliest(known.chain(instants::all(&facts))), ..rest })
}

/// A check: a plan, if it is the one that decides.
type Check = fn(&Facts<'_>) -> Option<Plan>;

/// The groups of checks, in the order in which they are asked.
///
/// Deletion has several places: a ledger that cannot be written, or has no object, is finished
/// before anything is expected of an object. The deletion of an object comes before all that would
/// be done for it if it lived.
const CHECKS: &[&[Check]] = &[
    LEFTOVERS,
    TRUST,
    ENDING,
    OBJECT_AND_LEDGER,
    SECRET_OF_WORKLOADS,
    LOST_RESPONSES,
    REPLACING,
    OLD_CREDENTIALS,
    NEW_CREDENTIAL,
];

/// Leftovers of earlier objects, and of ledgers.
const LEFTOVERS: &[Check] = &[
    // A copy of the ledger is removed while the ledger itself is there to stay.
    recovery::needless_copy,
    // A deletion does not wait for a ledger that the API server has refused to write until the
    // deadline: its credentials are recorded.
    deletion::without_ledger::unwritable,
    // The ledger of a deleted object is finished, and closed.
    deletion::without_its_object,
    // The deletion of an object whose ledger is gone or unreadable waits for the ledger until the
    // deadline, and then records the credentials in the copy or in status.
    deletion::without_ledger::check,
    // Nothing is done by a ledger that cannot be read.
    recovery::unreadable_ledger,
    // The ledger of an earlier object of this name is finished before this object gets its own.
    deletion::predecessor,
];

/// Trust: in the clock, and in a ledger that was restored.
const TRUST: &[Check] = &[
    // By a wrong clock, only the Secret of workloads is restored. Deletion continues.
    clock::check,
    // A ledger that was restored or cloned is adopted, or borrowed from its cluster.
    inherit::take_over,
    // A person claims inherited credentials for this cluster.
    inherit::claim,
];

/// The end of the object, or of its life at a shared provider.
const ENDING: &[Check] = &[
    // A deleted object's credentials are revoked, or recorded at the deadline.
    deletion::check,
    // A credential of a shared provider that may not be renewed is revoked at the end of its life,
    // even if the object is suspended.
    permitted::outlived,
];

/// The object and its ledger.
const OBJECT_AND_LEDGER: &[Check] = &[
    // A suspended object is left as it is.
    object::suspended,
    // The object gets our finalizer before anything is made for it.
    object::not_held,
    // A ledger that somebody deletes is copied, and recreated.
    recovery::deleted_ledger,
    // A ledger without its own UID, our label or the current key is written once more.
    recovery::outdated_ledger,
    // A ledger that is gone is restored from its copy, or rebuilt from status and Secret.
    recovery::lost_ledger,
    // The ledger knows the object's deletion policy.
    object::note_policy,
];

/// The Secret that workloads read comes before everything that calls a provider.
const SECRET_OF_WORKLOADS: &[Check] = &[
    // The fields beside the pair follow the provider's.
    publish::follow_the_provider,
    // A Secret that was deleted or changed is restored.
    publish::render_what_is_active,
];

/// Lost responses.
const LOST_RESPONSES: &[Check] = &[
    // A person confirms that a credential was removed.
    removal::said_to_be_gone,
    // A lost response that can never be settled is recorded.
    deletion::giving_up::never_confirmed,
    // The credential of a lost response is searched for.
    deletion::settle,
];

/// A new credential replaces the old one.
const REPLACING: &[Check] = &[
    // A new credential is tried at the provider until it is accepted.
    publish::verify,
    // An accepted credential is published.
    publish::publish,
    // The credentials before a published one retire.
    publish::retire,
    // A published credential is tried from time to time.
    publish::try_what_is_published,
];

/// The end of old credentials.
const OLD_CREDENTIALS: &[Check] = &[
    // Nothing is issued or revoked while two clusters seem to use the same tag.
    inherit::identity_clash,
    // Leftovers at the provider are revoked.
    inherit::strays,
    // The ledger records when `secret.name` was changed.
    publish::note_renaming,
    // The Secret of the earlier name is deleted after the overlap.
    publish::remove_renamed_target,
    // A retired credential is to be revoked once its overlap is over.
    deletion::start_revoking,
    // Credentials that are to be revoked are revoked, one at a time.
    deletion::revoke,
    // A person may have removed a credential that Credwright cannot revoke.
    removal::look,
    // A ledger with too many unrevoked credentials hands the oldest one over to a record.
    growth::hand_over,
];

/// A new credential.
const NEW_CREDENTIAL: &[Check] = &[
    // A credential that was never published and no longer fits the spec is given up.
    mint::give_up,
    // A new credential is minted if one is needed and nothing holds it back.
    mint::check,
];

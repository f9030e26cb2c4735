//! The account that a step calls, and the order in which steps get their turn there.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ProviderKind, Reason},
    lifecycle::model::{
        ledger::{Account, Revision},
        plan::{Plan, Step},
        time::Divided,
        world::World,
    },
};

use super::schedule;

/// A credential this close to its end comes before ordinary work, if that is also the last tenth of
/// its life.
const ENDS_SOON: SignedDuration = SignedDuration::from_hours(1);

/// The order at an account; the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// A credential leaked, or the provider refuses the published one.
    Leaked,
    /// The credential that workloads use ends soon.
    Ending,
    /// An object is being deleted.
    Deletion,
    /// Everything else.
    Ordinary,
}

impl Step {
    /// Returns the account that the step calls; `None` if it only touches Kubernetes.
    #[must_use]
    pub fn account<'a>(&'a self, world: &'a World) -> Option<&'a Account> {
        let of = |revision: &u32| Some(&world.document()?.revision(*revision)?.account);
        match self {
            Self::Mint(revision) | Self::Take(revision) => Some(&revision.account),
            Self::CheckRemoval { revision, .. }
            | Self::Settle { revision }
            | Self::Verify { revision }
            | Self::Revoke { revision } => of(revision),
            _ => None,
        }
    }

    /// Returns the provider at which the step waits for its turn. A new object gets our finalizer
    /// in its turn for the first credential, so that one pass does everything for it.
    #[must_use]
    pub fn turn_at<'a>(&'a self, world: &'a World) -> Option<(ProviderKind, &'a str)> {
        match self {
            Self::HoldObject => {
                world.provider_of_new().map(|(reference, _)| (reference.kind, reference.name.as_str()))
            }
            _ => self.account(world).map(|it| (it.kind, it.name.as_str())),
        }
    }
}

/// Returns how urgent the step of `plan` is at its account.
#[must_use]
pub fn urgency(world: &World, plan: &Plan, now: Timestamp) -> Urgency {
    let revision = |number: &u32| world.document().and_then(|document| document.revision(*number));
    let replaces = match plan.step() {
        Some(Step::Mint(new) | Step::Take(new)) => Some(&**new),
        Some(Step::Verify { revision: number } | Step::Settle { revision: number }) => {
            revision(number).filter(|it| world.published().is_none_or(|there| there.revision < it.revision))
        }
        _ => None,
    };
    let revokes = matches!(plan.step(), Some(Step::Revoke { .. }));
    let newest = || world.document().and_then(|document| document.newest_issued());
    if world.is_ending() {
        Urgency::Deletion
    } else if replaces.is_some_and(|it| is_emergency(world, it))
        || revokes && newest().is_some_and(|it| is_emergency(world, it))
    {
        Urgency::Leaked
    } else if replaces.is_some() && ends_soon(world, now) {
        Urgency::Ending
    } else {
        Urgency::Ordinary
    }
}

/// Returns whether `new` replaces a credential that must not be used any more: the provider refuses
/// it, or a person rotates without an overlap.
fn is_emergency(world: &World, new: &Revision) -> bool {
    let rotation = world.subject.object.as_ref().and_then(|object| object.spec.rotation.as_ref());
    let at_once = rotation.and_then(|it| it.overlap).is_some_and(|it| it.signed().is_zero());
    new.reason == Reason::FoundRevoked || new.reason == Reason::Requested && at_once
}

fn ends_soon(world: &World, now: Timestamp) -> bool {
    let active = world.active();
    let times = active.and_then(|it| Some((it.issued_at?, schedule::end(it)?)));
    times.is_some_and(|(issued, end)| {
        let tenth = end.duration_since(issued).part(10);
        end.duration_since(now) <= tenth.min(ENDS_SOON)
    })
}

//! Turns: the engine asks before it calls a provider for more than one step of one object.
//!
//! The turn is decided above; here it is only requested.

use super::ProviderKey;

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// To probe whether the account answers and accepts our login.
    Probe,
    /// To list our credentials of the account.
    List,
    /// To end an abandoned credential.
    Attempt,
}

/// The one who says whose turn it is.
pub trait Turns: Send {
    /// Returns whether the account may be called now. If so, the work counts until [`Self::end`];
    /// if not, the item is woken in its turn.
    fn begin(&mut self, work: Work, account: &ProviderKey) -> bool;

    /// Ends the work that has begun.
    fn end(&mut self);
}

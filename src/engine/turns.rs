//! Turns: the engine asks before it calls a provider for more than one step of one object.
//!
//! Whose turn it is, is decided above; here it is only asked.

use super::stores::ProviderKey;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// To see whether the account answers and takes our login.
    Probe,
    /// To list what the account holds of ours.
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

//! The finalizers on logins: a login that is deleted stays as long as credentials can only be
//! revoked with it.
//!
//! A login can be replaced at any time, unless its provider, or credentials that were made with it,
//! are being deleted together with it: with a namespace, everything is deleted at once and in any
//! order.

use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::model::Moved;

/// An object is given up at its deadline, and by then its login must still be there to be copied.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// The time for which a login stays that is deleted before anything else: other objects that are
/// deleted together with it show up in that time.
const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// A login Secret that carries our finalizer.
#[derive(Clone, Debug)]
pub struct Login {
    /// True if its owner lets it be used.
    pub offered: bool,
    /// The time at which its deletion began.
    pub terminating: Option<Timestamp>,
    /// True if its namespace is being deleted, too.
    pub namespace_going: bool,
    /// The providers that log in with it.
    pub users: Vec<User>,
    /// The time that the deletion of an object waits for its credentials to be revoked.
    pub revocation_deadline: SignedDuration,
}

/// A provider that logs in with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct User {
    /// True if its object is being deleted.
    pub deleting: bool,
    /// True if any credential made at it may still work.
    pub lives: bool,
    /// True if any of them is about to be revoked, because its object is being deleted or is gone.
    pub going: bool,
}

/// The change to make to a finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It stays.
    Keep,
    /// It stays until then.
    Until(Timestamp),
    /// It is taken off.
    LetGo,
}

/// Returns the change to make to our finalizer on a login.
#[must_use]
pub fn login(it: &Login, now: Timestamp) -> Hold {
    let Some(since) = it.terminating else {
        return if it.offered && !it.users.is_empty() { Hold::Keep } else { Hold::LetGo };
    };
    let any = |needs: fn(&User) -> bool| it.users.iter().any(needs);
    let (deadline, grace) = (since.later(it.revocation_deadline).later(MARGIN), since.later(GRACE));
    if !it.offered {
        Hold::LetGo
    } else if !it.namespace_going && any(|user| user.deleting && user.lives) {
        Hold::Keep
    } else if any(|user| user.going) && now < deadline {
        Hold::Until(deadline)
    } else if any(|user| user.lives) && now < grace {
        Hold::Until(grace)
    } else {
        Hold::LetGo
    }
}

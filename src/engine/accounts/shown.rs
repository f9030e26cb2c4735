//! The state of an account, in a word: for its status, and for metrics.

use super::{Account, Accounts};
use crate::{api::Reason, engine::stores::ProviderKey, lifecycle::status};

impl Account {
    /// Returns whether it can be used, and why or why not.
    pub(super) fn says(&self) -> (bool, Reason, String) {
        match (&self.setup, self.health.pause()) {
            (Err((reason, message)), _) => (false, *reason, message.clone()),
            (Ok(_), Some(pause)) => (false, pause.reason, pause.message),
            (Ok(_), None) if let Some(why) = &self.standing.suspicion => {
                (false, Reason::ProviderSuspect, why.clone())
            }
            (Ok(usable), None) => {
                let (reason, message) = status::reached(&usable.capabilities);
                (true, reason, message.to_owned())
            }
        }
    }
}

impl Accounts {
    /// Returns whether an account can be used, and why or why not; `None` before its first pass.
    pub(in crate::engine) fn ready(&self, key: &ProviderKey) -> Option<(bool, Reason)> {
        let all = self.all();
        let account = all.get(key)?;
        if account.deleting {
            return Some((false, Reason::ProviderDeleting));
        }
        let (holds, reason, _) = account.says();
        Some((holds, reason))
    }

    /// The requests a minute that an account is asked at the most, while that is less than its
    /// limits allow.
    pub(in crate::engine) fn requests_per_minute(&self, key: &ProviderKey) -> Option<u32> {
        self.driver(key)?.requests_per_minute()
    }

    /// Returns whether a person makes the credentials of this account.
    pub(in crate::engine) fn is_by_hand(&self, key: &ProviderKey) -> bool {
        let all = self.all();
        all.get(key).is_some_and(|it| it.setup.as_ref().is_ok_and(|usable| usable.capabilities.by_hand))
    }
}

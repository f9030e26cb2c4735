//! The end of a driver: what its login has opened at the provider is closed, such as a session.
//! Sites limit how many sessions a user may have.
//!
//! It is never waited for long. A session that is left ends once it has been idle for long enough.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::account::Account;
use crate::engine::{Engine, ProviderKey, Turns, Work};

/// The time for closing all accounts when the process ends.
const CLOSING: Duration = Duration::from_secs(5);
/// The number of accounts that are closed at once.
const AT_ONCE: usize = 32;

impl Engine {
    /// Closes the driver of `before`, if the account has another one by now, or none. A step that
    /// still uses it opens another session.
    pub(super) async fn close_former(
        &self,
        key: &ProviderKey,
        before: Option<&Account>,
        turns: &mut dyn Turns,
    ) {
        let former = before.and_then(|it| it.setup.as_ref().ok()).map(|it| &it.driver);
        let current = self.accounts.driver(key);
        let is_replaced = |former: &&_| current.as_ref().is_none_or(|it| !Arc::ptr_eq(it, former));
        let Some(former) = former.filter(is_replaced) else { return };
        if turns.begin(Work::Probe, key) {
            former.close().await;
            turns.end();
        }
    }

    /// Closes all accounts, when the process ends.
    pub async fn close_accounts(&self) {
        let drivers: Vec<_> = {
            let all = self.accounts.all.lock();
            all.values().filter_map(|it| Some(it.setup.as_ref().ok()?.driver.clone())).collect()
        };
        let closed = stream::iter(drivers).for_each_concurrent(AT_ONCE, async |driver| driver.close().await);
        let _ = timeout(CLOSING, closed).await;
    }
}

//! Turns at one client. Where a credential is one of several secrets of a client, making and
//! revoking one changes that client, and some servers answer two changes at once with a conflict.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as Turn, OwnedMutexGuard},
    time::timeout,
};

use super::{Failure, FailureKind, Parameters};

/// The longest wait for a turn. A create may take that much longer.
pub(super) const WAIT: SignedDuration = SignedDuration::from_secs(10);

/// The turns of an account, by the parameters that name a client.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Parameters, Weak<Turn<()>>>>);

impl Turns {
    /// Waits until nobody else changes the client.
    ///
    /// # Errors
    /// If that takes too long. Nothing was sent.
    pub(super) async fn take(&self, client: &Parameters) -> Result<OwnedMutexGuard<()>, Failure> {
        self.take_within(WAIT.unsigned_abs(), client).await
    }

    async fn take_within(
        &self,
        longest: Duration,
        client: &Parameters,
    ) -> Result<OwnedMutexGuard<()>, Failure> {
        timeout(longest, self.of(client).lock_owned()).await.map_err(|_| {
            let message = "another credential of the same client is being made or revoked";
            Failure::new(FailureKind::Busy, message)
        })
    }

    fn of(&self, client: &Parameters) -> Arc<Turn<()>> {
        let mut all = self.0.lock();
        all.retain(|_, turn| turn.strong_count() > 0);
        let known = all.get(client).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Arc::new(Turn::new(()));
            all.insert(client.clone(), Arc::downgrade(&turn));
            turn
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_of_one_client_take_turns_and_those_of_others_do_not() {
        let turns = Turns::default();
        let of = |role: &str| Parameters::from([("role".to_owned(), role.to_owned())]);
        let (reader, writer) = (of("reader"), of("writer"));
        let first = turns.take(&reader).await.unwrap();
        drop(turns.take(&writer).await.unwrap());
        let late = turns.take_within(Duration::from_millis(5), &reader).await.map(drop);
        assert_eq!(
            late.map_err(|failure| failure.kind),
            Err(FailureKind::Busy),
            "it waits, but not for ever"
        );
        drop(first);
        drop(turns.take(&reader).await.unwrap());
        drop(turns.of(&writer));
        assert_eq!(turns.0.lock().len(), 1, "clients that nobody changes are forgotten");
    }
}

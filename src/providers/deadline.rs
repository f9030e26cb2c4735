//! A deadline for all calls of one step of a driver.
//!
//! Reads and revocations end with it: they may be repeated. A create does not, because a sent
//! request may not be dropped; its own timeouts end it, and a lost response is looked for.

use std::time::Duration;

use tokio::time::timeout;

use super::{Failure, FailureKind, stopwatch::timed};

/// The longest time for one step, unless it is a create.
const STEP: Duration = Duration::from_mins(2);

/// Ends `work` at the deadline of a step, and takes its time.
pub(super) async fn ending<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timed(within(STEP, work)).await
}

async fn within<T>(longest: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(longest, work).await.unwrap_or_else(|_| {
        let message = format!("the provider took longer than {longest:?} for all calls of one step");
        Err(Failure::new(FailureKind::Unavailable, message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_never_ends_fails_at_its_deadline() {
        let endless = std::future::pending::<Result<(), Failure>>();
        let ended = within(Duration::from_millis(5), endless).await;
        assert_eq!(ended.map_err(|failure| failure.kind), Err(FailureKind::Unavailable));
    }
}

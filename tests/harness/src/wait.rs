//! Waiting for a condition with a deadline. Nothing here sleeps in the hope that something has
//! happened.

use std::time::Duration;

use anyhow::{Context, Result};

const INTERVAL: Duration = Duration::from_millis(250);

/// Asks `check` until it answers with a value, and fails when `deadline` has passed or `check`
/// itself fails.
///
/// `what` completes the sentence "timed out waiting for ...".
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    mut check: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let polling = async {
        loop {
            if let Some(value) = check().await? {
                return Ok(value);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(deadline, polling)
        .await
        .with_context(|| format!("timed out waiting for {what} after {} s", deadline.as_secs()))?
}

//! The panic boundary: a panic ends the one task that it is in, and is never the process's.
//!
//! All tasks of the controller run behind it, as listed below. The panic hook of the command line
//! logs the place; its text is not shown, because it may quote a value.

use std::{fmt, panic::AssertUnwindSafe};

use futures::FutureExt;

/// The tasks that the controller starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The pass for one item of the queue, of any kind. Retried with backoff.
    Item,
    /// One watch. Begun again, and its cache is listed again.
    Watch,
    /// Taking and renewing the Lease. The process does not lead until it has the Lease again.
    Lease,
    /// An answer to `/readyz` or `/metrics`. It fails, and the next one is answered.
    Scrape,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Item, Self::Watch, Self::Lease, Self::Scrape];
}

/// A task ended by a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked(pub Task);

impl fmt::Display for Panicked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a panic, which is a bug of Credwright: please report it with the panic's line in the log",
        )
    }
}

/// Runs a task to its end or to its panic.
///
/// The data that the task shares with others stays usable after a panic: locks are taken in spite
/// of poisoning, and no lock is held while anything that may fail is computed.
///
/// Not an async function: that would keep room for `work` twice.
///
/// # Errors
/// If it panicked.
pub fn contained<T>(task: Task, work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panicked>> {
    AssertUnwindSafe(work).catch_unwind().map(move |ended| ended.map_err(|_| Panicked(task)))
}

/// The same for a function that does not wait.
///
/// # Errors
/// If it panicked.
pub fn contained_now<T>(task: Task, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked(task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_task_ends_by_its_own_panic_alone() {
        for task in Task::ALL {
            assert_eq!(contained(task, async { 1 }).await, Ok(1));
            let planted = async { std::panic::panic_any("planted") };
            assert_eq!(contained::<()>(task, planted).await, Err(Panicked(task)));
            let planted = contained_now::<()>(task, || std::panic::panic_any("planted"));
            assert_eq!(planted, Err(Panicked(task)));
        }
    }
}

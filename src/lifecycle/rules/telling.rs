//! The pace of repeated writes into a status. Another writer may overwrite it in turn: another
//! operator with other times or messages. Each such write is news for both, and without a pause
//! they would go on as fast as the API server answers.

use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::model::{Moved, Told};

use super::backoff::doubling;

/// The number of times in a row that the same is written again without a pause.
const AT_ONCE: u32 = 3;
/// The first and the longest pause after that.
const PAUSES: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(1), SignedDuration::from_mins(10));

/// The time of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now; and this is to be remembered.
    Now(Told),
    /// Not before this instant.
    At(Timestamp),
}

/// Returns when to write `what` into a status that says something else, after the last write in
/// `told`. New content is written at once, and does not end the conflict: the next time that it is
/// written again the pause is as long as it was.
#[must_use]
pub fn when(told: Option<Told>, what: u64, now: Timestamp) -> When {
    let Some(before) = told else { return When::Now(Told { what, again: 0, at: now }) };
    // A writer that has stopped is forgotten after a while.
    let calm = now.duration_since(before.at) >= PAUSES.1.saturating_add(PAUSES.1);
    let so_far = if calm { 0 } else { before.again };
    if before.what != what {
        return When::Now(Told { what, again: so_far, at: now });
    }
    let pause = match before.again.checked_sub(AT_ONCE) {
        None => SignedDuration::ZERO,
        Some(more) => doubling(more.saturating_add(1), PAUSES.0, PAUSES.1),
    };
    let due = before.at.later(pause);
    if due > now { When::At(due) } else { When::Now(Told { what, again: so_far.saturating_add(1), at: now }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contested_write_is_repeated_with_growing_pauses() {
        let mut now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let (mut told, mut writes) = (None, Vec::new());
        let began = now;
        while now < began.later(SignedDuration::from_hours(1)) {
            match when(told, 7, now) {
                When::Now(it) => {
                    told = Some(it);
                    writes.push(now.duration_since(began).as_secs());
                }
                When::At(at) => now = at,
            }
        }
        assert_eq!(writes[..8], [0, 0, 0, 0, 1, 3, 7, 15], "{writes:?}");
        assert!(writes.len() < 20, "{writes:?}");
    }

    #[test]
    fn a_new_value_is_written_at_once_and_a_calm_time_resets_the_pause() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let told = Told { what: 7, again: 50, at: now };
        assert!(matches!(when(Some(told), 7, now), When::At(_)));
        assert_eq!(when(Some(told), 8, now), When::Now(Told { what: 8, again: 50, at: now }));
        assert_eq!(when(None, 8, now), When::Now(Told { what: 8, again: 0, at: now }));
        let later = now.later(SignedDuration::from_mins(20));
        assert_eq!(
            when(Some(told), 7, later),
            When::Now(Told { what: 7, again: 1, at: later }),
            "calm since"
        );
    }
}

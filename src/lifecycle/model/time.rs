//! Arithmetic on times that ends at the ends of time instead of panicking.
//!
//! `Timestamp + SignedDuration` panics beyond the year 9999. A time that somebody wrote far away
//! would then end the process, and with it all renewals. So this layer has no `+` and no `-` on
//! times; `tests/architecture.rs` looks for them.

use jiff::{SignedDuration, Timestamp};

/// An instant that can be moved.
pub trait Moved {
    /// The instant `by` so much later, or the last one that there is.
    #[must_use]
    fn later(self, by: SignedDuration) -> Self;

    /// The instant `by` so much earlier, or the first one that there is.
    #[must_use]
    fn earlier(self, by: SignedDuration) -> Self;
}

impl Moved for Timestamp {
    fn later(self, by: SignedDuration) -> Self {
        self.checked_add(by).unwrap_or(if by.is_negative() { Self::MIN } else { Self::MAX })
    }

    fn earlier(self, by: SignedDuration) -> Self {
        self.checked_sub(by).unwrap_or(if by.is_negative() { Self::MAX } else { Self::MIN })
    }
}

/// A length of time that can be taken apart.
pub trait Divided {
    /// One of `parts` equal parts.
    #[must_use]
    fn part(self, parts: u16) -> Self;
}

impl Divided for SignedDuration {
    fn part(self, parts: u16) -> Self {
        self.checked_div(parts.max(1).into()).unwrap_or(self)
    }
}

/// Kubernetes keeps whole seconds, in conditions and elsewhere; a finer time would differ from the
/// stored one, and nobody reads nanoseconds.
#[must_use]
pub fn to_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_where_time_ends() {
        let (second, forever) = (SignedDuration::from_secs(1), SignedDuration::MAX);
        let epoch = Timestamp::UNIX_EPOCH;
        let rows = [
            ("a second later", epoch.later(second), Timestamp::from_second(1).unwrap()),
            ("a second earlier", epoch.earlier(second), Timestamp::from_second(-1).unwrap()),
            ("later than the last", Timestamp::MAX.later(second), Timestamp::MAX),
            ("earlier than the first", Timestamp::MIN.earlier(second), Timestamp::MIN),
            ("for ever later", epoch.later(forever), Timestamp::MAX),
            ("for ever earlier", epoch.earlier(forever), Timestamp::MIN),
            ("less than no time later", epoch.later(SignedDuration::MIN), Timestamp::MIN),
            ("less than no time earlier", epoch.earlier(SignedDuration::MIN), Timestamp::MAX),
        ];
        for (what, is, should_be) in rows {
            assert_eq!(is, should_be, "{what}");
        }
    }

    #[test]
    fn a_part_is_a_part_of_any_length() {
        let hour = SignedDuration::from_hours(1);
        assert_eq!(hour.part(3), SignedDuration::from_mins(20));
        assert_eq!(hour.part(0), hour, "no parts: it stays whole");
        for length in [SignedDuration::MIN, SignedDuration::MAX] {
            assert_eq!(length.part(1), length);
        }
    }
}

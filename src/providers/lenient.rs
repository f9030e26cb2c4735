//! Members of answers that servers spell in several ways.
//!
//! Only the needed members of an answer decide whether it is of use. Digits in a text are a number,
//! a list of words is a text of words, and an unreadable member is taken as absent, wherever
//! nothing depends on it.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::api::instant;

/// A whole number, given as a number or as its digits. A fraction is cut off.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| rounded_down(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| rounded_down(text.parse().ok()?))
        }
        _ => None,
    }
}

fn rounded_down(number: f64) -> Option<i64> {
    // Every whole number up to 2^53 has an exact double.
    const MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds of an i64")]
    (number.is_finite() && number.abs() <= MAX).then(|| number.trunc() as i64)
}

/// A remaining life in seconds, in any form; `None` if it is missing or negative.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let seconds = whole(&Value::deserialize(from)?).filter(|seconds| *seconds >= 0);
    Ok(seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)))
}

/// Words separated by spaces (RFC 6749, section 3.3), given as one text or as a list.
pub(super) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Array(words) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            words.map(|words| words.join(" "))
        }
        _ => None,
    })
}

/// An instant. Without an offset it is read as UTC, as in ISO 8601 texts of servers that know no
/// other.
pub(super) fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value.as_str().and_then(|text| instant::parsed(text).or_else(|| in_utc(text))))
}

fn in_utc(text: &str) -> Option<Timestamp> {
    let at: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(at).ok().and_then(instant::told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_words_and_instants_are_understood_in_every_usual_form() {
        let rows = [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(" 3600 "), Some(3600)),
            (json!(3599.5), Some(3599)),
            (json!("3599.5"), Some(3599)),
            (json!(1e12), Some(u32::MAX)),
            (json!(0), Some(0)),
            (json!(-1), None),
            (json!(1e300), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!([3600]), None),
        ];
        for (told, expected) in rows {
            assert_eq!(seconds(&told).unwrap(), expected, "{told}");
        }
        let rows = [
            (json!("a b"), Some("a b")),
            (json!(["a", "b"]), Some("a b")),
            (json!([]), Some("")),
            (json!(["a", 1]), None),
            (json!(null), None),
        ];
        for (told, expected) in rows {
            assert_eq!(words(&told).unwrap().as_deref(), expected, "{told}");
        }
        let noon = "2026-11-22T12:00:00Z".parse().ok();
        for told in [
            "2026-11-22T12:00:00Z",
            "2026-11-22T12:00:00",
            "2026-11-22 12:00:00.000",
            "2026-11-22T14:00:00+02:00",
        ] {
            assert_eq!(instant(&json!(told)).unwrap(), noon, "{told}");
        }
        for told in [json!("0001-01-01T00:00:00"), json!("tomorrow"), json!(1_795_349_520), json!(null)] {
            assert_eq!(instant(&told).unwrap(), None, "{told}");
        }
    }
}

//! Durations as people write them in manifests: Go's notation, with hours as the largest unit
//! (`720h`, `1h30m`, `10s`).

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::SignedDuration;
use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The pattern of the notation. The API server's own parser rejects other texts with a message that
/// helps nobody. So other units (`30d`) and numbers that would overflow must not reach it.
pub(super) const FORM: &str =
    "^([0-9]{1,6}([.][0-9]+)?h|[0-9]{1,7}([.][0-9]+)?m|[0-9]{1,9}([.][0-9]+)?s|[0-9]{1,9}ms)+$";

/// Returns the rule that every field of this type needs: the value has the form, and lies between
/// two durations, both included.
pub(super) fn between(field: &str, shortest: &str, longest: &str) -> Rule {
    let rule = format!(
        "self.matches('{FORM}') && duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')"
    );
    let message = format!(
        "{field} must be between {shortest} and {longest}, in hours, minutes and seconds, such as 720h, 1h30m or 45s"
    );
    Rule::new(rule).message(message.as_str())
}

/// A length of time in Kubernetes' notation.
///
/// Each field of this type has a rule made by `between`.
///
/// The type stores the length and not the text: `24h` and `1440m` are equal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(kube::core::Duration);

impl Duration {
    /// Returns a duration of whole seconds.
    #[must_use]
    pub fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds).into())
    }

    /// Returns the length for signed time arithmetic.
    #[must_use]
    pub fn signed(self) -> SignedDuration {
        let length =
            SignedDuration::try_from(std::time::Duration::from(self.0)).unwrap_or(SignedDuration::MAX);
        if self.0.is_negative() { -length } else { length }
    }
}

impl FromStr for Duration {
    type Err = kube::core::duration::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The notation that people write: `24h`, `1h30m`, `45s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = std::time::Duration::from(self.0);
        let seconds = length.as_secs();
        if self.0.is_negative() || seconds == 0 || length.subsec_nanos() != 0 {
            return fmt::Debug::fmt(&self.0, f);
        }
        for (count, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32
        })
    }
}

//! The choice of the API version.

use super::wire::Version;
use crate::providers::{Failure, FailureKind};

/// The documented versions that have API tokens, newest first: 36.1 came with Cloud Director
/// 10.3.1, 39.1 is of 10.6.1.
const KNOWN: [&str; 11] =
    ["39.1", "39.0", "38.1", "38.0", "37.3", "37.2", "37.1", "37.0", "36.3", "36.2", "36.1"];

/// The number of versions that a message names.
const SHOWN: usize = 20;

/// The requested version, or the newest one that both sides know; a deprecated one only if there is
/// no other.
pub(super) fn chosen(offered: &[Version], wanted: Option<&str>) -> Result<String, Failure> {
    let offers = |number: &str| offered.iter().find(|it| it.version == number);
    let refused =
        |why: String| Err(Failure::new(FailureKind::Rejected, format!("{why}; {}", listed(offered))));
    if let Some(wanted) = wanted {
        return match offers(wanted) {
            Some(_) => Ok(wanted.to_owned()),
            None => refused(format!("Cloud Director does not offer API version {wanted} (apiVersion)")),
        };
    }
    let both = || KNOWN.iter().filter_map(|number| offers(number));
    match both().find(|it| !it.deprecated).or_else(|| both().next()) {
        Some(version) => Ok(version.version.clone()),
        None => refused(
            "Cloud Director offers no API version that Credwright knows to have API tokens (36.1 and later): \
             name one as apiVersion"
                .to_owned(),
        ),
    }
}

/// Returns the offered versions, for people. Text that is not a version is not shown.
fn listed(offered: &[Version]) -> String {
    let is_version = |text: &str| {
        (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let shown: Vec<String> = offered
        .iter()
        .filter(|it| is_version(&it.version))
        .take(SHOWN)
        .map(|it| if it.deprecated { format!("{} (deprecated)", it.version) } else { it.version.clone() })
        .collect();
    if shown.is_empty() { "it offers none".to_owned() } else { format!("it offers {}", shown.join(", ")) }
}

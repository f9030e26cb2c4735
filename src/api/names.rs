//! Rules for fields that name another object, and bounds on texts that are kept in memory.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// A DNS subdomain (RFC 1123), the form of Kubernetes' object names. It cannot change the path of a
/// request.
const SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Returns the rule for every field that names an object: the value is a valid name.
pub(super) fn is_name(field: &str) -> Rule {
    let message = format!(
        "{field} must be a DNS subdomain: lower case letters, digits, dashes and dots, \
         with a letter or digit at both ends of each part"
    );
    Rule::new(format!("self.matches('{SUBDOMAIN}')")).message(message.as_str())
}

/// Returns the rule for every field that names a Secret: the Secret is not a ledger.
pub(super) fn no_ledger(field: &str) -> Rule {
    let message = format!(
        "{field} must not end in .credwright or .credwright-copy: these names are reserved for ledgers"
    );
    Rule::new("!self.endsWith('.credwright') && !self.endsWith('.credwright-copy')").message(message.as_str())
}

/// Returns the schema of a map with at most `MOST` texts, each of at most `LONGEST` characters. A
/// schema cannot bound the keys; use [`longest_key`] for that.
pub(super) fn texts<const MOST: usize, const LONGEST: usize>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": MOST,
        "additionalProperties": { "type": "string", "maxLength": LONGEST }
    })
}

/// Returns the rule that the keys of a map are at most `longest` characters long.
pub(super) fn longest_key(field: &str, longest: usize) -> Rule {
    Rule::new(format!("self.all(k, size(k) <= {longest})"))
        .message(format!("each key of {field} must have at most {longest} characters").as_str())
}

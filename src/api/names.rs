//! Rules for fields that name another object, and bounds on texts that are kept in memory.

use kube::core::Rule;

/// A DNS subdomain (RFC 1123), as Kubernetes names objects: nothing that would change the path of a request.
const SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// The rule that every field needs that names an object: it can be a name.
pub(super) fn is_name(field: &str) -> Rule {
    Rule::new(format!("self.matches('{SUBDOMAIN}')")).message(
        format!("{field} must be a DNS subdomain: lower case letters, digits, dashes and dots").as_str(),
    )
}

/// The rule that every field needs that names a Secret: it is not a ledger.
pub(super) fn no_ledger(field: &str) -> Rule {
    Rule::new("!self.endsWith('.credwright') && !self.endsWith('.credwright-copy')")
        .message(format!("{field} cannot end in .credwright or .credwright-copy: those are ledgers").as_str())
}

/// A map of at most so many texts of at most this length. A schema has no bound on the keys:
/// [`longest_key`] is one.
pub(super) fn texts(most: usize, longest: usize) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "maxProperties": most,
        "additionalProperties": { "type": "string", "maxLength": longest }
    })
}

/// The rule that the keys of a map are no longer than this.
pub(super) fn longest_key(field: &str, longest: usize) -> Rule {
    Rule::new(format!("self.all(k, size(k) <= {longest})"))
        .message(format!("keys of {field} take at most {longest} characters").as_str())
}

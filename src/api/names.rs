//! Rules for fields that name another object.

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

//! The consent to read a Secret: its owner gives it by a label. For Secrets that Credwright writes
//! itself, nobody can give it.

use kube::{Resource, ResourceExt};

use crate::api::{GROUP, LEDGER_SUFFIX, ROLE_LABEL};

use super::{Secret, owner_uid};

/// The cause for which a Secret is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its owner has not given it the label.
    Unlabelled,
    /// It is a ledger, a target, or the key that seals ledgers, whatever its label says.
    Own,
}

/// Returns whether the owner of a Secret lets it be read as `role`, as far as its metadata tell.
pub(super) fn given<K: Resource>(secret: &K, role: &str) -> Result<(), Refusal> {
    if owner_uid(secret).is_some() || secret.name_any().ends_with(LEDGER_SUFFIX) {
        return Err(Refusal::Own);
    }
    let labelled = secret.labels().get(ROLE_LABEL).is_some_and(|given| given == role);
    if labelled { Ok(()) } else { Err(Refusal::Unlabelled) }
}

/// The same, of a whole Secret.
pub(super) fn given_by(secret: &Secret, role: &str) -> Result<(), Refusal> {
    let ours = |type_: &String| type_.split('/').next() == Some(GROUP);
    if secret.type_.as_ref().is_some_and(ours) {
        return Err(Refusal::Own);
    }
    given(secret, role)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{LEDGER_TYPE, ROLE_INTAKE, ROLE_LEDGER, ROLE_LOGIN, ROLE_TARGET, SEAL_TYPE};

    fn secret(name: &str, role: Option<&str>, type_: &str, owners: Value) -> Secret {
        let metadata = json!({ "name": name, "labels": { ROLE_LABEL: role }, "ownerReferences": owners });
        let mut secret = json!({ "metadata": metadata, "type": type_ });
        if role.is_none() {
            secret["metadata"]["labels"] = Value::Null;
        }
        serde_json::from_value(secret).unwrap()
    }

    #[test]
    fn a_secret_is_read_only_in_the_role_of_its_label_and_never_if_it_is_ours() {
        let owner = |api_version: &str, kind: &str| json!([{ "apiVersion": api_version, "kind": kind, "name": "orders", "uid": "1", "controller": true }]);
        let (ours, theirs) =
            (owner("credwright.dev/v1alpha1", "ApiCredential"), owner("apps/v1", "Deployment"));
        for role in [ROLE_LOGIN, ROLE_INTAKE] {
            let other = if role == ROLE_LOGIN { ROLE_INTAKE } else { ROLE_LOGIN };
            let rows = [
                ("labelled", secret("a", Some(role), "Opaque", json!([])), Ok(())),
                ("labelled, of some controller", secret("a", Some(role), "Opaque", theirs.clone()), Ok(())),
                ("not labelled", secret("a", None, "Opaque", json!([])), Err(Refusal::Unlabelled)),
                (
                    "labelled otherwise",
                    secret("a", Some(other), "Opaque", json!([])),
                    Err(Refusal::Unlabelled),
                ),
                ("a target", secret("a", Some(ROLE_TARGET), "Opaque", ours.clone()), Err(Refusal::Own)),
                ("a target, relabelled", secret("a", Some(role), "Opaque", ours.clone()), Err(Refusal::Own)),
                (
                    "a ledger",
                    secret("a.credwright", Some(ROLE_LEDGER), LEDGER_TYPE, json!([])),
                    Err(Refusal::Own),
                ),
                (
                    "a ledger, relabelled",
                    secret("a.credwright", Some(role), LEDGER_TYPE, json!([])),
                    Err(Refusal::Own),
                ),
                (
                    "a name of ledgers",
                    secret("a.credwright", Some(role), "Opaque", json!([])),
                    Err(Refusal::Own),
                ),
                ("a type of ledgers", secret("a", Some(role), LEDGER_TYPE, json!([])), Err(Refusal::Own)),
                ("the sealing key", secret("credwright-seal", None, SEAL_TYPE, json!([])), Err(Refusal::Own)),
                (
                    "the sealing key, labelled",
                    secret("a", Some(role), SEAL_TYPE, json!([])),
                    Err(Refusal::Own),
                ),
            ];
            for (what, secret, expected) in rows {
                assert_eq!(given_by(&secret, role), expected, "{what}, as {role}");
            }
        }
    }
}

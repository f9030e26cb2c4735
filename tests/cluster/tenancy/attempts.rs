//! The attempts of the second tenant, field by field.

use serde_json::{Value, json};

use super::Tenants;
use crate::support::with;

/// The expected result of an attempt.
pub(super) enum Comes {
    /// The API server does not let it in, and says this.
    Refused(&'static str),
    /// A condition of the second tenant's object has this status and reason, and says this.
    To(&'static str, &'static str, &'static str, &'static str),
}

use Comes::{Refused, To};

/// One attempt: the field or annotation that names something, its value, the ApiCredential of the
/// second tenant, and the expected result.
pub(super) struct Attempt {
    pub(super) names: &'static str,
    pub(super) what: &'static str,
    pub(super) object: Value,
    pub(super) comes: Comes,
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn attempts(tenants: &Tenants, full_name: &str) -> Vec<Attempt> {
    let victim = tenants.victim.namespace.as_str();
    let spec = |more: Value| json!({ "spec": with(json!({ "lifetime": "720h", "providerRef": { "name": "spreetail" } }), more) });
    let by_hand = |intake: &str| {
        json!({ "spec": {
            "providerRef": { "name": "cloud-connexa" }, "lifetime": "700h", "scopes": ["networks:read"],
            "subnets": ["203.0.113.0/24"], "intake": { "secretName": intake },
        }})
    };
    let at = |provider: Value| spec(json!({ "providerRef": provider }));
    let secret = |output: Value| spec(json!({ "secret": output }));
    let missing = || To("Ready", "False", "ProviderMissing", "correct spec.providerRef");
    let awaited = || To("ActionRequired", "True", "IntakeAwaited", "");
    let foreign = || To("Ready", "False", "TargetForeign", "choose another spec.secret.name");
    let row = |names, what, object, comes| Attempt { names, what, object, comes };
    vec![
        row(
            "spec.providerRef.name",
            "a provider of the first tenant",
            at(json!({ "name": "only-theirs" })),
            missing(),
        ),
        row(
            "spec.providerRef.name",
            "the same, with its namespace",
            at(json!({ "name": format!("{victim}/spreetail") })),
            Refused("must be a DNS subdomain"),
        ),
        row(
            "spec.providerRef.name",
            "the same, as a path",
            at(json!({ "name": format!("../../{victim}/credentialproviders/spreetail") })),
            Refused("must be a DNS subdomain"),
        ),
        row(
            "spec.providerRef.kind",
            "a shared provider that is not for it",
            at(json!({ "kind": "ClusterCredentialProvider", "name": victim })),
            To("Ready", "False", "NotAllowed", "does not allow namespace"),
        ),
        row(
            "spec.providerRef.kind",
            "a kind that is none",
            at(json!({ "kind": "Secret", "name": "x" })),
            Refused("Unsupported value"),
        ),
        row(
            "spec.secret.name",
            "a Secret of another namespace",
            secret(json!({ "name": format!("{victim}/orders") })),
            Refused("must be a DNS subdomain"),
        ),
        row(
            "spec.secret.name",
            "another object's ledger",
            secret(json!({ "name": "mine.credwright" })),
            Refused("must not end in .credwright"),
        ),
        row(
            "spec.secret.name",
            "a copy of a ledger",
            secret(json!({ "name": "mine.credwright-copy" })),
            Refused("must not end in .credwright"),
        ),
        row("spec.secret.name", "another object's target", secret(json!({ "name": "mine" })), foreign()),
        row("spec.secret.name", "another object's intake", secret(json!({ "name": "own-keys" })), foreign()),
        row("spec.secret.name", "a login", secret(json!({ "name": "spreetail-admin" })), foreign()),
        row(
            "spec.secret.type",
            "a token of a service account",
            secret(json!({ "type": "kubernetes.io/service-account-token" })),
            Refused("must not be a service account token"),
        ),
        row(
            "spec.secret.type",
            "a ledger",
            secret(json!({ "type": "credwright.dev/ledger" })),
            Refused("Credwright's own types"),
        ),
        row(
            "spec.secret.labels",
            "a role",
            secret(json!({ "labels": { "credwright.dev/role": "login" } })),
            Refused("are reserved for Credwright"),
        ),
        row(
            "spec.secret.annotations",
            "a digest",
            secret(json!({ "annotations": { "credwright.dev/digest": "x" } })),
            Refused("are reserved for Credwright"),
        ),
        row(
            "spec.secret.template",
            "another's values",
            secret(json!({ "template": { "file": "{{ orders.client_secret }}" } })),
            To("Published", "False", "TemplateInvalid", ""),
        ),
        row(
            "spec.secret.template",
            "another template",
            secret(json!({ "template": { "file": "{% include 'orders' %}" } })),
            To("Published", "False", "TemplateInvalid", ""),
        ),
        row("spec.intake.secretName", "an intake of the first tenant", by_hand("keys"), awaited()),
        row(
            "spec.intake.secretName",
            "the same, with its namespace",
            by_hand(&format!("{victim}/keys")),
            Refused("must be a DNS subdomain"),
        ),
        row("spec.intake.secretName", "a login", by_hand("spreetail-admin"), awaited()),
        row("spec.intake.secretName", "another object's target", by_hand("mine"), awaited()),
        row(
            "spec.intake.secretName",
            "a ledger",
            by_hand("mine.credwright"),
            Refused("are reserved for ledgers"),
        ),
        row(
            "metadata.name",
            "a ledger's name",
            with(json!({ "metadata": { "name": "mine.credwright" } }), spec(json!({}))),
            Refused("are reserved for ledgers"),
        ),
        row(
            "spec.name",
            "the name of a credential of the first tenant",
            spec(json!({ "name": full_name })),
            To("Ready", "True", "Issued", ""),
        ),
        row(
            "metadata.annotations",
            "a credential of the first tenant, said to be removed",
            with(
                json!({ "metadata": { "annotations": { "credwright.dev/removed": "victims-client" } } }),
                spec(json!({})),
            ),
            To("Ready", "True", "Issued", ""),
        ),
    ]
}

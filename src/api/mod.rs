//! What users write and read: the custom resources, their validation rules, and every name that Credwright puts on
//! an object. Nothing here knows how anything is done.

#[expect(clippy::duplicated_attributes, reason = "columns of one type are no repetition")]
mod abandoned;
mod allow;
mod api_credential;
mod condition;
pub mod crds;
mod drivers;
mod duration;
pub mod instant;
mod names;
#[expect(clippy::duplicated_attributes, reason = "columns of one type are no repetition")]
mod provider;
mod reason;
#[cfg(test)]
mod tests;
mod word;

pub use abandoned::*;
pub use allow::*;
pub use api_credential::*;
pub use condition::*;
pub use drivers::*;
pub use duration::Duration;
pub use provider::*;
pub use reason::*;
pub use word::Word;

/// The API group of all custom resources.
pub const GROUP: &str = "credwright.dev";

/// The field manager of everything that Credwright writes.
pub const FIELD_MANAGER: &str = "credwright";

/// Label that says what a Secret is to Credwright; its value is one of the `ROLE_` constants. Only Secrets that carry
/// it are ever watched.
pub const ROLE_LABEL: &str = "credwright.dev/role";
/// A ledger: the record of one ApiCredential's credentials.
pub const ROLE_LEDGER: &str = "ledger";
/// A target: the Secret that workloads mount.
pub const ROLE_TARGET: &str = "target";
/// A login for a provider; the label is its owner's consent.
pub const ROLE_LOGIN: &str = "login";
/// A pair that a person has made; the label is its owner's consent.
pub const ROLE_INTAKE: &str = "intake";

/// Type of the ledger Secret.
pub const LEDGER_TYPE: &str = "credwright.dev/ledger";
/// Type of the Secret beside an AbandonedCredential, with what retrying needs.
pub const ABANDONED_TYPE: &str = "credwright.dev/abandoned";
/// Type of the Secret with the key that seals ledgers.
pub const SEAL_TYPE: &str = "credwright.dev/seal";
/// Name of the Secret with the key that seals ledgers, in Credwright's own namespace.
pub const SEAL_NAME: &str = "credwright-seal";
/// Name of the Secret with the sealing key before that one, which only opens what it has sealed.
pub const PREVIOUS_SEAL_NAME: &str = "credwright-seal-previous";
/// The ConfigMap in Credwright's own namespace that tells what was minted for objects that have gone within the last hour.
pub const MINTS_NAME: &str = "credwright-mints";
/// What a ledger's name has after the ApiCredential's.
pub const LEDGER_SUFFIX: &str = ".credwright";

/// Finalizer on an ApiCredential: its credentials are revoked, or retained, before it goes.
pub const CREDENTIAL_FINALIZER: &str = "credwright.dev/revoke";
/// Finalizer on a provider: it can be called until the credentials that were made at it are gone.
pub const PROVIDER_FINALIZER: &str = "credwright.dev/in-use";
/// Finalizer on a login Secret: while its namespace or its provider goes, it is needed until the credentials are gone.
pub const LOGIN_FINALIZER: &str = "credwright.dev/login";
/// Finalizer on a ledger: it stays until what it lists is dealt with.
pub const LEDGER_FINALIZER: &str = "credwright.dev/ledger";
/// Finalizer on the RoleBinding that gives Credwright its rights in a namespace: what is there can only be ended with them.
pub const RIGHTS_FINALIZER: &str = "credwright.dev/rights";

/// Annotation with the client IDs or names, separated by commas, of credentials that a person says
/// are gone from a provider where Credwright can neither remove nor look for them. It is on the
/// ApiCredential or, where the provider is shared, on the provider: its owner says so there.
pub const REMOVED_ANNOTATION: &str = "credwright.dev/removed";
/// Annotation on a provider: the fingerprint of the account that it now stands for, by which a person says that it is the one where
/// earlier credentials were made.
pub const ACCOUNT_ANNOTATION: &str = "credwright.dev/account";
/// Annotation on a provider: an instant. What the provider has come to refuse until then is gone for good, a person says.
pub const REFUSED_ANNOTATION: &str = "credwright.dev/refused";
/// Annotation on an ApiCredential: an instant. The clock is right though the ledger was last written at this later time, a person says.
pub const CLOCK_ANNOTATION: &str = "credwright.dev/clock-is-right";
/// Annotation on an ApiCredential: the id of the cluster that a person says its ledger belongs to, after a restore or a clone.
pub const CLAIM_ANNOTATION: &str = "credwright.dev/claim";
/// Annotation on an intake Secret: any new text has a pair tried again that was refused.
pub const TRY_AGAIN_ANNOTATION: &str = "credwright.dev/try-again";

/// Annotation on a target: the revision that it holds.
pub const REVISION_ANNOTATION: &str = "credwright.dev/revision";
/// Annotation on a target: a keyed digest of its content and of what it was rendered from.
pub const DIGEST_ANNOTATION: &str = "credwright.dev/digest";
/// Annotation on a target: a hash of what it was rendered from, without any secret.
pub const RENDERED_FROM_ANNOTATION: &str = "credwright.dev/rendered-from";

/// Annotation on a target: which labels and annotations the spec asked for, so that those it drops are taken off again.
pub const DRESSED_ANNOTATION: &str = "credwright.dev/dressed-with";

/// What the name of a ledger's copy has after the ApiCredential's.
pub const COPY_SUFFIX: &str = ".credwright-copy";

/// The name of the ledger Secret of an ApiCredential.
#[must_use]
pub fn ledger_name(credential: &str) -> String {
    format!("{credential}{LEDGER_SUFFIX}")
}

/// The name of the copy from which that Secret is made anew when somebody deletes it.
#[must_use]
pub fn copy_name(credential: &str) -> String {
    format!("{credential}{COPY_SUFFIX}")
}

//! The interface for users: the custom resources, their validation rules, and every name that
//! Credwright puts on an object. Nothing here depends on how Credwright works.

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
mod network;
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
pub use network::*;
pub use provider::*;
pub use reason::*;
pub use word::Word;

/// The API group of all custom resources.
pub const GROUP: &str = "credwright.dev";

/// The field manager of all writes.
pub const FIELD_MANAGER: &str = "credwright";

/// Label with the role of a Secret for Credwright, one of the `ROLE_` constants. Credwright watches
/// only Secrets with this label.
pub const ROLE_LABEL: &str = "credwright.dev/role";
/// A ledger: the record of one ApiCredential's credentials.
pub const ROLE_LEDGER: &str = "ledger";
/// A target: the Secret that workloads mount.
pub const ROLE_TARGET: &str = "target";
/// A login for a provider. The label is its owner's consent.
pub const ROLE_LOGIN: &str = "login";
/// A pair that a person has created. The label is its owner's consent.
pub const ROLE_INTAKE: &str = "intake";
/// The value of [`ROLE_LABEL`] on a ConfigMap with the certificates that a provider trusts.
pub const ROLE_CA_BUNDLE: &str = "ca-bundle";

/// Type of the ledger Secret.
pub const LEDGER_TYPE: &str = "credwright.dev/ledger";
/// Type of the Secret beside an AbandonedCredential, with the data that a retry needs.
pub const ABANDONED_TYPE: &str = "credwright.dev/abandoned";
/// Type of the Secret with the key that seals ledgers.
pub const SEAL_TYPE: &str = "credwright.dev/seal";
/// Name of the Secret with the key that seals ledgers, in Credwright's own namespace.
pub const SEAL_NAME: &str = "credwright-seal";
/// Name of the Secret with the previous sealing key, which only opens what it has sealed.
pub const PREVIOUS_SEAL_NAME: &str = "credwright-seal-previous";
/// The ConfigMap in Credwright's own namespace with the mints of objects that were deleted within
/// the last hour.
pub const MINTS_NAME: &str = "credwright-mints";
/// The suffix of a ledger's name, after the ApiCredential's name.
pub const LEDGER_SUFFIX: &str = ".credwright";

/// Finalizer on an ApiCredential: its credentials are revoked or retained before it is deleted.
pub const CREDENTIAL_FINALIZER: &str = "credwright.dev/revoke";
/// Finalizer on a provider: it can be called until the credentials that were made at it are gone.
pub const PROVIDER_FINALIZER: &str = "credwright.dev/in-use";
/// Finalizer on a login Secret: if its namespace or its provider is deleted, it is still needed
/// until the credentials are gone.
pub const LOGIN_FINALIZER: &str = "credwright.dev/login";
/// Finalizer on a ledger: it stays until all credentials in it are settled.
pub const LEDGER_FINALIZER: &str = "credwright.dev/ledger";
/// Finalizer on the RoleBinding that gives Credwright its rights in a namespace. They are needed to
/// clean up what is there.
pub const RIGHTS_FINALIZER: &str = "credwright.dev/rights";

/// Annotation with the client IDs or names, separated by commas, of credentials that a person
/// confirms as removed, at a provider where Credwright can neither remove nor find them. It is on
/// the ApiCredential. For a shared provider it is on the provider, because its owner has to confirm
/// the removal.
pub const REMOVED_ANNOTATION: &str = "credwright.dev/removed";
/// Annotation on a provider: the fingerprint of its present account. With it, a person confirms
/// that earlier credentials were made at this account.
pub const ACCOUNT_ANNOTATION: &str = "credwright.dev/account";
/// Annotation on a provider: a time. With it, a person confirms that everything that the provider
/// began to refuse before this time is gone for good.
pub const REFUSED_ANNOTATION: &str = "credwright.dev/refused";
/// Annotation on an ApiCredential: a time, later than the present clock, at which the ledger was
/// last written. With it, a person confirms that the clock is right nevertheless.
pub const CLOCK_ANNOTATION: &str = "credwright.dev/clock-is-right";
/// Annotation on an ApiCredential: a cluster ID. With it, a person confirms after a restore or a
/// clone which cluster the ledger belongs to.
pub const CLAIM_ANNOTATION: &str = "credwright.dev/claim";
/// Annotation on an intake Secret: any new text retries a pair that was refused.
pub const TRY_AGAIN_ANNOTATION: &str = "credwright.dev/try-again";

/// Annotation on a target: the revision in it.
pub const REVISION_ANNOTATION: &str = "credwright.dev/revision";
/// Annotation on a target: a keyed digest of its content and of its sources.
pub const DIGEST_ANNOTATION: &str = "credwright.dev/digest";
/// Annotation on a target: a hash of its sources, without any secret.
pub const RENDERED_FROM_ANNOTATION: &str = "credwright.dev/rendered-from";

/// Annotation on a target: the labels and annotations that the spec requested, so that those that
/// the spec drops later are removed.
pub const APPLIED_METADATA_ANNOTATION: &str = "credwright.dev/dressed-with";

/// The suffix of the name of a ledger's copy, after the ApiCredential's name.
pub const COPY_SUFFIX: &str = ".credwright-copy";

/// Returns the name of the ledger Secret of an ApiCredential.
#[must_use]
pub fn ledger_name(credential: &str) -> String {
    format!("{credential}{LEDGER_SUFFIX}")
}

/// Returns the name of the copy from which the ledger is recreated if somebody deletes it.
#[must_use]
pub fn copy_name(credential: &str) -> String {
    format!("{credential}{COPY_SUFFIX}")
}

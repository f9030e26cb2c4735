//! Condition types and reasons. Conditions are written for people and never read for decisions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition types. Five that an ApiCredential may carry, two of a provider; not seventeen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ConditionType {
    /// The published credential works, as far as is known.
    Ready,
    /// The Secret holds the newest credential, as the spec wants it.
    Published,
    /// The provider answers and takes our login.
    ProviderReachable,
    /// A person has something to do, and the message says what. Absent otherwise.
    ActionRequired,
    /// Only a person can help; waiting is in vain (kstatus). Absent otherwise.
    Stalled,
    /// A provider's limits allow what the schedules of its credentials need.
    LimitsSuffice,
}

impl ConditionType {
    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Published => "Published",
            Self::ProviderReachable => "ProviderReachable",
            Self::ActionRequired => "ActionRequired",
            Self::Stalled => "Stalled",
            Self::LimitsSuffice => "LimitsSuffice",
        }
    }
}

/// Why something is as it is: the reason of a condition, of an Event, or of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    /// The credential is issued, verified and published, and nothing is to be done.
    Issued,
    /// A replacement has been published.
    Rotated,
    /// The Secret was put right: it had been deleted or changed, or the spec wants it otherwise.
    Restored,
    /// A credential has been made invalid at the provider.
    Revoked,
    /// The first credential of this object is being issued.
    FirstIssue,
    /// The credential nears the end of its life.
    RenewalDue,
    /// The spec asks for something else than the credential was made with.
    SpecChanged,
    /// `rotation.request` has a new value.
    Requested,
    /// The provider refuses the published credential, though its life is not over.
    FoundRevoked,
    /// `spec.suspend` is true: nothing is called and nothing is written.
    Suspended,
    /// The object is being deleted, and its credentials are being revoked.
    Deleting,
    /// A new credential has been issued and is being tried before it is published.
    Verifying,
    /// The provider refused every attempt to use the new credential.
    NeverAccepted,
    /// The Secret is being written.
    Publishing,
    /// A create was sent and its answer was lost; what it made is being looked for.
    Unconfirmed,
    /// The published credential has expired.
    Expired,
    /// The published credential is past the end of its life, and its replacement cannot be had. It still works.
    Overdue,
    /// What could not be revoked, or never be confirmed, is on record as an AbandonedCredential.
    Abandoned,
    /// The provider object does not exist.
    ProviderMissing,
    /// The provider object is being deleted: nothing is minted there any more.
    ProviderDeleting,
    /// The provider object has not been checked yet.
    ProviderPending,
    /// The provider object is not usable as it stands.
    ProviderInvalid,
    /// The provider's login Secret does not exist, lacks the consent label, or lacks a key.
    LoginMissing,
    /// The provider does not answer.
    ProviderUnavailable,
    /// The provider asked us to slow down.
    ProviderRateLimited,
    /// The provider refuses our login.
    ProviderLoginRefused,
    /// The login works, but may not do this.
    ProviderForbidden,
    /// The provider's answer cannot be decoded, or cannot be true.
    ProviderProtocolError,
    /// Too many of an account's credentials are refused at once, or they were made at another account: a person has to look.
    ProviderSuspect,
    /// The provider cannot honour what the spec asks for.
    InvalidForProvider,
    /// The provider does not let this namespace have what the spec asks for.
    NotAllowed,
    /// The name is taken at the provider.
    NameTaken,
    /// The provider will not let the credential be revoked.
    RevocationFailed,
    /// The Secret's name is taken by a Secret that is not Credwright's.
    TargetForeign,
    /// The Secret cannot be written: it is immutable, or the API server refuses it.
    TargetRefused,
    /// `secret.template` cannot be rendered.
    TemplateInvalid,
    /// So many credentials were minted within the hour that Credwright stops and asks a person to look.
    MintLimit,
    /// As many credentials were minted at the provider within the hour as may be; this one waits.
    MintBudget,
    /// A provider's limits allow what its schedules need.
    LimitsSuffice,
    /// A provider's limits are too low for what its schedules need.
    LimitsTooLow,
    /// The clock here is not that of the API server, or of the ledger's last writer: nothing is minted and nothing is revoked.
    ClockSkew,
    /// The ledger is gone though a credential was published; nothing is minted while that may still work.
    LedgerLost,
    /// The ledger cannot be read: it was changed by someone else, or its key is lost, or a newer Credwright wrote it.
    LedgerUnreadable,
    /// The ledger was restored or cloned: what it lists stays published while it works, and is not revoked before a credential
    /// minted here has replaced it.
    Inherited,
    /// The provider holds a credential of this object's that its ledger never asked for: the cluster was rolled back, or it was
    /// cloned and both are at work. Nothing is minted and nothing is revoked until a person says whose it is.
    IdentityClash,
    /// What was left behind at the provider under our tag is revoked.
    Stray,
    /// The ledger was lost, and put together again from status and the Secret that workloads read.
    LedgerRebuilt,
    /// The login works.
    LoginAccepted,
    /// The provider answers; it needs no login.
    Reachable,
    /// A person has to make a credential and put it into the intake Secret.
    IntakeAwaited,
    /// The pair in the intake Secret cannot be taken as it stands.
    IntakeInvalid,
    /// The provider refuses the pair in the intake Secret.
    IntakeRefused,
    /// A person put a new pair into the intake Secret.
    IntakeReplaced,
    /// A person has to remove a credential at the provider.
    RemovalAwaited,
}

impl Reason {
    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "Issued",
            Self::Rotated => "Rotated",
            Self::Restored => "Restored",
            Self::Revoked => "Revoked",
            Self::FirstIssue => "FirstIssue",
            Self::RenewalDue => "RenewalDue",
            Self::SpecChanged => "SpecChanged",
            Self::Requested => "Requested",
            Self::FoundRevoked => "FoundRevoked",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
            Self::Verifying => "Verifying",
            Self::NeverAccepted => "NeverAccepted",
            Self::Publishing => "Publishing",
            Self::Unconfirmed => "Unconfirmed",
            Self::Expired => "Expired",
            Self::Overdue => "Overdue",
            Self::Abandoned => "Abandoned",
            Self::ProviderMissing => "ProviderMissing",
            Self::ProviderDeleting => "ProviderDeleting",
            Self::ProviderPending => "ProviderPending",
            Self::ProviderInvalid => "ProviderInvalid",
            Self::LoginMissing => "LoginMissing",
            Self::ProviderUnavailable => "ProviderUnavailable",
            Self::ProviderRateLimited => "ProviderRateLimited",
            Self::ProviderLoginRefused => "ProviderLoginRefused",
            Self::ProviderForbidden => "ProviderForbidden",
            Self::ProviderProtocolError => "ProviderProtocolError",
            Self::ProviderSuspect => "ProviderSuspect",
            Self::InvalidForProvider => "InvalidForProvider",
            Self::NotAllowed => "NotAllowed",
            Self::NameTaken => "NameTaken",
            Self::RevocationFailed => "RevocationFailed",
            Self::TargetForeign => "TargetForeign",
            Self::TargetRefused => "TargetRefused",
            Self::TemplateInvalid => "TemplateInvalid",
            Self::MintLimit => "MintLimit",
            Self::MintBudget => "MintBudget",
            Self::LimitsSuffice => "LimitsSuffice",
            Self::LimitsTooLow => "LimitsTooLow",
            Self::ClockSkew => "ClockSkew",
            Self::LedgerLost => "LedgerLost",
            Self::LedgerUnreadable => "LedgerUnreadable",
            Self::Inherited => "Inherited",
            Self::IdentityClash => "IdentityClash",
            Self::Stray => "Stray",
            Self::LedgerRebuilt => "LedgerRebuilt",
            Self::LoginAccepted => "LoginAccepted",
            Self::Reachable => "Reachable",
            Self::IntakeAwaited => "IntakeAwaited",
            Self::IntakeInvalid => "IntakeInvalid",
            Self::IntakeRefused => "IntakeRefused",
            Self::IntakeReplaced => "IntakeReplaced",
            Self::RemovalAwaited => "RemovalAwaited",
        }
    }
}

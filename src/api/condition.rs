//! Condition types and reasons. Conditions are written for people and never read for decisions.
//!
//! The first paragraph of each says what it means, and the second what to do about it, beginning with `Do:` or `Nothing:`. The page
//! docs/reference/conditions.md is made of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::Word;

/// The condition types. Five that an ApiCredential may carry, two of a provider; not seventeen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ConditionType {
    /// What workloads read works, as far as is known; of a provider: it can be used.
    ///
    /// Do: where it is False, do what the table below says of its reason. It stays True through a rotation.
    Ready,
    /// Of an ApiCredential: the Secret holds the newest credential, as the spec wants it.
    ///
    /// Do: where it is False for longer than a minute, do what the table below says of its reason: a new credential waits to be tried or
    /// written.
    Published,
    /// Of an ApiCredential: its provider answers and takes our login.
    ///
    /// Do: where it is False, do what the table below says of its reason, at the provider object: `kubectl describe credprov NAME`, or
    /// `clustercredprov`.
    ProviderReachable,
    /// Of an ApiCredential: a person has something to do. Absent otherwise.
    ///
    /// Do: follow what the message says, step by step; the condition goes by itself when it is done.
    ActionRequired,
    /// Of an ApiCredential: somebody has to act before this can succeed (kstatus). Absent otherwise, and while what stands in the
    /// way may pass by itself.
    ///
    /// Do: follow what the table below says of its reason. Credwright tries again at the time in the message all the same, and at once
    /// when what the message names is changed. `helm upgrade --wait` and Flux stop waiting because of this condition.
    Stalled,
    /// Of a provider: its limits allow what the schedules of its credentials need.
    ///
    /// Do: where it is False, raise the limit that the message names, or lengthen `spec.lifetime` of the ApiCredentials.
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
    /// The credential is issued, verified and published.
    ///
    /// Nothing: the message says until when it works and when it is replaced.
    Issued,
    /// Event: a replacement has been published.
    ///
    /// Do: see to it that workloads read the Secret again before `rotation.overlap` is over: files are seen by themselves, environment
    /// variables only after a restart of the pod.
    Rotated,
    /// Event: the Secret was put right: it had been deleted or changed, or the spec wants it otherwise.
    ///
    /// Nothing: it is right again. Where it happens again and again, somebody else writes to that Secret; find out who.
    Restored,
    /// Event: a credential has been made invalid at the provider.
    ///
    /// Nothing: it had been replaced, or its object was deleted.
    Revoked,
    /// The first credential of this object is being issued.
    ///
    /// Nothing: it takes seconds.
    FirstIssue,
    /// The credential nears the end of its life.
    ///
    /// Nothing: `lifetime` and `rotation.renewBefore` say when this is.
    RenewalDue,
    /// The spec asks for something else than the credential was made with.
    ///
    /// Nothing: a change of `providerRef`, `name`, `scopes`, `lifetime` or `subnets` takes a new credential, and the old one works on for
    /// `rotation.overlap`.
    SpecChanged,
    /// `rotation.request` has a new value.
    ///
    /// Nothing: it rotates once. Another text rotates again.
    Requested,
    /// The provider refuses the published credential, though its life is not over.
    ///
    /// Do: find out who revoked it at the provider. Another one is issued at once; where a person makes them, `ActionRequired` says what
    /// to make.
    FoundRevoked,
    /// `spec.suspend` is true: nothing is called and nothing is written.
    ///
    /// Do: set `spec.suspend` to false when Credwright is to go on. Nothing is renewed meanwhile. A
    /// credential of a shared provider is still revoked when its life is over; the message says
    /// when that will be.
    Suspended,
    /// The object is being deleted, and its credentials are being revoked; or those of an earlier object of this name are.
    ///
    /// Nothing: after `--revocation-deadline` it goes, whatever the provider does. Where the message speaks of other finalizers, somebody
    /// else holds it: `kubectl get apicred NAME --output yaml` shows who.
    Deleting,
    /// A new credential has been issued and is being tried before it is published.
    ///
    /// Nothing: some providers take minutes until they accept what they have issued.
    Verifying,
    /// The provider refused every attempt to use the new credential, which is revoked.
    ///
    /// Do: look at the provider whether what the login makes may be used: an account that is switched off, an address that is not
    /// allowed. Another one is tried at once, then after an hour, six hours, and daily; a new text in `rotation.request` tries at once.
    /// Where a person makes them, make another one.
    NeverAccepted,
    /// The Secret is being written, or is awaited: somebody deletes the old one, or writes it all the time.
    ///
    /// Nothing: it takes seconds. Where it stays so, a finalizer holds the Secret, or somebody else writes it, who is to stop:
    /// `kubectl get secret NAME --output yaml --show-managed-fields` shows whose and who.
    Publishing,
    /// A create was sent and its answer was lost; what it made is being looked for.
    ///
    /// Nothing: it is found by its name and revoked. Only where the provider has no list it is put on record: see `Abandoned`. The next
    /// attempt then waits for ten minutes, an hour, six hours.
    Unconfirmed,
    /// The published credential has expired.
    ///
    /// Do: mend at once what the message says is in the way of a new one. A new text in `rotation.request` ends a wait after failures.
    /// Meanwhile workloads are refused; a pair made by hand at the provider helps them.
    Expired,
    /// The published credential is past the end of its life, and its replacement cannot be had. It still works.
    ///
    /// Do: mend what the message says is in the way of a new one.
    Overdue,
    /// What could not be revoked, or never be confirmed, is on record as an AbandonedCredential: an
    /// Event, and the record's Ready.
    ///
    /// Do: look at `kubectl get abandonedcredentials --all-namespaces --output wide`. Where NEXT ATTEMPT is empty, do at the provider
    /// what MESSAGE says and delete the record; all others are tried again until they are gone.
    Abandoned,
    /// The provider object does not exist.
    ///
    /// Do: create it, or correct `spec.providerRef`. A CredentialProvider has to be in the same namespace.
    ProviderMissing,
    /// The provider object is being deleted: nothing is minted there any more.
    ///
    /// Do: point `spec.providerRef` of the ApiCredentials that use it at another provider, or delete them. It goes when the last
    /// credential made there is gone.
    ProviderDeleting,
    /// The provider object has not been checked yet.
    ///
    /// Nothing: it takes seconds. Where it stays so, no Credwright works: look at `/readyz` of its pods.
    ProviderPending,
    /// The provider object is not usable as it stands.
    ///
    /// Do: correct the field of the provider, or the key of its login Secret, that the message names.
    ProviderInvalid,
    /// The provider's login Secret does not exist, lacks the consent label, or lacks a key.
    ///
    /// Do: create the Secret that `login.secretRef` names, add the key that the message names, or give your consent: `kubectl label
    /// secret NAME credwright.dev/role=login`. It is seen at once.
    LoginMissing,
    /// The provider does not answer.
    ///
    /// Nothing: it is tried again, at the latest after five minutes, and what is published works on. Where it stays so, look at the
    /// address in the provider object, DNS, a NetworkPolicy, and `--allow-egress`, which an address that is not public needs.
    ProviderUnavailable,
    /// The provider is busy with other credentials, and this one waits for its turn.
    ///
    /// Nothing: it goes on by itself, and what is published works on. If it lasts, raise
    /// `limits.concurrent` or `limits.requestsPerSecond` of the provider, or `--concurrency` of
    /// Credwright, or find out why the provider answers slowly.
    ProviderBusy,
    /// The provider asked us to slow down.
    ///
    /// Nothing: Credwright waits as long as the provider says. Where it happens often, lower `limits.requestsPerSecond` of the provider,
    /// or have the quota raised there.
    ProviderRateLimited,
    /// The provider refuses our login.
    ///
    /// Do: put the right values into the login Secret: they are tried at once. What is published works on.
    ProviderLoginRefused,
    /// The login works, but may not do this.
    ///
    /// Do: give the login, at the provider, the right to do what the message names: to create, list or revoke credentials. It is tried
    /// again at the latest after ten minutes, and at once when the spec, the provider's spec or its login changes.
    ProviderForbidden,
    /// The provider, or a proxy before it, refuses a request with a status that does not say what is wrong with it: a page
    /// that is missing, a request that is too large. Nothing was made.
    ///
    /// Nothing: the message says when it is tried again, at the latest after ten minutes, and sooner in the last third of what
    /// is published. Where it stays so, look whether the address in the provider object is right, and whether a proxy or an ingress
    /// answers in the provider's place.
    ProviderRefused,
    /// The provider's answer cannot be decoded, or cannot be true.
    ///
    /// Do: look whether the address is that of the API, and not of a proxy or of a page for people. It is tried again by itself; where it
    /// stays so, the provider has changed its API: report the message.
    ProviderProtocolError,
    /// Too many of an account's credentials are refused at once, or they were made at another account: a person has to look.
    ///
    /// Do: look whether the login was swapped, or the account locked or emptied, and put it right: then all goes on by itself. If it is
    /// meant to be so, say so by the annotation `credwright.dev/account` or `credwright.dev/refused` of the provider; the message has the
    /// command. Nothing is minted or revoked meanwhile.
    ProviderSuspect,
    /// The provider cannot honour what the spec asks for, or refuses it.
    ///
    /// Do: change the field that the message names: `kubectl describe credprov NAME` shows what the provider can do. Any change of the
    /// spec, of the provider's spec or of its login is tried at once. What the provider itself refused is also tried again every hour,
    /// and more often in the last third of what is published. Where the message speaks of a quota, remove there what nobody uses.
    InvalidForProvider,
    /// The provider does not let this namespace have what the spec asks for.
    ///
    /// Do: ask for less in the field that the message names, or have the provider's owner add to its `spec.allow`.
    NotAllowed,
    /// The name is taken at the provider.
    ///
    /// Nothing: the next attempt, at the latest after five minutes, takes another one. Where it goes on, choose another `spec.name`.
    NameTaken,
    /// The provider will not let the credential be revoked.
    ///
    /// Nothing: it is tried again, at the latest after ten minutes. Where it goes on, give the login the right to revoke, or remove the
    /// credential at the provider: the next attempt sees that it is gone.
    RevocationFailed,
    /// The Secret's name is taken by a Secret that is not Credwright's.
    ///
    /// Do: delete or rename that Secret, or choose another `spec.secret.name`. It is never overwritten.
    TargetForeign,
    /// The Secret cannot be written: it is immutable, or the API server refuses it.
    ///
    /// Do: delete the immutable Secret, and it is made anew at once; or change the quota or the policy that the message names.
    TargetRefused,
    /// `secret.template` cannot be rendered. What can never be rendered is told before a first
    /// credential is made.
    ///
    /// Do: correct what the message names, and the Secret is written. `credwright check FILE` says
    /// beforehand what it can.
    TemplateInvalid,
    /// So many credentials were minted within the hour that Credwright stops and asks a person to look.
    ///
    /// Do: find out who keeps changing the spec, or why what was issued did not last: the Events tell. The next one is issued at the time
    /// in the message.
    MintLimit,
    /// So many credentials of this object wait to be revoked, or may be alive, that its ledger has hardly any room for more. Scheduled
    /// renewals wait until the last third of the published credential's life; the oldest of those that wait are handed over to
    /// AbandonedCredentials.
    ///
    /// Do: find out why the older ones are not revoked: the message says what the provider answered. Where the provider cannot revoke,
    /// remove them there, and say so as the condition `ActionRequired` tells. If they only wait for their overlap to end, shorten
    /// `spec.rotation.overlap`.
    LedgerFull,
    /// As many credentials were minted at the provider within the hour as may be; this one waits.
    ///
    /// Nothing: it goes on by itself, and what nears its end does not wait. Where that is too slow,
    /// raise `limits.mintsPerHour` of the provider. If the message says that renewals wait, too,
    /// lengthen `spec.lifetime`: the schedules of this namespace need more than half of what a
    /// shared provider allows.
    MintBudget,
    /// A provider's limits allow what its schedules need.
    ///
    /// Nothing: a fifth is to spare.
    LimitsSuffice,
    /// A provider's limits are too low for what its schedules need.
    ///
    /// Do: raise `limits.mintsPerHour` or `limits.requestsPerSecond`, whichever the message names, or lengthen `spec.lifetime`. Otherwise
    /// renewals come late.
    LimitsTooLow,
    /// The clock here is not that of the API server, or of the ledger's last writer: nothing is minted and nothing is revoked.
    ///
    /// Do: set the clock of the node right. If it is right, and that of the last writer was wrong, say so by the annotation
    /// `credwright.dev/clock-is-right`; the message has the command.
    ClockSkew,
    /// The API server refuses a call that Credwright needs: a quota is full, a policy forbids it, or a right is missing.
    ///
    /// Do: have the quota raised, the policy changed, or the right given that the message names. It is tried again by itself; what
    /// is published works on.
    ApiServerRefused,
    /// The same attempt fails again and again, and not because of the provider.
    ///
    /// Nothing: it is tried again by itself. Where it stays so, look whether the API server is well and whether somebody else writes the
    /// same objects; the message says what fails.
    NoProgress,
    /// The ledger is gone though a credential was published; nothing is minted while that may still work.
    ///
    /// Do: restore the Secret NAME.credwright from a backup, or delete the Secret that workloads read: then a new credential is issued.
    /// Where the message says so, it waits for the provider only.
    LedgerLost,
    /// The ledger cannot be read: it was changed by someone else, or its key is lost, or a newer Credwright wrote it.
    ///
    /// Do: restore the Secret NAME.credwright, or `credwright-seal` in Credwright's namespace, or run the newer Credwright. If that
    /// cannot be done, delete NAME.credwright: it is put together again from status and from the Secret that workloads read.
    LedgerUnreadable,
    /// Event: the ledger was restored or cloned: what it lists stays published while it works, and is not revoked before a credential
    /// minted here has replaced it.
    ///
    /// Nothing: it is replaced when that is due; a new text in `rotation.request` does it now. What another cluster made is never revoked
    /// from here, unless the annotation `credwright.dev/claim` says that it is this cluster's.
    Inherited,
    /// The provider holds a credential of this object's that its ledger never asked for: the cluster was rolled back, or it was cloned
    /// and both are at work. Nothing is minted and nothing is revoked until a person says whose it is.
    ///
    /// Do: start the clone's Credwright with another `--cluster-id`, if there is a clone. Then claim it for this cluster by the
    /// annotation `credwright.dev/claim`; the condition `ActionRequired` has the command.
    IdentityClash,
    /// What was left behind at the provider under our tag is revoked.
    ///
    /// Nothing: a lost answer or an earlier object of this name had made it.
    Stray,
    /// Event: the ledger was deleted or lost, and made anew from a copy, or from status and the Secret that workloads read.
    ///
    /// Nothing: all goes on as before. Still, find out who deletes Secrets with the label `credwright.dev/role=ledger`. Where the
    /// message says that another cluster may have made the credential and that is not so, say so by the annotation
    /// `credwright.dev/claim`; the message has the command.
    LedgerRebuilt,
    /// The login works.
    ///
    /// Nothing: the provider is ready.
    LoginAccepted,
    /// The provider answers. It needs no login, or its login cannot be tried without being used up.
    ///
    /// Nothing: the message says whether there is a login that is still to be tried.
    Reachable,
    /// A person has to make a credential and put it into the intake Secret.
    ///
    /// Do: follow what the condition `ActionRequired` says, step by step. It is repeated as an Event every day.
    IntakeAwaited,
    /// The pair in the intake Secret cannot be taken as it stands.
    ///
    /// Do: correct what the message names: the keys `client_id` and `client_secret`, the times `issued_at` and `expires_at`, or the label
    /// `credwright.dev/role=intake`.
    IntakeInvalid,
    /// The provider refuses the pair in the intake Secret.
    ///
    /// Do: correct the pair: a new content is tried within seconds, the same one again every hour. If the cause was elsewhere and is
    /// mended, give the intake Secret any new text in the annotation `credwright.dev/try-again`, and it is tried at once.
    IntakeRefused,
    /// A person put a new pair into the intake Secret, or said more about it.
    ///
    /// Nothing: it is tried, and published if the provider accepts it.
    IntakeReplaced,
    /// A person has to remove a credential at the provider.
    ///
    /// Do: remove the one that the message names. Credwright sees that it is gone where it can; otherwise say so by the annotation
    /// `credwright.dev/removed`, for which the message has the command.
    RemovalAwaited,
    /// The spec of the object cannot be read by this version of Credwright: it is too long, or a newer version wrote what this one does
    /// not know. Nothing is called and nothing is written but this.
    ///
    /// Do: correct the field that the message names, or upgrade Credwright to the version whose definitions are installed.
    SpecUnreadable,
    /// A word of a newer version.
    #[serde(untagged)]
    #[schemars(skip, !untagged)]
    Other(Word),
}

impl Reason {
    /// The name in manifests.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a line for each reason")]
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
            Self::ProviderBusy => "ProviderBusy",
            Self::ProviderRateLimited => "ProviderRateLimited",
            Self::ProviderLoginRefused => "ProviderLoginRefused",
            Self::ProviderForbidden => "ProviderForbidden",
            Self::ProviderProtocolError => "ProviderProtocolError",
            Self::ProviderSuspect => "ProviderSuspect",
            Self::ProviderRefused => "ProviderRefused",
            Self::InvalidForProvider => "InvalidForProvider",
            Self::NotAllowed => "NotAllowed",
            Self::NameTaken => "NameTaken",
            Self::RevocationFailed => "RevocationFailed",
            Self::TargetForeign => "TargetForeign",
            Self::TargetRefused => "TargetRefused",
            Self::TemplateInvalid => "TemplateInvalid",
            Self::MintLimit => "MintLimit",
            Self::LedgerFull => "LedgerFull",
            Self::MintBudget => "MintBudget",
            Self::LimitsSuffice => "LimitsSuffice",
            Self::LimitsTooLow => "LimitsTooLow",
            Self::ClockSkew => "ClockSkew",
            Self::ApiServerRefused => "ApiServerRefused",
            Self::NoProgress => "NoProgress",
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
            Self::SpecUnreadable => "SpecUnreadable",
            Self::Other(word) => word.as_str(),
        }
    }
}

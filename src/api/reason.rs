//! Reasons: of conditions, Events and credentials. Their comments are made into docs as those of
//! the condition types are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::{Word, words};

words! {
    /// The reason of a condition, of an Event, or of a rotation.
    #[derive(Hash)]
    pub enum Reason {
        /// The credential is issued, verified and published.
        ///
        /// Nothing: the message says when it expires and when it is replaced.
        Issued,
        /// The credential is published without verification at the provider. The message says why.
        ///
        /// Nothing: workloads can use it. If it works only from certain subnets and Credwright is
        /// within them, say so with `--egress-addresses`: then it is verified.
        Unverified,
        /// Event: a replacement was published.
        ///
        /// Do: make sure that workloads read the Secret again before `rotation.overlap` is over.
        /// Mounted files are updated by themselves, environment variables only by a restart of the
        /// pod.
        Rotated,
        /// Event: the Secret was written again, because it had been deleted or changed, or because
        /// the spec changed.
        ///
        /// Nothing: the Secret is right again. If this happens again and again, another writer
        /// changes the Secret. Find it with `kubectl get secret NAME --output yaml
        /// --show-managed-fields`.
        Restored,
        /// Event: a credential was revoked at the provider.
        ///
        /// Nothing: it had been replaced, or its object was deleted.
        Revoked,
        /// The first credential of this object is being issued.
        ///
        /// Nothing: it takes seconds.
        FirstIssue,
        /// The credential is close to its expiry and is being replaced.
        ///
        /// Nothing: `lifetime` and `rotation.renewBefore` determine the time.
        RenewalDue,
        /// The spec differs from the one that the credential was issued for.
        ///
        /// Nothing: a change of `providerRef`, `name`, `scopes`, `lifetime`, `subnets` or
        /// `parameters` issues a new credential. The old one works for `rotation.overlap`.
        SpecChanged,
        /// `rotation.request` has a new value.
        ///
        /// Nothing: the credential rotates once. Another text rotates it again.
        Requested,
        /// The provider refuses the published credential although it has not expired.
        ///
        /// Do: find out who revoked it at the provider. Credwright issues another one at once.
        /// Where a person makes the credentials, `ActionRequired` says what to make.
        FoundRevoked,
        /// `spec.suspend` is true: Credwright calls no provider and writes nothing.
        ///
        /// Do: set `spec.suspend` to false to go on. Nothing is renewed meanwhile. A credential of
        /// a shared provider is still revoked at the end of its life, and the message says when
        /// that is.
        Suspended,
        /// The provider lets no more credentials be alive at once. The next one is issued when an
        /// older one is revoked.
        ///
        /// Nothing: the older one is revoked after `rotation.overlap`. It ends earlier only if the
        /// published one is dead or in the last tenth of its life, or if `rotation.overlap` is
        /// shorter. If the message names one that cannot be revoked, remove it at the provider.
        AtLimit,
        /// The object is being deleted and its credentials are being revoked. Or an earlier object
        /// with the same name is still being cleaned up.
        ///
        /// Nothing: the deletion finishes after `--revocation-deadline` at the latest, whatever the
        /// provider answers. If the message mentions other finalizers, another controller keeps the
        /// object: `kubectl get apicred NAME --output yaml` shows which.
        Deleting,
        /// A new credential is issued, and is being verified before it is published.
        ///
        /// Nothing: some providers take minutes until they accept a new credential.
        Verifying,
        /// The provider refused every attempt to use the new credential. The credential is revoked.
        ///
        /// Do: find out at the provider why new credentials are refused, for example because the
        /// account is switched off or the address is not allowed. Credwright tries with another
        /// credential at once, then after an hour, after six hours, and daily. A new text in
        /// `rotation.request` tries at once. Where a person makes the credentials, make another
        /// one.
        NeverAccepted,
        /// The Secret is being written, or Credwright waits to write it because another writer
        /// deletes or changes it all the time.
        ///
        /// Nothing: it takes seconds. If it persists, a finalizer blocks the Secret or another
        /// controller keeps writing to it. `kubectl get secret NAME --output yaml
        /// --show-managed-fields` shows which.
        Publishing,
        /// A create request was sent, and its response was lost. Credwright searches for the
        /// credential that it may have made.
        ///
        /// Nothing: the credential is found by its name and revoked. Only where the provider cannot
        /// list, it is put on record: see `Abandoned`. The next attempt then waits for ten minutes,
        /// an hour, or six hours.
        Unconfirmed,
        /// The published credential has expired.
        ///
        /// Do: fix what the message names, at once. A new text in `rotation.request` ends the wait
        /// after failures. Workloads are refused meanwhile. A credential that you make by hand at
        /// the provider helps them.
        Expired,
        /// The published credential is past the end of its life, and it could not be replaced. It
        /// still works.
        ///
        /// Do: fix what the message names.
        Overdue,
        /// A credential that could not be revoked or found is on record as an AbandonedCredential.
        /// Reason of an Event, and of the record's condition Ready.
        ///
        /// Do: look at `kubectl get abandonedcredentials --all-namespaces --output wide`. If NEXT
        /// ATTEMPT is empty, do at the provider what MESSAGE says, and delete the record.
        /// Credwright tries all others again until they are gone.
        Abandoned,
        /// The provider object does not exist.
        ///
        /// Do: create it, or correct `spec.providerRef`. A CredentialProvider has to be in the same
        /// namespace.
        ProviderMissing,
        /// The provider object is being deleted, so nothing is issued there.
        ///
        /// Do: point `spec.providerRef` of the ApiCredentials that use it at another provider, or
        /// delete them. The provider object is deleted when the last credential issued there is
        /// gone.
        ProviderDeleting,
        /// The provider object has not been checked yet.
        ///
        /// Nothing: it takes seconds. If it persists, no replica of Credwright is active: look at
        /// `/readyz` of its pods.
        ProviderPending,
        /// The provider object cannot be used as it is.
        ///
        /// Do: correct the field of the provider, or the key of an object that it refers to, that
        /// the message names. The change takes effect at once.
        ProviderInvalid,
        /// The Secret with the provider's login or client certificate does not exist, lacks the
        /// consent label, or lacks a key.
        ///
        /// Do: create the Secret that `login.secretRef` or `tls.clientCertificateRef` names, add
        /// the key that the message names, or give your consent: `kubectl label secret NAME
        /// credwright.dev/role=login`. The change takes effect at once.
        LoginMissing,
        /// The provider does not answer.
        ///
        /// Nothing: Credwright tries again within five minutes, and the published credential works
        /// on. If it persists, check the address in the provider object, DNS, NetworkPolicies,
        /// `--provider-proxy`, and `--allow-egress`: an address that is not public has to be within
        /// its ranges.
        ProviderUnavailable,
        /// The provider is busy with other credentials, and this one waits for its turn.
        ///
        /// Nothing: it goes on by itself, and the published credential works on. If it lasts, raise
        /// `limits.concurrent` or `limits.requestsPerSecond` of the provider, or `--concurrency` of
        /// Credwright, or find out why the provider answers slowly.
        ProviderBusy,
        /// The provider asked Credwright to slow down.
        ///
        /// Nothing: Credwright waits as long as the provider says. If it happens often, lower
        /// `limits.requestsPerSecond` of the provider, or have the rate limit raised there.
        ProviderRateLimited,
        /// The provider refuses Credwright's login.
        ///
        /// Do: put the right values into the login Secret. Credwright tries them at once. Published
        /// credentials work on.
        ProviderLoginRefused,
        /// The login works, but has no right to do this.
        ///
        /// Do: give the login, at the provider, the right that the message names: to create, list
        /// or revoke credentials. Credwright tries again within ten minutes, and at once when you
        /// change the spec, the provider's spec or its login.
        ProviderForbidden,
        /// The provider, or a proxy in front of it, refuses a request with a status that does not
        /// say why, such as a page that does not exist or a request that is too large. No
        /// credential was made.
        ///
        /// Nothing: the message says when it is tried again, within ten minutes, and sooner in the
        /// last third of the credential's life. If it persists, check the address in the provider
        /// object, and whether a proxy or an ingress answers in the provider's place.
        ProviderRefused,
        /// The provider's answer cannot be decoded, or cannot be true.
        ///
        /// Do: check that the address is that of the API, and not of a proxy or of a web page.
        /// Credwright tries again by itself. If it persists, the provider has changed its API:
        /// report the message.
        ProviderProtocolError,
        /// Too many credentials of one account are refused at the same time, or they were issued at
        /// another account. Credwright issues and revokes nothing until a person has looked.
        ///
        /// Do: check whether the login was swapped, or the account locked or emptied, and fix that.
        /// Everything then goes on by itself. If the change was intended, say so with the
        /// annotation `credwright.dev/account` or `credwright.dev/refused` on the provider. The
        /// message has the command.
        ProviderSuspect,
        /// The provider cannot do what the spec asks for, or refuses it.
        ///
        /// Do: change the field that the message names. `kubectl describe credprov NAME` shows what
        /// the provider can do. Any change of the spec, of the provider's spec or of its login is
        /// tried at once. A refusal by the provider is also tried again every hour, and more often
        /// in the last third of the credential's life. If the message mentions a quota, remove
        /// unused credentials at the provider.
        InvalidForProvider,
        /// The owner of the shared provider does not allow this namespace to request what the spec
        /// asks for.
        ///
        /// Do: ask for less in the field that the message names, or ask the owner to extend
        /// `spec.allow` of the provider.
        NotAllowed,
        /// The name is taken at the provider.
        ///
        /// Nothing: the next attempt, within five minutes, uses another name. If it persists,
        /// choose another `spec.name`.
        NameTaken,
        /// The provider refuses to revoke the credential.
        ///
        /// Nothing: Credwright tries again within ten minutes. If it persists, give the login the
        /// right to revoke, or remove the credential at the provider. The next attempt notices that
        /// it is gone.
        RevocationFailed,
        /// The Secret exists already and does not belong to this object.
        ///
        /// Do: delete or rename that Secret, or choose another `spec.secret.name`. Credwright never
        /// overwrites it.
        TargetForeign,
        /// The Secret cannot be written: it is immutable, or the API server refuses it.
        ///
        /// Do: delete the immutable Secret, and Credwright recreates it at once. Otherwise change
        /// the quota or the policy that the message names.
        TargetRefused,
        /// `secret.template` cannot be rendered. A template that can never be rendered is reported
        /// before the first credential is issued.
        ///
        /// Do: correct what the message names, and the Secret is written. `credwright check FILE`
        /// finds most mistakes beforehand.
        TemplateInvalid,
        /// Too many credentials were requested for this object within an hour, so Credwright waits.
        ///
        /// Do: look at the Events to find out who keeps changing the spec, or why the credentials
        /// did not last. The next one is issued at the time in the message.
        MintLimit,
        /// So many credentials of this object may be alive that its ledger has hardly any room for
        /// more. Scheduled renewals wait until the last third of the published credential's life,
        /// and changes of the spec or of `rotation.request` wait as well. If the ledger is
        /// completely full, nothing is issued. The oldest credentials that wait to be revoked are
        /// handed over to AbandonedCredentials.
        ///
        /// Do: find out why they are not revoked: the message says what the provider answered. If
        /// the provider cannot revoke, remove them there and confirm it as the condition
        /// `ActionRequired` says. If they only wait for their overlap to end, shorten
        /// `spec.rotation.overlap`.
        LedgerFull,
        /// The account's limit of new credentials within an hour is reached, and this one waits.
        ///
        /// Nothing: it goes on by itself, and renewals close to expiry do not wait. If that is too
        /// slow, raise `limits.mintsPerHour` of the provider. If the message says that renewals
        /// wait, too, this namespace's schedules need more than half of what a shared provider
        /// allows: lengthen `spec.lifetime`.
        MintBudget,
        /// A provider's limits allow what its schedules need.
        ///
        /// Nothing: at least a fifth is in reserve.
        LimitsSuffice,
        /// A provider's limits are too low for what its schedules need.
        ///
        /// Do: raise `limits.mintsPerHour` or `limits.requestsPerSecond`, whichever the message
        /// names, or lengthen `spec.lifetime`. Otherwise renewals are late.
        LimitsTooLow,
        /// Credwright's clock differs from that of the API server, or from that of the ledger's
        /// last writer. Nothing is issued or revoked.
        ///
        /// Do: correct the clock of the node. If it is right, and the last writer's was wrong, say
        /// so with the annotation `credwright.dev/clock-is-right`. The message has the command.
        ClockSkew,
        /// The API server refuses a request that Credwright needs: a quota is exceeded, a policy
        /// forbids it, or a right is missing.
        ///
        /// Do: have the quota raised, the policy changed, or the right granted that the message
        /// names. Credwright tries again by itself, and the published credential works on.
        ApiServerRefused,
        /// The same attempt fails again and again, and not because of the provider.
        ///
        /// Nothing: Credwright tries again by itself. If it persists, check whether the API server
        /// is healthy and whether another controller writes the same objects. The message says what
        /// fails.
        NoProgress,
        /// The ledger is gone although a credential was published. Nothing is issued while that
        /// credential may still work.
        ///
        /// Do: restore the Secret NAME.credwright from a backup, or delete the Secret that
        /// workloads read, and a new credential is issued. If the message says that it waits for
        /// the provider, you need not do anything.
        LedgerLost,
        /// The ledger cannot be read: somebody changed it, its key is lost, or a newer version of
        /// Credwright wrote it.
        ///
        /// Do: restore the Secret NAME.credwright, or `credwright-seal` in Credwright's namespace,
        /// or run the newer version. If you cannot, delete NAME.credwright: Credwright rebuilds it
        /// from status and from the Secret that workloads read.
        LedgerUnreadable,
        /// Event: the ledger was restored or cloned. Its credentials stay published while they
        /// work, and are not revoked before a credential issued here has replaced them.
        ///
        /// Nothing: they are replaced when that is due. A new text in `rotation.request` replaces
        /// them now. Credentials that another cluster issued are never revoked from here, unless
        /// the annotation `credwright.dev/claim` says that they belong to this cluster.
        Inherited,
        /// The provider has a credential tagged for this object that is not in its ledger: the
        /// cluster was rolled back, or a clone of it uses the same account. Nothing is issued or
        /// revoked until a person says whose it is.
        ///
        /// Do: if there is a clone, start its Credwright with another `--cluster-id`. Then claim
        /// the credential for this cluster with the annotation `credwright.dev/claim`. The
        /// condition `ActionRequired` has the command.
        IdentityClash,
        /// A credential that Credwright left behind at the provider is revoked.
        ///
        /// Nothing: it was made by a create whose response was lost, or for an earlier object with
        /// this name.
        Stray,
        /// Event: the ledger was deleted or lost, and recreated from a copy, or from status and the
        /// Secret that workloads read.
        ///
        /// Nothing: everything goes on as before. Find out who deletes Secrets with the label
        /// `credwright.dev/role=ledger`. If the message says that another cluster may have issued
        /// the credential, and none did, say so with the annotation `credwright.dev/claim`. The
        /// message has the command.
        LedgerRebuilt,
        /// The login works.
        ///
        /// Nothing: the provider is ready.
        LoginAccepted,
        /// The provider answers. It needs no login, or its login can be used only a limited number
        /// of times, so it is not tried.
        ///
        /// Nothing: the message says whether there is a login that is still to be tried.
        Reachable,
        /// A person has to make a credential and put it into the intake Secret.
        ///
        /// Do: follow the steps in the condition `ActionRequired`. They are repeated as an Event
        /// every day.
        IntakeAwaited,
        /// The pair in the intake Secret cannot be used as it is.
        ///
        /// Do: correct what the message names: the keys `client_id` and `client_secret`, the times
        /// `issued_at` and `expires_at`, or the label `credwright.dev/role=intake`.
        IntakeInvalid,
        /// The provider refuses the pair in the intake Secret.
        ///
        /// Do: correct the pair. A new pair is tried within seconds, the same one again every hour.
        /// If the pair is right and you fixed another cause, set the annotation
        /// `credwright.dev/try-again` of the intake Secret to any new text, and the pair is tried
        /// within seconds. Further changes are tried once a minute.
        IntakeRefused,
        /// A person put a new pair into the intake Secret, or added its times.
        ///
        /// Nothing: Credwright tries the pair, and publishes it if the provider accepts it.
        IntakeReplaced,
        /// A person has to remove a credential at the provider.
        ///
        /// Do: remove the credential that the message names. Where Credwright cannot see that it is
        /// gone, confirm it with the annotation `credwright.dev/removed`. The message has the
        /// command.
        RemovalAwaited,
        /// This version of Credwright cannot read the object's spec: it is too long, or a newer
        /// version wrote something unknown. Credwright calls nothing and writes only this.
        ///
        /// Do: correct the field that the message names, or upgrade Credwright to the version of
        /// the installed CRDs.
        SpecUnreadable,
    }
}

//! Credentials that only a person can remove, because the provider has no call for it. Each stays
//! in the ledger until it is gone.
//!
//! Credwright sees for itself when the provider refuses the old pair and, at the same time, accepts
//! the new one: an account that is switched off refuses both, which proves nothing. Where it cannot
//! see, a person says so.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ProviderKind, REMOVED_ANNOTATION, Reason},
    lifecycle::{
        model::{Capabilities, Divided, Edit, Moved, Plan, Revision, State, Step, to_second},
        rules::verification::Verification,
    },
};

use super::facts::Facts;

/// The first and the longest pause between two tries of a credential that is to be removed.
const LOOKS: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(15), SignedDuration::from_hours(1));

/// Records that a person confirms a removal which Credwright can neither do nor look for.
pub(super) fn said_to_be_gone(facts: &Facts<'_>) -> Option<Plan> {
    let gone = facts.revisions().find(|it| {
        it.state == State::Revoking
            && facts.capabilities(it).is_none_or(|capabilities| !capabilities.revokes(it))
            && is_named(it, said_of(facts, it))
    })?;
    let message = format!("a person confirmed that {} is gone", gone.name);
    let edit = Edit::Revoked(gone.revision);
    Some(Plan::Act { step: Step::Record(edit), reason: Reason::Revoked, message })
}

/// Returns the credential that a person confirms as removed. At a shared provider only its owner
/// may say so, and not the tenant, who could keep a living credential that way.
fn said_of<'a>(facts: &'a Facts<'_>, it: &Revision) -> Option<&'a str> {
    if is_shared(it) {
        return facts.provider(&it.account)?.standing.removed.as_deref();
    }
    facts.annotation(REMOVED_ANNOTATION).map(String::as_str)
}

fn is_named(it: &Revision, said: Option<&str>) -> bool {
    let is_it = |said: &str| said == it.name || it.id() == Some(said);
    said.into_iter().flat_map(|said| said.split(',')).any(|said| is_it(said.trim()))
}

fn is_shared(it: &Revision) -> bool {
    it.account.kind == ProviderKind::ClusterCredentialProvider
}

/// Checks whether a person has removed a retired credential.
pub(super) fn look(facts: &Facts<'_>) -> Option<Plan> {
    let beside = facts.published().filter(|it| it.dead_at.is_none())?;
    let due = |it: &&Revision| checkable(facts, it, beside) && due_at(facts, it) <= facts.now;
    let revision = facts.revisions().filter(due).min_by_key(|it| due_at(facts, it))?.revision;
    Some(Plan::act(Step::CheckRemoval { revision, beside: beside.revision }, Reason::RemovalAwaited))
}

/// Returns when a removal is looked for next.
pub(super) fn instants<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = Timestamp> + 'a {
    let beside = facts.published();
    facts
        .revisions()
        .filter(move |it| beside.is_some_and(|beside| checkable(facts, it, beside)))
        .map(|it| due_at(facts, it))
}

/// Returns whether a person is to remove it, and it can be tried beside the published credential.
fn checkable(facts: &Facts<'_>, it: &Revision, beside: &Revision) -> bool {
    let by_a_person = facts.capabilities(it).is_some_and(|capabilities| !capabilities.revokes(it));
    it.state == State::Revoking
        && by_a_person
        && can_be_seen(facts, it, beside)
        && facts.callable(it).is_some()
}

/// Returns whether a refusal means that it is gone: it was accepted once, and the published
/// credential answers for the account.
fn can_be_seen(facts: &Facts<'_>, it: &Revision, beside: &Revision) -> bool {
    it.retired_at.is_some()
        && it.account == beside.account
        && facts.verification(it) == Some(Verification::Pair)
}

fn due_at(facts: &Facts<'_>, it: &Revision) -> Timestamp {
    let retired = it.retired_at.unwrap_or(facts.now);
    facts.world.memory.removals.get(&it.revision).map_or(retired, |looked| {
        looked.later(looked.duration_since(retired).part(4).clamp(LOOKS.0, LOOKS.1))
    })
}

/// Returns all that a person has to remove or to look for, each with the steps.
pub(super) fn awaited<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = String> + 'a {
    facts.revisions().filter(|it| facts.is_ours_to_end(it)).filter_map(|it| {
        let capabilities = facts.capabilities(it).filter(|capabilities| !capabilities.revokes(it))?;
        let waits = it.state == State::Revoking && !shares_its_client(facts, it);
        waits.then(|| to_remove(facts, it, capabilities))
    })
}

/// Returns whether another usable revision is the same at the provider, as when a person has
/// replaced the only secret of a client: removing the client would end that one, too.
fn shares_its_client(facts: &Facts<'_>, old: &Revision) -> bool {
    facts.revisions().any(|it| it.state.is_usable() && it.is_same_as(old))
}

/// Returns the steps for a person, for a credential that Credwright cannot revoke.
pub(in crate::lifecycle) fn to_remove(
    facts: &Facts<'_>,
    it: &Revision,
    capabilities: &Capabilities,
) -> String {
    let why = match it.retired_at {
        Some(at) => format!("it was replaced at {}", to_second(at)),
        None => "it is not used".to_owned(),
    };
    let seen = if facts.published().is_some_and(|beside| can_be_seen(facts, it, beside)) {
        "Credwright notices when it is gone. To confirm it yourself"
    } else {
        "Then confirm that it is gone"
    };
    format!("remove {} at {}: {why}. {seen}: {}", it.described(), &capabilities.place, annotate(facts, it))
}

fn annotate(facts: &Facts<'_>, it: &Revision) -> String {
    let subject = &facts.world.subject;
    let annotated = if is_shared(it) {
        format!("clustercredentialprovider {}", it.account.name)
    } else {
        format!("apicred {} --namespace={}", subject.name, subject.namespace)
    };
    let what = it.id().unwrap_or(&it.name);
    format!("kubectl annotate {annotated} --overwrite {REMOVED_ANNOTATION}='{what}'")
}

//! The reasons for which a mint waits, although a new credential is needed and may be made.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ApiCredential, Reason},
    lifecycle::{
        model::{
            Budget, Divided, Edit, Moved, Parameters, Plan, Revision, State, Step, StepKind, UsableProvider,
            to_second,
        },
        rules::{backoff, schedule},
    },
};

use super::facts::Facts;

/// The time over which waiting objects look again, so that they do not all do it at once.
const SPREAD: SignedDuration = SignedDuration::from_mins(5);

/// Nothing new is issued at a provider that is being deleted; existing credentials can still be
/// revoked.
pub(super) fn provider_is_deleted(facts: &Facts<'_>, provider: &UsableProvider) -> Option<Plan> {
    let name = &facts.object()?.spec.provider_ref.name;
    provider.deleting.then(|| Plan::rest(Reason::ProviderDeleting, provider_deleting(name)))
}

/// Returns the message about a provider that is being deleted.
pub(in crate::lifecycle) fn provider_deleting(provider: &str) -> String {
    format!(
        "the provider {provider} is being deleted, so nothing is issued there any more; point \
         spec.providerRef at another provider, or delete this object"
    )
}

/// Returns why nothing is minted at `provider`, if it is suspect.
pub(super) fn suspected(provider: &UsableProvider) -> Option<Plan> {
    let why = provider.standing.suspicion.clone()?;
    Some(Plan::rest(Reason::ProviderSuspect, why))
}

/// Issues no new credential while the result of an earlier call to the same provider is not known.
/// A provider that the spec has left may never answer again. A list that fails does not cost the
/// published credential its last third, once no earlier call can still arrive.
pub(super) fn unsettled(facts: &Facts<'_>, provider: &UsableProvider) -> Option<Plan> {
    let reference = &facts.object()?.spec.provider_ref;
    let capabilities = &provider.capabilities;
    let is_open = |it: &&Revision| {
        (it.account.kind, &it.account.name) == (reference.kind, &reference.name)
            // Inherited credentials are settled when a credential minted here is published, so they
            // cannot be waited for.
            && facts.inheritance(it.revision).is_none()
            && match it.state {
                State::Intended => true,
                State::Unconfirmed => capabilities.can_list(),
                _ => false,
            }
    };
    let open: Vec<&Revision> = facts.revisions().filter(is_open).collect();
    let first = open.first()?;
    let third = facts.last_third();
    let has_failed = facts.failed(StepKind::Settle).is_some();
    let can_still_arrive = open.iter().any(|it| schedule::settle_from(it, capabilities) > facts.now);
    if has_failed && !can_still_arrive && third.is_some_and(|at| at <= facts.now) {
        return None;
    }
    let until = schedule::settle_from(first, capabilities).later(capabilities.listing_lag());
    let lost = facts
        .failed(StepKind::Mint)
        .filter(|it| it.revision == Some(first.revision))
        .map(|it| it.message.as_str());
    let lost = lost.map_or("was lost".to_owned(), |why| format!("was lost or cannot be used ({why})"));
    let search = facts.failure(StepKind::Settle).map(|it| {
        let again = backoff::next_attempt(StepKind::Settle, it);
        format!("; {}", backoff::with_next_attempt(&it.message, again))
    });
    let message = format!(
        "the response to the create request for {} {lost}; Credwright searches for the credential at the \
         provider until {} at the latest{}",
        first.name,
        to_second(until),
        search.unwrap_or_default()
    );
    Some(match third.filter(|at| *at > facts.now) {
        Some(third) => Plan::rest_until(third, Reason::Unconfirmed, message),
        None => Plan::rest(Reason::Unconfirmed, message),
    })
}

/// Backoff after failures, unless something has changed that they are about.
pub(super) fn held_back(facts: &Facts<'_>, about: &str) -> Option<Plan> {
    let record = facts.failed(StepKind::Mint).filter(|record| record.about == about)?;
    let again = backoff::next_attempt(StepKind::Mint, record);
    let life = facts.world.active().and_then(schedule::last_third);
    let again = life.map_or(again, |life| backoff::before_the_end(again, record.at, life));
    if again <= facts.now {
        return None;
    }
    Some(Plan::rest_until(again, record.reason, backoff::with_next_attempt(&record.message, again)))
}

pub(super) fn breaker(facts: &Facts<'_>, object: &ApiCredential) -> Option<Plan> {
    let limit = backoff::mint_limit(&object.spec, facts.world.active());
    let listed = facts.document().map(|document| document.mints.as_slice()).unwrap_or_default();
    let mints = listed.iter().chain(&facts.world.minted_before).copied();
    let opens = backoff::breaker_opens(mints, limit, facts.now)?;
    let why =
        facts.failed(StepKind::Mint).map_or("its Events say why they did not last", |record| &record.message);
    let message = format!(
        "{limit} credentials were requested within the hour, more than this object can need; the next one \
         is requested at {}: {why}",
        to_second(opens)
    );
    Some(Plan::rest_until(opens, Reason::MintLimit, message))
}

/// The account's budget is used up, and this can wait.
pub(super) fn used_up(facts: &Facts<'_>, provider: &UsableProvider, why: Reason) -> Option<Plan> {
    let Budget { limit, opens, unfair, renewals_wait } = provider.budget;
    let opens = opens.filter(|at| *at > facts.now)?;
    if is_urgent(facts, why) && !renewals_wait {
        return None;
    }
    let whose = if unfair {
        "this namespace has requested as many credentials within the hour as remain for all other namespaces"
    } else {
        "the provider's limit of new credentials within an hour is reached"
    };
    let renewals = if renewals_wait {
        "renewals wait, too, because the schedules of this namespace need more than half of that: lengthen spec.lifetime"
    } else {
        "renewals close to expiry do not wait"
    };
    let message = format!(
        "{whose}: limits.mintsPerHour of the provider is {limit}. It continues as soon as the limit \
         allows; {renewals}"
    );
    let share = i64::from(schedule::spread(facts.world.object_uid(), facts.next_revision()));
    let wait = SignedDuration::from_millis(share * SPREAD.as_secs() * 1000 / i64::from(u16::MAX));
    let urgent = facts.last_third().filter(|_| why != Reason::FirstIssue && !renewals_wait);
    let urgent = urgent.unwrap_or(Timestamp::MAX);
    Some(Plan::rest_until(urgent.min(opens.later(wait)), Reason::MintBudget, message))
}

/// The provider lets no more credentials be alive in one place. The mint waits until the oldest one
/// that is replaced already is revoked. That happens early only if workloads would otherwise be
/// without a credential.
pub(super) fn at_limit(
    facts: &Facts<'_>,
    provider: &UsableProvider,
    (parameters, why): (&Parameters, Reason),
) -> Option<Plan> {
    let max = provider.capabilities.max_alive?;
    let account = facts.account(provider)?;
    let place = provider.capabilities.place(parameters);
    let there = |it: &&Revision| {
        it.state.may_be_alive()
            && it.account == account
            && provider.capabilities.place(&it.parameters) == place
    };
    let alive: Vec<&Revision> = facts.revisions().filter(there).collect();
    if alive.len() < usize::try_from(max).unwrap_or(usize::MAX) {
        return None;
    }
    let retiring = || alive.iter().filter(|it| it.state == State::Retiring && facts.is_ours_to_end(it));
    if let Some(oldest) = retiring().next().filter(|_| is_needed_now(facts, why)) {
        let message = format!(
            "{} ends before its time: {max} credentials are alive, no more may be, and workloads need another one",
            oldest.name
        );
        let step = Step::Record(Edit::StartRevoking(vec![oldest.revision]));
        return Some(Plan::Act { step, reason: Reason::AtLimit, message });
    }
    let newest = facts.document()?.newest_issued();
    let next = retiring().filter_map(|it| facts.revoke_at(it, newest?)).min();
    let names: Vec<&str> = alive.iter().map(|it| it.name.as_str()).collect();
    let message = format!(
        "the provider lets {max} credentials be alive at once, and there are {}: {}. The next one is issued when \
         one of them is revoked",
        alive.len(),
        names.join(", ")
    );
    Some(match next {
        Some(at) => Plan::rest_until(at, Reason::AtLimit, message),
        None => Plan::rest(Reason::AtLimit, message),
    })
}

/// Returns whether the credential that workloads use is dead, or in the last tenth of its life.
fn is_needed_now(facts: &Facts<'_>, why: Reason) -> bool {
    let tenth = || {
        let active = facts.world.active()?;
        let end = schedule::end(active)?;
        Some(end.earlier(end.duration_since(active.issued_at?).part(10)))
    };
    why == Reason::FoundRevoked || tenth().is_some_and(|at| at <= facts.now)
}

/// Returns whether workloads would be without a credential soon, or are already.
fn is_urgent(facts: &Facts<'_>, why: Reason) -> bool {
    match why {
        Reason::FoundRevoked => true,
        Reason::FirstIssue => false,
        _ => facts.last_third().is_some_and(|at| at <= facts.now),
    }
}

pub(super) fn paused(provider: &UsableProvider) -> Option<Plan> {
    let pause = provider.in_the_way()?;
    Some(Plan::rest(pause.reason, pause.message.clone()))
}

//! The need for a new credential, and the permission to mint it now.
//!
//! All checks here only hold a mint back. Repairs, publication and revocation come before them and
//! never wait for them.

use crate::{
    api::{ApiCredential, Reason},
    lifecycle::{
        model::{
            Edit, Plan, ProviderView, Request, Revision, Step, StepKind, UsableProvider, naming, to_second,
        },
        rules::{about, backoff, render, schedule},
    },
};

use super::{
    by_hand,
    facts::Facts,
    growth, parameters, permitted,
    publish::target_is_taken,
    request::{self, Wanted},
    supported, waiting,
};

/// The last check: mints (or asks a person to), says why it cannot, or rests because nothing is
/// needed.
pub(super) fn check(facts: &Facts<'_>) -> Option<Plan> {
    let object = facts.object()?;
    let request = request::desired_request(facts, object);
    let need = match need(facts, object, &request) {
        Need::None => None,
        Need::Wait(plan) => return Some(plan),
        Need::Mint(reason, why) => Some((reason, why)),
    };
    let provider = match (facts.world.desired_provider(), &need) {
        (Some(ProviderView::Usable(provider)), _) => provider,
        (_, None) => return Some(satisfied(facts)),
        (Some(ProviderView::Unusable { reason, message }), _) => {
            return Some(Plan::rest(*reason, message.clone()));
        }
        (None, _) => {
            let message = "the provider has not been checked yet".to_owned();
            return Some(Plan::rest(Reason::ProviderPending, message));
        }
    };
    let wanted = request::wanted(facts, object, provider);
    let Wanted { request, parameters } = &wanted;
    let by_hand = provider.capabilities.is_by_hand();
    let refused = || {
        waiting::provider_is_deleted(facts, provider)
            .or_else(|| supported::cannot_be_honoured(facts, &provider.capabilities, request))
            .or_else(|| permitted::not_allowed(facts, provider, request))
            .or_else(|| parameters::refused(facts, provider, parameters))
            .or_else(|| target_is_taken(facts))
            .or_else(|| cannot_be_rendered(facts, object))
            .or_else(|| waiting::suspected(provider))
    };
    let Some(need) = need else {
        let may_replace = by_hand && refused().is_none();
        let replaced = if may_replace { by_hand::replaced(facts, provider, request) } else { None };
        return replaced.or_else(|| Some(satisfied(facts)));
    };
    if by_hand {
        return refused().or_else(|| by_hand::needed(facts, provider, request, need));
    }
    refused()
        .or_else(|| waiting::unsettled(facts, provider))
        .or_else(|| growth::holds(facts, request, need.0))
        .or_else(|| waiting::at_limit(facts, provider, (parameters, need.0)))
        .or_else(|| waiting::held_back(facts, &about::minting((request, parameters), provider)))
        .or_else(|| waiting::breaker(facts, object))
        .or_else(|| waiting::used_up(facts, provider, need.0))
        .or_else(|| waiting::paused(provider))
        .or_else(|| mint(facts, provider, &wanted, need))
}

/// A template that can never work is reported before the first credential is issued for it. Later
/// ones are issued all the same: the published credential stays rendered by its old template until
/// it ends.
fn cannot_be_rendered(facts: &Facts<'_>, object: &ApiCredential) -> Option<Plan> {
    if facts.document().is_some_and(|it| it.newest_issued().is_some()) {
        return None;
    }
    let error = render::rehearse(object.spec.secret.as_ref()).err()?;
    let message = format!("{error}; nothing is issued until it is corrected");
    Some(Plan::rest(Reason::TemplateInvalid, message))
}

enum Need {
    None,
    Wait(Plan),
    Mint(Reason, String),
}

/// The ordered reasons for a new credential.
fn need(facts: &Facts<'_>, object: &ApiCredential, request: &Request) -> Need {
    let Some(newest) = facts.document().and_then(|it| it.newest_issued()) else {
        return Need::Mint(Reason::FirstIssue, "no credential has been issued yet".to_owned());
    };
    if newest.dead_at.is_some() {
        return Need::Mint(Reason::FoundRevoked, "the provider refuses the published credential".to_owned());
    }
    if let Some(changed) = request::difference(facts, object, newest, request) {
        return Need::Mint(Reason::SpecChanged, format!("{changed} was changed"));
    }
    if facts.world.published().is_none_or(|it| it.revision != newest.revision) {
        return waiting_to_be_published(facts, newest);
    }
    let asked = object.spec.rotation.as_ref().and_then(|rotation| rotation.request.as_deref());
    if asked.is_some() && asked != newest.request.rotation_request.as_deref() {
        return Need::Mint(Reason::Requested, "rotation.request has a new value".to_owned());
    }
    match facts.schedule(newest) {
        Some(times) if times.renewal <= facts.now => Need::Mint(
            Reason::RenewalDue,
            format!("the published credential ends at {}", to_second(times.end)),
        ),
        _ if facts.published().is_none() => waiting_to_be_published(facts, newest),
        _ => Need::None,
    }
}

/// Gives up a revision that was issued but never published, and no longer fits the spec: it would
/// be replaced at once.
pub(super) fn give_up(facts: &Facts<'_>) -> Option<Plan> {
    let object = facts.object()?;
    let newest = facts.document()?.newest_issued()?;
    request::difference(facts, object, newest, &request::desired_request(facts, object))?;
    let in_use = facts.world.active()?;
    if in_use.revision == newest.revision
        || facts.world.held().any(|held| held == newest.revision)
        || !facts.is_ours_to_end(newest)
    {
        return None;
    }
    Some(Plan::record(Edit::StartRevoking(vec![newest.revision]), Reason::SpecChanged))
}

fn waiting_to_be_published(facts: &Facts<'_>, newest: &Revision) -> Need {
    if let Some(plan) = target_is_taken(facts) {
        return Need::Wait(plan);
    }
    if let Some(target) = facts.world.target().filter(|target| target.terminating) {
        let message =
            format!("the Secret {} is being deleted; it is recreated as soon as it is gone", target.name);
        return Need::Wait(Plan::rest(Reason::Publishing, message));
    }
    if let (Some(at), Some(object)) = (facts.repair_due(), facts.object()) {
        let message = format!(
            "another writer keeps changing the Secret; Credwright restores it at {}. Find the writer: \
             kubectl get secret {} --namespace={} --output=yaml --show-managed-fields",
            to_second(at),
            object.spec.target_name(&facts.world.subject.name),
            facts.world.subject.namespace
        );
        return Need::Wait(Plan::rest(Reason::Publishing, message));
    }
    let publish = facts.failure(StepKind::Publish).map(|record| (StepKind::Publish, record));
    let verify = || {
        let its_own = facts.failure(StepKind::Verify).filter(|it| it.revision == Some(newest.revision));
        its_own.map(|record| (StepKind::Verify, record))
    };
    let (reason, message) = match publish.or_else(verify) {
        Some((step, record)) => {
            (record.reason, backoff::with_next_attempt(&record.message, backoff::next_attempt(step, record)))
        }
        None => (
            Reason::Verifying,
            format!(
                "revision {} is issued; it is published as soon as the provider accepts it",
                newest.revision
            ),
        ),
    };
    Need::Wait(Plan::rest(reason, message))
}

fn satisfied(facts: &Facts<'_>) -> Plan {
    let newest = facts.document().and_then(|it| it.newest_issued());
    let times = newest.and_then(|it| facts.schedule(it));
    let too_long = newest
        .zip(facts.object())
        .is_some_and(|(newest, object)| schedule::renew_before_is_too_long(&object.spec, newest));
    let provider = facts.world.desired_provider().and_then(ProviderView::usable);
    let by_hand = provider.is_some_and(|it| it.capabilities.is_by_hand());
    let mut message = match times {
        Some(times) => {
            let (end, renewal) = (to_second(times.end), to_second(times.renewal));
            let next = if by_hand { "a person is asked for its replacement" } else { "is replaced" };
            format!("the credential works until {end}, and {next} at {renewal}")
        }
        None => {
            let end = if by_hand {
                "the end of the credential's life is not known"
            } else {
                "the credential never expires"
            };
            format!("{end}, so it is rotated only when the spec or rotation.request changes")
        }
    };
    if let Some(why) = newest.and_then(|it| facts.verification(it)?.why_unverified()) {
        message.push_str("; ");
        message.push_str(why);
    }
    if !by_hand && facts.object().is_some_and(|object| object.spec.intake.is_some()) && provider.is_some() {
        message.push_str("; spec.intake is not used, because the provider makes its credentials itself");
    }
    if too_long {
        message
            .push_str("; rotation.renewBefore is more than half of its life, so a third of its life is used");
    }
    Plan::rest(Reason::Issued, message)
}

fn mint(
    facts: &Facts<'_>,
    provider: &UsableProvider,
    wanted: &Wanted,
    (reason, message): (Reason, String),
) -> Option<Plan> {
    let Wanted { request, parameters } = wanted;
    let operator = &facts.world.operator;
    let revision = facts.next_revision();
    let capabilities = &provider.capabilities;
    let name = naming::unique_name(
        &request.name,
        &facts.world.tag(),
        revision,
        Some(operator.entropy),
        capabilities.name_max,
    )?;
    let intent = facts.intent();
    let account = facts.account(provider)?;
    let revision = Revision {
        kind: capabilities.kind,
        parameters: parameters.clone(),
        ..Revision::intended((revision, name), (reason, request.clone()), intent, account)
    };
    Some(Plan::Act { step: Step::Mint(Box::new(revision)), reason, message })
}

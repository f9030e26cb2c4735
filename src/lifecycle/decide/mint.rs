//! The need for a new credential, the permission to mint it now, and the request.
//!
//! All checks here only hold a mint back. Repairs, publication and revocation come before them and
//! never wait for them.

use jiff::Timestamp;

use crate::{
    api::{Allow, ApiCredential, Reason},
    lifecycle::{
        model::{
            capability::{Capabilities, Expiry},
            ledger::{Account, Edit, Intent, Request, Revision, State, StepKind},
            naming,
            plan::{Plan, Step, Wake},
            time::{Divided, Moved},
            world::{CALL_WITHIN, ProviderView, UsableProvider},
        },
        rules::{about, backoff, budget, render, schedule, suspect},
        status::to_second,
    },
};

use super::{
    by_hand,
    facts::{Pass, settle_from},
    growth, permitted, supported, target_is_taken,
};

/// The last check: mints (or asks a person to), says why it cannot, or rests because nothing is
/// needed.
pub(super) fn check(pass: &Pass<'_>) -> Option<Plan> {
    let object = pass.object()?;
    let request = desired_request(pass, object);
    let need = match need(pass, object, &request) {
        Need::None => None,
        Need::Wait(plan) => return Some(plan),
        Need::Mint(reason, why) => Some((reason, why)),
    };
    let provider = match (pass.world.desired_provider(), &need) {
        (Some(ProviderView::Usable(provider)), _) => provider,
        (_, None) => return Some(satisfied(pass)),
        (Some(ProviderView::Unusable { reason, message }), _) => {
            return Some(pass.rest(*reason, message.clone()));
        }
        (None, _) => {
            return Some(
                pass.rest(Reason::ProviderPending, "the provider has not been checked yet".to_owned()),
            );
        }
    };
    let request = with_default_lifetime(request, provider.allow.as_ref());
    let by_hand = provider.capabilities.by_hand;
    let refused = || {
        is_going(pass, provider)
            .or_else(|| supported::cannot_be_honoured(pass, &provider.capabilities, &request))
            .or_else(|| permitted::not_allowed(pass, provider, &request))
            .or_else(|| target_is_taken(pass))
            .or_else(|| cannot_be_rendered(pass, object))
            .or_else(|| suspect::holds(pass, provider))
    };
    let Some(need) = need else {
        let may_replace = by_hand && refused().is_none();
        let replaced = if may_replace { by_hand::replaced(pass, provider, &request) } else { None };
        return replaced.or_else(|| Some(satisfied(pass)));
    };
    if by_hand {
        return refused().or_else(|| by_hand::needed(pass, provider, &request, need));
    }
    refused()
        .or_else(|| unsettled(pass, provider))
        .or_else(|| growth::holds(pass, &request, need.0))
        .or_else(|| held_back(pass, &about::minting(&request, provider)))
        .or_else(|| breaker(pass, object))
        .or_else(|| budget::used_up(pass, provider, need.0))
        .or_else(|| paused(pass, provider))
        .or_else(|| mint(pass, provider, request, need))
}

/// A template that can never work is reported before the first credential is issued in vain. Later
/// ones are issued all the same: the published credential stays rendered by its old template until
/// it ends.
fn cannot_be_rendered(pass: &Pass<'_>, object: &ApiCredential) -> Option<Plan> {
    if pass.document().is_some_and(|it| it.newest_issued().is_some()) {
        return None;
    }
    let error = render::rehearse(object.spec.secret.as_ref()).err()?;
    let message = format!("{error}; nothing is issued until it is corrected");
    Some(pass.rest(Reason::TemplateInvalid, message))
}

enum Need {
    None,
    Wait(Plan),
    Mint(Reason, String),
}

/// The ordered reasons for a new credential.
fn need(pass: &Pass<'_>, object: &ApiCredential, request: &Request) -> Need {
    let Some(newest) = pass.document().and_then(|it| it.newest_issued()) else {
        return Need::Mint(Reason::FirstIssue, "no credential has been issued yet".to_owned());
    };
    if newest.dead_at.is_some() {
        return Need::Mint(Reason::FoundRevoked, "the provider refuses the published credential".to_owned());
    }
    if let Some(changed) = difference(pass, object, newest, request) {
        return Need::Mint(Reason::SpecChanged, format!("{changed} was changed"));
    }
    if pass.world.published().is_none_or(|it| it.revision != newest.revision) {
        return waiting_to_be_published(pass, newest);
    }
    let asked = object.spec.rotation.as_ref().and_then(|rotation| rotation.request.as_deref());
    if asked.is_some() && asked != newest.request.rotation_request.as_deref() {
        return Need::Mint(Reason::Requested, "rotation.request has a new value".to_owned());
    }
    match pass.schedule(newest) {
        Some(times) if times.renewal <= pass.now => Need::Mint(
            Reason::RenewalDue,
            format!("the published credential ends at {}", to_second(times.end)),
        ),
        _ if pass.published().is_none() => waiting_to_be_published(pass, newest),
        _ => Need::None,
    }
}

/// Gives up a revision that was issued but never published, and no longer fits the spec: it would
/// be replaced at once.
pub(super) fn give_up(pass: &Pass<'_>) -> Option<Plan> {
    let object = pass.object()?;
    let newest = pass.document()?.newest_issued()?;
    difference(pass, object, newest, &desired_request(pass, object))?;
    let in_use = pass.world.active()?;
    if in_use.revision == newest.revision
        || pass.world.held().any(|held| held == newest.revision)
        || !pass.is_ours_to_end(newest)
    {
        return None;
    }
    pass.step(Step::Record(Edit::StartRevoking { revisions: vec![newest.revision] }), Reason::SpecChanged)
}

fn waiting_to_be_published(pass: &Pass<'_>, newest: &Revision) -> Need {
    if let Some(plan) = target_is_taken(pass) {
        return Need::Wait(plan);
    }
    if let Some(target) = pass.world.target().filter(|target| target.terminating) {
        let message =
            format!("the Secret {} is being deleted; it is recreated as soon as it is gone", target.name);
        return Need::Wait(pass.rest(Reason::Publishing, message));
    }
    if let (Some(at), Some(object)) = (pass.repair_due(), pass.object()) {
        let message = format!(
            "another writer keeps changing the Secret; Credwright restores it at {}. Find the writer: \
             kubectl get secret {} --namespace={} --output=yaml --show-managed-fields",
            to_second(at),
            object.spec.target_name(&pass.world.subject.name),
            pass.world.subject.namespace
        );
        return Need::Wait(pass.rest(Reason::Publishing, message));
    }
    let publish = pass.failure(StepKind::Publish).map(|record| (StepKind::Publish, record));
    let verify = || {
        let its_own = pass.failure(StepKind::Verify).filter(|it| it.revision == Some(newest.revision));
        its_own.map(|record| (StepKind::Verify, record))
    };
    let (reason, message) = match publish.or_else(verify) {
        Some((step, record)) => {
            (record.reason, with_next_attempt(&record.message, backoff::next_attempt(step, record)))
        }
        None => (
            Reason::Verifying,
            format!(
                "revision {} is issued; it is published as soon as the provider accepts it",
                newest.revision
            ),
        ),
    };
    Need::Wait(pass.rest(reason, message))
}

/// Returns the first field in which the published credential differs from the spec.
fn difference(
    pass: &Pass<'_>,
    object: &ApiCredential,
    newest: &Revision,
    request: &Request,
) -> Option<&'static str> {
    let reference = &object.spec.provider_ref;
    let provider = pass.world.desired_provider().and_then(ProviderView::usable);
    let lifetime = match provider {
        Some(provider) => with_default_lifetime(request.clone(), provider.allow.as_ref()).lifetime,
        // The owner's limit of lifetimes is not known now.
        None => request.lifetime.or(newest.request.lifetime),
    };
    if (reference.kind, &reference.name) != (newest.account.kind, &newest.account.name) {
        Some("spec.providerRef")
    } else if request.name != newest.request.name {
        Some("spec.name")
    } else if request.scopes != newest.request.scopes {
        Some("spec.scopes")
    } else if lifetime.map(|it| it.signed()) != newest.request.lifetime.map(|it| it.signed()) {
        Some("spec.lifetime")
    } else if request.subnets != newest.request.subnets {
        Some("spec.subnets")
    } else {
        None
    }
}

/// Returns the request of the spec, in a form that can be compared.
fn desired_request(pass: &Pass<'_>, object: &ApiCredential) -> Request {
    let spec = &object.spec;
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.dedup();
        list
    };
    let asked = spec.rotation.as_ref().and_then(|rotation| rotation.request.clone());
    let handled = || pass.revisions().rev().find_map(|it| it.request.rotation_request.clone());
    Request {
        name: spec
            .name
            .clone()
            .unwrap_or_else(|| format!("{}-{}", pass.world.subject.namespace, pass.world.subject.name)),
        scopes: sorted(&spec.scopes),
        lifetime: spec.lifetime,
        subnets: sorted(&spec.subnets),
        rotation_request: asked.or_else(handled),
    }
}

/// Returns the request to assume for a credential known only from status: that of the current spec.
pub(super) fn as_asked(pass: &Pass<'_>, object: &ApiCredential, provider: &UsableProvider) -> Request {
    with_default_lifetime(desired_request(pass, object), provider.allow.as_ref())
}

/// Fills in the lifetime: if a provider limits lifetimes, leaving it out means the longest that is
/// allowed.
fn with_default_lifetime(request: Request, allow: Option<&Allow>) -> Request {
    let longest = allow.and_then(|allow| allow.max_lifetime);
    Request { lifetime: request.lifetime.or(longest), ..request }
}

fn satisfied(pass: &Pass<'_>) -> Plan {
    let newest = pass.document().and_then(|it| it.newest_issued());
    let times = newest.and_then(|it| pass.schedule(it));
    let too_long = newest
        .zip(pass.object())
        .is_some_and(|(newest, object)| schedule::renew_before_is_too_long(&object.spec, newest));
    let provider = pass.world.desired_provider().and_then(ProviderView::usable);
    let by_hand = provider.is_some_and(|it| it.capabilities.by_hand);
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
    if by_hand && newest.is_some_and(|it| !pass.verifies(it)) {
        message.push_str("; it was published unverified, because spec.intake.verify is Skip");
    }
    if !by_hand && pass.object().is_some_and(|object| object.spec.intake.is_some()) && provider.is_some() {
        message.push_str("; spec.intake is not used, because the provider makes its credentials itself");
    }
    if too_long {
        message
            .push_str("; rotation.renewBefore is more than half of its life, so a third of its life is used");
    }
    pass.rest(Reason::Issued, message)
}

/// Issues no new credential while the result of an earlier call to the same provider is not known.
/// A provider that the spec has left may never answer again. A list that fails does not cost the
/// published credential its last third, once no earlier call can still arrive.
fn unsettled(pass: &Pass<'_>, provider: &UsableProvider) -> Option<Plan> {
    let reference = &pass.object()?.spec.provider_ref;
    let capabilities = &provider.capabilities;
    let is_open = |it: &&Revision| {
        (it.account.kind, &it.account.name) == (reference.kind, &reference.name)
            // Inherited credentials are settled when a credential minted here is published, so they
            // cannot be waited for.
            && pass.inheritance(it.revision).is_none()
            && match it.state {
                State::Intended => true,
                State::Unconfirmed => capabilities.list,
                _ => false,
            }
    };
    let open: Vec<&Revision> = pass.revisions().filter(is_open).collect();
    let first = open.first()?;
    let third = last_third(pass);
    let looked_in_vain = pass.document().is_some_and(|it| it.failures.contains_key(&StepKind::Settle));
    let can_still_arrive = open.iter().any(|it| settle_from(it, capabilities) > pass.now);
    if looked_in_vain && !can_still_arrive && third.is_some_and(|at| at <= pass.now) {
        return None;
    }
    let until = settle_from(first, capabilities).later(capabilities.listing_lag);
    let failures = pass.document().map(|it| &it.failures);
    let lost = failures.and_then(|all| all.get(&StepKind::Mint));
    let lost = lost.filter(|it| it.revision == Some(first.revision)).map(|it| it.message.as_str());
    let lost = lost.map_or("was lost".to_owned(), |why| format!("was lost or cannot be used ({why})"));
    let search = pass.failure(StepKind::Settle).map(|it| {
        let again = backoff::next_attempt(StepKind::Settle, it);
        format!("; {}", with_next_attempt(&it.message, again))
    });
    let message = format!(
        "the response to the create request for {} {lost}; Credwright searches for the credential at the \
         provider until {} at the latest{}",
        first.name,
        to_second(until),
        search.unwrap_or_default()
    );
    Some(match third.filter(|at| *at > pass.now) {
        Some(third) => rest_until(pass, third, Reason::Unconfirmed, message),
        None => pass.rest(Reason::Unconfirmed, message),
    })
}

/// Backoff after failures, unless something has changed that they are about.
fn held_back(pass: &Pass<'_>, about: &str) -> Option<Plan> {
    let record = pass.document()?.failures.get(&StepKind::Mint).filter(|record| record.about == about)?;
    let again = backoff::next_attempt(StepKind::Mint, record);
    let life = pass.world.active().and_then(last_third_of);
    let again = life.map_or(again, |life| backoff::before_the_end(again, record.at, life));
    if again <= pass.now {
        return None;
    }
    Some(rest_until(pass, again, record.reason, with_next_attempt(&record.message, again)))
}

/// A failure in words, with the time at which it is tried again.
pub(super) fn with_next_attempt(message: &str, again: Timestamp) -> String {
    format!("{message}; the next attempt is at {}", to_second(again))
}

pub(in crate::lifecycle) fn rest_until(
    pass: &Pass<'_>,
    at: Timestamp,
    reason: Reason,
    message: String,
) -> Plan {
    let plan = pass.rest(reason, message);
    Plan { wake: Wake::earliest(plan.wake.instant().into_iter().chain([at])), ..plan }
}

/// Returns the beginning of the last third of the life of the credential that workloads use.
pub(in crate::lifecycle) fn last_third(pass: &Pass<'_>) -> Option<Timestamp> {
    last_third_of(pass.world.active()?).map(|(third, _)| third)
}

/// Returns when the last third of a life begins, and when it ends.
fn last_third_of(revision: &Revision) -> Option<(Timestamp, Timestamp)> {
    let end = schedule::end(revision)?;
    Some((end.earlier(end.duration_since(revision.issued_at?).part(3)), end))
}

fn breaker(pass: &Pass<'_>, object: &ApiCredential) -> Option<Plan> {
    let limit = backoff::mint_limit(&object.spec, pass.world.active());
    let listed = pass.document().map(|document| document.mints.as_slice()).unwrap_or_default();
    let mints = listed.iter().chain(&pass.world.minted_before).copied();
    let opens = backoff::breaker_opens(mints, limit, pass.now)?;
    let failed = pass.document().and_then(|document| document.failures.get(&StepKind::Mint));
    let why = failed.map_or("its Events say why they did not last", |record| &record.message);
    let message = format!(
        "{limit} credentials were requested within the hour, more than this object can need; the next one \
         is requested at {}: {why}",
        to_second(opens)
    );
    Some(rest_until(pass, opens, Reason::MintLimit, message))
}

/// Nothing new is issued at a provider that is being deleted; existing credentials can still be
/// revoked.
fn is_going(pass: &Pass<'_>, provider: &UsableProvider) -> Option<Plan> {
    let name = &pass.object()?.spec.provider_ref.name;
    provider.deleting.then(|| pass.rest(Reason::ProviderDeleting, going(name)))
}

/// Returns the message about a provider that is being deleted.
pub(in crate::lifecycle) fn going(provider: &str) -> String {
    format!(
        "the provider {provider} is being deleted, so nothing is issued there any more; point \
         spec.providerRef at another provider, or delete this object"
    )
}

pub(super) fn paused(pass: &Pass<'_>, provider: &UsableProvider) -> Option<Plan> {
    let pause = provider.in_the_way()?;
    Some(pass.rest(pause.reason, pause.message.clone()))
}

fn mint(pass: &Pass<'_>, provider: &UsableProvider, request: Request, why: (Reason, String)) -> Option<Plan> {
    let (reason, message) = why;
    let operator = &pass.world.operator;
    let revision = pass.next_revision();
    let capabilities = &provider.capabilities;
    let name = naming::unique_name(
        &request.name,
        &pass.world.tag(),
        revision,
        Some(operator.entropy),
        capabilities.name_max,
    )?;
    let intent = intent(pass);
    let account = account(pass, provider)?;
    let revision = Revision::intended((revision, name), (reason, request), intent, account);
    Some(Plan { message, ..pass.step(Step::Mint(Box::new(revision)), reason)? })
}

/// An intent of this process.
pub(super) fn intent(pass: &Pass<'_>) -> Intent {
    let operator = &pass.world.operator;
    Intent {
        writer: operator.writer.clone(),
        id: naming::random_letters(operator.entropy.rotate_left(64), 16),
        at: pass.now,
        call_by: pass.now.later(CALL_WITHIN),
    }
}

/// The account that the spec refers to.
pub(super) fn account(pass: &Pass<'_>, provider: &UsableProvider) -> Option<Account> {
    let reference = &pass.object()?.spec.provider_ref;
    let fingerprint = provider.fingerprint.clone();
    Some(Account { kind: reference.kind, name: reference.name.clone(), fingerprint })
}

/// The end of life to ask a provider for, where it can enforce one.
#[must_use]
pub(crate) fn asked_expiry(
    revision: &Revision,
    capabilities: &Capabilities,
    now: Timestamp,
) -> Option<Timestamp> {
    match capabilities.expiry {
        Expiry::None | Expiry::OneOf(_) => None,
        Expiry::Instant => {
            revision.request.lifetime.and_then(|lifetime| now.checked_add(lifetime.signed()).ok())
        }
    }
}

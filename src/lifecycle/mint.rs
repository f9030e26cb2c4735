//! Whether a new credential is needed, whether it may be made now, and what is asked for.
//!
//! Everything here only ever holds a mint back. Repairs, publication and revocation come before it and never wait for it.

use ipnet::IpNet;
use jiff::Timestamp;

use crate::api::{Allow, ApiCredential, Reason};

use super::{
    backoff,
    capability::{Capabilities, Expiry, Scopes},
    checks::target_is_taken,
    ledger::{Account, Edit, Intent, Request, Revision, State, StepKind},
    naming,
    pass::{Pass, settle_from},
    plan::{Plan, Step, Wake},
    schedule,
    status::to_second,
    world::{CALL_WITHIN, ProviderView, UsableProvider},
};

/// The last check: mints, says what holds a mint back, or rests because none is needed.
pub(super) fn check(pass: &Pass<'_>) -> Option<Plan> {
    let object = pass.object()?;
    let request = desired_request(pass, object);
    let (reason, why) = match need(pass, object, &request) {
        Need::None => return Some(satisfied(pass)),
        Need::Wait(plan) => return Some(plan),
        Need::Mint(reason, why) => (reason, why),
    };
    let provider = match pass.world.desired_provider() {
        Some(ProviderView::Usable(provider)) => provider,
        Some(ProviderView::Unusable { reason, message }) => return Some(pass.rest(*reason, message.clone())),
        None => {
            return Some(
                pass.rest(Reason::ProviderPending, "the provider has not been looked at yet".to_owned()),
            );
        }
    };
    let request = with_default_lifetime(request, provider.allow.as_ref());
    cannot_be_honoured(pass, &provider.capabilities, &request)
        .or_else(|| not_allowed(pass, provider, &request))
        .or_else(|| target_is_taken(pass))
        .or_else(|| unsettled(pass))
        .or_else(|| held_back(pass, &about(&request, provider)))
        .or_else(|| breaker(pass, object))
        .or_else(|| paused(pass, provider))
        .or_else(|| mint(pass, provider, request, (reason, why)))
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

/// What was issued but never published, and no longer fits the spec, is given up: it would be replaced at once.
pub(super) fn give_up(pass: &Pass<'_>) -> Option<Plan> {
    let object = pass.object()?;
    let newest = pass.document()?.newest_issued()?;
    difference(pass, object, newest, &desired_request(pass, object))?;
    let in_use = pass.world.active()?;
    if in_use.revision == newest.revision || pass.world.held().any(|held| held == newest.revision) {
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
            format!("the Secret {} is being deleted; it is made anew as soon as it is gone", target.name);
        return Need::Wait(pass.rest(Reason::Publishing, message));
    }
    let failures = pass.document().map(|document| &document.failures);
    let failed = failures.and_then(|all| all.get(&StepKind::Publish).or_else(|| all.get(&StepKind::Verify)));
    let (reason, message) = match failed {
        Some(record) => (record.reason, record.message.clone()),
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

/// The first field in which the published credential is not what the spec asks for.
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
        // What its owner limits lifetimes to is not known just now.
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

/// What the spec asks for, in a form that can be compared.
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

/// Where a provider limits lifetimes, leaving it out means the longest that is allowed.
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
    let mut message = match times {
        Some(times) => {
            let (end, renewal) = (to_second(times.end), to_second(times.renewal));
            format!("the credential works until {end} and is replaced at {renewal}")
        }
        None => {
            "the credential never expires, so it is rotated only when the spec or rotation.request changes"
                .to_owned()
        }
    };
    if too_long {
        message
            .push_str("; rotation.renewBefore is more than half of its life, so a third of its life is used");
    }
    pass.rest(Reason::Issued, message)
}

/// What the provider cannot honour is refused before any call, and never left out.
fn cannot_be_honoured(pass: &Pass<'_>, capabilities: &Capabilities, request: &Request) -> Option<Plan> {
    let provider = &pass.object()?.spec.provider_ref.name;
    let tag = pass.world.tag();
    let message = if capabilities.scopes == Scopes::None && !request.scopes.is_empty() {
        format!(
            "spec.scopes: {provider} knows no scopes, every credential of it may do everything; remove spec.scopes if that is acceptable"
        )
    } else if !capabilities.subnets && !request.subnets.is_empty() {
        format!(
            "spec.subnets: {provider} cannot limit a credential to subnets; remove spec.subnets if that is acceptable"
        )
    } else if naming::unique_name(&request.name, &tag, u32::MAX, 0, capabilities.name_max).is_none() {
        format!(
            "spec.name: {provider} takes names of at most {} characters, which leaves no room for the tag that makes them unique",
            capabilities.name_max
        )
    } else {
        return None;
    };
    Some(pass.rest(Reason::InvalidForProvider, message))
}

/// What a shared provider does not let this namespace have. Leaving a restriction out is no way round it.
fn not_allowed(pass: &Pass<'_>, provider: &UsableProvider, request: &Request) -> Option<Plan> {
    let allow = provider.allow.as_ref()?;
    let namespace = &pass.world.subject.namespace;
    let message = if !allow.namespaces.names.contains(namespace) {
        format!(
            "the provider does not allow namespace {namespace}: its owner has to add it to spec.allow.namespaces.names"
        )
    } else if let Some(scope) = excess(allow.scopes.as_deref(), &request.scopes) {
        format!("spec.scopes: {scope} by the provider's spec.allow.scopes")
    } else if allow
        .max_lifetime
        .is_some_and(|max| request.lifetime.is_none_or(|asked| asked.signed() > max.signed()))
    {
        let max = allow.max_lifetime.map(|it| it.to_string()).unwrap_or_default();
        format!("spec.lifetime: the provider allows at most {max}")
    } else if allow.subnets.as_deref().is_some_and(|ranges| !lies_within(ranges, &request.subnets)) {
        "spec.subnets: each must lie within the provider's spec.allow.subnets, and at least one must be given"
            .to_owned()
    } else {
        return None;
    };
    Some(pass.rest(Reason::NotAllowed, message))
}

fn excess(allowed: Option<&[String]>, asked: &[String]) -> Option<String> {
    let allowed = allowed?;
    if asked.is_empty() {
        return Some("leaving them out is not allowed".to_owned());
    }
    let scope = asked.iter().find(|scope| !allowed.contains(scope))?;
    Some(format!("{scope} is not allowed"))
}

fn lies_within(ranges: &[String], asked: &[String]) -> bool {
    let parse = |text: &String| text.parse::<IpNet>().ok();
    let ranges: Vec<IpNet> = ranges.iter().filter_map(parse).collect();
    let within =
        |text: &String| parse(text).is_some_and(|net| ranges.iter().any(|range| range.contains(&net)));
    !asked.is_empty() && asked.iter().all(within)
}

/// No new credential while it is not known what became of an earlier call to the same provider. One that the spec has left
/// may never answer again.
fn unsettled(pass: &Pass<'_>) -> Option<Plan> {
    let reference = &pass.object()?.spec.provider_ref;
    let same = |it: &&Revision| (it.account.kind, &it.account.name) == (reference.kind, &reference.name);
    let open = pass.revisions().filter(same).find(|revision| match revision.state {
        State::Intended => true,
        State::Unconfirmed => can_list(pass, revision),
        _ => false,
    })?;
    let until = pass
        .world
        .provider(&open.account)
        .and_then(ProviderView::usable)
        .map(|provider| settle_from(open, &provider.capabilities) + provider.capabilities.listing_lag);
    let until = until.map(|until| format!(", at the latest until {}", to_second(until))).unwrap_or_default();
    let message = format!(
        "the answer to creating {} was lost; it is being looked for at the provider{until}",
        open.name
    );
    Some(pass.rest(Reason::Unconfirmed, message))
}

fn can_list(pass: &Pass<'_>, revision: &Revision) -> bool {
    let provider = pass.world.provider(&revision.account).and_then(ProviderView::usable);
    provider.is_none_or(|provider| provider.capabilities.list)
}

/// Backoff after failures, unless what is asked for or the provider has changed since.
fn held_back(pass: &Pass<'_>, about: &str) -> Option<Plan> {
    let record = pass.document()?.failures.get(&StepKind::Mint).filter(|record| record.about == about)?;
    let again = backoff::next_attempt(StepKind::Mint, record);
    let hurry = last_third(pass).filter(|_| record.reason == Reason::Unconfirmed);
    let again = hurry.map_or(again, |hurry| hurry.min(again));
    if again <= pass.now {
        return None;
    }
    let next = if again == Timestamp::MAX {
        "it is tried again when the spec or the provider changes".to_owned()
    } else {
        format!("the next attempt is at {}", to_second(again))
    };
    Some(rest_until(pass, again, record.reason, format!("{}; {next}", record.message)))
}

fn rest_until(pass: &Pass<'_>, at: Timestamp, reason: Reason, message: String) -> Plan {
    let plan = pass.rest(reason, message);
    let other = match plan.wake {
        Wake::At(other) => Some(other),
        Wake::OnChange => None,
    };
    Plan { wake: Wake::earliest(other.into_iter().chain([at])), ..plan }
}

/// When the last third of what workloads use begins.
fn last_third(pass: &Pass<'_>) -> Option<Timestamp> {
    let active = pass.world.active()?;
    let end = schedule::end(active)?;
    Some(end - end.duration_since(active.issued_at?) / 3)
}

fn breaker(pass: &Pass<'_>, object: &ApiCredential) -> Option<Plan> {
    let limit = backoff::mint_limit(&object.spec);
    let opens = backoff::breaker_opens(pass.document()?, limit, pass.now)?;
    let failed = pass.document()?.failures.get(&StepKind::Mint);
    let why = failed.map_or("look at its events for why they did not last", |record| &record.message);
    let message = format!(
        "{limit} credentials were asked for within the hour, which is more than this object can need; the next one is at \
         {}: {why}",
        to_second(opens)
    );
    Some(rest_until(pass, opens, Reason::MintLimit, message))
}

fn paused(pass: &Pass<'_>, provider: &UsableProvider) -> Option<Plan> {
    let pause = provider.paused.as_ref()?;
    Some(pass.rest(pause.reason, pause.message.clone()))
}

/// What a failure to mint is about: when this changes, the failure is forgotten.
pub(super) fn about(request: &Request, provider: &UsableProvider) -> String {
    let lifetime = request.lifetime.map(|it| it.to_string()).unwrap_or_default();
    let parts = [
        request.name.as_str(),
        &request.scopes.join(" "),
        &lifetime,
        &request.subnets.join(" "),
        request.rotation_request.as_deref().unwrap_or_default(),
        &provider.fingerprint,
    ];
    naming::fingerprint(&parts)
}

fn mint(pass: &Pass<'_>, provider: &UsableProvider, request: Request, why: (Reason, String)) -> Option<Plan> {
    let (reason, message) = why;
    let operator = &pass.world.operator;
    let revision = pass.document().map_or(1, |document| document.next_revision());
    let capabilities = &provider.capabilities;
    let name = naming::unique_name(
        &request.name,
        &pass.world.tag(),
        revision,
        operator.entropy,
        capabilities.name_max,
    )?;
    let reference = &pass.object()?.spec.provider_ref;
    let intent = Intent {
        writer: operator.writer.clone(),
        id: naming::random_letters(operator.entropy.rotate_left(64), 16),
        at: pass.now,
        call_by: pass.now + CALL_WITHIN,
    };
    let account = Account {
        kind: reference.kind,
        name: reference.name.clone(),
        fingerprint: provider.fingerprint.clone(),
    };
    let revision = Revision {
        revision,
        name,
        state: State::Intended,
        reason,
        intent,
        account,
        request,
        ids: Default::default(),
        client_id: None,
        fields: Default::default(),
        secret_aliases: Vec::new(),
        issued_at: None,
        expires_at: None,
        unconfirmed_at: None,
        refused_at: None,
        dead_at: None,
        retired_at: None,
        ended_at: None,
        rest: Default::default(),
    };
    let plan = Plan { step: Some(Step::Mint(Box::new(revision))), reason, message, wake: Wake::OnChange };
    Some(plan)
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

//! Status as a view: everything in it follows from the world and the plan at rest.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::{
    AbandonedKind, AbandonedStatus, ApiCredential, ApiCredentialStatus, Binding, ConditionType,
    CredentialStatus, LastRotation, ProviderRef, Reason,
};

use super::{
    conclude::EventNote,
    decide::{deletion, facts::Facts, reminders, waiting},
    model::{
        Capabilities, Document, LedgerView, LoginCheck, ProviderView, Rest, Revision, State, StepKind, World,
        to_second,
    },
    rules::{schedule, verification::Verification},
};

/// The number of dead revisions shown.
const DEAD_SHOWN: usize = 2;
/// The largest number shown; the schema takes no more.
const SHOWN_MAX: usize = 64;
/// The longest message of a condition; the API server takes 32 KiB. The steps for a person can be
/// long.
const MESSAGE_MAX: usize = 8192;

/// Returns the status to write.
#[must_use]
pub fn view(world: &World, object: &ApiCredential, rest: &Rest, now: Timestamp) -> ApiCredentialStatus {
    let facts = Facts { world, now };
    let active = world.active();
    let times = active.and_then(|it| facts.schedule(it));
    // A lost ledger is rebuilt from status, so status lists no credential of an earlier object.
    let own = world.document().filter(|_| !deletion::is_of_a_predecessor(world));
    let newest = own.and_then(Document::newest_issued);
    if let (LedgerView::Unreadable { .. } | LedgerView::Absent, Some(before)) =
        (&world.ledger, &object.status)
    {
        // Without a ledger, the last known state is the only source.
        return ApiCredentialStatus {
            observed_generation: object.metadata.generation,
            conditions: conditions(&facts, object, rest),
            ..before.clone()
        };
    }
    ApiCredentialStatus {
        observed_generation: object.metadata.generation,
        conditions: conditions(&facts, object, rest),
        client_id: active.and_then(|it| it.client_id.clone()),
        revision: active.map(|it| it.revision),
        expires_at: times.map(|times| to_second(times.end)),
        renewal_time: times.map(|times| to_second(times.renewal)),
        credentials: own.map(|it| credentials(&facts, it, active)).unwrap_or_default(),
        last_rotation: newest.filter(|it| it.reason != Reason::FirstIssue).and_then(|it| {
            let request_handled = it.request.rotation_request.clone();
            Some(LastRotation { at: to_second(it.issued_at?), reason: it.reason, request_handled })
        }),
        binding: world
            .published()
            .map(|_| Binding { name: object.spec.target_name(&world.subject.name).to_owned() }),
    }
}

fn credentials(facts: &Facts<'_>, document: &Document, active: Option<&Revision>) -> Vec<CredentialStatus> {
    let mut dead = 0;
    let newest_first = document.revisions.iter().rev();
    let shown = newest_first.filter(|it| {
        dead += usize::from(!it.state.may_be_alive());
        it.state.may_be_alive() || dead <= DEAD_SHOWN
    });
    shown
        .take(SHOWN_MAX)
        .map(|it| {
            let is_active =
                active.is_some_and(|active| active.revision == it.revision) && it.state == State::Issued;
            let new = document.newest_issued().and_then(|new| facts.schedule(new));
            let spec = facts.object().map(|object| &object.spec);
            CredentialStatus {
                revision: it.revision,
                state: if is_active { "Active".to_owned() } else { format!("{:?}", it.state) },
                name: it.name.clone(),
                provider_ref: Some(ProviderRef { kind: it.account.kind, name: it.account.name.clone() }),
                client_id: it.client_id.clone(),
                id: it.secret_id.clone(),
                parameters: it.parameters.clone(),
                issued_at: it.issued_at.map(to_second),
                expires_at: schedule::end(it).map(to_second),
                revoke_at: spec
                    .filter(|_| it.state == State::Retiring)
                    .and_then(|spec| schedule::revoke_at(spec, it, new))
                    .map(to_second),
                reason: it.reason,
            }
        })
        .collect()
}

fn conditions(facts: &Facts<'_>, object: &ApiCredential, rest: &Rest) -> Vec<Condition> {
    let mut list = vec![ready(facts, rest), published(facts, rest), provider_reachable(facts)];
    let needs_help = needs_a_person(rest.reason) || (rest.action.is_some() && !list[0].1);
    if let [(reason, first), others @ ..] = reminders::outstanding(facts, rest).as_slice() {
        let others = others.iter().map(|(_, message)| message);
        let message = [first].into_iter().chain(others).cloned().collect::<Vec<_>>().join(" Also: ");
        list.push((ConditionType::ActionRequired, true, *reason, message));
    }
    if needs_help {
        list.push((ConditionType::Stalled, true, rest.reason, rest.message.clone()));
    } else if list[0].2 == Reason::ProviderSuspect {
        let (_, _, reason, message) = list[0].clone();
        list.push((ConditionType::Stalled, true, reason, message));
    }
    let before = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let generation = object.metadata.generation;
    list.into_iter().map(|draft| condition(draft, before, generation, facts.now)).collect()
}

/// A condition in the making: its type, its status, its reason and its message.
pub type Draft = (ConditionType, bool, Reason, String);

/// Makes a condition; its transition time moves only when its status does.
#[must_use]
pub fn condition(draft: Draft, before: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
    let (type_, holds, reason, message) = draft;
    let status = if holds { "True" } else { "False" };
    let same = before.iter().find(|it| it.type_ == type_.as_str() && it.status == status);
    let since = same.map_or_else(|| Time(to_second(now)), |it| it.last_transition_time.clone());
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: message.chars().take(MESSAGE_MAX).collect(),
        observed_generation: generation,
        last_transition_time: since,
    }
}

/// Returns the Event for a condition of a provider, if its status or reason has changed. Of good
/// news, only that the provider can be used.
#[must_use]
pub fn told((type_, holds, reason, message): &Draft, before: &[Condition]) -> Option<EventNote> {
    let status = if *holds { "True" } else { "False" };
    let was =
        |it: &Condition| it.type_ == type_.as_str() && it.status == status && it.reason == reason.as_str();
    let matters = *type_ == ConditionType::Ready || !holds;
    (matters && !before.iter().any(was)).then(|| EventNote {
        warning: !holds,
        reason: *reason,
        message: message.clone(),
    })
}

/// Returns the conditions of an AbandonedCredential. It is never Ready, since a record exists as
/// long as something is wrong, and ActionRequired when only a person can help.
#[must_use]
pub fn of_abandoned(
    kind: AbandonedKind,
    status: &AbandonedStatus,
    before: &[Condition],
    (generation, now): (Option<i64>, Timestamp),
) -> Vec<Condition> {
    let message = status.message.clone().unwrap_or_default();
    let reason = match kind {
        AbandonedKind::NotRevoked => Reason::Abandoned,
        AbandonedKind::Unconfirmed => Reason::Unconfirmed,
    };
    let mut drafts = vec![(ConditionType::Ready, false, reason, message.clone())];
    if status.next_attempt.is_none() {
        drafts.push((ConditionType::ActionRequired, true, Reason::RemovalAwaited, message));
    }
    drafts.into_iter().map(|draft| condition(draft, before, generation, now)).collect()
}

/// `Ready` is about the credential in the Secret, not about work in progress: it stays True through
/// a rotation.
fn ready(facts: &Facts<'_>, rest: &Rest) -> Draft {
    let in_target = facts.world.published().and_then(|it| facts.document()?.revision(it.revision));
    let usable = in_target.filter(|it| it.state.is_usable());
    let (holds, reason, message) = match usable {
        None => (false, rest.reason, rest.message.clone()),
        Some(it) if it.dead_at.is_some() => (
            false,
            Reason::FoundRevoked,
            format!("the provider refuses the published credential; {}", rest.message),
        ),
        Some(it) if it.refused_at.is_some() && facts.suspicion(it).is_some() => {
            let why = facts.suspicion(it).unwrap_or_default();
            (false, Reason::ProviderSuspect, why.to_owned())
        }
        Some(it) if let Some(first) = refused_twice(facts, it) => {
            let message = format!(
                "the provider has refused the published credential since {}; Credwright checks that it is \
                 the only one, and then replaces it",
                to_second(first)
            );
            (false, Reason::FoundRevoked, message)
        }
        // By a wrong clock nothing can be said of its life.
        Some(_) if rest.reason == Reason::ClockSkew => (true, rest.reason, rest.message.clone()),
        Some(it) if it.expires_at.is_some_and(|at| at <= facts.now) => {
            (false, Reason::Expired, format!("the published credential has expired; {}", rest.message))
        }
        Some(it) if schedule::end(it).is_some_and(|at| at <= facts.now) => {
            let message =
                format!("the published credential is past its lifetime, but still works; {}", rest.message);
            (true, Reason::Overdue, message)
        }
        Some(_) => (true, rest.reason, rest.message.clone()),
    };
    (ConditionType::Ready, holds, reason, message)
}

/// Returns the first refusal of the published credential, if it was tried and refused again since.
fn refused_twice(facts: &Facts<'_>, published: &Revision) -> Option<Timestamp> {
    let first = published.refused_at?;
    let last = facts.world.memory.checked?.of(published.revision)?;
    let failed = facts.failed(StepKind::Verify).is_some();
    (last > first && !failed).then_some(first)
}

fn published(facts: &Facts<'_>, rest: &Rest) -> Draft {
    match facts.published() {
        Some(it) => {
            let client = it.client_id.as_deref().unwrap_or_default();
            let message = format!("the Secret holds revision {} (client {client})", it.revision);
            match facts.verification(it).and_then(Verification::why_unverified) {
                Some(why) => {
                    (ConditionType::Published, true, Reason::Unverified, format!("{message}; {why}"))
                }
                None => (ConditionType::Published, true, Reason::Issued, message),
            }
        }
        None => (ConditionType::Published, false, rest.reason, rest.message.clone()),
    }
}

fn provider_reachable(facts: &Facts<'_>) -> Draft {
    let type_ = ConditionType::ProviderReachable;
    match facts.world.desired_provider() {
        Some(ProviderView::Usable(provider)) => match (&provider.paused, &provider.standing.suspicion) {
            (Some(pause), _) => (type_, false, pause.reason, pause.message.clone()),
            (None, Some(why)) => (type_, false, Reason::ProviderSuspect, why.clone()),
            (None, None) if provider.deleting => {
                let name = facts.object().map(|object| object.spec.provider_ref.name.as_str());
                (type_, false, Reason::ProviderDeleting, waiting::provider_deleting(name.unwrap_or_default()))
            }
            (None, None) => {
                let (reason, message) = reached(&provider.capabilities);
                (type_, true, reason, message.to_owned())
            }
        },
        Some(ProviderView::Unusable { reason, message }) => (type_, false, *reason, message.clone()),
        None => (type_, false, Reason::ProviderPending, "the provider has not been checked yet".to_owned()),
    }
}

/// Returns the message about a provider that is being deleted.
#[must_use]
pub fn going(living: u32) -> String {
    format!(
        "it is being deleted, and stays until the credentials that were issued there are gone ({living} \
         of them may still work); nothing is issued meanwhile. To do: delete the ApiCredentials that use \
         it, or point their providerRef at another"
    )
}

/// Returns the reason and the message about an account with which nothing is wrong.
#[must_use]
pub fn reached(capabilities: &Capabilities) -> (Reason, &'static str) {
    if capabilities.is_by_hand() {
        return (
            Reason::Reachable,
            "the provider answers; a person makes its credentials, so no login is needed",
        );
    }
    match capabilities.login {
        LoginCheck::Tried => (Reason::LoginAccepted, "the provider answers and accepts Credwright's login"),
        LoginCheck::Untried => (
            Reason::Reachable,
            "the provider answers; the initial_access_token is first tried when a credential is created",
        ),
        LoginCheck::None => (Reason::Reachable, "the provider answers; Credwright uses no login there"),
    }
}

/// Returns the Event for an object that begins to wait for a person. A failed step that has
/// published an Event already is not repeated.
#[must_use]
pub fn notice(world: &World, object: &ApiCredential, rest: &Rest) -> Option<EventNote> {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|it| it.type_ == ConditionType::Ready.as_str());
    let known = ready.is_some_and(|it| it.reason == rest.reason.as_str());
    let told = world.document().is_some_and(|it| it.failures.values().any(|it| it.reason == rest.reason));
    let waits =
        needs_a_person(rest.reason) || rest.action.is_some() || rest.reason == Reason::ProviderMissing;
    (waits && !known && !told).then(|| EventNote {
        warning: true,
        reason: rest.reason,
        message: rest.in_full(),
    })
}

/// Returns whether waiting is pointless, so that kstatus (Flux, `helm --wait`) stops waiting.
fn needs_a_person(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InvalidForProvider
            | Reason::NotAllowed
            | Reason::TargetForeign
            | Reason::TargetRefused
            | Reason::TemplateInvalid
            | Reason::MintLimit
            | Reason::NeverAccepted
            | Reason::ProviderForbidden
            | Reason::ProviderInvalid
            | Reason::ProviderDeleting
            | Reason::LoginMissing
            | Reason::ProviderSuspect
            | Reason::LedgerLost
            | Reason::LedgerUnreadable
            | Reason::IdentityClash
            | Reason::ApiServerRefused
    )
}

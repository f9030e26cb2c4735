//! Credentials that a person makes: the portal is the API, the person is the driver, and all the
//! rest is as ever.
//!
//! The person is told what to make and where to put it. The pair in the intake Secret is tried
//! once, added to the ledger as the next revision, and published like any other.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ApiCredential, Reason},
    lifecycle::{
        model::{
            Capabilities, Edit, IntakePair, IntakeView, Moved, Plan, Request, Rest, Revision, Scopes, State,
            Step, StepKind, UsableProvider, naming, to_second,
        },
        rules::{about, backoff},
    },
};

use super::{facts::Facts, waiting};

/// The time for which an intake must be unchanged: people save, look, and save again.
const STILL_FOR: SignedDuration = SignedDuration::from_secs(5);

/// The pause between retries that a person asks for. Each is a call of the provider, and without a
/// pause one tenant could send them all day.
const RETRY_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// The content of the intake, from the object's point of view.
enum Offer<'a> {
    /// Nothing, or not yet.
    Nothing,
    /// A pair that the ledger has already.
    Known(&'a Revision),
    /// A pair that the ledger has already, of which the person now knows more.
    Restated(Box<Plan>),
    /// A pair that is new.
    Fresh(&'a IntakePair),
    /// Something that cannot be taken, and why.
    Wrong(String),
}

/// A new credential is needed: takes it, or asks a person for it.
pub(super) fn needed(
    facts: &Facts<'_>,
    provider: &UsableProvider,
    request: &Request,
    need: (Reason, String),
) -> Option<Plan> {
    let (reason, why) = need;
    let intake = intake_name(facts)?;
    let ask = |reason: Reason, message: String| {
        let action = instructions(facts, &provider.capabilities, request)?;
        Some(Plan::Rest(Rest { action: Some(action), ..Rest::new(reason, message) }))
    };
    match offer(facts, request)? {
        Offer::Nothing => {
            let title = &provider.capabilities.title;
            ask(Reason::IntakeAwaited, format!("{why}; a person has to make one at {title}"))
        }
        Offer::Restated(plan) => Some(*plan),
        Offer::Known(it) => {
            let held = format!("the intake Secret {intake} still holds the pair of revision {}", it.revision);
            ask(Reason::IntakeAwaited, format!("{why}; a person has to make another one, because {held}"))
        }
        Offer::Wrong(problem) => ask(Reason::IntakeInvalid, problem),
        Offer::Fresh(pair) => {
            let plan = take(facts, provider, request, pair, (reason, why))?;
            match plan {
                Plan::Rest(it) if it.reason == Reason::IntakeRefused => ask(it.reason, it.message),
                // No other pair is needed, but somebody has to do what the message says.
                Plan::Rest(it) if it.reason == Reason::ProviderForbidden => {
                    Some(Plan::Rest(Rest { action: Some(it.message.clone()), ..it }))
                }
                _ => Some(plan),
            }
        }
    }
}

/// No new credential is needed, but a person may have made one all the same.
pub(super) fn replaced(facts: &Facts<'_>, provider: &UsableProvider, request: &Request) -> Option<Plan> {
    let correct = |rest: Rest| {
        let action = "Correct the intake Secret, or delete it: the published credential keeps working";
        Plan::Rest(Rest { action: Some(action.to_owned()), ..rest })
    };
    match offer(facts, request)? {
        Offer::Nothing | Offer::Known(_) => None,
        Offer::Restated(plan) => Some(*plan),
        Offer::Wrong(problem) => Some(correct(Rest::new(Reason::IntakeInvalid, problem))),
        Offer::Fresh(pair) => {
            let why = "a person put a new pair into the intake Secret".to_owned();
            match take(facts, provider, request, pair, (Reason::IntakeReplaced, why))? {
                Plan::Rest(rest) if rest.reason == Reason::IntakeRefused => Some(correct(rest)),
                plan => Some(plan),
            }
        }
    }
}

fn intake_name<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    Some(facts.object()?.spec.intake.as_ref()?.secret_name.as_str())
}

fn offer<'a>(facts: &Facts<'a>, request: &Request) -> Option<Offer<'a>> {
    let name = intake_name(facts)?;
    let wrong = |why: String| Some(Offer::Wrong(format!("the intake Secret {name} cannot be used: {why}")));
    let pair = match facts.world.intake.as_ref()? {
        IntakeView::Missing => return Some(Offer::Nothing),
        IntakeView::Unusable(why) => return wrong(why.clone()),
        IntakeView::Holds(pair) => pair,
    };
    let is_it = |it: &&Revision| it.pair.as_ref().is_some_and(|known| pair.has_hash(known));
    if let Some(known) = facts.revisions().rev().find(is_it) {
        let restated = restated(known, pair).map(|plan| Offer::Restated(Box::new(plan)));
        return Some(restated.unwrap_or(Offer::Known(known)));
    }
    let client = &pair.client_id;
    if pair.held_elsewhere {
        return wrong(format!("client {client} belongs to another ApiCredential"));
    }
    if let Some(end) = end(pair, request).filter(|end| *end <= facts.now) {
        return wrong(format!("client {client} expired at {}", to_second(end)));
    }
    Some(Offer::Fresh(pair))
}

/// Applies times that a person adds later, or corrects, to the revision made from the same pair.
/// Also replaces a hash by the previous sealing key with one by the current key.
fn restated(known: &Revision, pair: &IntakePair) -> Option<Plan> {
    let (mut issued_at, mut expires_at) = (known.issued_at, known.expires_at);
    if known.state == State::Issued {
        (issued_at, expires_at) = (pair.issued_at.or(issued_at), pair.expires_at.or(expires_at));
    }
    let same_times = (known.issued_at, known.expires_at) == (issued_at, expires_at);
    if same_times && known.pair.as_ref() == Some(&pair.pair) {
        return None;
    }
    let pair = pair.pair.clone();
    let restate = Edit::Restate { revision: known.revision, issued_at, expires_at, pair };
    Some(Plan::record(restate, Reason::IntakeReplaced))
}

/// Returns when a pair ends, as far as the person and the spec say.
fn end(pair: &IntakePair, request: &Request) -> Option<Timestamp> {
    let by_lifetime = request.lifetime.and_then(|it| pair.issued_at?.checked_add(it.signed()).ok());
    [pair.expires_at, by_lifetime].into_iter().flatten().min()
}

/// One attempt at once for each content, and then with pauses: most refused pairs are refused
/// again, until somebody changes or touches the Secret. That counts once a minute.
fn take(
    facts: &Facts<'_>,
    provider: &UsableProvider,
    request: &Request,
    pair: &IntakePair,
    need: (Reason, String),
) -> Option<Plan> {
    let still = pair.since.later(STILL_FOR);
    if still > facts.now {
        let message = "the intake Secret has a new pair; it is tried in a few seconds".to_owned();
        return Some(Plan::rest_until(still, Reason::Verifying, message));
    }
    let intake = facts.object()?.spec.intake.as_ref();
    let about = about::taking(request, provider, (pair, intake));
    if let Some(record) = facts.failed(StepKind::Mint) {
        let (again, reason, message) = if record.about == about {
            (backoff::next_attempt(StepKind::Mint, record), record.reason, record.message.as_str())
        } else {
            let retried = facts.world.memory.retried.map_or(facts.now, |at| at.later(RETRY_EVERY));
            let message =
                "the intake Secret has changed again, and after a failure it is tried once a minute";
            (retried, Reason::Verifying, message)
        };
        if again > facts.now {
            return Some(Plan::rest_until(again, reason, backoff::with_next_attempt(message, again)));
        }
    }
    if let Some(plan) = waiting::paused(provider) {
        return Some(plan);
    }
    let (reason, message) = need;
    let number = facts.next_revision();
    let issued = pair.issued_at.unwrap_or(pair.since);
    let lifetime = request.lifetime.map(|it| it.signed());
    let term = provider.capabilities.expiry.term(lifetime).map(|term| issued.later(term.at_least));
    let name = name(facts, &provider.capabilities, request)?;
    let intended = Revision::intended(
        (number, name),
        (reason, request.clone()),
        facts.intent(),
        facts.account(provider)?,
    );
    let revision = Revision {
        state: State::Issued,
        client_id: Some(pair.client_id.clone()),
        pair: Some(pair.pair.clone()),
        issued_at: Some(issued),
        expires_at: pair.expires_at.or(term),
        ..intended
    };
    Some(Plan::Act { step: Step::Take(Box::new(revision)), reason, message })
}

/// The name that a person is asked to type: the same until the revision is there.
fn name(facts: &Facts<'_>, capabilities: &Capabilities, request: &Request) -> Option<String> {
    let revision = facts.next_revision();
    naming::unique_name(&request.name, &facts.world.tag(), revision, None, capabilities.name_max)
}

/// All that a person needs to know, without any other documentation.
fn instructions(facts: &Facts<'_>, capabilities: &Capabilities, request: &Request) -> Option<String> {
    let portal = capabilities.portal()?;
    let mut steps = vec![format!("open {}", portal.create_at)];
    steps.push(format!("create a credential named {}", name(facts, capabilities, request)?));
    if capabilities.scopes != Scopes::None {
        let called = &portal.scopes_called;
        steps.push(match request.scopes.as_slice() {
            [] => format!("choose the {called} that the workload needs, and no others"),
            scopes => format!("choose exactly these {called}: {}", scopes.join(", ")),
        });
    }
    if let Some(term) = capabilities.expiry.term(request.lifetime.map(|it| it.signed())) {
        steps.push(format!("choose the term {}", term.words));
    }
    if !request.subnets.is_empty() {
        steps.push(format!("allow it from these subnets only: {}", request.subnets.join(", ")));
    }
    steps.push(format!(
        "store the two values, which are shown once (type the secret, then Enter and Ctrl-D): {}",
        kubectl_line(facts, facts.object()?)?
    ));
    let numbered = steps.iter().zip(1..).map(|(step, number)| format!("{number}) {step}"));
    let mut text = numbered.collect::<Vec<_>>().join("; ");
    for note in portal.notes.iter().cloned().chain(undocumented(capabilities, request)) {
        text.push_str(&format!(". {}", note.trim_end_matches('.')));
    }
    Some(text)
}

fn undocumented(capabilities: &Capabilities, request: &Request) -> Option<String> {
    let Scopes::Documented(known) = &capabilities.scopes else { return None };
    let unknown: Vec<&str> =
        request.scopes.iter().filter(|it| !known.contains(it)).map(String::as_str).collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "{} does not document {}, so the name is passed on as it is",
            capabilities.title,
            unknown.join(", ")
        )
    })
}

/// Returns the command that creates the intake Secret, or replaces its content. The secret comes by
/// standard input, so that no shell history keeps it.
fn kubectl_line(facts: &Facts<'_>, object: &ApiCredential) -> Option<String> {
    let (name, namespace) = (&object.spec.intake.as_ref()?.secret_name, &facts.world.subject.namespace);
    Some(format!(
        "kubectl create secret generic {name} --namespace={namespace} --from-literal=client_id=CLIENT-ID \
         --from-file=client_secret=/dev/stdin --dry-run=client --output=yaml \
         | kubectl label --local --filename=- --output=yaml {}={} \
         | kubectl apply --server-side --force-conflicts --filename=-",
        crate::api::ROLE_LABEL,
        crate::api::ROLE_INTAKE
    ))
}

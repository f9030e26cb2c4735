//! Ledgers that were deleted, lost or put back: recreated from a copy, or rebuilt from status and
//! the target.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ApiCredential, CredentialStatus, Reason, ledger_name},
    lifecycle::{
        model::{
            Account, Edit, Inheritance, Inherited, Intent, LONGEST_CALL, LedgerView, Moved, Parameters, Plan,
            ProviderView, Published, Recovery, Request, Revision, State, Step, TargetView, naming,
        },
        rules::backoff,
    },
};

use super::{facts::Facts, publish::render_what_is_active, request};

/// The pause after a ledger could not be rebuilt.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// While the ledger exists, a copy is only of use if the ledger is to be recreated.
pub(super) fn needless_copy(facts: &Facts<'_>) -> Option<Plan> {
    let LedgerView::Present { terminating, .. } = &facts.world.ledger else { return None };
    let needless = terminating.is_none() || facts.world.is_ending();
    facts.world.copy.as_ref().filter(|_| needless)?;
    Some(Plan::act(Step::RemoveCopy, Reason::LedgerRebuilt))
}

/// Someone deletes the ledger of a live object. With its finalizer it is still the ledger; it is
/// copied, released, and recreated from the copy.
pub(super) fn deleted_ledger(facts: &Facts<'_>) -> Option<Plan> {
    let LedgerView::Present { document, terminating, held, .. } = &facts.world.ledger else { return None };
    terminating.as_ref()?;
    if document.revisions.iter().any(|it| it.state == State::Intended) {
        return None;
    }
    if facts.world.copied().is_none_or(|it| it.write_id != document.write_id) {
        return Some(Plan::act(Step::CopyLedger, Reason::LedgerRebuilt));
    }
    if *held {
        return Some(Plan::act(Step::DropLedger, Reason::LedgerRebuilt));
    }
    render_what_is_active(facts).or_else(|| Some(held_by_others(facts)))
}

/// Our part is done: the ledger stays until another controller removes its finalizer.
fn held_by_others(facts: &Facts<'_>) -> Plan {
    let (name, namespace) = (ledger_name(&facts.world.subject.name), &facts.world.subject.namespace);
    let message = format!(
        "the ledger {name} is being deleted, but another controller's finalizer blocks that; it is \
         recreated when it is gone, and nothing is issued or revoked until then. Find out whose finalizer \
         it is: kubectl get secret {name} --namespace={namespace} --output=yaml"
    );
    Plan::rest(Reason::LedgerLost, message)
}

/// Writes a ledger once more if it is outdated. A ledger created together with its first credential
/// lacks its own UID, so it could not be told from a backup of itself. A ledger whose label was
/// removed is not watched. A ledger that is sealed with the previous key cannot be read once a
/// person has removed that key.
pub(super) fn outdated_ledger(facts: &Facts<'_>) -> Option<Plan> {
    let document = facts.document()?;
    let unknown =
        || document.ledger_uid.is_none() && document.revisions.iter().any(|it| it.state.is_usable());
    let outdated = matches!(facts.world.ledger, LedgerView::Present { up_to_date: false, .. });
    if !outdated && !unknown() {
        return None;
    }
    Some(Plan::record(Edit::Identify, Reason::LedgerRebuilt))
}

/// A ledger that cannot be read is released only if a person deletes it.
pub(super) fn unreadable_ledger(facts: &Facts<'_>) -> Option<Plan> {
    let LedgerView::Unreadable { why, held, terminating } = &facts.world.ledger else { return None };
    match (*terminating, *held) {
        (true, true) => return Some(Plan::act(Step::DropLedger, Reason::LedgerUnreadable)),
        (true, false) => return Some(held_by_others(facts)),
        (false, _) => {}
    }
    let message = format!(
        "{why}. If that is not possible, delete the Secret {}: Credwright then rebuilds it from status \
         and from the Secret that workloads read",
        ledger_name(&facts.world.subject.name)
    );
    Some(Plan::rest(Reason::LedgerUnreadable, message))
}

/// Rebuilds a ledger that is gone, or older than the last publication. Nothing is minted while the
/// published credential works.
pub(super) fn lost_ledger(facts: &Facts<'_>) -> Option<Plan> {
    let object = facts.object()?;
    let absent = matches!(facts.world.ledger, LedgerView::Absent);
    if absent && facts.world.copied().is_some() {
        return Some(Plan::act(Step::RestoreLedger, Reason::LedgerRebuilt));
    }
    let newest = facts.document().map_or(0, |it| it.next_revision() - 1);
    // A Secret that only has this object's name does not prove that anything was published.
    let target = facts.world.targets.iter().any(|target| target.ours && target.intact.is_some());
    let seen = seen_last(facts, object);
    let listed = || object.status.iter().flat_map(|status| &status.credentials).any(|it| !is_over(it));
    if !(absent && (target || seen.is_some() || listed()) || !absent && seen > Some(newest)) {
        return None;
    }
    let ledger = ledger_name(&facts.world.subject.name);
    let Some(ProviderView::Usable(provider)) = facts.world.desired_provider() else {
        let message = format!("the ledger {ledger} is gone; it is rebuilt when the provider can be used");
        return Some(Plan::rest(Reason::LedgerLost, message));
    };
    if let Some(again) =
        facts.world.memory.unrecoverable.map(|at| at.later(TRY_AGAIN)).filter(|at| *at > facts.now)
    {
        let message = format!(
            "the ledger {ledger} is gone, and it cannot be rebuilt, because the Secret that workloads \
             read has no keys with the client ID and the secret; nothing is issued while that credential \
             may still work. Restore the ledger from a backup, or delete that Secret: then a new \
             credential is issued"
        );
        return Some(Plan::rest_until(again, Reason::LedgerLost, message));
    }
    let request = request::wanted(facts, object, provider).request;
    let recovery = recovery(facts, object, newest, &request);
    Some(Plan::act(Step::Recover(Box::new(recovery)), Reason::LedgerRebuilt))
}

/// The revision that was last known to be published.
fn seen_last(facts: &Facts<'_>, object: &ApiCredential) -> Option<u32> {
    let in_status = object.status.as_ref().and_then(|status| status.revision);
    let in_target = facts.world.published().map(|it| it.revision);
    in_target.max(in_status)
}

fn recovery(facts: &Facts<'_>, object: &ApiCredential, newest: u32, request: &Request) -> Recovery {
    let status = object.status.clone().unwrap_or_default();
    let held = holder(facts)
        .and_then(|it| Some((it, it.intact.as_ref().map(|it| it.revision).or(status.revision)?)));
    let held = held.filter(|(_, revision)| *revision > newest);
    let published = held.map(|(target, revision)| Published {
        target: target.name.clone(),
        revision,
        client_id: status.client_id.clone().filter(|_| status.revision == Some(revision)),
    });
    let alive = |it: &&CredentialStatus| !is_over(it) && it.revision > newest;
    let mut listed: Vec<CredentialStatus> = status.credentials.iter().filter(alive).cloned().collect();
    let mut borrowed = listed.iter().filter(|it| is_borrowed(facts, &it.name)).map(|it| it.revision).max();
    if let Some(it) = published.as_ref().filter(|it| !listed.iter().any(|one| one.revision == it.revision)) {
        listed.push(unlisted(facts, it));
        // A Secret restored without its ledger does not say which cluster it came from, so treat it
        // as borrowed.
        borrowed = borrowed.max(held.filter(|(target, _)| target.inherited).map(|(_, revision)| revision));
    }
    listed.sort_by_key(|it| it.revision);
    let is_published = |it: u32| published.as_ref().is_some_and(|published| published.revision == it);
    let revisions: Vec<Revision> = listed
        .iter()
        .map(|it| {
            let state = match (is_published(it.revision), Some(it.revision) <= borrowed) {
                (true, _) => State::Issued,
                (false, true) => State::Left,
                (false, false) => State::Revoking,
            };
            rebuilt(facts, it, state, (request, made_at(facts, object, it)))
        })
        .collect();
    let through = revisions.iter().map(|it| it.revision).chain(status.revision).fold(newest, u32::max);
    let inherited = Inherited {
        how: Inheritance::Rebuilt,
        through,
        borrowed_through: borrowed.unwrap_or(0),
        tags: tags(facts, &revisions),
        objects: vec![facts.world.object_uid().to_owned()],
    };
    Recovery { inherited, revisions, published, mints: mints(facts, &status.credentials, newest) }
}

/// Returns when the credentials in status were issued, if that is less than an hour ago: a ledger
/// that is forced away does not reset the limits. Mints that the process has counted with the
/// deleted ledger count already.
fn mints(facts: &Facts<'_>, listed: &[CredentialStatus], newest: u32) -> Vec<Timestamp> {
    let counted = |issued: Timestamp| {
        // Status has times in whole seconds.
        let asked = issued.earlier(LONGEST_CALL)..=issued.later(SignedDuration::from_secs(1));
        facts.world.minted_before.iter().any(|it| asked.contains(it))
    };
    let recent = |at: &Timestamp| backoff::counts(*at, facts.now) && !counted(*at);
    listed.iter().filter(|it| it.revision > newest).filter_map(|it| it.issued_at).filter(recent).collect()
}

/// Returns this object's own tag and those in the names of `revisions`: after a restore the names
/// have the tag of the object before it. The credentials of another cluster are not searched.
fn tags(facts: &Facts<'_>, revisions: &[Revision]) -> Vec<String> {
    let ours = revisions.iter().filter(|it| !is_borrowed(facts, &it.name)).filter_map(Revision::tag);
    [facts.world.tag()].into_iter().chain(ours.map(str::to_owned)).collect()
}

/// The account that a credential in status was made at: the spec may name another one by now.
pub(super) fn made_at(facts: &Facts<'_>, object: &ApiCredential, listed: &CredentialStatus) -> Account {
    let at = listed.provider_ref.as_ref().unwrap_or(&object.spec.provider_ref);
    let unknown = Account { kind: at.kind, name: at.name.clone(), fingerprint: String::new() };
    let fingerprint = facts.provider(&unknown).map(|it| it.fingerprint.clone()).unwrap_or_default();
    Account { fingerprint, ..unknown }
}

/// Returns the Secret to take the pair back from: the spec's own, unless somebody edited that and
/// another of ours is unchanged.
fn holder<'a>(facts: &Facts<'a>) -> Option<&'a TargetView> {
    let named = facts.world.target().filter(|it| it.ours);
    let as_written = |it: &&TargetView| it.ours && it.intact.is_some();
    let newest = || {
        let all = facts.world.targets.iter().filter(as_written);
        all.max_by_key(|it| it.intact.as_ref().map(|it| it.revision))
    };
    named.filter(as_written).or_else(newest).or(named)
}

/// Returns whether another cluster made it: our names say which.
fn is_borrowed(facts: &Facts<'_>, name: &str) -> bool {
    let ours = naming::cluster_tag(&facts.world.operator.cluster_id);
    naming::parts(name).is_some_and(|(tag, _)| !tag.starts_with(&ours))
}

/// Returns a credential that the target holds and that status does not list.
fn unlisted(facts: &Facts<'_>, published: &Published) -> CredentialStatus {
    CredentialStatus {
        revision: published.revision,
        state: String::new(),
        name: format!("{}-{}", facts.world.tag(), published.revision),
        provider_ref: None,
        client_id: published.client_id.clone(),
        id: None,
        parameters: Parameters::new(),
        issued_at: facts.world.target().and_then(|it| it.created_at),
        expires_at: None,
        revoke_at: None,
        reason: Reason::LedgerRebuilt,
    }
}

/// Rebuilds the published revision as it is. All others are to be revoked, once a credential minted
/// here has replaced it.
fn rebuilt(
    facts: &Facts<'_>,
    listed: &CredentialStatus,
    state: State,
    (request, account): (&Request, Account),
) -> Revision {
    let kind = facts.provider(&account).map_or_else(Default::default, |it| it.capabilities.kind);
    let at = listed.issued_at.unwrap_or(facts.now);
    let intent = Intent::of_nobody(&listed.name, at);
    let what = (listed.revision, listed.name.clone());
    Revision {
        state,
        client_id: listed.client_id.clone(),
        kind,
        secret_id: listed.id.clone(),
        parameters: listed.parameters.clone(),
        issued_at: Some(at),
        expires_at: listed.expires_at,
        rebuilt: true,
        unverified: true,
        ..Revision::intended(what, (listed.reason, request.clone()), intent, account)
    }
}

/// Returns whether status says of a credential that it is accounted for.
pub(in crate::lifecycle) fn is_over(it: &CredentialStatus) -> bool {
    let over = [State::Revoked, State::Absent, State::Left, State::Abandoned];
    over.iter().any(|state| format!("{state:?}") == it.state)
}

//! Ledgers that somebody deleted, lost or put back: made anew from a copy, or from what status and the target tell.

use jiff::SignedDuration;

use crate::api::{ApiCredential, CredentialStatus, Reason, ledger_name};

use super::{
    ledger::{Account, Inheritance, Inherited, Intent, Request, Revision, State},
    mint, naming,
    pass::Pass,
    plan::{Plan, Step},
    status::is_over,
    world::{LedgerView, ProviderView, TargetView},
};

/// How long after a ledger could not be put together the next attempt is made.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// What a lost ledger is put together from.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// Where its credentials come from.
    pub inherited: Inherited,
    /// What status tells of them, oldest first. None has a secret yet.
    pub revisions: Vec<Revision>,
    /// Which of them the target holds.
    pub published: Option<Published>,
}

/// A target whose pair is taken into the ledger again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The Secret's name.
    pub target: String,
    /// The revision in it.
    pub revision: u32,
    /// The client ID that it has to hold, if that is known.
    pub client_id: Option<String>,
}

/// While the ledger is there, a copy is only of use if it is to be made anew.
pub(super) fn needless_copy(pass: &Pass<'_>) -> Option<Plan> {
    let LedgerView::Present { terminating, .. } = &pass.world.ledger else { return None };
    let needless = terminating.is_none() || pass.is_ending();
    pass.world.copy.as_ref().filter(|_| needless)?;
    pass.step(Step::RemoveCopy, Reason::LedgerRebuilt)
}

/// Someone deletes the ledger of an object that lives on. While its finalizer holds it, it is still the ledger; it is copied, let
/// go, and made anew from the copy.
pub(super) fn deleted_ledger(pass: &Pass<'_>) -> Option<Plan> {
    let LedgerView::Present { document, terminating, .. } = &pass.world.ledger else { return None };
    terminating.as_ref()?;
    if document.revisions.iter().any(|it| it.state == State::Intended) {
        return None;
    }
    let same = pass.world.copied().is_some_and(|it| it.write_id == document.write_id);
    pass.step(if same { Step::DropLedger } else { Step::CopyLedger }, Reason::LedgerRebuilt)
}

/// A ledger that cannot be read is let go only if a person deletes it.
pub(super) fn unreadable_ledger(pass: &Pass<'_>) -> Option<Plan> {
    let LedgerView::Unreadable { why, terminating } = &pass.world.ledger else { return None };
    if *terminating {
        return pass.step(Step::DropLedger, Reason::LedgerUnreadable);
    }
    let message = format!(
        "{why}. If that cannot be done, delete the Secret {}: it is then put together again from status and from the Secret that \
         workloads read",
        ledger_name(&pass.world.subject.name)
    );
    Some(pass.rest(Reason::LedgerUnreadable, message))
}

/// The ledger is gone, or older than what was published since: it is put together again. Nothing is minted while what is
/// published works.
pub(super) fn lost_ledger(pass: &Pass<'_>) -> Option<Plan> {
    let object = pass.object()?;
    let absent = matches!(pass.world.ledger, LedgerView::Absent);
    if absent && pass.world.copied().is_some() {
        return pass.step(Step::RestoreLedger, Reason::LedgerRebuilt);
    }
    let newest = pass.document().map_or(0, |it| it.next_revision() - 1);
    // What only bears this object's name is no proof that anything was published.
    let target = pass.world.targets.iter().any(|target| target.ours && target.intact.is_some());
    let seen = seen_last(pass, object);
    if !(absent && (target || seen.is_some()) || !absent && seen > Some(newest)) {
        return None;
    }
    let ledger = ledger_name(&pass.world.subject.name);
    let Some(ProviderView::Usable(provider)) = pass.world.desired_provider() else {
        let message =
            format!("the ledger {ledger} is gone; it is put together again when the provider can be used");
        return Some(pass.rest(Reason::LedgerLost, message));
    };
    if let Some(again) = pass.world.memory.unrecoverable.map(|at| at + TRY_AGAIN).filter(|at| *at > pass.now)
    {
        let message = format!(
            "the ledger {ledger} is gone, and the Secret that workloads read does not hold the pair under keys by which it could be \
             taken back; nothing is minted while that may still work. Restore the ledger from a backup, or delete that Secret: then \
             a new credential is issued"
        );
        return Some(mint::rest_until(pass, again, Reason::LedgerLost, message));
    }
    let request = mint::as_asked(pass, object, provider);
    let account = mint::account(pass, provider)?;
    let recovery = recovery(pass, object, newest, (&request, &account));
    pass.step(Step::Recover(Box::new(recovery)), Reason::LedgerRebuilt)
}

/// The revision that was last known to be published.
fn seen_last(pass: &Pass<'_>, object: &ApiCredential) -> Option<u32> {
    let in_status = object.status.as_ref().and_then(|status| status.revision);
    let in_target = pass.world.published().map(|it| it.revision);
    in_target.max(in_status)
}

fn recovery(
    pass: &Pass<'_>,
    object: &ApiCredential,
    newest: u32,
    made_for: (&Request, &Account),
) -> Recovery {
    let status = object.status.clone().unwrap_or_default();
    let known = |it: &&TargetView| it.intact.is_some() || status.revision.is_some();
    let held = pass.world.target().filter(|it| it.ours).filter(known);
    let held = held.map(|it| (it, it.intact.as_ref().map(|it| it.revision).or(status.revision).unwrap_or(1)));
    let published = held.filter(|(_, revision)| *revision > newest).map(|(target, revision)| Published {
        target: target.name.clone(),
        revision,
        client_id: status.client_id.clone().filter(|_| status.revision == Some(revision)),
    });
    let alive = |it: &&CredentialStatus| !is_over(it) && it.revision > newest;
    let mut listed: Vec<CredentialStatus> = status.credentials.iter().filter(alive).cloned().collect();
    if let Some(it) = published.as_ref().filter(|it| !listed.iter().any(|one| one.revision == it.revision)) {
        listed.push(unlisted(pass, it));
    }
    listed.sort_by_key(|it| it.revision);
    let revisions: Vec<Revision> = listed
        .iter()
        .map(|it| {
            let is_published = published.as_ref().is_some_and(|published| published.revision == it.revision);
            rebuilt(pass, it, is_published, made_for)
        })
        .collect();
    let through = revisions.iter().map(|it| it.revision).chain(status.revision).fold(newest, u32::max);
    let inherited = Inherited {
        how: Inheritance::Rebuilt,
        through,
        tags: vec![pass.world.tag()],
        objects: vec![pass.world.object_uid().to_owned()],
    };
    Recovery { inherited, revisions, published }
}

/// What the target holds and status does not know of.
fn unlisted(pass: &Pass<'_>, published: &Published) -> CredentialStatus {
    CredentialStatus {
        revision: published.revision,
        state: String::new(),
        name: format!("{}-{}", pass.world.tag(), published.revision),
        client_id: published.client_id.clone(),
        issued_at: pass.world.target().and_then(|it| it.created_at),
        expires_at: None,
        revoke_at: None,
        reason: Reason::LedgerRebuilt,
    }
}

/// What is published goes on as it is. All else is to be revoked, once a credential minted here has replaced that.
fn rebuilt(
    pass: &Pass<'_>,
    listed: &CredentialStatus,
    is_published: bool,
    (request, account): (&Request, &Account),
) -> Revision {
    let at = listed.issued_at.unwrap_or(pass.now);
    let intent = Intent { writer: String::new(), id: naming::fingerprint(&[&listed.name]), at, call_by: at };
    let what = (listed.revision, listed.name.clone());
    Revision {
        state: if is_published { State::Issued } else { State::Revoking },
        client_id: listed.client_id.clone(),
        issued_at: Some(at),
        expires_at: listed.expires_at,
        rebuilt: true,
        ..Revision::intended(what, (listed.reason, request.clone()), intent, account.clone())
    }
}

//! Ledgers that were restored, cloned or put back: their credentials may belong to somebody else by
//! now, or may have been replaced by others that they do not list.
//!
//! Inherited ledgers: inherited credentials stay published while they work, and are not revoked
//! before a credential minted here has replaced them. A credential that another cluster made is
//! never revoked at all.

use crate::{
    api::{CLAIM_ANNOTATION, Reason},
    lifecycle::model::{
        Document, Edit, Found, Inheritance, Inherited, Intent, LedgerView, Moved, Plan, Rest, Revision,
        State, Step, World, naming,
    },
};

use super::facts::Facts;

/// Returns how a ledger was inherited: it was written for another object or as another Secret, or
/// was released when Credwright was uninstalled. `None` otherwise.
#[must_use]
pub fn foreign(ledger: &LedgerView, cluster_id: &str) -> Option<Inheritance> {
    let LedgerView::Present { document, uid, held, terminating, .. } = ledger else { return None };
    let detached = !held && terminating.is_none() && !document.closed;
    if document.cluster_id != cluster_id {
        Some(Inheritance::Borrowed)
    } else if detached || document.ledger_uid.as_ref().is_some_and(|recorded| recorded != uid) {
        Some(Inheritance::Adopted)
    } else {
        None
    }
}

/// Adopts a restored ledger if it was written on this cluster, otherwise borrows it.
pub(super) fn take_over(facts: &Facts<'_>) -> Option<Plan> {
    let (document, how) =
        (facts.document()?, foreign(&facts.world.ledger, &facts.world.operator.cluster_id)?);
    let object = facts.object()?;
    if object.spec.suspend && !facts.world.deleting() {
        return None;
    }
    Some(Plan::act(Step::Inherit(inherited(facts, document, how)), Reason::Inherited))
}

fn inherited(facts: &Facts<'_>, document: &Document, how: Inheritance) -> Inherited {
    let subject = &facts.world.subject;
    let tag = document.tag(&subject.namespace, &subject.name);
    Inherited {
        how,
        through: document.revisions.last().map_or(0, |it| it.revision),
        borrowed_through: 0,
        tags: vec![tag],
        objects: vec![document.object_uid.clone()],
    }
}

/// Applies a person's claim: to borrowed credentials, and if two owners seem to use one tag.
pub(super) fn claim(facts: &Facts<'_>) -> Option<Plan> {
    if !claimed(facts) {
        return None;
    }
    let document = facts.document()?;
    if document.inherited.as_ref().is_some_and(|it| it.borrowed() > 0) {
        return Some(Plan::record(Edit::Claim, Reason::Inherited));
    }
    clashing(facts).next()?;
    let numbers = clashing(facts).filter_map(|it| Some(naming::parts(&it.name)?.1));
    let mut inherited = inherited(facts, document, Inheritance::Adopted);
    inherited.through = numbers.fold(inherited.through, u32::max);
    Some(Plan::act(Step::Inherit(inherited), Reason::Inherited))
}

fn claimed(facts: &Facts<'_>) -> bool {
    facts.annotation(CLAIM_ANNOTATION) == Some(&facts.world.operator.cluster_id)
}

/// Returns the command by which a person claims an object's credentials for this cluster.
pub(in crate::lifecycle) fn claim_command(world: &World) -> String {
    let (subject, cluster) = (&world.subject, &world.operator.cluster_id);
    format!(
        "kubectl annotate apicred {} --namespace={} --overwrite {CLAIM_ANNOTATION}={cluster}",
        subject.name, subject.namespace
    )
}

/// Returns credentials at the provider with this object's own tag that its ledger never requested.
/// Either the cluster was rolled back, or a clone of it is running: in both cases somebody else may
/// be using them.
fn clashing<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Found> {
    let own = facts.world.tag();
    let document = facts.document();
    // A revision numbered below all that the ledger still lists was dropped there after it was
    // revoked.
    let oldest = document.and_then(|it| it.revisions.first()).map_or(0, |it| it.revision);
    let expected = document.and_then(|it| it.inherited.as_ref()).is_some_and(|it| it.tags.contains(&own));
    let strays = if expected { &[] } else { facts.world.strays.as_slice() };
    strays
        .iter()
        .map(|it| &it.found)
        .filter(move |it| naming::parts(&it.name).is_some_and(|(tag, number)| tag == own && number >= oldest))
        .filter(move |it| document.is_some_and(|document| !document.lists(it)))
}

/// Two clusters seem to use one tag: nothing is minted and nothing is revoked until a person says
/// whose it is.
pub(super) fn identity_clash(facts: &Facts<'_>) -> Option<Plan> {
    let stray = clashing(facts).next()?;
    let message = format!(
        "the provider has {} (client {}), which is tagged for this object and is not in its ledger: the \
         cluster was rolled back, or a clone of it uses the same account. Nothing is issued or revoked \
         until a person says whose it is",
        stray.name, stray.client_id
    );
    let action = format!(
        "if there is a clone, start its Credwright with another --cluster-id. Then, or after a roll-back, \
         claim the credential for this cluster: {}",
        claim_command(facts.world)
    );
    Some(Plan::Rest(Rest { action: Some(action), ..Rest::new(Reason::IdentityClash, message) }))
}

/// Revokes leftovers: credentials of lost responses and, once nothing inherited is in use any more,
/// those with the tag of an earlier object that are in no ledger.
pub(super) fn strays(facts: &Facts<'_>) -> Option<Plan> {
    let document = facts.document()?;
    let free = || facts.world.strays.iter().filter(|it| !it.held_elsewhere).map(|it| &it.found);
    let late = free().find_map(|it| {
        let known = document.revisions.iter().find(|known| it.is_named(known))?;
        let edit = Edit::Found { revision: known.revision, found: Box::new(it.clone()) };
        (known.state == State::Absent).then_some(edit)
    });
    if let Some(edit) = late {
        return Some(Plan::record(edit, Reason::Stray));
    }
    let inherited = document.inherited.as_ref().filter(|it| it.how != Inheritance::Borrowed)?;
    let own = facts.published().filter(|it| it.revision > inherited.through)?;
    let in_use = |it: &Revision| it.revision <= inherited.through && it.state.is_usable();
    if document.revisions.iter().any(in_use) {
        return None;
    }
    let stray = free().find(|it| {
        let tagged =
            naming::parts(&it.name).is_some_and(|(tag, _)| inherited.tags.iter().any(|one| one == tag));
        tagged && !document.lists(it)
    });
    match stray {
        Some(stray) => {
            Some(Plan::record(Edit::Stray(Box::new(revision_of(facts, own, stray))), Reason::Stray))
        }
        None => nothing_is_left(facts, document, own),
    }
}

fn nothing_is_left(facts: &Facts<'_>, document: &Document, own: &Revision) -> Option<Plan> {
    let inherited = document.inherited.as_ref()?;
    let left = |it: &Revision| it.revision <= inherited.through && it.state.may_be_alive();
    let provider = facts.provider(&own.account)?;
    // Credentials made just before are listed by then.
    let from = own.issued_at.map(|at| at.later(provider.capabilities.listing_lag()));
    let listed = provider.listed.get(&provider.capabilities.place(&own.parameters));
    let looked = !provider.capabilities.can_list() || listed.is_some_and(|at| from < Some(*at));
    let over = looked && !document.revisions.iter().any(left);
    over.then(|| Plan::record(Edit::Disinherit, Reason::Inherited))
}

/// A stray as a revision that is being revoked.
fn revision_of(facts: &Facts<'_>, own: &Revision, stray: &Found) -> Revision {
    let intent = Intent::of_nobody(&stray.name, facts.now);
    let what = (facts.next_revision(), stray.name.clone());
    let why = (Reason::Stray, own.request.clone());
    Revision {
        state: State::Revoking,
        client_id: Some(stray.client_id.clone()),
        kind: own.kind,
        secret_id: stray.secret_id.clone(),
        ids: stray.ids.clone(),
        parameters: stray.place.clone(),
        ..Revision::intended(what, why, intent, own.account.clone())
    }
}

/// Leaves borrowed credentials that are not needed any more to the cluster that made them.
pub(super) fn leave(facts: &Facts<'_>, revisions: &[u32]) -> Option<Plan> {
    let is_borrowed = |it: &u32| facts.inheritance(*it) == Some(Inheritance::Borrowed);
    let borrowed: Vec<u32> = revisions.iter().copied().filter(is_borrowed).collect();
    (!borrowed.is_empty()).then(|| Plan::record(Edit::Leave(borrowed), Reason::Inherited))
}

/// A clone seems to use credentials that are to be revoked: an object that is deleted leaves them
/// alone.
pub(super) fn leave_to_a_clone(facts: &Facts<'_>, revisions: &[u32]) -> Option<Plan> {
    clashing(facts).next()?;
    (!revisions.is_empty()).then(|| Plan::record(Edit::Leave(revisions.to_vec()), Reason::IdentityClash))
}

//! The rules of a shared provider's owner for a namespace. They are checked before a mint, and
//! never before a revocation. They also say how long a credential lives that is not renewed, and
//! whether it may outlive its object.

use jiff::Timestamp;

use crate::{
    api::{Allow, ApiCredential, OnWithdrawal, Reason},
    lifecycle::{
        model::{Edit, FailureKind, Moved, Plan, Request, Revision, State, StepKind, UsableProvider},
        rules::{schedule, subnets},
    },
};

use super::{
    clock, deletion,
    facts::Facts,
    parameters,
    publish::target_is_taken,
    request::{self, Wanted},
    supported,
};

/// Returns what a shared provider does not let this namespace have. Leaving a restriction out is no
/// way round it.
pub(super) fn not_allowed(facts: &Facts<'_>, provider: &UsableProvider, request: &Request) -> Option<Plan> {
    let allow = provider.allow.as_ref()?;
    let complaint = about_namespace(facts, allow)
        .or_else(|| about_scopes(allow, request))
        .or_else(|| about_lifetime(allow, request))
        .or_else(|| about_subnets(allow, request))
        .or_else(|| about_retaining(facts, allow));
    complaint.map(|message| Plan::rest(Reason::NotAllowed, message))
}

/// Revokes credentials of a shared provider whose life is over and which may not be renewed.
/// Otherwise a tenant could keep one for ever: suspend its object, or ask for something that is not
/// allowed. Where a renewal only fails, the credential stays.
pub(super) fn outlived(facts: &Facts<'_>) -> Option<Plan> {
    let object = facts.object()?;
    if clock::seems_wrong(facts) {
        return None;
    }
    let over = |it: &Revision| {
        end(facts, it).is_some_and(|end| end <= facts.now)
            && facts.is_ours_to_end(it)
            && facts.suspicion(it).is_none()
            && may_not_be_renewed(facts, object, it)
    };
    let revisions: Vec<u32> =
        facts.revisions().filter(|it| it.state.is_usable() && over(it)).map(|it| it.revision).collect();
    if !revisions.is_empty() {
        return Some(Plan::record(Edit::StartRevoking(revisions), Reason::Revoked));
    }
    // Nothing else is revoked while an object is suspended.
    if object.spec.suspend { deletion::revoke_one(facts, over) } else { None }
}

/// Returns the latest time at which a credential of a shared provider is revoked if it may not be
/// renewed. That is at once (from when it was issued) if the owner says so of namespaces that are
/// not admitted any more. Its own lifetime counts: it was allowed when it was issued, and an owner
/// who lowers `maxLifetime` ends nothing at once.
pub(in crate::lifecycle) fn end(facts: &Facts<'_>, it: &Revision) -> Option<Timestamp> {
    let may_be_alive = it.state.is_usable() || it.state == State::Revoking;
    let allow = facts.provider(&it.account).filter(|_| may_be_alive)?.allow.as_ref()?;
    if allow.on_withdrawal == OnWithdrawal::Revoke && !is_admitted(facts, allow) {
        return it.issued_at;
    }
    let latest = || Some(it.issued_at?.later(allow.max_lifetime?.signed()));
    let bound = allow.max_lifetime.is_some() || !is_admitted(facts, allow);
    schedule::end(it).or_else(latest).filter(|_| bound)
}

/// Returns whether a decision of the tenant, or of the owner of the provider, prevents the
/// replacement of `it`.
fn may_not_be_renewed(facts: &Facts<'_>, object: &ApiCredential, it: &Revision) -> bool {
    let wanted = &object.spec.provider_ref;
    if object.spec.suspend || (wanted.kind, &wanted.name) != (it.account.kind, &it.account.name) {
        return true;
    }
    let Some(provider) = facts.provider(&it.account) else { return false };
    let Wanted { request, parameters } = request::wanted(facts, object, provider);
    let rejected = || facts.failure(StepKind::Mint).is_some_and(|it| it.kind == Some(FailureKind::Rejected));
    not_allowed(facts, provider, &request).is_some()
        || supported::cannot_be_honoured(facts, &provider.capabilities, &request).is_some()
        || parameters::refused(facts, provider, &parameters).is_some()
        || target_is_taken(facts).is_some()
        || rejected()
}

fn is_admitted(facts: &Facts<'_>, allow: &Allow) -> bool {
    let subject = &facts.world.subject;
    allow.namespaces.admit(&subject.namespace, subject.namespace_labels.as_deref())
}

fn about_namespace(facts: &Facts<'_>, allow: &Allow) -> Option<String> {
    let subject = &facts.world.subject;
    if is_admitted(facts, allow) {
        return None;
    }
    let by_label = allow.namespaces.selector.is_some();
    let or_label =
        if by_label { ", or somebody has to give the namespace the labels of its selector" } else { "" };
    Some(format!(
        "the provider does not allow namespace {}: its owner has to add it to spec.allow.namespaces.names{or_label}",
        subject.namespace
    ))
}

fn about_scopes(allow: &Allow, request: &Request) -> Option<String> {
    let allowed = allow.scopes.as_ref()?;
    if request.scopes.is_empty() {
        return Some(
            "spec.scopes: at least one is required, because the provider limits them in spec.allow.scopes"
                .to_owned(),
        );
    }
    let scope = request.scopes.iter().find(|scope| !allowed.contains(scope))?;
    Some(format!("spec.scopes: {scope} is not allowed by the provider's spec.allow.scopes"))
}

fn about_lifetime(allow: &Allow, request: &Request) -> Option<String> {
    let max = allow.max_lifetime?;
    let within = request.lifetime.is_some_and(|asked| asked.signed() <= max.signed());
    (!within).then(|| format!("spec.lifetime: the provider allows at most {max}"))
}

fn about_subnets(allow: &Allow, request: &Request) -> Option<String> {
    let ranges = allow.subnets.as_deref()?;
    if request.subnets.is_empty() {
        return Some(
            "spec.subnets: at least one is required, because the provider limits them in spec.allow.subnets"
                .to_owned(),
        );
    }
    let is_within = |asked: &str| subnets::meant(asked).is_some_and(|it| subnets::is_within(&it, ranges));
    let outside = request.subnets.iter().find(|asked| !is_within(asked))?;
    Some(format!("spec.subnets: {outside} is not within the provider's spec.allow.subnets"))
}

/// A renewal is not held back by this: the published credential must not end because its owner
/// begins to ask for more. It is revoked with its object.
fn about_retaining(facts: &Facts<'_>, allow: &Allow) -> Option<String> {
    let asked = facts.object()?.spec.deletion_policy.retains();
    let first = !facts.revisions().any(|it| it.state.is_usable());
    (asked && first && !allow.retain).then(|| {
        "spec.deletionPolicy: the provider does not let credentials outlive their objects \
         (spec.allow.retain); set it to Revoke"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(allowed: &[&str], asked: &[&str]) -> Option<String> {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let allow = Allow { subnets: Some(owned(allowed)), ..Allow::default() };
        let request = Request {
            name: String::new(),
            scopes: Vec::new(),
            lifetime: None,
            subnets: owned(asked),
            rotation_request: None,
        };
        about_subnets(&allow, &request)
    }

    #[test]
    fn a_subnet_lies_within_what_is_allowed_however_it_is_spelt() {
        let rows: &[(&[&str], &[&str], bool)] = &[
            (&["203.0.113.0/24"], &["203.0.113.0/24"], true),
            (&["203.0.113.0/24"], &["203.0.113.7/32"], true),
            (&["203.0.113.0/24"], &["203.0.113.0/25", "203.0.113.128/25"], true),
            (&["203.0.113.0/24"], &[], false),
            (&["203.0.113.0/24"], &["203.0.113.0/23"], false),
            (&["203.0.113.0/24"], &["203.0.113.0/24", "198.51.100.0/24"], false),
            // Everything, in one and in two halves.
            (&["203.0.113.0/24"], &["0.0.0.0/0"], false),
            (&["203.0.113.0/24"], &["0.0.0.0/1", "128.0.0.0/1"], false),
            (&["203.0.113.0/24"], &["::/0"], false),
            // The host bits are ignored: the network counts.
            (&["203.0.113.9/24"], &["203.0.113.200/25"], true),
            (&["203.0.113.0/24"], &["203.0.113.1/8"], false),
            (&["203.0.113.0/24"], &["203.0.113.1/0"], false),
            // IPv4 in the clothes of IPv6.
            (&["203.0.113.0/24"], &["::ffff:203.0.113.0/120"], true),
            (&["203.0.113.0/24"], &["::ffff:cb00:7100/119"], false),
            (&["203.0.113.0/24"], &["::ffff:0:0/96"], false),
            (&["2001:db8::/32"], &["::ffff:0:0/96"], false),
            (&["::/0"], &["::ffff:0:0/96"], false),
            (&["::/0"], &["10.0.0.0/8"], false),
            (&["0.0.0.0/0"], &["::ffff:10.0.0.0/104"], true),
            (&["::ffff:10.0.0.0/104"], &["10.1.0.0/16"], true),
            (&["2001:db8::/32"], &["2001:DB8:0:0::1/64"], true),
            (&["2001:db8::/32"], &["2001:db8::/31"], false),
            // An invalid CIDR lies in no range, and as a range allows nothing.
            (&["203.0.113.0/24"], &["203.0.113.7"], false),
            (&["203.0.113.0/24"], &["203.0.113.0/024"], false),
            (&["203.0.113.0/24"], &["0313.0.113.0/24"], false),
            (&["203.0.113.0/24"], &[" 203.0.113.0/24"], false),
            (&["203.0.113.0/24"], &["everywhere"], false),
            (&["everywhere"], &["203.0.113.0/24"], false),
            (&[], &["203.0.113.0/24"], false),
        ];
        for (allowed, asked, within) in rows {
            assert_eq!(refused(allowed, asked).is_none(), *within, "{asked:?} within {allowed:?}");
        }
    }
}

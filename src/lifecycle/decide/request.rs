//! The request that the spec makes of a provider, and its differences from earlier ones.

use std::collections::BTreeSet;

use crate::{
    api::{Allow, ApiCredential},
    lifecycle::model::{Parameters, ProviderView, Request, Revision, UsableProvider},
};

use super::{facts::Facts, parameters};

/// Returns the first field in which the published credential differs from the spec.
pub(super) fn difference(
    facts: &Facts<'_>,
    object: &ApiCredential,
    newest: &Revision,
    request: &Request,
) -> Option<&'static str> {
    let reference = &object.spec.provider_ref;
    let provider = facts.world.desired_provider().and_then(ProviderView::usable);
    let lifetime = match provider {
        Some(provider) => with_default_lifetime(request.clone(), provider.allow.as_ref()).lifetime,
        // The owner's limit of lifetimes is not known now.
        None => request.lifetime.or(newest.request.lifetime),
    };
    let parameters = provider.and_then(|provider| parameters::asked(facts, object, provider));
    let (at, known) = (&newest.account, &newest.request);
    let differences = [
        ("spec.providerRef", (reference.kind, &reference.name) != (at.kind, &at.name)),
        ("spec.name", request.name != known.name),
        ("spec.scopes", request.scopes != known.scopes),
        ("spec.lifetime", lifetime != known.lifetime),
        ("spec.subnets", request.subnets != known.subnets),
        ("spec.parameters", parameters.is_some_and(|it| it != newest.parameters)),
    ];
    differences.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
}

/// Returns the request of the spec, in a form that can be compared.
pub(super) fn desired_request(facts: &Facts<'_>, object: &ApiCredential) -> Request {
    let spec = &object.spec;
    let sorted = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let asked = spec.rotation.as_ref().and_then(|rotation| rotation.request.clone());
    let handled = || facts.revisions().rev().find_map(|it| it.request.rotation_request.clone());
    Request {
        name: spec
            .name
            .clone()
            .unwrap_or_else(|| format!("{}-{}", facts.world.subject.namespace, facts.world.subject.name)),
        scopes: sorted(&spec.scopes),
        lifetime: spec.lifetime,
        subnets: sorted(&spec.subnets),
        rotation_request: asked.or_else(handled),
    }
}

/// The credential that the spec wants of a provider.
pub(super) struct Wanted {
    pub(super) request: Request,
    pub(super) parameters: Parameters,
}

/// Returns the credential that the spec wants of a provider.
pub(super) fn wanted(facts: &Facts<'_>, object: &ApiCredential, provider: &UsableProvider) -> Wanted {
    Wanted {
        request: with_default_lifetime(desired_request(facts, object), provider.allow.as_ref()),
        parameters: parameters::asked(facts, object, provider).unwrap_or_default(),
    }
}

/// Fills in the lifetime: if a provider limits lifetimes, leaving it out means the longest that is
/// allowed.
fn with_default_lifetime(request: Request, allow: Option<&Allow>) -> Request {
    let longest = allow.and_then(|allow| allow.max_lifetime);
    Request { lifetime: request.lifetime.or(longest), ..request }
}

//! Requests that are refused before any call because the provider cannot honour them.

use jiff::SignedDuration;

use crate::{
    api::Reason,
    lifecycle::model::{Capabilities, Expiry, Plan, Request, Scopes, either, naming},
};

use super::facts::Facts;

/// Refuses, before any call, a request that the provider cannot honour. Nothing of it is silently
/// left out.
pub(super) fn cannot_be_honoured(
    facts: &Facts<'_>,
    capabilities: &Capabilities,
    request: &Request,
) -> Option<Plan> {
    let complaint = about_scopes(capabilities, request)
        .or_else(|| about_lifetime(capabilities, request))
        .or_else(|| about_subnets(capabilities, request))
        .or_else(|| about_name(facts, capabilities, request))
        .or_else(|| about_intake(facts, capabilities));
    complaint.map(|message| Plan::rest(Reason::InvalidForProvider, message))
}

fn about_scopes(capabilities: &Capabilities, request: &Request) -> Option<String> {
    let title = &capabilities.title;
    let known = match &capabilities.scopes {
        Scopes::None if !request.scopes.is_empty() => {
            return Some(format!(
                "spec.scopes: {title} has no scopes, and each of its credentials may do everything; \
                 remove spec.scopes if that is acceptable"
            ));
        }
        Scopes::Only(known) => known.as_slice(),
        Scopes::Documented(known) if request.scopes.is_empty() => known.as_slice(),
        Scopes::None | Scopes::Free | Scopes::Documented(_) => &[],
    };
    let choice = either(known.iter().map(String::as_str));
    if capabilities.scopes_required && request.scopes.is_empty() {
        let choice = if known.is_empty() { String::new() } else { format!(": {choice}") };
        return Some(format!("spec.scopes: {title} needs at least one{choice}"));
    }
    let are_tokens = capabilities.scopes == Scopes::Free && !capabilities.is_by_hand();
    if let Some(scope) = request.scopes.iter().find(|scope| are_tokens && !is_token(scope)) {
        return Some(format!("spec.scopes: \"{scope}\" is not a scope; write one scope in each entry"));
    }
    let unknown = request.scopes.iter().find(|scope| !known.is_empty() && !known.contains(scope))?;
    Some(format!("spec.scopes: {title} does not know {unknown}; it knows {choice}"))
}

/// Returns whether `scope` is a scope-token (RFC 6749, section 3.3). A scope that only a person
/// reads may have spaces.
fn is_token(scope: &str) -> bool {
    scope.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

fn about_lifetime(capabilities: &Capabilities, request: &Request) -> Option<String> {
    let Expiry::OneOf(terms) = &capabilities.expiry else { return None };
    let lifetime = request.lifetime?.signed();
    if capabilities.expiry.term(Some(lifetime)).is_some() {
        return None;
    }
    let offer = either(terms.iter().map(|term| &*term.words));
    Some(format!(
        "spec.lifetime: {} offers {offer}; {} cannot be covered",
        capabilities.title,
        in_words(lifetime)
    ))
}

/// `400 days`, `36 hours`, or the duration as it stands.
fn in_words(length: SignedDuration) -> String {
    match (length.as_hours(), length.as_secs() % 3600) {
        (hours, 0) if hours % 24 == 0 => format!("{} days", hours / 24),
        (hours, 0) => format!("{hours} hours"),
        _ => format!("{length:#}"),
    }
}

fn about_subnets(capabilities: &Capabilities, request: &Request) -> Option<String> {
    let title = &capabilities.title;
    (!capabilities.subnets && !request.subnets.is_empty()).then(|| {
        format!(
            "spec.subnets: {title} cannot limit a credential to subnets; remove spec.subnets if that is acceptable"
        )
    })
}

fn about_name(facts: &Facts<'_>, capabilities: &Capabilities, request: &Request) -> Option<String> {
    let Capabilities { title, name_max, .. } = capabilities;
    let fits = naming::unique_name(&request.name, &facts.world.tag(), u32::MAX, Some(0), *name_max).is_some();
    (!fits).then(|| {
        format!(
            "spec.name: {title} takes names of at most {name_max} characters, which leaves no room for the tag that \
             makes them unique"
        )
    })
}

fn about_intake(facts: &Facts<'_>, capabilities: &Capabilities) -> Option<String> {
    let missing = capabilities.is_by_hand() && facts.object()?.spec.intake.is_none();
    missing.then(|| {
        format!(
            "spec.intake: a person makes the credentials of {}; set spec.intake.secretName to the name of the Secret \
             that the person will fill",
            capabilities.title
        )
    })
}

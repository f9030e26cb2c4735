//! The parameters with which a credential is made: those of `spec.parameters`, and those that the
//! owner of a shared provider takes from the namespace.
//!
//! A parameter may stand in the path of a request that carries the owner's login, and name another
//! team's project. So all of them are declared, match a pattern, and are opened by the owner of a
//! shared provider. Anything else is refused before any call.

use std::collections::BTreeMap;

use crate::{
    api::{AllowedValues, ApiCredential, Reason},
    lifecycle::model::{Parameter, Parameters, Plan, UsableProvider},
};

use super::facts::Facts;

/// Returns the parameters that the spec and the provider ask for; `None` while the labels of the
/// namespace are needed and not known.
pub(super) fn asked(
    facts: &Facts<'_>,
    object: &ApiCredential,
    provider: &UsableProvider,
) -> Option<Parameters> {
    let mut all = object.spec.parameters.clone();
    for (name, allowed) in opened(provider) {
        let Some(from) = &allowed.from_namespace else { continue };
        if let Some(value) = labels(facts)?.get(&from.label) {
            all.insert(name.clone(), value.clone());
        }
    }
    Some(all)
}

/// Returns why a credential with these parameters is not made.
pub(super) fn refused(facts: &Facts<'_>, provider: &UsableProvider, parameters: &Parameters) -> Option<Plan> {
    let given = &facts.object()?.spec.parameters;
    let invalid = |message| Plan::rest(Reason::InvalidForProvider, message);
    let not_allowed = |message| Plan::rest(Reason::NotAllowed, message);
    let unopened = || given.iter().chain(parameters).find_map(|it| unopened(facts, provider, it));
    let unlabelled = || opened(provider).iter().find_map(|it| unlabelled(facts, it));
    unknown(provider, parameters)
        .map(invalid)
        .or_else(|| unlabelled().map(not_allowed))
        .or_else(|| missing(provider, parameters).map(invalid))
        .or_else(|| mismatched(provider, parameters).map(invalid))
        .or_else(|| unopened().map(not_allowed))
}

fn labels<'a>(facts: &Facts<'a>) -> Option<&'a BTreeMap<String, String>> {
    facts.world.subject.namespace_labels.as_deref()
}

/// The values that the owner of a shared provider has opened.
fn opened(provider: &UsableProvider) -> &BTreeMap<String, AllowedValues> {
    static NONE: BTreeMap<String, AllowedValues> = BTreeMap::new();
    provider.allow.as_ref().map_or(&NONE, |allow| &allow.parameters)
}

fn unknown(provider: &UsableProvider, given: &Parameters) -> Option<String> {
    let declared = &provider.capabilities.parameters;
    let name = given.keys().find(|name| !declared.iter().any(|it| it.name == **name))?;
    let title = &provider.capabilities.title;
    let known: Vec<String> = declared.iter().map(in_words).collect();
    Some(match known.as_slice() {
        [] => format!("spec.parameters: {title} has no parameters; remove {name}"),
        known => format!("spec.parameters: {title} has no parameter {name}; it has {}", known.join("; ")),
    })
}

fn missing(provider: &UsableProvider, parameters: &Parameters) -> Option<String> {
    let lacking = provider.capabilities.parameters.iter().find(|it| !parameters.contains_key(&*it.name))?;
    Some(format!("spec.parameters.{} is missing: it is {}", lacking.name, lacking.what))
}

fn mismatched(provider: &UsableProvider, parameters: &Parameters) -> Option<String> {
    let wrong = |it: &&Parameter| parameters.get(&*it.name).is_some_and(|value| !it.pattern.matches(value));
    let it = provider.capabilities.parameters.iter().find(wrong)?;
    Some(format!(
        "spec.parameters.{}: {:?} is not {}; it has to match {}",
        it.name,
        parameters[&*it.name],
        it.what,
        it.pattern.as_str()
    ))
}

fn in_words(it: &Parameter) -> String {
    format!("{}, {}", it.name, it.what)
}

/// Returns the message about a namespace without the label that says its value.
fn unlabelled(facts: &Facts<'_>, (name, allowed): (&String, &AllowedValues)) -> Option<String> {
    let label = &allowed.from_namespace.as_ref()?.label;
    let subject = &facts.world.subject;
    let has_it = labels(facts).is_some_and(|labels| labels.contains_key(label));
    (!has_it).then(|| {
        format!(
            "spec.parameters.{name}: the provider takes it from the label {label} of the namespace, which {} \
             does not have: somebody has to label it",
            subject.namespace
        )
    })
}

/// Returns the message about a value that the owner of a shared provider has not opened.
fn unopened(
    facts: &Facts<'_>,
    provider: &UsableProvider,
    (name, value): (&String, &String),
) -> Option<String> {
    provider.allow.as_ref()?;
    let namespace = &facts.world.subject.namespace;
    let Some(allowed) = opened(provider).get(name) else {
        return Some(format!(
            "spec.parameters.{name}: the provider does not open it: its owner has to say in \
             spec.allow.parameters.{name} who may use which value"
        ));
    };
    let AllowedValues { values, per_namespace, from_namespace } = allowed;
    let own = per_namespace.as_ref().and_then(|it| it.get(namespace));
    let from_label = from_namespace.as_ref().and_then(|it| labels(facts)?.get(&it.label));
    let listed = values.iter().chain(own).flatten().any(|it| it == value);
    (!listed && from_label != Some(value)).then(|| {
        format!(
            "spec.parameters.{name}: {value:?} is not allowed for namespace {namespace} by the provider's \
             spec.allow.parameters.{name}"
        )
    })
}

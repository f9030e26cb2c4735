//! Fingerprints of what a failure is about. Once the fingerprint changes, the failure holds nothing
//! back any more.
//!
//! The fingerprint covers all possible causes: the request, every field of the provider's spec, the
//! content of its login, and the annotations of a person. A cause that is missing here leaves an
//! object waiting after it was corrected.

use crate::{
    api::Intake,
    lifecycle::model::{
        FailureRecord, IntakePair, Parameters, ProviderView, Request, Revision, StepKind, UsableProvider,
        World, naming,
    },
};

use super::render;

/// A mint: the request with its parameters, and the provider with its login.
pub(in crate::lifecycle) fn minting(
    (request, parameters): (&Request, &Parameters),
    provider: &UsableProvider,
) -> String {
    let lifetime = request.lifetime.map(|it| it.to_string()).unwrap_or_default();
    let (scopes, subnets) = (request.scopes.join(" "), request.subnets.join(" "));
    let mut parts = vec![
        request.name.as_str(),
        &scopes,
        &lifetime,
        &subnets,
        request.rotation_request.as_deref().unwrap_or_default(),
        &provider.setup,
    ];
    // Where there are none, it is the fingerprint of earlier versions.
    parts.extend(parameters.iter().flat_map(|(name, value)| [name.as_str(), value]));
    naming::fingerprint(&parts)
}

/// The take of a pair: the same, the content of the intake Secret, and the settings of the intake.
pub(in crate::lifecycle) fn taking(
    request: &Request,
    provider: &UsableProvider,
    (pair, intake): (&IntakePair, Option<&Intake>),
) -> String {
    let intake = serde_json::to_string(&intake).unwrap_or_default();
    naming::fingerprint(&[&minting((request, &Parameters::new()), provider), &pair.content, &intake])
}

/// A call about one credential. Failures to settle or to revoke several of an account add up; each
/// credential is tried on its own.
pub(in crate::lifecycle) fn calling(
    step: StepKind,
    revision: &Revision,
    provider: Option<&UsableProvider>,
) -> String {
    let account = format!("{:?}/{}", revision.account.kind, revision.account.name);
    let setup = provider.map_or("", |it| &it.setup);
    if step != StepKind::Verify {
        return naming::fingerprint(&[&account, "", setup]);
    }
    // After a person has judged the account, all of its credentials are tried again.
    let judged = provider.and_then(|it| it.standing.judged).map(|it| it.to_string());
    naming::fingerprint(&[&account, &revision.name, setup, &judged.unwrap_or_default()])
}

/// Returns whether a failure is still about the current request, provider and content.
pub(in crate::lifecycle) fn is_current(world: &World, step: StepKind, record: &FailureRecord) -> bool {
    match step {
        StepKind::Mint | StepKind::Other(_) => true,
        StepKind::Publish => {
            let output = world.subject.object.as_ref().and_then(|object| object.spec.secret.as_ref());
            record.about == render::about(output)
        }
        StepKind::Settle | StepKind::Verify | StepKind::Revoke => {
            let of = record.revision.and_then(|number| world.document()?.revision(number));
            of.is_some_and(|of| match world.provider(&of.account).and_then(ProviderView::usable) {
                Some(provider) => record.about == calling(step, of, Some(provider)),
                // It cannot be called, so nothing is known to have changed.
                None => true,
            })
        }
    }
}

//! The ways to find out whether a credential works.
//!
//! A credential that is limited to subnets is refused everywhere else, with the same answer as a
//! wrong one. So a refusal proves something only if Credwright itself is within the subnets, or if
//! the provider tells the two apart. Otherwise the list has to tell.

use ipnet::IpNet;

use crate::{
    api::{ApiCredentialSpec, Verify},
    lifecycle::model::{Capabilities, ProviderView, Revision, World},
};

use super::subnets;

/// The way in which a credential is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Its pair is tried at the provider.
    Pair,
    /// It may be used from elsewhere only, so the provider is asked whether it lists it.
    List,
    /// It may be used from elsewhere only, and there is no list.
    Elsewhere,
    /// A person says that it is not to be tried.
    Skipped,
    /// The provider has nothing to try it with.
    Impossible,
}

impl Verification {
    /// Returns whether something can be found out.
    #[must_use]
    pub fn tells(self) -> bool {
        matches!(self, Self::Pair | Self::List)
    }

    /// Returns why a published credential is not verified by its pair, as it follows its name;
    /// `None` if it is, or if that is so with every credential of the provider.
    #[must_use]
    pub fn why_unverified(self) -> Option<&'static str> {
        match self {
            Self::Pair | Self::Impossible => None,
            Self::List => Some(
                "it works only from subnets that Credwright is not in (see --egress-addresses), so it is not \
                 tried; the provider lists it",
            ),
            Self::Elsewhere => Some(
                "it works only from subnets that Credwright is not in (see --egress-addresses), so it is not \
                 tried",
            ),
            Self::Skipped => Some("it is not tried, because the spec says verify: Skip"),
        }
    }
}

/// Returns how `revision` is verified, if its provider is known.
#[must_use]
pub fn of(world: &World, revision: &Revision) -> Option<Verification> {
    let capabilities = &world.provider(&revision.account).and_then(ProviderView::usable)?.capabilities;
    let spec = world.subject.object.as_ref().map(|object| &object.spec);
    Some(verification(spec, revision, capabilities, &world.operator.egress))
}

/// Returns how `revision` is verified. Requests leave the cluster from `egress`; nobody knows
/// wherefrom if that is empty.
fn verification(
    spec: Option<&ApiCredentialSpec>,
    revision: &Revision,
    capabilities: &Capabilities,
    egress: &[IpNet],
) -> Verification {
    let skipped = spec.is_some_and(|spec| {
        let intake = spec.intake.as_ref().is_some_and(|it| it.verify == Verify::Skip);
        spec.verify == Verify::Skip || capabilities.is_by_hand() && intake
    });
    let limits = &revision.request.subnets;
    let is_inside = || !egress.is_empty() && egress.iter().all(|it| subnets::is_within(it, limits));
    match () {
        () if !capabilities.verify => Verification::Impossible,
        () if skipped => Verification::Skipped,
        // A person reads what a refusal may mean, and can have the pair taken all the same.
        () if capabilities.is_by_hand() => Verification::Pair,
        () if limits.is_empty() || capabilities.tells_elsewhere || is_inside() => Verification::Pair,
        () if capabilities.can_list() => Verification::List,
        () => Verification::Elsewhere,
    }
}

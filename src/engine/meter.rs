//! The meter of a provider, and the labels for the engine's outcomes.

use crate::{
    lifecycle::{FailureKind, plan},
    ops::metrics::{Meter, Outcome, Provider},
};

use super::{Engine, ProviderKey};

impl ProviderKey {
    /// Its labels.
    pub(super) fn label(&self) -> Provider {
        Provider::new(self.kind, &self.namespace, &self.name)
    }
}

impl Engine {
    /// Returns the meter of a provider.
    pub(super) fn meter(&self, key: &ProviderKey) -> Meter {
        self.metrics.meter(&key.label())
    }
}

impl From<FailureKind> for Outcome {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Unavailable | FailureKind::Other(_) => Self::Unavailable,
            FailureKind::RateLimited => Self::RateLimited,
            FailureKind::LoginRefused => Self::LoginRefused,
            FailureKind::Forbidden => Self::Forbidden,
            FailureKind::Rejected => Self::Rejected,
            FailureKind::Unexplained => Self::Unexplained,
            FailureKind::NotFound => Self::NotFound,
            FailureKind::Conflict => Self::Conflict,
            FailureKind::Ambiguous => Self::Ambiguous,
            FailureKind::Malformed => Self::Malformed,
            FailureKind::Busy => Self::Busy,
        }
    }
}

/// Returns the label for the outcome of a revocation.
pub(super) fn revocation(outcome: &plan::Outcome) -> Outcome {
    match outcome {
        plan::Outcome::Failed(failure) => failure.kind.into(),
        plan::Outcome::Revoked { still_accepted: Some(true), .. } => Outcome::StillAccepted,
        plan::Outcome::Revoked { said: false, still_accepted: None } => Outcome::NotFound,
        _ => Outcome::Done,
    }
}

//! Condition types; `reason.rs` has the reasons. Conditions are written for people and never read
//! for decisions.
//!
//! The first paragraph of each says what it means. The second says what to do, and begins with
//! `Do:` or `Nothing:`. They become the page docs/reference/conditions.md.

use schemars::JsonSchema;

/// The condition types. Five that an ApiCredential may carry, two of a provider; not seventeen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ConditionType {
    /// Of an ApiCredential: the credential in the Secret works, as far as Credwright knows. Of a
    /// provider: it can be used.
    ///
    /// Do: if it is False, look up its reason in the table below. It stays True during a rotation.
    Ready,
    /// Of an ApiCredential: the Secret has the newest credential, as the spec describes it.
    ///
    /// Do: if it is False for longer than a minute, look up its reason in the table below. A new
    /// credential waits to be verified or written.
    Published,
    /// Of an ApiCredential: its provider answers and accepts Credwright's login.
    ///
    /// Do: if it is False, look up its reason in the table below, and look at the provider object:
    /// `kubectl describe credprov NAME`, or `clustercredprov`.
    ProviderReachable,
    /// Of an ApiCredential: a person has to do something. Absent otherwise.
    ///
    /// Do: follow the steps in the message. The condition clears once they are done.
    ActionRequired,
    /// Of an ApiCredential: it cannot succeed before somebody acts (kstatus). Absent if the cause
    /// may clear without anybody's help.
    ///
    /// Do: look up its reason in the table below. Credwright still tries again at the time in the
    /// message, and at once when you change what the message names. `helm upgrade --wait` and Flux
    /// stop waiting because of this condition.
    Stalled,
    /// Of a provider: its limits allow what the schedules of its credentials need.
    ///
    /// Do: if it is False, raise the limit that the message names, or lengthen `spec.lifetime` of
    /// the ApiCredentials.
    LimitsSuffice,
}

impl ConditionType {
    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Published => "Published",
            Self::ProviderReachable => "ProviderReachable",
            Self::ActionRequired => "ActionRequired",
            Self::Stalled => "Stalled",
            Self::LimitsSuffice => "LimitsSuffice",
        }
    }
}

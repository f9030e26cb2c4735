//! Labels: enums of ours, and names of our own objects. Never what somebody else wrote: no error, URL, client ID or scope.

use std::{fmt, sync::Arc};

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::api::{ProviderKind, Reason};

/// A label, for its documentation.
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) says: Says,
}

/// What a label can say.
pub(super) enum Says {
    /// Something that a sentence describes.
    This(&'static str),
    /// One of these, each with its meaning.
    OneOf(&'static [(&'static str, &'static str)]),
}

/// Labels that can tell which ones they are.
pub(super) trait Labels: EncodeLabelSet {
    fn describe() -> Vec<Label>;
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    fn describe() -> Vec<Label> {
        A::describe().into_iter().chain(B::describe()).collect()
    }
}

fn put(encoder: &mut LabelSetEncoder<'_>, name: &str, value: &str) -> fmt::Result {
    (name, value).encode(encoder.encode_label())
}

/// An enum that is the value of a label. The doc comments of its variants are what the documentation says of them.
macro_rules! label {
    ($(#[$about:meta])* $type:ident is $label:literal { $(#[doc = $what:literal] $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $(#[doc = $what] $variant,)+ }

        impl $type {
            #[allow(dead_code, reason = "only those of providers are ever listed")]
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl EncodeLabelSet for $type {
            fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
                put(encoder, $label, self.as_str())
            }
        }

        impl Labels for $type {
            fn describe() -> Vec<Label> {
                vec![Label { name: $label, says: Says::OneOf(&[$(($text, $what),)+]) }]
            }
        }
    };
}

label! {
    /// What a request is for.
    Operation is "operation" {
        /// A token or a session for our own login, or a look at whether the provider is there.
        Login = "login",
        /// What the server says of itself.
        Discover = "discover",
        /// Making a credential.
        Create = "create",
        /// Listing what exists.
        List = "list",
        /// Trying a pair.
        Verify = "verify",
        /// Making a credential invalid.
        Revoke = "revoke",
    }
}

label! {
    /// How a request ended.
    RequestOutcome is "outcome" {
        /// A success (2xx).
        Ok = "ok",
        /// The login, or the pair that was tried, is refused (401, 403).
        Refused = "refused",
        /// The provider asks us to slow down (429).
        RateLimited = "rate_limited",
        /// Any other answer that is neither a success nor a fault of the server (3xx, 4xx).
        Rejected = "rejected",
        /// A fault of the server (5xx).
        ServerError = "server_error",
        /// It was sent, and no answer came that could be read.
        Unanswered = "unanswered",
        /// It could not be sent: no connection, or none that is allowed.
        NotSent = "not_sent",
    }
}

impl RequestOutcome {
    /// What an HTTP status means.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Ok,
            401 | 403 => Self::Refused,
            429 => Self::RateLimited,
            500.. => Self::ServerError,
            _ => Self::Rejected,
        }
    }
}

label! {
    /// What came of asking for a credential, or for its end.
    Outcome is "outcome" {
        /// It is done.
        Done = "done",
        /// The provider does not know such a thing.
        NotFound = "not_found",
        /// The provider says that it is revoked, and takes it all the same.
        StillAccepted = "still_accepted",
        /// The provider is down.
        Unavailable = "unavailable",
        /// The provider asks us to slow down.
        RateLimited = "rate_limited",
        /// Our login is refused.
        LoginRefused = "login_refused",
        /// The login may not do this.
        Forbidden = "forbidden",
        /// The provider refuses the request as it stands.
        Rejected = "rejected",
        /// The provider, or a proxy before it, refuses the request without saying why.
        Unexplained = "unexplained",
        /// The name is taken.
        Conflict = "conflict",
        /// It was sent and its answer was lost: it may have been done.
        Ambiguous = "ambiguous",
        /// The answer cannot be decoded, or cannot be true.
        Malformed = "malformed",
        /// Nothing was sent: other requests of ours took all turns.
        Busy = "busy",
    }
}

label! {
    /// How a rotation ended.
    RotationOutcome is "outcome" {
        /// The replacement is published.
        Done = "done",
        /// The attempt failed; the old one stays published, and it is tried again.
        Failed = "failed",
    }
}

label! {
    /// Where credentials stand, as in a provider's `status.credentials`.
    Standing is "state" {
        /// Issued, and not retiring.
        Active = "active",
        /// Replaced, and still working for the overlap, or being revoked.
        Retiring = "retiring",
        /// Asked for, and not answered or not settled yet.
        Unconfirmed = "unconfirmed",
        /// On record as an AbandonedCredential.
        Abandoned = "abandoned",
    }
}

label! {
    /// What a pass looked at.
    Item is "item" {
        /// A provider.
        Provider = "provider",
        /// An ApiCredential.
        Credential = "credential",
        /// An AbandonedCredential.
        Abandoned = "abandoned",
        /// A login Secret.
        Login = "login",
        /// Credwright's rights in a namespace.
        Rights = "rights",
    }
}

/// The name of a provider object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provider(Arc<(ProviderKind, String, String)>);

impl Provider {
    /// Kind, namespace (empty for one that is shared) and name.
    #[must_use]
    pub fn new(kind: ProviderKind, namespace: &str, name: &str) -> Self {
        Self(Arc::new((kind, namespace.to_owned(), name.to_owned())))
    }
}

impl EncodeLabelSet for Provider {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let (kind, namespace, name) = &*self.0;
        let kind = match kind {
            ProviderKind::CredentialProvider => "CredentialProvider",
            ProviderKind::ClusterCredentialProvider => "ClusterCredentialProvider",
            ProviderKind::Other(word) => word.as_str(),
        };
        put(encoder, "provider_kind", kind)?;
        put(encoder, "provider_namespace", namespace)?;
        put(encoder, "provider", name)
    }
}

impl Labels for Provider {
    fn describe() -> Vec<Label> {
        let kinds = "`CredentialProvider` or `ClusterCredentialProvider`";
        let namespace = "the provider object's namespace; empty for one that is shared";
        vec![
            Label { name: "provider_kind", says: Says::This(kinds) },
            Label { name: "provider_namespace", says: Says::This(namespace) },
            Label { name: "provider", says: Says::This("the provider object's name") },
        ]
    }
}

/// The kind of an object.
pub(super) struct Kind<'a>(pub(super) &'a str);

impl EncodeLabelSet for Kind<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        put(encoder, "kind", self.0)
    }
}

impl Labels for Kind<'_> {
    fn describe() -> Vec<Label> {
        vec![Label { name: "kind", says: Says::This("the kind of the objects") }]
    }
}

/// The name of an ApiCredential.
pub(super) struct Object<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl EncodeLabelSet for Object<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        put(encoder, "namespace", self.namespace)?;
        put(encoder, "name", self.name)
    }
}

impl Labels for Object<'_> {
    fn describe() -> Vec<Label> {
        vec![
            Label { name: "namespace", says: Says::This("the ApiCredential's namespace") },
            Label { name: "name", says: Says::This("the ApiCredential's name") },
        ]
    }
}

/// A reason, as conditions have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Why(pub(super) Reason);

impl EncodeLabelSet for Why {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        put(encoder, "reason", self.0.as_str())
    }
}

impl Labels for Why {
    fn describe() -> Vec<Label> {
        vec![Label { name: "reason", says: Says::This("the reason, one of those that conditions have") }]
    }
}

/// The version of Credwright.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version;

impl EncodeLabelSet for Version {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        put(encoder, "version", env!("CARGO_PKG_VERSION"))
    }
}

impl Labels for Version {
    fn describe() -> Vec<Label> {
        vec![Label { name: "version", says: Says::This("the version of Credwright") }]
    }
}

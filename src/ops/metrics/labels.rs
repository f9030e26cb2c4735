//! Labels: our own enums, and the names of our own objects. No label contains text from others: no
//! error, URL, client ID or scope.

use std::{fmt, sync::Arc};

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::api::{ProviderKind, Reason};

/// A label and its documentation.
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) says: Says,
}

/// The values of a label.
pub(super) enum Says {
    /// A value that a sentence describes.
    This(&'static str),
    /// One of these values, each with its meaning.
    OneOf(&'static [(&'static str, &'static str)]),
}

/// Labels with documentation.
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

/// An enum with the values of a label. The doc comments of its variants become their documentation.
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
    /// The purpose of a request.
    Operation is "operation" {
        /// A token or a session for Credwright's own login, or a probe of the provider.
        Login = "login",
        /// The server's metadata.
        Discover = "discover",
        /// Creating a credential.
        Create = "create",
        /// Listing the credentials.
        List = "list",
        /// Verifying a pair.
        Verify = "verify",
        /// Revoking a credential.
        Revoke = "revoke",
    }
}

label! {
    /// The outcome of a request.
    RequestOutcome is "outcome" {
        /// A success (2xx).
        Ok = "ok",
        /// The login, or the pair that was verified, is refused (401, 403).
        Refused = "refused",
        /// The provider applies a rate limit (429).
        RateLimited = "rate_limited",
        /// Any other response that is neither a success nor a server error (3xx, 4xx).
        Rejected = "rejected",
        /// A server error (5xx).
        ServerError = "server_error",
        /// The request was sent, and no readable response came back.
        Unanswered = "unanswered",
        /// The request could not be sent: no connection was possible or allowed.
        NotSent = "not_sent",
    }
}

impl RequestOutcome {
    /// Returns the outcome that an HTTP status stands for.
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
    /// The outcome of a request for a credential or for its revocation.
    Outcome is "outcome" {
        /// The request succeeded.
        Done = "done",
        /// The provider does not know the credential.
        NotFound = "not_found",
        /// The provider reports the credential as revoked but still accepts it.
        StillAccepted = "still_accepted",
        /// The provider is unavailable.
        Unavailable = "unavailable",
        /// The provider applies a rate limit.
        RateLimited = "rate_limited",
        /// The provider refuses the login.
        LoginRefused = "login_refused",
        /// The login has no right to do this.
        Forbidden = "forbidden",
        /// The provider rejects the request as it is.
        Rejected = "rejected",
        /// The provider, or a proxy before it, rejects the request without a reason.
        Unexplained = "unexplained",
        /// The name is already in use.
        Conflict = "conflict",
        /// The request was sent and the response was lost: it may have taken effect.
        Ambiguous = "ambiguous",
        /// The response cannot be decoded, or cannot be true.
        Malformed = "malformed",
        /// The request was not sent: other requests of Credwright took all turns.
        Busy = "busy",
    }
}

label! {
    /// The outcome of a rotation.
    RotationOutcome is "outcome" {
        /// The replacement is published.
        Done = "done",
        /// The attempt failed. The old credential stays published, and the rotation is retried.
        Failed = "failed",
    }
}

label! {
    /// The state of credentials, as in a provider's `status.credentials`.
    Standing is "state" {
        /// Issued and not retiring.
        Active = "active",
        /// Replaced, and still working during the overlap, or being revoked.
        Retiring = "retiring",
        /// Requested, and not answered or not settled yet.
        Unconfirmed = "unconfirmed",
        /// Recorded as an AbandonedCredential.
        Abandoned = "abandoned",
    }
}

label! {
    /// The kind of object that was reconciled.
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
    /// Creates the name from kind, namespace (empty for a shared provider) and name.
    #[must_use]
    pub fn new(kind: ProviderKind, namespace: &str, name: &str) -> Self {
        Self(Arc::new((kind, namespace.to_owned(), name.to_owned())))
    }
}

/// The kind of an object.
pub(super) struct Kind<'a>(pub(super) &'a str);

/// The name of an ApiCredential.
pub(super) struct Object<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

/// A reason, as in conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Why(pub(super) Reason);

/// The version of Credwright.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version;

/// Gives a type its labels: the name of each, its documentation, and its value.
macro_rules! labels {
    ($Type:ty, $it:ident: $($name:literal, $what:literal, $value:expr;)+) => {
        impl EncodeLabelSet for $Type {
            fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
                let $it = self;
                $(put(encoder, $name, $value)?;)+
                Ok(())
            }
        }

        impl Labels for $Type {
            fn describe() -> Vec<Label> {
                vec![$(Label { name: $name, says: Says::This($what) }),+]
            }
        }
    };
}

labels! { Provider, it:
    "provider_kind", "`CredentialProvider` or `ClusterCredentialProvider`", it.0.0.as_str();
    "provider_namespace", "the provider object's namespace; empty for a shared provider", &it.0.1;
    "provider", "the provider object's name", &it.0.2;
}
labels! { Kind<'_>, it: "kind", "the kind of the objects", it.0; }
labels! { Object<'_>, it:
    "namespace", "the ApiCredential's namespace", it.namespace;
    "name", "the ApiCredential's name", it.name;
}
labels! { Why, it: "reason", "the reason, as in conditions", it.0.as_str(); }
labels! { Version, _it: "version", "the version of Credwright", env!("CARGO_PKG_VERSION"); }

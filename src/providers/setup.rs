//! The foundation of every driver: the login as it is read, the URLs of the spec, and the causes
//! for which a driver cannot be built.

use std::collections::BTreeMap;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// The keys of a login Secret and their values.
pub type LoginData = BTreeMap<String, SecretString>;

/// The cause for which a driver cannot be built. Only a change of the provider object, or of its
/// login, helps.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No driver block, or one that this version does not know.
    #[error("the provider names no driver that this version of Credwright knows")]
    NoDriver,
    /// `spec.login` is absent.
    #[error("spec.login is missing: {driver} needs {needs}")]
    NoLogin {
        /// The driver's name.
        driver: &'static str,
        /// The keys that it needs.
        needs: &'static str,
    },
    /// `spec.login` is given where there is nothing to log in to.
    #[error(
        "spec.login is not used with {driver}: a person makes its credentials, and Credwright does not \
         log in; remove it"
    )]
    UnwantedLogin {
        /// The driver's name.
        driver: &'static str,
    },
    /// A key is absent or empty.
    #[error("the login Secret lacks the key {key}: {driver} needs {needs}")]
    MissingKey {
        /// The absent key.
        key: &'static str,
        /// The driver's name.
        driver: &'static str,
        /// The keys that it needs.
        needs: &'static str,
    },
    /// A value ends in a line break.
    #[error(
        "the login Secret's {key} ends in a line break, which is probably a mistake: store it without \
         (printf instead of echo)"
    )]
    LineBreak {
        /// The value's key.
        key: &'static str,
    },
    /// Keys that exclude each other.
    #[error("the login Secret holds both {one} and {other}: leave one of them out")]
    Contradiction {
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A value that is no use, or of the wrong kind.
    #[error("the login Secret's {key} cannot be used: {why}")]
    Unusable {
        /// The value's key.
        key: &'static str,
        /// The cause, and what to do.
        why: &'static str,
    },
    /// A URL that cannot be used. It is not shown: people put passwords into URLs.
    #[error("{field} is not a usable URL: {why}")]
    Url {
        /// The field.
        field: &'static str,
        /// The cause.
        why: &'static str,
    },
    /// A path that would lead elsewhere.
    #[error("{field} cannot be a part of a URL's path: a part between its slashes is empty, . or ..")]
    Path {
        /// The field.
        field: &'static str,
    },
    /// A member that is not the user's to set.
    #[error("{field} must not contain {member}: Credwright sets it, and checks what comes back")]
    Reserved {
        /// The field.
        field: &'static str,
        /// The member.
        member: &'static str,
    },
    /// A field that is longer than its provider may repeat.
    #[error("{field} is longer than {max} bytes of JSON: leave out what the server does not need")]
    TooLong {
        /// The field.
        field: &'static str,
        /// The most that it may have.
        max: usize,
    },
    /// `tls.caBundle` cannot be used.
    #[error("tls.caBundle cannot be used: {0}; it takes PEM certificates in base64")]
    CaBundle(&'static str),
    /// The content of `tls.caBundleRef` cannot be used.
    #[error("the key {key} of tls.caBundleRef cannot be used: {why}; it takes PEM certificates")]
    CaBundleRef {
        /// The key.
        key: String,
        /// The cause.
        why: &'static str,
    },
    /// The content of `tls.clientCertificateRef` cannot be used.
    #[error("the client certificate of tls.clientCertificateRef cannot be used: {0}")]
    ClientCertificate(&'static str),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

impl SetupError {
    /// Returns whether a login, or a part of it, is missing.
    #[must_use]
    pub fn lacks_login(&self) -> bool {
        matches!(self, Self::NoLogin { .. } | Self::MissingKey { .. })
    }

    /// A sentence that is safe to show.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// A login Secret, as a driver reads it.
pub(super) struct Login<'a> {
    driver: &'static str,
    needs: &'static str,
    keys: &'static [&'static str],
    data: &'a LoginData,
}

impl<'a> Login<'a> {
    /// A login of which `driver` reads no other keys than `keys`.
    pub(super) fn new(
        (driver, needs): (&'static str, &'static str),
        keys: &'static [&'static str],
        data: Option<&'a LoginData>,
    ) -> Result<Self, SetupError> {
        let data = data.ok_or(SetupError::NoLogin { driver, needs })?;
        Ok(Self { driver, needs, keys, data })
    }

    /// A value, if there is one. Nothing is trimmed: the stored value is sent, so a line break at
    /// the end is refused instead of being guessed about.
    pub(super) fn get(&self, key: &'static str) -> Result<Option<SecretString>, SetupError> {
        // A value that is not among the keys would be lost where a login is copied.
        let data = self.data.get(key).filter(|_| self.keys.contains(&key));
        let Some(value) = data.filter(|value| !value.expose_secret().is_empty()) else {
            return Ok(None);
        };
        if value.expose_secret().ends_with(['\n', '\r']) {
            return Err(SetupError::LineBreak { key });
        }
        Ok(Some(value.clone()))
    }

    /// Refuses a login that has one of `others` besides `one`.
    pub(super) fn excludes(&self, one: &'static str, others: [&'static str; 2]) -> Result<(), SetupError> {
        for other in others {
            if self.get(other)?.is_some() {
                return Err(SetupError::Contradiction { one, other });
            }
        }
        Ok(())
    }

    /// A value that must be there.
    pub(super) fn require(&self, key: &'static str) -> Result<SecretString, SetupError> {
        let missing = SetupError::MissingKey { key, driver: self.driver, needs: self.needs };
        self.get(key)?.ok_or(missing)
    }
}

/// The URL of an endpoint.
pub(super) fn endpoint_url(field: &'static str, text: &str) -> Result<Url, SetupError> {
    let unusable = |why| Err(SetupError::Url { field, why });
    let Ok(url) = Url::parse(text) else { return unusable("it is not an absolute URL") };
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return unusable("it is not an http(s) URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return unusable("it holds a user name or a password; those go into the login Secret");
    }
    if url.fragment().is_some() {
        return unusable("it has a fragment");
    }
    Ok(url)
}

/// A URL to whose path others are added.
pub(super) fn base_url(field: &'static str, text: &str) -> Result<Url, SetupError> {
    let url = endpoint_url(field, text)?;
    if url.query().is_some() {
        return Err(SetupError::Url { field, why: "it has a query" });
    }
    Ok(url)
}

/// A URL with more segments to its path, which a driver knows beforehand. Any other value goes
/// through [`value_below`].
pub(super) fn below(base: &Url, segments: &[&'static str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A URL with one more segment to its path: a value that a person, a tenant or a provider has
/// chosen.
///
/// `None` if it would be none or several. The URL parser drops `.` and `..` without a word, and all
/// tabs and line breaks. A slash is refused although it would be encoded, because some servers
/// decode a path before they take it apart.
pub(super) fn value_below(base: &Url, value: &str) -> Option<Url> {
    let is_segment = !["", ".", ".."].contains(&value)
        && !value.contains(|it: char| it.is_control() || matches!(it, '/' | '\\'));
    if !is_segment {
        return None;
    }
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push(value);
    Some(url)
}

/// The same for a path of a spec: several segments, with slashes between them.
pub(super) fn path_below(base: &Url, field: &'static str, path: &str) -> Result<Url, SetupError> {
    path.split('/')
        .try_fold(base.clone(), |url, segment| value_below(&url, segment))
        .ok_or(SetupError::Path { field })
}

#[cfg(test)]
mod tests;

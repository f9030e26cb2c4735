//! The objects that a provider refers to. Its account is built from them, too.

use super::Key;
use crate::api::{ROLE_CA_BUNDLE, ROLE_LOGIN, Reason};

/// An object that a provider refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The place of the object.
    pub at: Key,
    /// Its use.
    pub purpose: Purpose,
}

/// The use of an object that a provider refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A Secret with the login.
    Login,
    /// A ConfigMap that has the certificates to trust under this key.
    CaBundle(String),
    /// A Secret with a client certificate.
    ClientCertificate,
}

impl Source {
    /// Returns whether it is a Secret; otherwise it is a ConfigMap.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.purpose, Purpose::Login | Purpose::ClientCertificate)
    }

    /// Returns the value of the role label that it needs.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self.purpose {
            Purpose::Login | Purpose::ClientCertificate => ROLE_LOGIN,
            Purpose::CaBundle(_) => ROLE_CA_BUNDLE,
        }
    }

    /// Returns the field that refers to it.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self.purpose {
            Purpose::Login => "login.secretRef",
            Purpose::CaBundle(_) => "tls.caBundleRef",
            Purpose::ClientCertificate => "tls.clientCertificateRef",
        }
    }

    /// Returns the reason of a provider that cannot be used because of it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.purpose {
            Purpose::Login | Purpose::ClientCertificate => Reason::LoginMissing,
            Purpose::CaBundle(_) => Reason::ProviderInvalid,
        }
    }

    /// Returns its kind and its place, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        let Key { namespace, name } = &self.at;
        match self.purpose {
            Purpose::Login => format!("the login Secret {namespace}/{name}"),
            Purpose::CaBundle(_) => format!("the ConfigMap {namespace}/{name} of {}", self.field()),
            Purpose::ClientCertificate => format!("the Secret {namespace}/{name} of {}", self.field()),
        }
    }
}

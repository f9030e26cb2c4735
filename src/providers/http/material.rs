//! The contents of the objects that the TLS settings of a provider refer to.

use secrecy::SecretString;

/// The contents of the objects that the TLS settings of a provider refer to.
#[derive(Clone, Default)]
pub struct TlsMaterial {
    /// The certificates of `tls.caBundleRef`, as PEM.
    pub ca_bundle: Option<Vec<u8>>,
    /// The content of `tls.clientCertificateRef`.
    pub client_certificate: Option<ClientCertificate>,
}

/// A client certificate and its key, as PEM. Both are from a Secret, so none of them is ever shown.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority.
    pub certificate: SecretString,
    /// The key.
    pub key: SecretString,
}

//! The way to a provider: the proxy before it, and the trust in its certificate.

use kube::KubeSchema;
use kube::core::Rule;
use serde::{Deserialize, Serialize};

use super::names::{is_name, no_ledger};

/// The proxy before a provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_way())]
pub struct Proxy {
    /// The URL of an HTTP proxy, such as `http://proxy.example:3128`. It is used instead of that of
    /// `--provider-proxy`, and without a login. The proxy of a CredentialProvider may be only where
    /// the provider may be: at port 443 of a public address by https, or where `--allow-egress`
    /// allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = no_login(), validation = is_address())]
    pub url: Option<String>,
    /// `true`: the provider is reached without a proxy, whatever `--provider-proxy` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
}

fn exactly_one_way() -> Rule {
    Rule::new("has(self.url) != (has(self.direct) && self.direct)")
        .message("set exactly one of proxy.url and proxy.direct: true")
}

fn no_login() -> Rule {
    Rule::new("!self.contains('@')").message(
        "proxy.url must not contain a user name or a password: only the proxy of --provider-proxy can \
         have a login, in --provider-proxy-credentials",
    )
}

fn is_address() -> Rule {
    Rule::new("self.matches('^https?://[^/?#]+/?$')")
        .message("proxy.url must be http://HOST:PORT or https://HOST:PORT")
}

/// TLS settings.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = one_bundle())]
pub struct Tls {
    /// PEM certificates, base64-encoded. They are trusted instead of the built-in roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub ca_bundle: Option<String>,
    /// A ConfigMap with PEM certificates, such as one of trust-manager. They are trusted instead of
    /// the built-in roots. A change takes effect without a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleRef>,
    /// A Secret of the type `kubernetes.io/tls`, such as one of cert-manager, with a client
    /// certificate and its key. Credwright shows the certificate to servers that require one
    /// (mutual TLS). A new certificate takes effect without a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<ClientCertificateRef>,
}

fn one_bundle() -> Rule {
    Rule::new("!has(self.caBundle) || !has(self.caBundleRef)")
        .message("set at most one of tls.caBundle and tls.caBundleRef")
}

/// A ConfigMap with certificates.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaBundleRef {
    /// The ConfigMap's name. It must have the label `credwright.dev/role: ca-bundle`, by which
    /// Credwright watches it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = is_name("caBundleRef.name"))]
    pub name: String,
    /// The ConfigMap's namespace. A ClusterCredentialProvider needs it. A CredentialProvider uses
    /// its own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = is_name("caBundleRef.namespace"))]
    pub namespace: Option<String>,
    /// The key with the certificates. Default: `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), pattern(r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}

impl CaBundleRef {
    /// Returns the key with the certificates.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("ca.crt")
    }
}

/// A Secret with a client certificate (`tls.crt`) and its key (`tls.key`).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateRef {
    /// The Secret's name. It must have the label `credwright.dev/role: login`, with which its owner
    /// consents to this use.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = no_ledger("clientCertificateRef.name"),
        validation = is_name("clientCertificateRef.name")
    )]
    pub name: String,
    /// The Secret's namespace. A ClusterCredentialProvider needs it. A CredentialProvider uses its
    /// own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = is_name("clientCertificateRef.namespace"))]
    pub namespace: Option<String>,
}

/// The references of a provider's TLS settings. CEL reserves the word `namespace`, and escapes it.
const REFS: [&str; 2] = ["caBundleRef", "clientCertificateRef"];

/// Returns the rule for a provider that takes all that it refers to from its own namespace.
pub(super) fn no_namespaces() -> Rule {
    let none =
        REFS.map(|it| format!("(!has(self.tls.{it}) || !has(self.tls.{it}.__namespace__))")).join(" && ");
    Rule::new(format!("!has(self.tls) || ({none})"))
        .message("tls must name no namespace: a CredentialProvider uses the objects of its own namespace")
}

/// Returns the rule for a provider that has no namespace.
pub(super) fn only_namespaces() -> Rule {
    let all =
        REFS.map(|it| format!("(!has(self.tls.{it}) || has(self.tls.{it}.__namespace__))")).join(" && ");
    Rule::new(format!("!has(self.tls) || ({all})")).message(
        "tls must name the namespace of each object: a ClusterCredentialProvider has none of its own",
    )
}

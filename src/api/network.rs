//! The way to a provider: the proxy before it, and the trust in its certificate.

use kube::KubeSchema;
use kube::core::Rule;
use serde::{Deserialize, Serialize};

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
pub struct Tls {
    /// PEM certificates, base64-encoded. They are trusted instead of the built-in roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub ca_bundle: Option<String>,
}

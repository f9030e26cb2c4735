//! Proxies: the one that the operator names, the one that a provider names, and which of them is
//! used.

use std::{fs, path::PathBuf};

use reqwest::Url;
use zeroize::Zeroizing;

use crate::{
    api,
    providers::setup::{SetupError, base_url},
};

/// The proxy of `--provider-proxy`, for all providers that say nothing else.
#[derive(Clone, Debug)]
pub struct ProviderProxy {
    url: Url,
    credentials: Option<PathBuf>,
}

impl ProviderProxy {
    /// The proxy at `url`. It gets the user and the password in the file `credentials`, which is
    /// one line, `user:password`, and is read for each connection.
    ///
    /// # Errors
    /// If `url` is not the URL of a proxy.
    pub fn new(url: &str, credentials: Option<PathBuf>) -> Result<Self, SetupError> {
        Ok(Self { url: proxy_url("--provider-proxy", url)?, credentials })
    }
}

fn proxy_url(field: &'static str, text: &str) -> Result<Url, SetupError> {
    let unusable = |why| Err(SetupError::Url { field, why });
    if text.contains('@') {
        return unusable(
            "it holds a user name or a password; the login of a proxy goes into --provider-proxy-credentials",
        );
    }
    let url = base_url(field, text)?;
    if url.path() == "/" { Ok(url) } else { unusable("a proxy has no path") }
}

/// The way to the provider of one account.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// Directly. No proxy is set.
    Direct,
    /// Directly, because the provider object says so.
    DirectByChoice,
    Proxy(Proxy),
}

/// The proxy of one account.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) url: Url,
    credentials: Option<PathBuf>,
    /// True if the provider object names it: it is judged as the provider is.
    pub(super) chosen: bool,
}

impl Route {
    pub(super) fn of(
        proxy: Option<&api::Proxy>,
        of_operator: Option<&ProviderProxy>,
    ) -> Result<Self, SetupError> {
        if let Some(text) = proxy.and_then(|it| it.url.as_deref()) {
            let url = proxy_url("proxy.url", text)?;
            return Ok(Self::Proxy(Proxy { url, credentials: None, chosen: true }));
        }
        if proxy.and_then(|it| it.direct) == Some(true) {
            return Ok(Self::DirectByChoice);
        }
        Ok(match of_operator.cloned() {
            None => Self::Direct,
            Some(ProviderProxy { url, credentials }) => {
                Self::Proxy(Proxy { url, credentials, chosen: false })
            }
        })
    }

    pub(super) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Proxy(proxy) => Some(proxy),
            Self::Direct | Self::DirectByChoice => None,
        }
    }
}

impl Proxy {
    /// Its place, and the setting that it comes from.
    pub(super) fn shown(&self) -> String {
        format!("the proxy {} ({})", place(&self.url), self.setting())
    }

    /// The setting that it comes from.
    pub(super) fn setting(&self) -> &'static str {
        if self.chosen { "spec.proxy.url" } else { "--provider-proxy" }
    }

    /// The advice about a proxy that requires a login.
    pub(super) fn login_advice(&self) -> &'static str {
        match (self.chosen, &self.credentials) {
            (true, _) => "only the proxy of --provider-proxy can have a login",
            (false, None) => "start Credwright with --provider-proxy-credentials",
            (false, Some(_)) => "correct the file of --provider-proxy-credentials",
        }
    }

    /// The setting of the HTTP client. The login is read for each connection, so that a new one
    /// counts without a restart.
    pub(super) fn intercepting(&self) -> reqwest::Proxy {
        let proxy = self.clone();
        reqwest::Proxy::custom(move |_| Some(proxy.with_login()))
    }

    fn with_login(&self) -> Url {
        let mut url = self.url.clone();
        let Some(path) = &self.credentials else { return url };
        let read = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| error.to_string());
        let set = read.and_then(|text| {
            let (user, password) =
                text.trim_end_matches(['\r', '\n']).split_once(':').ok_or("it is not user:password")?;
            // A percent sign is the one character that the URL would otherwise take for an escape.
            let escaped = |text: &str| Zeroizing::new(text.replace('%', "%25"));
            url.set_username(&escaped(user)).map_err(|()| "its user cannot be sent")?;
            url.set_password(Some(&escaped(password))).map_err(|()| "its password cannot be sent")?;
            Ok(())
        });
        if let Err(error) = set {
            tracing::warn!(path = %path.display(), error, "proxy credentials not usable");
        }
        url
    }
}

/// `host:port`, all of a URL that is ever shown.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

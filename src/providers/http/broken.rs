//! The cause for which there is no answer, in words that name no URL.

use std::{error::Error, io, iter, time::Duration};

use super::{
    guard::Refused,
    proxy::{Proxy, Route},
};

/// The time for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The other end of a request: `host:port`, and the way there.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) place: &'a str,
    pub(super) route: &'a Route,
}

impl Target<'_> {
    /// A hint for messages about a provider that cannot be reached directly, for those who expect a
    /// proxy of the environment to be used.
    fn hint(&self) -> &'static str {
        match self.route {
            Route::Direct => {
                " (it is reached directly: --provider-proxy names a proxy, and HTTPS_PROXY is not used)"
            }
            Route::DirectByChoice => " (it is reached directly, because spec.proxy.direct is true)",
            Route::Proxy(_) => "",
        }
    }
}

/// The cause for which there is no answer.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// True if the request may have reached the provider.
    pub(super) sent: bool,
    /// True if it is worth retrying at once.
    pub(super) transient: bool,
    /// True if the certificate is not trusted.
    pub(super) distrusted: bool,
    /// True if the answer is longer than is ever believed.
    pub(super) excess: Excess,
    /// A sentence without URL query, header or body.
    pub(super) message: String,
}

/// The way in which an answer is too long, if it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Excess {
    #[default]
    None,
    /// It said so itself.
    Announced,
    /// It went on and on.
    Unannounced,
}

/// The failure for an address that the egress guard refuses.
pub(super) fn refusal(refused: &Refused) -> Broken {
    Broken { message: refused.to_string(), ..Broken::default() }
}

/// Returns the failure for an error of reqwest. Its own text is not used: it may name the URL with
/// its query.
pub(super) fn broken(error: &reqwest::Error, target: Target<'_>) -> Broken {
    let place = target.place;
    let proxy = target.route.proxy();
    if let Some(refused) = cause::<Refused>(error) {
        // Through a proxy, only its own name is resolved here.
        let message = match proxy {
            Some(proxy) => format!("{}: {refused}", proxy.shown()),
            None => format!("{place}: {refused}"),
        };
        return Broken { message, ..refusal(refused) };
    }
    let message = if error.is_builder() {
        "the request cannot be built: a login value or name contains characters that are not allowed in a \
         header"
            .to_owned()
    } else if let Some((proxy, tunnel)) = proxy.zip(Tunnel::of(error)) {
        no_tunnel(error, place, proxy, tunnel)
    } else if error.is_dns() {
        format!("the host name of {place} cannot be resolved{}", target.hint())
    } else if let Some(tls) = cause::<rustls::Error>(error) {
        no_tls(tls, place, "; the server there does not speak TLS: check the URL")
    } else if error.is_connect() {
        unconnected(error, target)
    } else if error.is_timeout() {
        format!("{place} did not answer in time")
    } else if error.is_body() || error.is_decode() {
        format!("the response of {place} was cut off")
    } else {
        format!("{place} closed the connection without a response")
    };
    let transient = !error.is_builder() && !error.is_timeout();
    let tls = cause::<rustls::Error>(error);
    let distrusted = matches!(tls, Some(rustls::Error::InvalidCertificate(_)));
    let sent = !(error.is_builder() || error.is_connect() || tls.is_some_and(is_about_the_client));
    Broken { sent, transient, distrusted, message, ..Broken::default() }
}

fn no_tls(error: &rustls::Error, place: &str, without_tls: &str) -> String {
    let why: String = error.to_string().chars().take(200).collect();
    let hint = match error {
        rustls::Error::InvalidMessage(_) => without_tls,
        _ if is_about_the_client(error) => {
            "; the server does not accept the client certificate, or the lack of one: check \
             tls.clientCertificateRef"
        }
        _ => "",
    };
    format!("no TLS connection to {place}: {why}{hint}")
}

/// Returns whether a server refused the certificate of its client. It then has read no request.
fn is_about_the_client(error: &rustls::Error) -> bool {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, UnknownCA, UnsupportedCertificate,
    };
    let rustls::Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | UnknownCA
            | UnsupportedCertificate
    )
}

/// The failure of a CONNECT.
fn no_tunnel(error: &reqwest::Error, place: &str, proxy: &Proxy, tunnel: Tunnel) -> String {
    let shown = proxy.shown();
    match tunnel {
        Tunnel::LoginRequired => {
            format!("{shown} answered 407 to CONNECT {place}, it requires a login: {}", proxy.login_advice())
        }
        Tunnel::Refused => format!("{shown} {}", refused_by_proxy(place, None)),
        Tunnel::CutOff => format!("{shown} closed the connection without an answer to CONNECT {place}"),
        Tunnel::Unreached if error.is_dns() => format!("the host name of {shown} cannot be resolved"),
        Tunnel::Unreached => match (cause::<rustls::Error>(error), io_kind(error)) {
            (Some(tls), _) => no_tls(tls, &shown, "; it does not speak TLS: name it with http://"),
            (None, Some(io::ErrorKind::ConnectionRefused)) => {
                format!("{shown} refuses connections: check {}", proxy.setting())
            }
            (None, Some(kind)) => format!("cannot connect to {shown}: {kind}"),
            (None, None) => format!("cannot connect to {shown}"),
        },
    }
}

/// The end of a sentence about a proxy that does not connect to a place, with its status if that is
/// known.
pub(super) fn refused_by_proxy(place: &str, status: Option<u16>) -> String {
    let answered = status.map_or_else(|| "refused".to_owned(), |status| format!("answered {status} to"));
    format!(
        "{answered} CONNECT {place}: have this name and port allowed there, or set spec.proxy.direct: true \
         if the provider can be reached without a proxy"
    )
}

fn unconnected(error: &reqwest::Error, target: Target<'_>) -> String {
    let (place, hint) = (target.place, target.hint());
    if error.is_timeout() {
        let longest = CONNECT_TIMEOUT.as_secs();
        return match target.route.proxy() {
            Some(proxy) => {
                format!("{place} did not accept a connection through {} within {longest} s", proxy.shown())
            }
            None => format!("{place} did not accept a connection within {longest} s{hint}"),
        };
    }
    match io_kind(error) {
        Some(io::ErrorKind::ConnectionRefused) => format!("{place} refuses connections{hint}"),
        Some(kind) => format!("cannot connect to {place}: {kind}{hint}"),
        None => format!("cannot connect to {place}{hint}"),
    }
}

/// The failure of a CONNECT. The library has no type for it, only a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tunnel {
    /// There is no connection to the proxy.
    Unreached,
    /// The proxy answered 407.
    LoginRequired,
    /// The proxy answered anything else but 200.
    Refused,
    /// The proxy's answer is cut off, or none.
    CutOff,
}

impl Tunnel {
    /// Returns the failure of the CONNECT that is among the causes of an error.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let text = causes(error).map(ToString::to_string);
        let text = text.filter_map(|text| Some(text.strip_prefix("tunnel error: ")?.to_owned())).next()?;
        Some(match text.as_str() {
            "failed to create underlying connection" => Self::Unreached,
            "proxy authorization required" => Self::LoginRequired,
            "unsuccessful" => Self::Refused,
            _ => Self::CutOff,
        })
    }
}

/// The first error of a kind among an error and its causes.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The kind of the last I/O error among the causes: the others only wrap it.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    causes(error).filter_map(|error| error.downcast_ref::<io::Error>()).last().map(io::Error::kind)
}

/// An error and its causes. `io::Error` hides its inner error from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

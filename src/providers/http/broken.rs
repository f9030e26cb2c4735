//! The cause for which there is no answer, in words that name no URL.

use std::{error::Error, io, time::Duration};

use super::guard::Refused;

/// The time for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A hint for messages about a provider that cannot be reached, for those who expect a proxy to be
/// used. None is: it would connect to addresses that the egress guard has not judged.
const DIRECTLY: &str = " (it is reached directly: a proxy such as HTTPS_PROXY is not used)";

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
pub(super) fn broken(error: &reqwest::Error, place: &str) -> Broken {
    if let Some(refused) = cause::<Refused>(error) {
        return Broken { message: format!("{place}: {refused}"), ..refusal(refused) };
    }
    let message = if error.is_builder() {
        "the request cannot be built: a login value or name contains characters that are not allowed in a \
         header"
            .to_owned()
    } else if error.is_dns() {
        format!("the host name of {place} cannot be resolved{DIRECTLY}")
    } else if let Some(tls) = cause::<rustls::Error>(error) {
        let why: String = tls.to_string().chars().take(200).collect();
        let hint = match tls {
            rustls::Error::InvalidMessage(_) => "; the server there does not speak TLS: check the URL",
            _ => "",
        };
        format!("no TLS connection to {place}: {why}{hint}")
    } else if error.is_connect() {
        unconnected(error, place)
    } else if error.is_timeout() {
        format!("{place} did not answer in time")
    } else if error.is_body() || error.is_decode() {
        format!("the response of {place} was cut off")
    } else {
        format!("{place} closed the connection without a response")
    };
    let transient = !error.is_builder() && !error.is_timeout();
    let distrusted = matches!(cause::<rustls::Error>(error), Some(rustls::Error::InvalidCertificate(_)));
    let sent = !(error.is_builder() || error.is_connect());
    Broken { sent, transient, distrusted, message, ..Broken::default() }
}

fn unconnected(error: &reqwest::Error, place: &str) -> String {
    if error.is_timeout() {
        let longest = CONNECT_TIMEOUT.as_secs();
        return format!("{place} did not accept a connection within {longest} s{DIRECTLY}");
    }
    match cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => format!("{place} refuses connections{DIRECTLY}"),
        Some(kind) => format!("cannot connect to {place}: {kind}{DIRECTLY}"),
        None => format!("cannot connect to {place}{DIRECTLY}"),
    }
}

/// The first error of a kind among an error and its causes. `io::Error` hides its inner error from
/// `source`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

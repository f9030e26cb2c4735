//! The egress guard before a proxy.
//!
//! A provider is reached through a proxy by CONNECT, with the provider's name in it, because
//! proxies with a list of allowed names need that. The guard then never sees the address that is
//! connected to: the proxy resolves the name. So the name is resolved and judged here before the
//! proxy is asked. All of its addresses have to be allowed, because the proxy may choose any.

use std::net::IpAddr;

use reqwest::Url;
use tokio::time::timeout;
use url::Host;

use super::{
    broken::{Broken, CONNECT_TIMEOUT, refusal},
    guard::{EgressPolicy, Refused, Way},
    proxy::{Proxy, place},
};

/// The way in which a proxy itself may be reached; `None` if nobody judges it. What goes through it
/// is encrypted, so a proxy that an administrator chose needs no TLS of its own.
pub(super) fn way(proxy: &Proxy, policy: &EgressPolicy) -> Option<Way> {
    let usual = policy.private_allowed;
    proxy.chosen.then(|| if usual { Way::Usual } else { policy.way(&proxy.url) })
}

/// Judges a provider and its proxy, before the proxy is asked.
pub(super) async fn judge(proxy: &Proxy, policy: &EgressPolicy, target: &Url) -> Result<(), Broken> {
    if target.scheme() != "https" {
        let message = format!(
            "{} is not reached through a proxy, which could read what is sent without encryption: use \
                 https, or set spec.proxy.direct: true",
            place(target)
        );
        return Err(Broken { message, ..Broken::default() });
    }
    if let Some(way) = way(proxy, policy) {
        policy.check_host(&proxy.url, way).map_err(|refused| {
            let message = format!("{}: {refused}", proxy.shown());
            Broken { message, ..refusal(&refused) }
        })?;
    }
    let found = resolved(target).await;
    if found.is_empty() && matches!(target.host(), Some(Host::Domain(_))) && !policy.private_allowed {
        let message = format!(
            "the host name of {} cannot be resolved here, and so Credwright cannot check where {} would \
                 connect to: a CredentialProvider needs a name that the cluster's DNS resolves",
            place(target),
            proxy.shown()
        );
        return Err(Broken { message, transient: true, ..Broken::default() });
    }
    judged(policy, target, found.into_iter()).map_err(|refused| {
        let message = format!("{}: {refused}", place(target));
        Broken { message, ..refusal(&refused) }
    })
}

/// Judges all the addresses that the name of a provider has.
fn judged(policy: &EgressPolicy, target: &Url, found: impl Iterator<Item = IpAddr>) -> Result<(), Refused> {
    let (way, mut found) = (policy.way(target), found);
    found.try_for_each(|address| policy.check(address, way))
}

/// The addresses of a URL's host name. None if it is an address, or cannot be resolved.
async fn resolved(url: &Url) -> Vec<IpAddr> {
    let Some(Host::Domain(name)) = url.host() else { return Vec::new() };
    match timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;

//! The egress guard: which addresses a provider may be at.
//!
//! The author of a provider object chooses where Credwright connects to, and Credwright runs inside
//! the cluster's network. So the address is checked, not the name, and it is checked where the
//! connection is made: a name that passed an earlier check may resolve to something else a moment
//! later.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use url::Host;

use super::roots::MoreRoots;

/// The addresses at which a provider may be, and the authorities that may vouch for it.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// The ranges that `--allow-egress` names: everything is allowed there, plain http included.
    pub allow: Vec<IpNet>,
    /// True if private, shared and unique-local addresses are allowed too, as for cluster-scoped
    /// providers.
    pub private_allowed: bool,
    /// The roots that `--ca-file` names, besides those of the system.
    pub more_roots: Option<MoreRoots>,
}

impl EgressPolicy {
    /// Judges a URL whose host is an address: no resolver is asked for those.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), Refused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.check(address, url.scheme() == "https")
    }

    /// Judges an address.
    fn check(&self, address: IpAddr, encrypted: bool) -> Result<(), Refused> {
        let address = unwrapped(address);
        if self.allow.iter().any(|range| range.contains(&address)) {
            return Ok(());
        }
        let refused = |what, range| Err(Refused { address, what, range });
        match Range::of(address) {
            Range::Never(what, range) => refused(what, Some(range)),
            Range::Private(what, range) if !self.private_allowed => refused(what, Some(range)),
            Range::Private(..) | Range::Public if !encrypted => {
                refused("to be reached without encryption (use https)", None)
            }
            Range::Private(..) | Range::Public => Ok(()),
        }
    }
}

/// An address that may not be connected to; says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    address: IpAddr,
    what: &'static str,
    range: Option<&'static str>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, what, range } = self;
        let range = range.map_or_else(|| IpNet::from(*address).to_string(), str::to_owned);
        write!(f, "{address} is {what}: start Credwright with --allow-egress {range} if this is meant")
    }
}

impl Error for Refused {}

/// The kinds of addresses, with their name and the range that would allow them.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Public,
    Private(&'static str, &'static str),
    Never(&'static str, &'static str),
}

impl Range {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // Alibaba Cloud has its metadata service within the shared range.
            [169, 254, 169, 254] => Self::Never("a metadata service", "169.254.169.254/32"),
            [100, 100, 100, 200] => Self::Never("a metadata service", "100.100.100.200/32"),
            [127, ..] => Self::Never("a loopback address", "127.0.0.0/8"),
            [169, 254, ..] => Self::Never("a link-local address", "169.254.0.0/16"),
            [0, ..] => Self::Never("an unspecified address", "0.0.0.0/8"),
            [224..=239, ..] => Self::Never("a multicast address", "224.0.0.0/4"),
            [240..=255, ..] => Self::Never("a reserved address", "240.0.0.0/4"),
            [10, ..] => Self::Private("a private address", "10.0.0.0/8"),
            [172, 16..=31, ..] => Self::Private("a private address", "172.16.0.0/12"),
            [192, 168, ..] => Self::Private("a private address", "192.168.0.0/16"),
            [100, 64..=127, ..] => Self::Private("a shared address", "100.64.0.0/10"),
            [198, 18..=19, ..] => Self::Private("a benchmarking address", "198.18.0.0/15"),
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Self::Never("a metadata service", "fd00:ec2::254/128"),
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Never("a loopback address", "::1/128"),
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Never("an unspecified address", "::/128"),
            [0xfe80..=0xfebf, ..] => Self::Never("a link-local address", "fe80::/10"),
            [0xff00..=0xffff, ..] => Self::Never("a multicast address", "ff00::/8"),
            [0xfc00..=0xfdff, ..] => Self::Private("a unique-local address", "fc00::/7"),
            [0xfec0..=0xfeff, ..] => Self::Private("a site-local address", "fec0::/10"),
            // RFC 4380: only a relay knows where it leads. RFC 8215: only the network knows the
            // translation.
            [0x2001, 0, ..] => Self::Never("a Teredo address", "2001::/32"),
            [0x0064, 0xff9b, 1, ..] => Self::Private("a locally translated address", "64:ff9b:1::/48"),
            _ => Self::Public,
        }
    }
}

/// The IPv4 address inside of an IPv4-mapped or IPv4-compatible (RFC 4291, section 2.5.5), NAT64
/// (RFC 6052) or 6to4 (RFC 3056) one: that is where the packets go.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        // An address that begins with 0 is the unspecified address or the loopback one.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        _ => return address,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// Resolves names to those of their addresses that are allowed.
pub(super) struct GuardedResolver {
    pub(super) policy: Arc<EgressPolicy>,
    /// True if it resolves for https: plain http is only allowed where `--allow-egress` says.
    pub(super) encrypted: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, encrypted) = (Arc::clone(&self.policy), self.encrypted);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(&policy, encrypted, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns the addresses that are allowed; the first refusal if none is.
fn allowed(
    policy: &EgressPolicy,
    encrypted: bool,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Refused> {
    let (mut allowed, mut first_refusal) = (Vec::new(), None);
    for address in found {
        match policy.check(address.ip(), encrypted) {
            Ok(()) => allowed.push(address),
            Err(refused) => first_refusal = first_refusal.or(Some(refused)),
        }
    }
    match first_refusal {
        Some(refused) if allowed.is_empty() => Err(refused),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests;

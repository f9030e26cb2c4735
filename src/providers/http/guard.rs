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

use super::{material::TlsMaterial, proxy::ProviderProxy, roots::MoreRoots};

/// The rules for the connections of one account: the addresses at which the provider may be, the
/// authorities that may vouch for it, and the proxy before it.
#[derive(Clone, Default)]
pub struct EgressPolicy {
    /// The ranges that were set, and those that belong to the cluster.
    pub ranges: Arc<EgressRanges>,
    /// True for a cluster-scoped provider, which an administrator wrote: private, shared and
    /// unique-local addresses and Services are allowed, too, and all ports.
    pub private_allowed: bool,
    /// The roots that `--ca-file` names, besides those of the system.
    pub more_roots: Option<MoreRoots>,
    /// The proxy of `--provider-proxy`.
    pub proxy: Option<ProviderProxy>,
    /// The contents of the objects that the provider's TLS settings refer to.
    pub tls: TlsMaterial,
}

/// The ranges that all providers are judged by.
#[derive(Clone, Debug, Default)]
pub struct EgressRanges {
    /// The ranges of `--deny-egress`. No other range allows anything in them.
    pub deny: Vec<IpNet>,
    /// The addresses of the API server.
    pub api_server: Vec<IpAddr>,
    /// The addresses of Credwright's own pod and of its node.
    pub own: Vec<IpAddr>,
    /// The ranges of `--allow-egress`: everything else is allowed there, plain http included.
    pub allow: Vec<IpNet>,
    /// The ranges of the cluster's Services. They may look public.
    pub services: Vec<IpNet>,
}

/// The way in which an address is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By https, and at port 443 if a tenant may have written the provider.
    Usual,
    /// Only where `--allow-egress` allows it: plain http, or another port.
    ByLeave,
}

impl EgressPolicy {
    /// Returns the way in which a URL is reached.
    pub(super) fn way(&self, url: &Url) -> Way {
        let usual_port = self.private_allowed || url.port_or_known_default() == Some(443);
        if url.scheme() == "https" && usual_port { Way::Usual } else { Way::ByLeave }
    }

    /// Judges a URL whose host is an address: no resolver is asked for those.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), Refused> {
        self.check_host(url, self.way(url))
    }

    /// The same, for a URL that is reached in this way.
    pub(super) fn check_host(&self, url: &Url, way: Way) -> Result<(), Refused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.check(address, way)
    }

    /// Judges an address.
    pub(super) fn check(&self, address: IpAddr, way: Way) -> Result<(), Refused> {
        let address = unwrapped(address);
        let EgressRanges { deny, api_server, own, allow, services } = &*self.ranges;
        let holds = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
        let refused = |what, allowed_by| Err(Refused { address, what, allowed_by });
        if holds(deny) {
            return refused("in a range of --deny-egress", None);
        }
        // Nothing is at a loopback address for anybody else, so it is judged as one below.
        let is_at = |those: &[IpAddr]| !address.is_loopback() && those.contains(&address);
        if is_at(api_server) {
            return refused("the API server of this cluster, which is never a provider", None);
        }
        if is_at(own) {
            return refused("Credwright's own pod or node, which is never a provider", None);
        }
        if holds(allow) {
            return Ok(());
        }
        let itself = || Some(IpNet::from(address).to_string());
        if holds(services) && !self.private_allowed {
            return refused("an address of a Service in this cluster", itself());
        }
        match Range::of(address) {
            Range::Never(what, range) => refused(what, Some(range.to_owned())),
            Range::Private(what, range) if !self.private_allowed => refused(what, Some(range.to_owned())),
            Range::Isatap if !self.private_allowed => refused("an ISATAP address", itself()),
            _ if way == Way::Usual => Ok(()),
            _ if self.private_allowed => refused("to be reached without encryption (use https)", itself()),
            _ => refused(
                "to be reached without https or at another port than 443 (use https at port 443)",
                itself(),
            ),
        }
    }
}

/// An address that may not be connected to; says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    address: IpAddr,
    what: &'static str,
    /// The range that `--allow-egress` needs, if it helps.
    allowed_by: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, what, allowed_by } = self;
        write!(f, "{address} is {what}")?;
        match allowed_by {
            Some(range) => write!(f, ": start Credwright with --allow-egress {range} if this is meant"),
            None => Ok(()),
        }
    }
}

impl Error for Refused {}

/// The kinds of addresses, with their name and the range that would allow them.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Public,
    Private(&'static str, &'static str),
    /// Private, within any prefix: only the address itself can be allowed.
    Isatap,
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
            // RFC 5214: the packets go to the IPv4 address at the end, within the site.
            [_, _, _, _, 0 | 0x0200, 0x5efe, _, _] => Self::Isatap,
            _ => Self::Public,
        }
    }
}

/// The IPv4 address inside of an IPv4-mapped or IPv4-compatible (RFC 4291, section 2.5.5),
/// IPv4-translated (RFC 2765), NAT64 (RFC 6052) or 6to4 (RFC 3056) one: that is where the packets
/// go.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
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
    pub(super) way: Way,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, way) = (Arc::clone(&self.policy), self.way);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(&policy, way, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns the addresses that are allowed; the first refusal if none is.
fn allowed(
    policy: &EgressPolicy,
    way: Way,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Refused> {
    let (mut allowed, mut first_refusal) = (Vec::new(), None);
    for address in found {
        match policy.check(address.ip(), way) {
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

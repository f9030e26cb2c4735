//! Subnets, however they are spelt.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Returns the network that a CIDR means, whatever bits of the host are set: one of IPv4-mapped
/// addresses is the IPv4 network. `None` if it is no CIDR.
#[must_use]
pub fn meant(cidr: &str) -> Option<IpNet> {
    let net = cidr.parse::<IpNet>().ok()?.trunc();
    let IpAddr::V6(address) = net.addr() else { return Some(net) };
    let mapped = address.to_ipv4_mapped().zip(net.prefix_len().checked_sub(96));
    Some(mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(net, IpNet::V4))
}

/// Returns whether a network lies within one of `ranges`. An invalid range contains nothing.
#[must_use]
pub fn is_within(net: &IpNet, ranges: &[String]) -> bool {
    ranges.iter().filter_map(|range| meant(range)).any(|range| range.contains(net))
}

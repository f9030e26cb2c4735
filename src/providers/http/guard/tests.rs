use super::*;

fn nets(ranges: &[&str]) -> Vec<IpNet> {
    ranges.iter().map(|range| range.parse().unwrap()).collect()
}

fn policy(allow: &[&str], private_allowed: bool) -> EgressPolicy {
    by(EgressRanges { allow: nets(allow), ..EgressRanges::default() }, private_allowed)
}

fn by(ranges: EgressRanges, private_allowed: bool) -> EgressPolicy {
    EgressPolicy { ranges: ranges.into(), private_allowed, ..EgressPolicy::default() }
}

fn check(policy: &EgressPolicy, address: &str) -> Result<(), String> {
    policy.check(address.parse().unwrap(), Way::Usual).map_err(|refused| refused.to_string())
}

#[test]
fn addresses_that_are_never_a_provider_are_refused_to_everybody() {
    for (address, what) in [
        ("127.0.0.1", "a loopback address"),
        ("127.8.9.10", "a loopback address"),
        ("::1", "a loopback address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("169.254.169.254", "a metadata service"),
        ("fd00:ec2::254", "a metadata service"),
        ("100.100.100.200", "a metadata service"),
        ("0.0.0.0", "an unspecified address"),
        ("0.1.2.3", "an unspecified address"),
        ("::", "an unspecified address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("255.255.255.255", "a reserved address"),
        // IPv4 inside of IPv6.
        ("::ffff:127.0.0.1", "a loopback address"),
        ("::ffff:169.254.169.254", "a metadata service"),
        ("64:ff9b::7f00:1", "a loopback address"),
        ("64:ff9b::a9fe:a9fe", "a metadata service"),
        ("2002:7f00:1::", "a loopback address"),
        ("2002:a9fe:a9fe::1", "a metadata service"),
        ("::127.0.0.1", "a loopback address"),
        ("::169.254.169.254", "a metadata service"),
        ("::ffff:0:169.254.169.254", "a metadata service"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a Teredo address"),
    ] {
        for private_allowed in [false, true] {
            let refused = check(&policy(&[], private_allowed), address).unwrap_err();
            assert!(
                refused.contains(&format!(" is {what}: start Credwright with --allow-egress")),
                "{refused}"
            );
        }
    }
}

#[test]
fn private_ranges_are_for_cluster_scoped_providers() {
    for address in [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:a00:1::1",
        "::10.0.0.1",
        "::ffff:0:10.0.0.1",
        "2001:db8::5efe:192.0.2.1",
        "2001:db8::200:5efe:192.0.2.1",
    ] {
        assert!(check(&policy(&[], false), address).is_err(), "{address}");
        assert_eq!(check(&policy(&[], true), address), Ok(()), "{address}");
    }
}

#[test]
fn public_addresses_are_for_everybody() {
    for address in [
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "198.20.0.1",
        "2606:4700::1111",
        "2002:808:808::1",
    ] {
        assert_eq!(check(&policy(&[], false), address), Ok(()), "{address}");
    }
}

#[test]
fn a_refusal_says_what_to_do_and_doing_it_helps() {
    let refused = check(&policy(&[], false), "127.0.0.1").unwrap_err();
    assert_eq!(
        refused,
        "127.0.0.1 is a loopback address: start Credwright with --allow-egress 127.0.0.0/8 if this is meant"
    );
    for (allowed, address) in [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("::1/128", "::1"),
        ("169.254.169.254/32", "169.254.169.254"),
        ("10.0.0.0/8", "10.1.2.3"),
    ] {
        assert_eq!(check(&policy(&[allowed], false), address), Ok(()), "{address}");
        assert!(check(&policy(&["192.0.2.0/24"], false), address).is_err(), "{address}");
    }
}

#[test]
fn other_ways_than_https_at_port_443_lead_only_where_the_flag_says() {
    let refused = |policy: &EgressPolicy, url: &str| {
        policy.check_literal(&url.parse().unwrap()).map_err(|refused| refused.to_string())
    };
    let advice = "start Credwright with --allow-egress 8.8.8.8/32 if this is meant";
    for (by_tenant, by_owner, url) in [
        (true, true, "https://8.8.8.8/"),
        (false, true, "https://8.8.8.8:8443/"),
        (false, false, "http://8.8.8.8/"),
        (false, false, "http://8.8.8.8:443/"),
    ] {
        for (is_allowed, private_allowed) in [(by_tenant, false), (by_owner, true)] {
            let said = refused(&policy(&[], private_allowed), url);
            assert_eq!(said.is_ok(), is_allowed, "{url} {private_allowed}: {said:?}");
            assert!(said.err().is_none_or(|why| why.ends_with(advice)), "{url}");
            assert_eq!(refused(&policy(&["8.8.8.8/32"], private_allowed), url), Ok(()), "{url}");
        }
    }
    assert_eq!(
        refused(&policy(&[], true), "http://8.8.8.8/").unwrap_err(),
        "8.8.8.8 is to be reached without encryption (use https): \
         start Credwright with --allow-egress 8.8.8.8/32 if this is meant"
    );
    assert!(refused(&policy(&[], true), "http://10.0.0.1/").is_err());
    assert_eq!(refused(&policy(&["10.0.0.0/8"], false), "http://10.0.0.1/"), Ok(()));
}

/// Some clusters have public addresses inside.
#[test]
fn what_belongs_to_the_cluster_is_no_provider() {
    let ranges = EgressRanges {
        deny: nets(&["203.0.113.0/24"]),
        api_server: vec!["34.118.224.1".parse().unwrap()],
        own: vec!["198.51.100.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        allow: nets(&["0.0.0.0/0", "::/0"]),
        services: nets(&["34.118.224.0/20"]),
    };
    for private_allowed in [false, true] {
        for (address, what) in [
            ("203.0.113.9", "in a range of --deny-egress"),
            ("34.118.224.1", "the API server of this cluster, which is never a provider"),
            ("::ffff:34.118.224.1", "the API server of this cluster, which is never a provider"),
            ("198.51.100.7", "Credwright's own pod or node, which is never a provider"),
            ("2001:db8::7", "Credwright's own pod or node, which is never a provider"),
        ] {
            let said = check(&by(ranges.clone(), private_allowed), address).unwrap_err();
            assert!(said.ends_with(&format!(" is {what}")), "{said}");
        }
    }
    let service = "34.118.230.5";
    assert_eq!(check(&by(ranges.clone(), false), service), Ok(()), "a provider in the cluster is possible");
    let ranges = EgressRanges { allow: Vec::new(), ..ranges };
    assert_eq!(check(&by(ranges.clone(), true), service), Ok(()), "for a shared one, without the flag");
    assert_eq!(
        check(&by(ranges, false), service).unwrap_err(),
        "34.118.230.5 is an address of a Service in this cluster: \
         start Credwright with --allow-egress 34.118.230.5/32 if this is meant"
    );
}

#[test]
fn hosts_that_are_addresses_are_checked_in_every_spelling() {
    let literal = |url: &str| policy(&[], true).check_literal(&url.parse().unwrap());
    for url in [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
    ] {
        assert!(literal(url).is_err(), "{url}");
    }
    assert_eq!(literal("https://8.8.8.8/"), Ok(()));
    assert_eq!(literal("https://localhost/"), Ok(()), "names are the resolver's business");
}

#[test]
fn a_name_is_connected_to_at_its_allowed_addresses_only() {
    let found = |addresses: &[&str]| -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    };
    let mixed = found(&["127.0.0.1", "8.8.8.8"]);
    let kept = allowed(&policy(&[], false), Way::Usual, mixed.into_iter()).unwrap();
    assert_eq!(kept, found(&["8.8.8.8"]));
    let refused =
        allowed(&policy(&[], false), Way::Usual, found(&["10.0.0.1", "::1"]).into_iter()).unwrap_err();
    assert!(refused.to_string().starts_with("10.0.0.1 is a private address"), "{refused}");
    assert_eq!(allowed(&policy(&[], false), Way::Usual, std::iter::empty()), Ok(vec![]));
}

use super::*;

fn policy(allow: &[&str], private_allowed: bool) -> EgressPolicy {
    let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
    EgressPolicy { allow, private_allowed, more_roots: None }
}

fn check(policy: &EgressPolicy, address: &str) -> Result<(), String> {
    policy.check(address.parse().unwrap(), true).map_err(|refused| refused.to_string())
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
fn plain_http_goes_only_where_the_flag_says() {
    let plain = |policy: &EgressPolicy, address: &str| policy.check(address.parse().unwrap(), false);
    let refused = plain(&policy(&[], true), "8.8.8.8").unwrap_err().to_string();
    assert_eq!(
        refused,
        "8.8.8.8 is to be reached without encryption (use https): \
         start Credwright with --allow-egress 8.8.8.8/32 if this is meant"
    );
    assert!(plain(&policy(&[], true), "10.0.0.1").is_err());
    assert_eq!(plain(&policy(&["10.0.0.0/8"], false), "10.0.0.1"), Ok(()));
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
    let kept = allowed(&policy(&[], false), true, mixed.into_iter()).unwrap();
    assert_eq!(kept, found(&["8.8.8.8"]));
    let refused = allowed(&policy(&[], false), true, found(&["10.0.0.1", "::1"]).into_iter()).unwrap_err();
    assert!(refused.to_string().starts_with("10.0.0.1 is a private address"), "{refused}");
    assert_eq!(allowed(&policy(&[], false), true, std::iter::empty()), Ok(vec![]));
}

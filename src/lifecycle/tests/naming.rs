//! Names at the provider are unique, tell whose they are, and fit.

use proptest::prelude::*;

use crate::lifecycle::naming::{fingerprint, random_letters, tag, unique_name};

const ENTROPY: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

#[test]
fn a_name_reads_as_what_it_is() {
    let tag = tag("cluster-1", "prod", "orders", "uid-1");
    assert_eq!(tag.len(), 16);
    let name = unique_name("prod-orders", &tag, 4, Some(ENTROPY), 128).unwrap();
    let rest = name.strip_prefix(&format!("prod-orders-{tag}-4")).unwrap();
    assert_eq!(rest.len(), 4);
    assert_ne!(name, unique_name("prod-orders", &tag, 4, Some(ENTROPY + 1), 128).unwrap());
}

#[test]
fn another_cluster_namespace_name_or_uid_is_another_tag() {
    let ours = tag("cluster-1", "prod", "orders", "uid-1");
    let others = [
        tag("cluster-2", "prod", "orders", "uid-1"),
        tag("cluster-1", "prod2", "orders", "uid-1"),
        tag("cluster-1", "prod", "orders2", "uid-1"),
        tag("cluster-1", "prod", "orders", "uid-2"),
        tag("cluster-1", "pro", "dorders", "uid-1"),
        tag("cluster-1", "prod", "order", "suid-1"),
    ];
    for other in others {
        assert_ne!(ours, other);
    }
    assert_eq!(ours, tag("cluster-1", "prod", "orders", "uid-1"));
}

#[test]
fn a_name_is_shortened_before_its_tag() {
    let tag = tag("cluster-1", "prod", "orders", "uid-1");
    let tail = format!("{tag}-4{}", random_letters(ENTROPY, 4));
    let rows = [
        (tail.len() - 1, None),
        (tail.len(), Some(tail.clone())),
        (tail.len() + 1, Some(tail.clone())),
        (tail.len() + 2, Some(format!("p-{tail}"))),
        (tail.len() + 6, Some(format!("prod-{tail}"))),
        (tail.len() + 7, Some(format!("prod-o-{tail}"))),
        (128, Some(format!("prod-orders-{tail}"))),
    ];
    for (max, name) in rows {
        assert_eq!(unique_name("prod-orders", &tag, 4, Some(ENTROPY), max), name, "{max}");
    }
}

#[test]
fn fingerprints_tell_parts_apart() {
    assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    assert_ne!(fingerprint(&["a"]), fingerprint(&["a", ""]));
    assert_eq!(fingerprint(&["a"]).len(), 20);
}

#[test]
fn random_parts_use_all_the_entropy() {
    assert_ne!(random_letters(ENTROPY, 16), random_letters(ENTROPY.rotate_left(64) + (1 << 79), 16));
    assert_eq!(random_letters(0, 4), "aaaa");
    assert_eq!(random_letters(u128::MAX, 4), "9999");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_name_fits_and_is_found_by_its_tag(
        base in "[A-Za-z0-9]([A-Za-z0-9 ._-]{0,118}[A-Za-z0-9])?",
        revision in 1_u32..,
        entropy: u128,
        max in 1_usize..200,
    ) {
        let tag = tag("cluster-1", "prod", "orders", "uid-1");
        let Some(name) = unique_name(&base, &tag, revision, Some(entropy), max) else {
            prop_assert!(max < 31);
            return Ok(());
        };
        prop_assert!(name.len() <= max);
        let tail = format!("{tag}-{revision}");
        prop_assert!(name.contains(&tail));
        let plain = |letter: char| letter.is_ascii_alphanumeric();
        prop_assert!(name.starts_with(plain) && name.ends_with(plain));
    }
}

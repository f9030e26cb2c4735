use secrecy::ExposeSecret;

use super::{Material, Place, SealError, Sealer, Secrets};

const HERE: Place<'_> = Place { namespace: "shop", name: "orders.credwright", document: b"{}" };

fn sealer(key: u8) -> Sealer {
    Sealer::new(&[key; super::KEY_LEN]).unwrap()
}

fn material() -> Material {
    let mut material = Material::default();
    material.insert(3, Secrets { client_secret: "s3cret+/=".into(), handle: Some("handle".into()) });
    material.insert(4, Secrets { client_secret: "other".into(), handle: None });
    material
}

fn error(result: Result<Material, SealError>) -> Option<SealError> {
    result.err()
}

#[test]
fn a_sealed_text_opens_in_its_place() {
    let sealed = sealer(1).seal(&material(), HERE).unwrap();
    let opened = sealer(1).open(&sealed, HERE).unwrap();
    assert_eq!(opened.get(3).unwrap().client_secret.expose_secret(), "s3cret+/=");
    assert_eq!(opened.get(3).unwrap().handle.as_ref().unwrap().expose_secret(), "handle");
    assert!(opened.get(4).unwrap().handle.is_none());
    assert!(opened.get(5).is_none());
}

#[test]
fn it_opens_nowhere_else_and_not_beside_another_document() {
    let sealed = sealer(1).seal(&material(), HERE).unwrap();
    let elsewhere = [
        Place { namespace: "other", ..HERE },
        Place { name: "customers.credwright", ..HERE },
        Place { document: b"{ }", ..HERE },
        // The same bytes, cut differently.
        Place { namespace: "shopo", name: "rders.credwright", ..HERE },
    ];
    for place in elsewhere {
        assert_eq!(error(sealer(1).open(&sealed, place)), Some(SealError), "{place:?}");
    }
}

#[test]
fn it_does_not_open_with_another_key_nor_when_a_bit_is_changed() {
    let sealed = sealer(1).seal(&material(), HERE).unwrap();
    assert!(sealer(2).open(&sealed, HERE).is_err());
    for index in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert!(sealer(1).open(&changed, HERE).is_err(), "byte {index}");
    }
    assert!(sealer(1).open(&[], HERE).is_err());
    assert!(sealer(1).open(&sealed[..12], HERE).is_err());
}

#[test]
fn a_sealed_text_shows_nothing_of_its_content() {
    let sealed = sealer(1).seal(&material(), HERE).unwrap();
    let shows = |needle: &[u8]| sealed.windows(needle.len()).any(|window| window == needle);
    assert!(!shows(b"s3cret") && !shows(b"handle"));
    assert_ne!(sealed, sealer(1).seal(&material(), HERE).unwrap(), "each sealing has its own nonce");
}

#[test]
fn the_secrets_of_ended_revisions_are_dropped() {
    let mut material = material();
    material.retain(|revision| revision == 4);
    assert!(material.get(3).is_none() && material.get(4).is_some());
}

#[test]
fn a_digest_tells_apart_what_it_is_made_of() {
    let sealer = sealer(1);
    let digest = |parts: &[&[u8]]| sealer.digest(parts.iter().copied());
    assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
    assert_ne!(digest(&[b"a", b"b"]), digest(&[b"ab", b""]));
    assert_ne!(digest(&[b"a"]), self::sealer(2).digest([b"a".as_slice()]));
}

#[test]
fn a_key_has_its_length() {
    assert!(Sealer::new(b"short").is_err());
    assert_eq!(Sealer::new_key().len(), super::KEY_LEN);
    assert_ne!(*Sealer::new_key(), *Sealer::new_key());
}

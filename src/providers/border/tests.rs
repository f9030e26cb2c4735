mod timing;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::lifecycle::capability::{Creation, List, LoginCheck, Removal};

fn issued() -> Issued {
    Issued {
        ids: BTreeMap::from([("id".to_owned(), "1".to_owned())]),
        client_id: "client".to_owned(),
        client_secret: "secret".into(),
        expires_at: None,
        handle: Some("handle".into()),
        fields: BTreeMap::from([("scope".to_owned(), "read write".to_owned())]),
        secret_aliases: vec!["refresh_token".to_owned()],
        ..Issued::default()
    }
}

fn long(length: usize) -> String {
    "CANARY".repeat(length / 6 + 1)[..length].to_owned()
}

/// Returns what is said of an answer that was changed.
fn said(change: impl Fn(&mut Issued)) -> String {
    let mut issued = issued();
    change(&mut issued);
    check_issued(&issued, |_, _| false).err().unwrap_or_else(|| "fine".to_owned())
}

#[test]
fn each_member_of_an_answer_has_a_bound_and_the_refusal_names_it_without_its_value() {
    type Change = fn(&mut Issued, String);
    let members: [(usize, &str, Change); 6] = [
        (CLIENT_ID_MAX, "a client ID of more than 1024 bytes", |it, text| it.client_id = text),
        (SECRET_MAX, "a secret of more than 16384 bytes", |it, text| it.client_secret = text.into()),
        (SECRET_MAX, "with its URI of more than 16384 bytes", |it, text| it.handle = Some(text.into())),
        (FIELD_MAX, "ids.id of more than 4096 bytes", |it, text| {
            it.ids.insert("id".to_owned(), text);
        }),
        (FIELD_MAX, "fields.scope of more than 4096 bytes", |it, text| {
            it.fields.insert("scope".to_owned(), text);
        }),
        (NAME_MAX, "a key in aliases of more than 1024 bytes", |it, text| it.secret_aliases = vec![text]),
    ];
    for (max, expected, change) in members {
        assert_eq!(said(|it| change(it, long(max))), "fine", "{expected}");
        for length in [max + 1, 256 * 1024, 1024 * 1024 - 100] {
            let said = said(|it| change(it, long(length)));
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("CANARY"), "{said}");
        }
    }
    assert_eq!(said(|it| it.secret_aliases = vec!["alias".to_owned(); 17]), "more than 16 aliases");
    let many = |it: &mut Issued| {
        it.fields = (0..16).map(|number| (format!("field{number}"), long(FIELD_MAX))).collect();
    };
    assert_eq!(said(many), "a credential of more than 65536 bytes in all");
}

#[test]
fn an_expiry_lies_between_1970_and_2200() {
    for (at, is_one) in [
        ("1970-01-01T00:00:00Z", true),
        ("2200-01-01T00:00:00Z", true),
        ("2200-01-01T00:00:01Z", false),
        ("9999-12-30T22:00:00Z", false),
        ("1969-12-31T23:59:59Z", false),
    ] {
        let said = said(|it| it.expires_at = Some(at.parse().unwrap()));
        assert_eq!(said == "fine", is_one, "{said}");
        assert!(is_one || said.starts_with("an expiry that is not a time between 1970-01-01"), "{said}");
    }
}

#[test]
fn values_from_the_spec_are_not_checked_again() {
    let scopes = long(64 * 257);
    let issued = Issued { fields: BTreeMap::from([("scope".to_owned(), scopes.clone())]), ..issued() };
    assert_eq!(check_issued(&issued, |_, value| value == scopes), Ok(()));
    assert!(check_issued(&issued, |_, _| false).is_err());
}

#[test]
fn listed_credentials_with_our_tag_are_limited_too() {
    let found = |name: usize, client_id: usize, id: usize| Found {
        name: long(name),
        ids: BTreeMap::from([("urn".to_owned(), long(id))]),
        client_id: long(client_id),
        ..Found::default()
    };
    assert_eq!(check_found(&[found(NAME_MAX, CLIENT_ID_MAX, FIELD_MAX)]), Ok(()));
    for (wrong, expected) in [
        (found(NAME_MAX + 1, 1, 1), "a name of more than 1024 bytes"),
        (found(1, CLIENT_ID_MAX + 1, 1), "a client ID of more than 1024 bytes"),
        (found(1, 1, FIELD_MAX + 1), "ids.urn of more than 4096 bytes"),
    ] {
        assert_eq!(check_found(&[wrong]), Err(expected.to_owned()));
    }
    let many: Vec<Found> = (0..1100).map(|_| found(1, 1, FIELD_MAX)).collect();
    assert_eq!(check_found(&many), Err("a list of more than 4194304 bytes in all".to_owned()));
}

/// The capabilities of a provider whose credentials have neither scopes nor subnets nor an end.
fn able() -> Capabilities {
    let place = "Acme".to_owned();
    Capabilities {
        title: "Acme".into(),
        place,
        kind: CredentialKind::Client,
        creation: Creation::Api {
            timeout: SignedDuration::ZERO,
            list: Some(List { lag: SignedDuration::ZERO }),
        },
        removal: Removal::Api,
        login: LoginCheck::None,
        verify: true,
        tells_elsewhere: false,
        expiry: Expiry::None,
        scopes: Scopes::None,
        scopes_required: false,
        parameters: Vec::new(),
        subnets: false,
        name_max: 64,
        limits_per_credential: false,
        propagation: SignedDuration::ZERO,
        acceptances: 1,
        revocation_lag: SignedDuration::ZERO,
        max_alive: None,
    }
}

#[test]
fn a_request_for_something_that_the_provider_does_not_have_is_refused() {
    let able = able();
    let plain = CreateRequest { name: "orders-kw1".to_owned(), ..CreateRequest::default() };
    let some = || vec!["some".to_owned()];
    assert_eq!(lacks(&able, &plain), None);
    assert_eq!(lacks(&able, &CreateRequest { scopes: some(), ..plain.clone() }), Some("scopes"));
    assert_eq!(lacks(&able, &CreateRequest { subnets: some(), ..plain.clone() }), Some("subnets"));
    let asked = CreateRequest { expires_at: Some(Timestamp::UNIX_EPOCH), ..plain };
    assert_eq!(lacks(&able, &asked), Some("expiry that can be requested"));
    let able = Capabilities { expiry: Expiry::Instant, ..able };
    assert_eq!(lacks(&able, &asked), None);
}

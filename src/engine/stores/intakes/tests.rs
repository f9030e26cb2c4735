//! Reading an intake: accepted and refused content.

use serde_json::{Value, json};

use super::*;

fn sealer() -> Sealer {
    Sealer::new(&[7; crate::engine::seal::KEY_LEN]).unwrap()
}

fn intake(data: Value) -> Secret {
    let metadata = json!({ "name": "orders-intake", "namespace": "shop", "resourceVersion": "7" });
    serde_json::from_value(json!({ "metadata": metadata, "data": encoded(data) })).unwrap()
}

fn encoded(data: Value) -> Value {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let encode =
        |(key, value): (String, Value)| (key, json!(BASE64_STANDARD.encode(value.as_str().unwrap())));
    data.as_object().unwrap().clone().into_iter().map(encode).collect()
}

fn content(data: Value) -> IntakeContent {
    read(&intake(data), &sealer()).unwrap().0
}

fn complaint(data: Value) -> String {
    read(&intake(data), &sealer()).err().unwrap()
}

#[test]
fn a_trailing_line_break_is_not_part_of_a_value() {
    let pasted = content(json!({ "client_id": "acme-1\n", "client_secret": "s3cret\r\n" }));
    assert_eq!(pasted, content(json!({ "client_id": "acme-1", "client_secret": "s3cret" })));
}

#[test]
fn a_pair_is_recognised_whatever_else_the_secret_has() {
    let plain = content(json!({ "client_id": "acme-1", "client_secret": "s3cret" }));
    let dated = content(
        json!({ "client_id": "acme-1", "client_secret": "s3cret", "expires_at": "2027-01-01T00:00:00Z" }),
    );
    assert_eq!(plain.pair, dated.pair);
    assert_ne!(plain.content, dated.content, "something was changed: it is tried again");
    let other = content(json!({ "client_id": "acme-1", "client_secret": "other" }));
    assert_ne!(plain.pair, other.pair);
    let moved = content(json!({ "client_id": "acme-1s3", "client_secret": "cret" }));
    assert_ne!(plain.pair, moved.pair, "where the one ends and the other begins is told apart");
}

#[test]
fn a_person_can_have_the_same_pair_tried_again() {
    let data = json!({ "client_id": "acme-1", "client_secret": "s3cret" });
    let mut touched = intake(data.clone());
    touched.annotations_mut().insert(TRY_AGAIN_ANNOTATION.to_owned(), "now".to_owned());
    let touched = read(&touched, &sealer()).unwrap().0;
    assert_eq!(touched.pair, content(data.clone()).pair);
    assert_ne!(touched.content, content(data).content);
}

#[test]
fn an_invalid_pair_is_explained_without_showing_it() {
    let long = "Canary".repeat(1000);
    let rows = [
        (json!({}), "its key client_id is missing or empty"),
        (json!({ "client_id": "acme-1" }), "its key client_secret is missing or empty"),
        (
            json!({ "client_id": "acme-1", "client_secret": "\n" }),
            "its key client_secret is missing or empty",
        ),
        (json!({ "client_id": "acme 1", "client_secret": "Canary" }), "its client_id contains spaces"),
        (
            json!({ "client_id": "acme\u{e9}", "client_secret": "Canary" }),
            "its client_id contains spaces, or",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": "Canary\u{0}" }),
            "its client_secret contains characters other than printable ASCII",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": long }),
            "its key client_secret is longer than 4096 bytes",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": "Canary", "expires_at": "next year" }),
            "its key expires_at is not a time between 1970-01-01 and 2200-01-01, like 2026-11-22T12:00:00Z",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": "Canary", "issued_at": "9999-12-30T22:00:00Z" }),
            "its key issued_at is not a time between 1970-01-01 and 2200-01-01, like 2026-11-22T12:00:00Z",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": "Canary", "issued_at": "9999-12-31T23:59:59Z" }),
            "its key issued_at is not a time between",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": "Canary", "expires_at": "2200-01-02T00:00:00Z" }),
            "its key expires_at is not a time between",
        ),
        (
            json!({ "client_id": "acme-1", "client_secret": "Canary", "issued_at": "1969-12-31T23:59:59Z" }),
            "its key issued_at is not a time between",
        ),
        (
            json!({ "client_id": "a", "client_secret": "Canary", "issued_at": "2027-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z" }),
            "its expires_at is not after its issued_at",
        ),
    ];
    for (data, expected) in rows {
        let said = complaint(data);
        assert!(said.starts_with(expected) && !said.contains("Canary"), "{said}");
    }
}

#[test]
fn no_stored_value_shows_the_secret() {
    let kept = intake_entry(
        &intake(json!({ "client_id": "acme-1", "client_secret": "Canary-Secret" })),
        &sealer(),
        Timestamp::UNIX_EPOCH,
    );
    assert!(!format!("{kept:?}").contains("Canary"), "{kept:?}");
}

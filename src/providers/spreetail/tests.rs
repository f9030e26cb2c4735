use super::*;

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn asked(expires_at: Option<Timestamp>) -> CreateRequest {
    CreateRequest { name: "orders-kw1".to_owned(), expires_at, ..CreateRequest::default() }
}

fn answered(change: impl FnOnce(&mut serde_json::Value)) -> Created {
    let mut answer = serde_json::json!({
        "credentialId": "5b0e1a52-0000-4000-8000-000000000000",
        "clientId": "0123456789abcdef0123456789abcdef",
        "name": "orders-kw1",
        "expires": "2026-12-22T12:00:00.000Z",
        "created": "2026-11-22T12:00:00.000Z",
        "secret": "c2VjcmV0+/=",
    });
    change(&mut answer);
    serde_json::from_value(answer).unwrap()
}

#[test]
fn an_answer_is_believed_only_if_it_can_be_true() {
    let month = Some(noon() + SignedDuration::from_hours(720));
    let own = "ffffffffffffffffffffffffffffffff";
    let verdict = |asked: &CreateRequest, created: &Created| {
        check(created, asked, Some(own)).err().unwrap_or_else(|| "fine".to_owned())
    };
    assert_eq!(verdict(&asked(month), &answered(|_| {})), "fine");
    let rows: [(&str, serde_json::Value, &str); 9] = [
        ("secret", "".into(), "without a secret"),
        ("clientId", "".into(), "without a client ID"),
        ("clientId", "..".into(), "without a client ID"),
        ("clientId", "a/b".into(), "without a client ID"),
        ("clientId", own.into(), "our own client ID"),
        ("name", "other".into(), "another name"),
        ("name", serde_json::Value::Null, "another name"),
        ("expires", serde_json::Value::Null, "another expiry"),
        ("expires", "2027-12-22T12:00:00.000Z".into(), "another expiry"),
    ];
    for (field, value, expected) in rows {
        let created = answered(|answer| answer[field] = value.clone());
        let verdict = verdict(&asked(month), &created);
        assert!(verdict.contains(expected), "{field} {value}: {verdict}");
    }
}

#[test]
fn an_expiry_may_differ_by_what_rounding_takes_away() {
    let asked = asked(Some(noon() + SignedDuration::new(720 * 3600, 999_000_000)));
    assert_eq!(check(&answered(|_| {}), &asked, Some("x")), Ok(()));
}

#[test]
fn an_expiry_that_nobody_asked_for_is_taken_as_the_truth_unless_it_is_past() {
    assert_eq!(check(&answered(|_| {}), &asked(None), Some("x")), Ok(()));
    let dead = answered(|answer| answer["expires"] = "2026-11-22T11:00:00.000Z".into());
    assert!(check(&dead, &asked(None), Some("x")).is_err());
}

#[test]
fn instants_are_spelt_in_milliseconds() {
    assert_eq!(instant(noon()), "2026-11-22T12:00:00.000Z");
}

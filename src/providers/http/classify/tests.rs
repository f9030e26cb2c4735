use reqwest::header::HeaderValue;

use super::*;
use crate::providers::http::Operation;

fn answer(status: u16, body: &'static str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        headers: HeaderMap::new(),
        body: body.as_bytes().to_vec().into(),
        place: "api.example.com:443".to_owned(),
    }
}

#[test]
fn a_status_means_this() {
    use FailureKind::*;
    // Status, and what it means to a read, to a repeatable call and to a create.
    for (status, read, repeatable, create) in [
        (304, Unavailable, Unavailable, Ambiguous),
        (307, Unavailable, Unavailable, Ambiguous),
        (400, Rejected, Rejected, Rejected),
        (401, LoginRefused, LoginRefused, LoginRefused),
        (403, Forbidden, Forbidden, Forbidden),
        (404, Rejected, NotFound, Rejected),
        (405, Rejected, Rejected, Rejected),
        (408, Unavailable, Unavailable, Ambiguous),
        (409, Conflict, Conflict, Conflict),
        (410, Rejected, NotFound, Rejected),
        (422, Rejected, Rejected, Rejected),
        (429, RateLimited, RateLimited, RateLimited),
        (499, Rejected, Rejected, Rejected),
        (500, Unavailable, Unavailable, Ambiguous),
        (502, Unavailable, Unavailable, Ambiguous),
        (503, Unavailable, Unavailable, Ambiguous),
        (599, Unavailable, Unavailable, Ambiguous),
    ] {
        let of = |effect| kind(effect, StatusCode::from_u16(status).unwrap());
        assert_eq!(
            (of(Effect::Read), of(Effect::Repeatable), of(Effect::Create)),
            (read, repeatable, create),
            "{status}"
        );
    }
}

#[test]
fn no_answer_is_ambiguous_only_if_a_create_may_have_arrived() {
    for (call, sent, expected) in [
        (Call::create("the create request"), true, FailureKind::Ambiguous),
        (Call::create("the create request"), false, FailureKind::Unavailable),
        (Call::revoke("the delete request"), true, FailureKind::Unavailable),
        (Call::read(Operation::List, "the list request"), true, FailureKind::Unavailable),
    ] {
        let broken = Broken { sent, transient: true, message: "x".to_owned() };
        assert_eq!(unanswered(&call, broken).kind, expected, "{} {sent}", call.what);
    }
}

#[test]
fn a_refusal_names_place_status_call_and_code_and_nothing_else() {
    let call = Call::read(Operation::Login, "the token request");
    let body = r#"{"error":"invalid_client","error_description":"pw hunter2 is wrong"}"#;
    assert_eq!(
        refused(&call, &answer(401, body)).message,
        "api.example.com:443 answered 401 to the token request with error invalid_client"
    );
    assert_eq!(
        refused(&call, &answer(502, "<h1>hunter2</h1>")).message,
        "api.example.com:443 answered 502 to the token request"
    );
    assert!(refused(&call, &answer(302, "")).message.ends_with("redirects are not followed: check the URL"));
}

#[test]
fn only_what_looks_like_an_error_code_is_shown() {
    for (body, code) in [
        (r#"{"error":"invalid_scope"}"#, Some("invalid_scope")),
        (r#"{"error":"The client secret S3cr3t is wrong"}"#, None),
        (r#"{"error":"UPPER_CASE"}"#, None),
        (r#"{"error":"correcthorsebatterystaple"}"#, None),
        (r#"{"error":""}"#, None),
        (r#"{"error":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, None),
        (r#"{"error":{"code":"invalid_scope"}}"#, None),
        (r#"{"minorErrorCode":"invalid_grant","message":"x"}"#, Some("invalid_grant")),
        (r#"{"minorErrorCode":"BAD_REQUEST"}"#, Some("BAD_REQUEST")),
        (r#"{"minorErrorCode":"S3cr3t"}"#, None),
        ("", None),
    ] {
        assert_eq!(error_code(body.as_bytes()).as_deref(), code, "{body}");
    }
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let read = |value: &'static str| {
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
    };
    let delay = |seconds| Some(RetryAfter::Delay(SignedDuration::from_secs(seconds)));
    assert_eq!(read("0"), delay(0));
    assert_eq!(read(" 120 "), delay(120));
    assert_eq!(read("99999999999999999999999"), delay(i64::MAX));
    let instant = "1994-11-06T08:49:37Z".parse().unwrap();
    assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(RetryAfter::At(instant)));
    for nonsense in ["", "-1", "1.5", "soon", "Sunday, 06-Nov-94 08:49:37 GMT"] {
        assert_eq!(read(nonsense), None, "{nonsense}");
    }
}

#[test]
fn what_cannot_be_decoded_is_malformed_and_not_quoted() {
    let call = Call::create("the create request");
    let failure = answer(200, r#"{"secret": "hunter2"}"#).json::<u32>(&call).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Malformed);
    assert!(!failure.message.contains("hunter2"), "{}", failure.message);
}

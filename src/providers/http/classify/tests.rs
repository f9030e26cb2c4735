use reqwest::header::HeaderValue;

use super::*;
use crate::providers::http::Operation;

fn answer(status: u16, body: &'static str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Answer {
        status,
        said: said(status, body.as_bytes()),
        described: None,
        retry_after: None,
        headers: HeaderMap::new(),
        body: body.as_bytes().to_vec().into(),
        place: "api.example.com:443".to_owned(),
    }
}

#[test]
fn each_status_has_its_kind_of_failure() {
    use FailureKind::*;
    // Status without a body, and its meaning for a read, a repeatable call and a create.
    for (status, read, repeatable, create) in [
        (304, Unavailable, Unavailable, Ambiguous),
        (307, Unavailable, Unavailable, Ambiguous),
        (400, Unexplained, Unexplained, Unexplained),
        (401, LoginRefused, LoginRefused, LoginRefused),
        (403, Forbidden, Forbidden, Forbidden),
        (404, Unexplained, NotFound, Unexplained),
        (405, Unexplained, Unexplained, Unexplained),
        (406, Unexplained, Unexplained, Unexplained),
        (408, Unavailable, Unavailable, Ambiguous),
        (409, Conflict, Conflict, Conflict),
        (410, Unexplained, NotFound, Unexplained),
        (413, Unexplained, Unexplained, Unexplained),
        (415, Unexplained, Unexplained, Unexplained),
        (421, Unexplained, Unexplained, Unexplained),
        (422, Unexplained, Unexplained, Unexplained),
        (429, RateLimited, RateLimited, RateLimited),
        (431, Unexplained, Unexplained, Unexplained),
        (451, Unexplained, Unexplained, Unexplained),
        // A proxy whose client had gone: the provider may be at work.
        (460, Unavailable, Unavailable, Ambiguous),
        (499, Unavailable, Unavailable, Ambiguous),
        (500, Unavailable, Unavailable, Ambiguous),
        (502, Unavailable, Unavailable, Ambiguous),
        (503, Unavailable, Unavailable, Ambiguous),
        (599, Unavailable, Unavailable, Ambiguous),
    ] {
        let of = |effect| kind(effect, &answer(status, ""));
        assert_eq!(
            (of(Effect::Read), of(Effect::Repeatable), of(Effect::Create)),
            (read, repeatable, create),
            "{status}"
        );
    }
}

/// A 4xx of a proxy ended all renewals once: only the provider itself can say what is wrong.
#[test]
fn a_refusal_is_final_only_with_an_error_code_of_the_provider() {
    use FailureKind::*;
    for (status, body, expected) in [
        (400, r#"{"error":"invalid_client_metadata","error_description":"x"}"#, Rejected),
        (400, r#"{"error":"Bad Request"}"#, Rejected),
        (400, r#"{"error":{"code":"E17"}}"#, Rejected),
        (400, r#"{"errors":[{"field":"expires"}]}"#, Rejected),
        (400, r#"{"code":17}"#, Rejected),
        (400, r#"{"errorCode":"TOO_LONG"}"#, Rejected),
        (400, r#"{"error_code":"TOO_LONG"}"#, Rejected),
        (400, r#"{"minorErrorCode":"BAD_REQUEST"}"#, Rejected),
        (422, r#"{"type":"https://example.com/too-long"}"#, Rejected),
        // No code, or one that only repeats the status.
        (400, "<h1>Bad Request</h1>", Unexplained),
        (400, r#""no""#, Unexplained),
        (400, r#"["no"]"#, Unexplained),
        (400, r#"{"message":"no Route matched"}"#, Unexplained),
        (400, r#"{"code":400,"message":"no"}"#, Unexplained),
        (422, r#"{"type":"about:blank","status":422}"#, Unexplained),
        (400, r#"{"error":null,"errors":[],"code":""}"#, Unexplained),
        // A code that speaks of the login, or of the server.
        (400, r#"{"error":"invalid_grant"}"#, Unexplained),
        (400, r#"{"error":"invalid_token"}"#, Unexplained),
        (400, r#"{"error":"server_error"}"#, Unexplained),
        (400, r#"{"error":"temporarily_unavailable"}"#, Unexplained),
        (400, r#"{"error":"slow_down"}"#, Unexplained),
        // A status that says nothing of the content, whatever comes with it.
        (404, r#"{"code":"NOT_FOUND"}"#, Unexplained),
        (405, r#"{"error":"Method Not Allowed"}"#, Unexplained),
        (413, r#"{"error":"Payload Too Large"}"#, Unexplained),
        (415, r#"{"error":"Unsupported Media Type"}"#, Unexplained),
    ] {
        assert_eq!(kind(Effect::Create, &answer(status, body)), expected, "{status} {body}");
        assert_eq!(kind(Effect::Read, &answer(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn a_quota_is_neither_a_taken_name_nor_a_missing_right() {
    for (status, body) in [
        (400, r#"{"minorErrorCode":"QUOTA_EXCEEDED"}"#),
        (403, r#"{"minorErrorCode":"QUOTA_EXCEEDED","message":"x"}"#),
        (409, r#"{"error":"conflict","error_description":"The limit of 10 clients is reached"}"#),
        (422, r#"{"code":17,"message":"too many credentials"}"#),
    ] {
        let answer = answer(status, body);
        assert_eq!(kind(Effect::Create, &answer), FailureKind::Rejected, "{body}");
        let failure = answer.failure_with(&Call::create("the create request"), "choose another name");
        assert!(
            failure.message.ends_with("remove unused credentials there, or have it raised"),
            "{failure:?}"
        );
        let told = answer.failure(&Call::revoke("the delete request")).message;
        assert!(!told.contains("quota of the account"), "{told}");
    }
    assert_eq!(kind(Effect::Create, &answer(409, r#"{"error":"exists"}"#)), FailureKind::Conflict);
    let rights = r#"{"message":"rights are limited"}"#;
    assert_eq!(kind(Effect::Create, &answer(403, rights)), FailureKind::Forbidden);
}

#[test]
fn no_answer_is_ambiguous_only_if_a_create_may_have_arrived() {
    for (call, sent, expected) in [
        (Call::create("the create request"), true, FailureKind::Ambiguous),
        (Call::create("the create request"), false, FailureKind::Unavailable),
        (Call::revoke("the delete request"), true, FailureKind::Unavailable),
        (Call::read(Operation::List, "the list request"), true, FailureKind::Unavailable),
    ] {
        let broken = Broken { sent, transient: true, message: "x".to_owned(), ..Broken::default() };
        assert_eq!(unanswered(&call, broken).kind, expected, "{} {sent}", call.what);
    }
}

/// A lost response is given up when the list cannot be relied on, but waits for a provider that is
/// away.
#[test]
fn a_response_that_is_too_long_is_malformed() {
    use Excess::{Announced, Unannounced};
    use FailureKind::{Ambiguous, Malformed, Unavailable};
    for (call, excess, expected) in [
        (Call::create("the create request"), Announced, Malformed),
        (Call::create("the create request"), Unannounced, Ambiguous),
        (Call::read(Operation::List, "the list request"), Announced, Malformed),
        (Call::list("the list request", |_| true), Unannounced, Malformed),
        (Call::read(Operation::Verify, "the token request"), Announced, Unavailable),
        (Call::revoke("the delete request"), Unannounced, Unavailable),
    ] {
        let broken = Broken { sent: true, excess, message: "x".to_owned(), ..Broken::default() };
        assert_eq!(unanswered(&call, broken).kind, expected, "{} {excess:?}", call.what);
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
    for nonsense in
        ["", "-1", "1.5", "soon", "Sunday, 06-Nov-94 08:49:37 GMT", "Thu, 30 Dec 9999 22:00:00 GMT"]
    {
        assert_eq!(read(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_date_in_retry_after_is_read_by_the_clock_of_the_answer() {
    let read = |date: &'static str| {
        let asked = (RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        retry_after(&HeaderMap::from_iter([asked, (DATE, HeaderValue::from_static(date))]))
    };
    let delay = |seconds| Some(RetryAfter::Delay(SignedDuration::from_secs(seconds)));
    assert_eq!(read("Sun, 06 Nov 1994 08:49:25 GMT"), delay(12), "whatever the time is here");
    assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), delay(-60));
    assert!(matches!(read("yesterday"), Some(RetryAfter::At(_))));
}

#[test]
fn an_undecodable_response_is_malformed_and_not_quoted() {
    let call = Call::create("the create request");
    let failure = answer(200, r#"{"secret": "hunter2"}"#).json::<u32>(&call).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Malformed);
    assert!(!failure.message.contains("hunter2"), "{}", failure.message);
}

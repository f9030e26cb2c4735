use reqwest::{Method, header::HeaderValue};
use serde_json::json;

use super::*;

fn said(text: &str, request: Option<&Request>) -> Option<String> {
    described(
        json!({ "error": "invalid_request", "error_description": text }).to_string().as_bytes(),
        request,
        &[],
    )
}

#[test]
fn plain_sentences_are_shown() {
    for text in [
        "response_types must not be null when grant_types holds client_credentials.",
        "The requested scope is invalid, unknown, or malformed (see RFC 7591, section 2).",
        "redirectUris: at least one is needed",
        "Quota of 10 API clients reached",
    ] {
        let without_quotes = text.replace('\'', "");
        assert_eq!(said(text, None).as_deref(), Some(&*without_quotes));
    }
    for body in [
        "",
        "<h1>no</h1>",
        r#"{"error":"x"}"#,
        r#"{"error_description":7}"#,
        r#"["message"]"#,
        r#"{"message":"so it is"}"#,
    ] {
        assert_eq!(described(body.as_bytes(), None, &[]), None, "{body}");
    }
    let problem = br#"{"type":"about:blank","detail":"the name is taken"}"#;
    assert_eq!(described(problem, None, &[]).as_deref(), Some("the name is taken"));
}

#[test]
fn words_that_may_be_secrets_are_left_out() {
    for (text, expected) in [
        ("the token eyJhbGciOiJIUzI1NiJ9.e30.Xw is over", Some("the token … is over")),
        ("pw hunter2 is wrong", Some("pw … is wrong")),
        ("hunter2 hunter3", None),
        ("no such client Zk3x-8fQ2 here", Some("no such client … here")),
        ("the key is AbCdEfGhIjKl for now", Some("the key is … for now")),
        ("a\u{1b}[31m red\u{202e}flag is up", Some("a [31m … is up")),
    ] {
        assert_eq!(said(text, None).as_deref(), expected, "{text}");
    }
    let long = said(&"word ".repeat(100), None).unwrap();
    assert!(long.chars().count() <= LONGEST + 2 && long.ends_with('…'), "{long}");
}

fn request(authorization: Option<&str>, body: &'static str) -> Request {
    let mut request = Request::new(Method::POST, "http://127.0.0.1/token".parse().unwrap());
    let value = authorization.map(|it| HeaderValue::from_str(it).unwrap());
    value.map(|value| request.headers_mut().insert(AUTHORIZATION, value));
    *request.body_mut() = Some(body.into());
    request
}

#[test]
fn a_text_with_a_secret_of_the_request_is_not_shown_at_all() {
    let form = "client_id=keeper&client_secret=correct+horse&scope=read7+x9z:write";
    let basic = format!("Basic {}", BASE64_STANDARD.encode("keeper:correct+horse"));
    let basic = request(Some(&basic), "");
    let (post, bearer) = (request(None, form), request(Some("Bearer correct horse"), ""));
    for request in [basic, post, bearer] {
        assert_eq!(said("the secret correct horse is wrong", Some(&request)), None);
        assert_eq!(said("the secret is wrong", Some(&request)).as_deref(), Some("the secret is wrong"));
    }
    let post = request(None, form);
    let scope = "the scope 'x9z:write' is not known, and b7b:write is not either";
    assert_eq!(
        said(scope, Some(&post)).as_deref(),
        Some("the scope x9z:write is not known, and … is not either")
    );
    let body =
        json!({ "code": 7, "message": "correct horse is what you get", "client_secret": "correct horse" });
    assert_eq!(described(body.to_string().as_bytes(), None, &[]), None);
    let body = json!({ "type": "about:blank", "detail": "your password is correct horse" }).to_string();
    assert_eq!(described(body.as_bytes(), None, &["correct horse".into()]), None);
}

#[test]
fn a_sensitive_header_is_a_secret_of_the_request() {
    let mut request = request(None, "");
    let mut value = HeaderValue::from_static("correct horse");
    request.headers_mut().insert("x-vault-token", value.clone());
    assert!(said("the token correct horse is wrong", Some(&request)).is_some());
    value.set_sensitive(true);
    request.headers_mut().insert("x-vault-token", value);
    assert_eq!(said("the token correct horse is wrong", Some(&request)), None);
}

use super::*;

fn issuer(text: &str) -> Issuer {
    Issuer { text: text.to_owned(), url: text.parse().unwrap() }
}

fn metadata(issuer: &str, registration: &str, token: &str) -> Metadata {
    Metadata {
        issuer: issuer.to_owned(),
        token_endpoint: Some(token.to_owned()),
        registration_endpoint: Some(registration.to_owned()),
    }
}

#[test]
fn metadata_is_searched_for_before_and_after_the_path_of_the_issuer() {
    for (text, oauth, openid) in [
        (
            "https://id.example.com",
            "https://id.example.com/.well-known/oauth-authorization-server",
            "https://id.example.com/.well-known/openid-configuration",
        ),
        (
            "https://id.example.com/realms/shop/",
            "https://id.example.com/.well-known/oauth-authorization-server/realms/shop",
            "https://id.example.com/realms/shop/.well-known/openid-configuration",
        ),
    ] {
        assert_eq!(well_known(&text.parse().unwrap()).map(String::from), [oauth, openid]);
    }
}

#[test]
fn endpoints_are_no_less_encrypted_than_the_issuer() {
    let issuer = issuer("https://id.example.com");
    let good = metadata("https://id.example.com", "https://id.example.com/r", "https://tokens.example.com/t");
    let endpoints = issuer.endpoints(good).unwrap();
    assert_eq!(endpoints.registration.as_str(), "https://id.example.com/r");
    assert_eq!(endpoints.token.as_str(), "https://tokens.example.com/t");
    for (registration, token) in [
        ("http://id.example.com/r", "https://id.example.com/t"),
        ("https://id.example.com/r", "http://id.example.com/t"),
        ("file:///etc/passwd", "https://id.example.com/t"),
    ] {
        let failure = issuer.endpoints(metadata(&issuer.text, registration, token)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed, "{registration} {token}");
    }
}

#[test]
fn a_server_without_registration_is_refused_with_a_sentence() {
    let issuer = issuer("https://id.example.com");
    let mut without = metadata("https://id.example.com", "", "https://id.example.com/t");
    without.registration_endpoint = None;
    let failure = issuer.endpoints(without).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.contains("have no registration_endpoint"), "{}", failure.message);
}

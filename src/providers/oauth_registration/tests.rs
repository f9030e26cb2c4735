use serde_json::json;

use super::*;
use crate::{api::ProviderSettings, ops::metrics::Meter, providers::http::EgressPolicy};

const REGISTRATION: &str = "https://id.example.com/reg";

fn server(login: Option<&LoginData>) -> OauthServer {
    let block = OauthRegistration {
        registration_endpoint: Some(REGISTRATION.to_owned()),
        token_endpoint: Some("https://id.example.com/token".to_owned()),
        token_parameters: [("audience", "orders"), ("tenant", "7")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Default::default()
    };
    let http = Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default()).unwrap();
    driver(&block, login, Arc::new(http)).unwrap()
}

fn asked(scopes: &[&str]) -> CreateRequest {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    CreateRequest { name: "orders-kw1".to_owned(), scopes, ..CreateRequest::default() }
}

fn answered(change: impl FnOnce(&mut Value)) -> Registered {
    let mut answer = json!({
        "client_id": "new",
        "client_secret": "s3cret",
        "client_secret_expires_at": 0,
        "scope": "read write",
        "registration_client_uri": "https://id.example.com/reg/new",
        "registration_access_token": "rat",
    });
    change(&mut answer);
    serde_json::from_value(answer).unwrap()
}

fn issued(scopes: &[&str], registered: Registered) -> Result<Issued, NotIssued> {
    let login = LoginData::from([
        ("client_id".to_owned(), "own".into()),
        ("client_secret".to_owned(), "secret".into()),
    ]);
    let url = |text: &str| text.parse::<Url>().unwrap();
    let endpoints = Endpoints { registration: url(REGISTRATION), token: url("https://id.example.com/token") };
    server(Some(&login)).issued(registered, &asked(scopes), &endpoints)
}

#[test]
fn the_provider_object_leaves_members_out_without_a_null() {
    let block: OauthRegistration = serde_json::from_value(json!({
        "issuer": "https://id.example.com",
        "metadata": { "software_id": "credwright", "redirect_uris": ["https://here.example"] },
        "metadataWithout": ["response_types", "redirect_uris"],
    }))
    .unwrap();
    let method = TokenEndpointAuthMethod::ClientSecretBasic;
    let body = wire::registration("orders", None, method, &members(&block));
    let names: Vec<&str> = body.keys().map(String::as_str).collect();
    assert_eq!(names, ["client_name", "grant_types", "software_id", "token_endpoint_auth_method"]);
}

#[test]
fn the_provider_object_adds_members_and_a_null_takes_one_away() {
    let metadata = BTreeMap::from([
        ("response_types".to_owned(), Value::Null),
        ("software_id".to_owned(), json!("credwright")),
        ("grant_types".to_owned(), json!(["client_credentials", "urn:x"])),
    ]);
    let body =
        wire::registration("orders", Some("a b"), TokenEndpointAuthMethod::ClientSecretPost, &metadata);
    let expected = json!({
        "client_name": "orders",
        "grant_types": ["client_credentials", "urn:x"],
        "redirect_uris": [],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "a b",
        "software_id": "credwright",
    });
    assert_eq!(Value::Object(body), expected);
}

#[test]
fn without_scopes_none_are_asked_for() {
    let body =
        wire::registration("orders", None, TokenEndpointAuthMethod::ClientSecretBasic, &BTreeMap::new());
    assert!(!body.contains_key("scope"));
    assert_eq!(body["response_types"], json!([]));
}

#[test]
fn an_answer_is_believed_only_if_it_can_be_true_and_otherwise_says_what_to_revoke() {
    let all = Some("https://id.example.com/reg/new");
    let rows: [(&str, Value, &str, Option<&str>); 13] = [
        ("client_secret", json!(""), "without a secret", all),
        ("client_secret", Value::Null, "without a secret", all),
        ("client_id", json!(""), "without an ID", None),
        ("client_id", json!("own"), "our own client ID", None),
        ("scope", json!("read write admin"), "more scopes", all),
        ("scope", json!("read"), "not register all requested scopes", all),
        ("scope", Value::Null, "not register all requested scopes", all),
        ("client_secret_expires_at", json!(-1), "at an impossible time", all),
        ("client_secret_expires_at", json!({}), "at an impossible time", all),
        ("client_secret_expires_at", json!(i64::MAX), "at an impossible time", all),
        // The year 9999, and milliseconds.
        ("client_secret_expires_at", json!(253_402_207_200_i64), "at an impossible time", all),
        ("client_secret_expires_at", json!(1_795_349_520_000_i64), "at an impossible time", all),
        // Its token goes to the registration endpoint's own place only.
        (
            "registration_client_uri",
            json!("https://evil.example.com/reg/new?of=1"),
            "another origin",
            Some("https://id.example.com/reg/new?of=1"),
        ),
    ];
    for (member, value, expected, revoked_at) in rows {
        let registered = answered(|answer| answer[member] = value.clone());
        let NotIssued { failure, made } = issued(&["read", "write"], registered).map(drop).unwrap_err();
        assert!(failure.message.contains(expected), "{member} {value}: {}", failure.message);
        let handle = made.and_then(|made| Handle::opened(&made.handle?));
        assert_eq!(handle.map(|it| it.uri).as_deref(), revoked_at, "{member} {value}");
    }
}

#[test]
fn unusual_spellings_are_understood() {
    let rows = [
        ("client_secret_expires_at", json!("0")),
        ("client_secret_expires_at", json!(0.0)),
        ("client_id_issued_at", json!(1.7e9)),
        ("client_id_issued_at", json!("yesterday")),
        ("scope", json!(["write", "read"])),
        ("registration_client_uri", json!("/reg/new")),
        ("registration_client_uri", json!("reg/new")),
        ("registration_client_uri", json!("//id.example.com/reg/new")),
    ];
    for (member, value) in rows {
        let registered = answered(|answer| answer[member] = value.clone());
        let issued = issued(&["read write"], registered).ok().unwrap();
        let handle = Handle::opened(&issued.handle.unwrap()).unwrap();
        assert_eq!(handle.uri, "https://id.example.com/reg/new", "{member} {value}");
    }
}

#[test]
fn a_believed_answer_becomes_a_credential() {
    let issued = issued(&["write", "read"], answered(|_| {})).ok().unwrap();
    assert_eq!((issued.client_id.as_str(), issued.expires_at), ("new", None));
    let fields =
        [("audience", "orders"), ("scope", "write read"), ("token_url", "https://id.example.com/token")];
    assert_eq!(issued.fields, fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let handle = Handle::opened(&issued.handle.unwrap()).unwrap();
    assert_eq!(handle.uri, "https://id.example.com/reg/new");
    assert_eq!(handle.token.expose_secret(), "rat");
}

#[test]
fn the_servers_default_scopes_are_published_if_none_are_requested() {
    let issued = issued(&[], answered(|_| {})).ok().unwrap();
    assert_eq!(issued.fields["scope"], "read write");
}

#[test]
fn a_url_without_its_token_is_no_handle() {
    let registered = answered(|answer| answer["registration_access_token"] = Value::Null);
    assert!(issued(&["read", "write"], registered).ok().unwrap().handle.is_none());
}

#[test]
fn epoch_zero_is_never() {
    let absent = Value::Null;
    assert_eq!(expiry(&absent, &absent), Ok(None));
    assert_eq!(expiry(&json!(0), &json!(1_700_000_000)), Ok(None));
    assert_eq!(
        expiry(&json!(1_800_000_000), &json!(1_700_000_000)),
        Ok(Timestamp::from_second(1_800_000_000).ok())
    );
    assert!(expiry(&json!(1_700_000_000), &json!(1_700_000_000)).is_err());
    assert!(expiry(&json!(i64::MAX), &absent).is_err());
}

#[test]
fn a_handle_is_not_taken_elsewhere() {
    let registration = REGISTRATION.parse().unwrap();
    for uri in ["https://id.example.com:443/x", "/reg/new", "new", ""] {
        assert!(client_uri(uri, &registration).is_ok(), "{uri}");
    }
    for uri in [
        "http://id.example.com/reg/new",
        "https://id.example.com:8443/reg/new",
        "https://id.example.com.evil.net/reg/new",
        "https://u:p@id.example.com/reg/new",
        "//evil.net/reg/new",
    ] {
        assert!(client_uri(uri, &registration).is_err(), "{uri}");
    }
}

#[tokio::test]
async fn a_client_without_a_handle_is_not_revoked() {
    let target = RevokeRequest {
        client_id: "other".to_owned(),
        ids: BTreeMap::new(),
        handle: None,
        ..RevokeRequest::default()
    };
    let failure = server(None).revoke(&target).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.contains("no registration access token"), "{}", failure.message);
}

#[test]
fn metadata_that_no_answer_could_repeat_is_refused_beforehand() {
    let with = |length: usize| {
        let metadata = BTreeMap::from([("contacts".to_owned(), json!(["x".repeat(length)]))]);
        let block = OauthRegistration {
            registration_endpoint: Some(REGISTRATION.to_owned()),
            token_endpoint: Some("https://id.example.com/token".to_owned()),
            metadata,
            ..Default::default()
        };
        let http =
            Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default()).unwrap();
        driver(&block, None, Arc::new(http)).err().map(|error| error.message())
    };
    assert_eq!(with(METADATA_MAX - 100), None);
    let refused = with(METADATA_MAX).unwrap();
    assert!(refused.starts_with("metadata is longer than 32768 bytes"), "{refused}");
}

#[test]
fn the_provider_object_says_how_long_a_new_client_may_be_refused() {
    let block = |propagation: Option<&str>| OauthRegistration {
        issuer: Some("https://id.example.com".to_owned()),
        propagation: propagation.map(|text| text.parse().unwrap()),
        ..Default::default()
    };
    let http =
        || Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default()).unwrap();
    let wait =
        |propagation| driver(&block(propagation), None, Arc::new(http())).unwrap().capabilities().propagation;
    assert_eq!(wait(None), SignedDuration::from_mins(1));
    assert_eq!(wait(Some("3m")), SignedDuration::from_mins(3));
}

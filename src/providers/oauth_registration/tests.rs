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
    CreateRequest { name: "orders-kw1".to_owned(), scopes, expires_at: None, subnets: vec![] }
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

fn issued(scopes: &[&str], registered: Registered) -> Result<Issued, &'static str> {
    let login = LoginData::from([
        ("client_id".to_owned(), "own".into()),
        ("client_secret".to_owned(), "secret".into()),
    ]);
    let token: Url = "https://id.example.com/token".parse().unwrap();
    server(Some(&login)).issued(registered, &asked(scopes), &REGISTRATION.parse().unwrap(), &token)
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
fn an_answer_is_believed_only_if_it_can_be_true() {
    let rows: [(&str, Value, &str); 9] = [
        ("client_secret", json!(""), "without a secret"),
        ("client_secret", Value::Null, "without a secret"),
        ("client_id", json!(""), "without an ID"),
        ("client_id", json!("own"), "our own client ID"),
        ("scope", json!("read write admin"), "more scopes"),
        ("scope", json!("read"), "not register all scopes"),
        ("scope", Value::Null, "not register all scopes"),
        ("client_secret_expires_at", json!(-1), "at no possible time"),
        ("registration_client_uri", json!("https://evil.example.com/reg/new"), "elsewhere"),
    ];
    for (member, value, expected) in rows {
        let registered = answered(|answer| answer[member] = value.clone());
        let why = issued(&["read", "write"], registered).map(drop).unwrap_err();
        assert!(why.contains(expected), "{member} {value}: {why}");
    }
}

#[test]
fn a_believed_answer_becomes_a_credential() {
    let issued = issued(&["write", "read"], answered(|_| {})).unwrap();
    assert_eq!((issued.client_id.as_str(), issued.expires_at), ("new", None));
    let fields =
        [("audience", "orders"), ("scope", "write read"), ("token_url", "https://id.example.com/token")];
    assert_eq!(issued.fields, fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let handle = Handle::opened(&issued.handle.unwrap()).unwrap();
    assert_eq!(handle.uri, "https://id.example.com/reg/new");
    assert_eq!(handle.token.expose_secret(), "rat");
}

#[test]
fn where_no_scopes_are_asked_for_the_servers_default_is_told() {
    let issued = issued(&[], answered(|_| {})).unwrap();
    assert_eq!(issued.fields["scope"], "read write");
}

#[test]
fn a_url_without_its_token_is_no_handle() {
    let registered = answered(|answer| answer["registration_access_token"] = Value::Null);
    assert!(issued(&["read", "write"], registered).unwrap().handle.is_none());
}

#[test]
fn epoch_zero_is_never() {
    assert_eq!(expiry(None, None), Ok(None));
    assert_eq!(expiry(Some(0), Some(1_700_000_000)), Ok(None));
    assert_eq!(
        expiry(Some(1_800_000_000), Some(1_700_000_000)),
        Ok(Timestamp::from_second(1_800_000_000).ok())
    );
    assert!(expiry(Some(1_700_000_000), Some(1_700_000_000)).is_err());
    assert!(expiry(Some(i64::MAX), None).is_err());
}

#[test]
fn a_handle_is_not_taken_elsewhere() {
    let registration = REGISTRATION.parse().unwrap();
    assert!(client_uri("https://id.example.com:443/x", &registration).is_ok());
    for uri in [
        "http://id.example.com/reg/new",
        "https://id.example.com:8443/reg/new",
        "https://id.example.com.evil.net/reg/new",
        "https://u:p@id.example.com/reg/new",
        "/reg/new",
        "",
    ] {
        assert!(client_uri(uri, &registration).is_err(), "{uri}");
    }
}

#[tokio::test]
async fn what_is_ours_or_has_no_handle_is_not_revoked() {
    let login = LoginData::from([
        ("client_id".to_owned(), "own".into()),
        ("client_secret".to_owned(), "secret".into()),
    ]);
    let server = server(Some(&login));
    for (client_id, expected) in [("own", "itself logs in"), ("other", "no registration access token")] {
        let target = RevokeRequest { client_id: client_id.to_owned(), ids: BTreeMap::new(), handle: None };
        let failure = server.revoke(&target).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Rejected);
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
}

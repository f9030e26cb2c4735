use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::{
    api::{
        CloudConnexa, Expereo, OauthRegistration, Spreetail, Switch, Tls, VonageContactCenter, VonageRegion,
    },
    providers::{FailureKind, RevokeRequest},
};

fn spreetail(base_url: &str) -> ProviderSettings {
    ProviderSettings { spreetail: Some(Spreetail { base_url: base_url.to_owned() }), ..Default::default() }
}

fn oauth(change: impl FnOnce(&mut OauthRegistration)) -> ProviderSettings {
    let mut block =
        OauthRegistration { issuer: Some("https://id.example.com".to_owned()), ..Default::default() };
    change(&mut block);
    ProviderSettings { oauth_registration: Some(block), ..Default::default() }
}

fn login(keys: &[(&str, &str)]) -> LoginData {
    keys.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect()
}

fn refusal(settings: &ProviderSettings, login: Option<&LoginData>) -> String {
    build(settings, login, &EgressPolicy::default(), Meter::default())
        .err()
        .expect("it was not refused")
        .message()
}

#[test]
fn a_missing_key_of_a_login_is_named() {
    let settings = spreetail("https://api.spreetail.com");
    let pair = [("client_id", "id"), ("client_secret", "secret")];
    assert!(build(&settings, Some(&login(&pair)), &EgressPolicy::default(), Meter::default()).is_ok());
    for (data, message) in [
        (None, "spec.login is missing: spreetail needs client_id and client_secret"),
        (
            Some(login(&pair[..1])),
            "the login Secret lacks the key client_secret: spreetail needs client_id and client_secret",
        ),
        (
            Some(login(&[("client_id", ""), pair[1]])),
            "the login Secret lacks the key client_id: spreetail needs client_id and client_secret",
        ),
        (
            Some(login(&[pair[0], ("client_secret", "secret\n")])),
            "the login Secret's client_secret ends in a line break, which is probably a mistake: \
             store it without (printf instead of echo)",
        ),
    ] {
        assert_eq!(refusal(&settings, data.as_ref()), message);
    }
}

#[test]
fn an_oauth_server_takes_three_kinds_of_login() {
    let settings = oauth(|_| {});
    let egress = EgressPolicy::default();
    let client = login(&[("client_id", "id"), ("client_secret", "secret"), ("scope", "register")]);
    let token = login(&[("initial_access_token", "token")]);
    for (data, identity) in [(None, None), (Some(&token), None), (Some(&client), Some("id"))] {
        let driver =
            build(&settings, data, &egress, Meter::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(driver.identity(), identity);
    }
    let both = login(&[("client_id", "id"), ("initial_access_token", "token")]);
    assert!(refusal(&settings, Some(&both)).contains("both initial_access_token and client_id"));
    assert!(refusal(&settings, Some(&login(&[]))).contains("lacks the key initial_access_token"));
    assert!(refusal(&settings, Some(&login(&[("client_id", "id")]))).contains("lacks the key client_secret"));
}

#[test]
fn members_that_credwright_sets_cannot_be_overridden() {
    let metadata = oauth(|block| drop(block.metadata.insert("scope".to_owned(), "admin".into())));
    assert!(refusal(&metadata, None).starts_with("metadata must not contain scope"));
    let parameters =
        oauth(|block| drop(block.token_parameters.insert("client_secret".to_owned(), "x".to_owned())));
    assert!(refusal(&parameters, None).starts_with("tokenParameters must not contain client_secret"));
}

#[test]
fn a_login_that_nobody_would_use_is_refused() {
    let connexa = CloudConnexa { cloud_id: Some("acme".to_owned()), ..Default::default() };
    let vonage = VonageContactCenter { region: Some(VonageRegion::Nam), ..Default::default() };
    for settings in [
        ProviderSettings { cloud_connexa: Some(connexa), ..Default::default() },
        ProviderSettings { vonage_contact_center: Some(vonage), ..Default::default() },
    ] {
        let driver = build(&settings, None, &EgressPolicy::default(), Meter::default())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(driver.identity(), None);
        let pair = login(&[("client_id", "id"), ("client_secret", "hunter2")]);
        let message = refusal(&settings, Some(&pair));
        assert!(message.ends_with("Credwright does not log in; remove it"), "{message}");
    }
}

#[test]
fn a_url_is_refused_without_being_shown() {
    let data = login(&[("client_id", "id"), ("client_secret", "secret")]);
    for url in [
        "",
        "api.spreetail.com",
        "ftp://api.spreetail.com",
        "https://me:hunter2@api.spreetail.com",
        "https://api.spreetail.com?key=hunter2",
        "https://api.spreetail.com#hunter2",
    ] {
        let message = refusal(&spreetail(url), Some(&data));
        assert!(message.starts_with("spreetail.baseUrl is not a usable URL: "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_ca_bundle_is_pem_in_base64() {
    let data = login(&[("client_id", "id"), ("client_secret", "secret")]);
    for (bundle, why) in [("%", "it is not base64"), ("aGVsbG8=", "it holds no certificate")] {
        let tls = Some(Tls { ca_bundle: Some(bundle.to_owned()), ..Tls::default() });
        let settings = ProviderSettings { tls, ..spreetail("https://api.spreetail.com") };
        assert!(refusal(&settings, Some(&data)).contains(why));
    }
}

#[test]
fn an_account_is_its_driver_and_its_immutable_fields() {
    let rows = [
        (json!({}), "none"),
        (json!({ "expereo": { "baseUrl": "https://a.example" } }), "expereo\nhttps://a.example"),
        (json!({ "spreetail": { "baseUrl": "https://a.example" } }), "spreetail\nhttps://a.example"),
        (
            json!({ "cloudDirector": { "baseUrl": "https://a.example", "org": "acme", "apiVersion": "37.0" } }),
            "cloudDirector\nhttps://a.example\nacme",
        ),
        (json!({ "cloudConnexa": { "cloudId": "acme" } }), "cloudConnexa\nacme\n"),
        (json!({ "cloudConnexa": { "baseUrl": "https://a.example" } }), "cloudConnexa\n\nhttps://a.example"),
        (json!({ "vonageContactCenter": { "region": "emea" } }), "vonageContactCenter\nEmea\n"),
        (
            json!({ "vonageContactCenter": { "baseUrl": "https://a.example" } }),
            "vonageContactCenter\n\nhttps://a.example",
        ),
        (
            json!({ "oauthRegistration": { "issuer": "https://a.example", "tokenParameters": { "a": "b" } } }),
            "oauthRegistration\nhttps://a.example\n",
        ),
        (
            json!({ "oauthRegistration": {
                "registrationEndpoint": "https://a.example/r", "tokenEndpoint": "https://a.example/t",
            } }),
            "oauthRegistration\n\nhttps://a.example/r",
        ),
    ];
    for (settings, expected) in rows {
        let settings: ProviderSettings = serde_json::from_value(settings).unwrap();
        assert_eq!(account(&settings), expected);
    }
}

#[test]
fn a_call_can_be_reached_only_if_the_provider_has_it() {
    let bearer = login(&[("bearer_token", "token")]);
    let switched = |list, delete| json!({ "expereo": { "baseUrl": "https://a.example", "list": list, "delete": delete } });
    let rows = [
        (switched("Enabled", "Enabled"), Some(&bearer), (true, true, true)),
        (switched("Disabled", "Enabled"), Some(&bearer), (true, false, true)),
        (switched("Enabled", "Disabled"), Some(&bearer), (true, true, false)),
        (json!({ "oauthRegistration": { "issuer": "https://a.example" } }), None, (true, false, true)),
        (json!({ "cloudConnexa": { "cloudId": "acme" } }), None, (false, false, false)),
    ];
    for (settings, login, expected) in rows {
        let text = settings.to_string();
        let settings: ProviderSettings = serde_json::from_value(settings).unwrap();
        let driver = build(&settings, login, &EgressPolicy::default(), Meter::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let calls = (driver.issuer().is_some(), driver.lister().is_some(), driver.revoker().is_some());
        assert_eq!(calls, expected, "{text}");
    }
}

#[tokio::test]
async fn our_own_login_is_never_revoked() {
    let client = login(&[("client_id", "own"), ("client_secret", "secret"), ("scope", "admin")]);
    let expereo = ProviderSettings {
        expereo: Some(Expereo { delete: Switch::Enabled, ..Default::default() }),
        ..Default::default()
    };
    for settings in [spreetail("https://api.spreetail.com"), oauth(|_| {}), expereo] {
        let driver =
            build(&settings, Some(&client), &EgressPolicy::default(), Meter::default()).ok().unwrap();
        let own = RevokeRequest {
            client_id: "own".to_owned(),
            ids: BTreeMap::new(),
            handle: None,
            ..RevokeRequest::default()
        };
        let failure = driver.revoker().unwrap().revoke(&own).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Rejected);
        assert!(failure.message.contains("itself logs in with"), "{}", failure.message);
    }
}

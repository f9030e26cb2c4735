use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::*;
use crate::{api::ProviderSettings, ops::metrics::Meter, providers::http::EgressPolicy};

fn login(keys: &[(&str, &str)]) -> LoginData {
    keys.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect()
}

fn client() -> LoginData {
    login(&[("client_id", "own"), ("client_secret", "secret"), ("scope", "customerapi/basic.read")])
}

fn built(block: &api::Expereo, data: &LoginData) -> Result<Expereo, SetupError> {
    let http = Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default()).unwrap();
    driver(block, Some(data), Arc::new(http))
}

fn expereo() -> Expereo {
    let scope_spelling = [("AssetRead", "customerapi/asset.read"), ("BillingRead", "customerapi/bills.read")];
    let scope_spelling = scope_spelling.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    built(&api::Expereo { scope_spelling, ..Default::default() }, &client()).unwrap()
}

fn scopes(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn asked() -> CreateRequest {
    let scopes = scopes(&["BasicRead", "SupportRead"]);
    CreateRequest { name: "orders-kw1".to_owned(), scopes, ..CreateRequest::default() }
}

fn answered() -> Value {
    json!({
        "clientId": "4h1abc",
        "clientSecret": "s3cret",
        "apiClientName": "orders-kw1",
        "scopes": ["SupportRead", "customerapi/basic.read"],
    })
}

#[test]
fn an_answer_is_believed_only_if_it_can_be_true() {
    let verdict = |answer: &Value| {
        let created = Created::of(answer, &api::ExpereoAnswer::default());
        expereo().check(&created, &asked()).err().unwrap_or_else(|| "fine".to_owned())
    };
    assert_eq!(verdict(&answered()), "fine");
    assert_eq!(verdict(&json!({ "clientId": "x", "clientSecret": "y" })), "fine", "nothing is repeated");
    for (member, value, expected) in [
        ("clientId", json!(""), "without a client ID"),
        ("clientId", json!(7), "without a client ID"),
        ("clientId", json!(".."), "without a client ID"),
        ("clientId", json!("a/b"), "without a client ID"),
        ("clientId", json!("own"), "our own client ID"),
        ("clientSecret", json!(""), "without a secret"),
        ("clientSecret", Value::Null, "without a secret"),
        ("apiClientName", json!("other"), "another name"),
        ("scopes", json!(["BasicRead", "SupportRead", "BillingRead"]), "more scopes"),
        ("scopes", json!(["customerapi/support.read-write"]), "more scopes"),
    ] {
        let mut answer = answered();
        answer[member] = value.clone();
        let verdict = verdict(&answer);
        assert!(verdict.contains(expected), "{member} {value}: {verdict}");
    }
}

#[test]
fn the_members_of_an_answer_are_found_by_name_or_pointer() {
    let names = |client_id: &str, client_secret: &str, name: &str, items: &str| {
        let [client_id, client_secret, name, items] =
            [client_id, client_secret, name, items].map(str::to_owned);
        api::ExpereoAnswer { client_id, id: String::new(), client_secret, name, items }
    };
    let nested = json!({ "data": { "id": "4h1", "keys": [{ "value": "s3cret" }], "label": "orders", "scopes": ["A"] } });
    let pointers = names("/data/id", "/data/keys/0/value", "/data/label", "/data/clients");
    let created = Created::of(&nested, &pointers);
    assert_eq!((created.client_id.as_str(), created.client_secret.expose_secret()), ("4h1", "s3cret"));
    assert_eq!((created.name.as_deref(), created.scopes), (Some("orders"), Some(scopes(&["A"]))));

    let in_a_list = [json!({ "id": "4h1", "label": "orders" }), json!({ "data": { "id": "4h2" } })];
    let listed = Page::of(&json!({ "data": { "clients": in_a_list } }), &pointers).unwrap();
    assert_eq!(listed.clients.keys().collect::<Vec<_>>(), ["4h1", "4h2"]);
    assert_eq!(listed.clients["4h1"].as_deref(), Some("orders"), "without what wraps a single client");
}

#[test]
fn a_list_is_bare_or_in_an_envelope_and_may_say_how_many_there_are() {
    let read = |list: Value| Page::of(&list, &api::ExpereoAnswer::default());
    let one = json!([{ "clientId": "4h1", "apiClientName": "orders" }]);
    for (list, total) in [
        (one.clone(), None),
        (json!({ "items": one }), None),
        (json!({ "data": one, "totalCount": 7 }), Some(7)),
        (json!({ "values": one, "pagination": { "totalItems": 7 } }), Some(7)),
        (json!({ "results": one, "total": "many" }), None),
    ] {
        let page = read(list.clone()).unwrap();
        assert_eq!((page.clients["4h1"].as_deref(), page.total), (Some("orders"), total), "{list}");
    }
    assert_eq!(read(json!([])), Ok(Page::default()));
    for (list, why) in [
        (json!({ "clients": one }), "expereo.answer.items"),
        (json!({ "items": {} }), "expereo.answer.items"),
        (Value::Null, "expereo.answer.items"),
        (json!([{ "id": "4h1" }]), "expereo.answer.clientId"),
    ] {
        assert!(read(list.clone()).unwrap_err().contains(why), "{list}");
    }
}

#[test]
fn scopes_are_those_with_a_known_spelling() {
    let expereo = expereo();
    let known = ["AssetRead", "BasicRead", "BillingRead", "SupportRead", "SupportReadWrite"];
    assert_eq!(expereo.capabilities.scopes, Scopes::Only(scopes(&known)));
    let fields = expereo.fields(&scopes(&["SupportReadWrite", "BillingRead", "AssetRead"]));
    let expected = [
        ("base_url", "https://api.expereo.one"),
        ("scope", "customerapi/support.read-write customerapi/bills.read customerapi/asset.read"),
        ("token_url", "https://auth.expereo.one/oauth2/token"),
    ];
    assert_eq!(fields, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[test]
fn a_list_and_a_delete_are_settings() {
    use api::Switch::{Disabled, Enabled};
    for (list, delete) in [(Enabled, Enabled), (Enabled, Disabled), (Disabled, Enabled), (Disabled, Disabled)]
    {
        let expereo = built(&api::Expereo { list, delete, ..Default::default() }, &client()).unwrap();
        let able = expereo.capabilities;
        assert_eq!((able.can_list(), able.can_revoke()), (list.is_enabled(), delete.is_enabled()));
    }
}

#[test]
fn a_login_is_a_client_or_a_bearer_token_and_never_both() {
    let block = api::Expereo::default();
    let identity = |data: &LoginData| {
        built(&block, data).map(|it| it.identity().map(str::to_owned)).map_err(|error| error.message())
    };
    assert_eq!(identity(&client()), Ok(Some("own".to_owned())));
    assert_eq!(identity(&login(&[("bearer_token", "eyJ")])), Ok(None));
    let needs = "expereo needs client_id, client_secret and scope, or bearer_token";
    for (lacking, key) in [
        (login(&[]), "client_id"),
        (login(&[("client_id", "own"), ("scope", "s")]), "client_secret"),
        (login(&[("client_id", "own"), ("client_secret", "s")]), "scope"),
    ] {
        let message = format!("the login Secret lacks the key {key}: {needs}");
        assert_eq!(identity(&lacking), Err(message));
    }
    for other in ["client_id", "client_secret"] {
        let both = identity(&login(&[("bearer_token", "eyJ"), (other, "x")])).unwrap_err();
        assert!(both.contains(&format!("both bearer_token and {other}")), "{both}");
    }
}

#[test]
fn urls_are_checked_and_the_path_is_joined_to_the_base() {
    let block = api::Expereo { base_url: "https://api.example.com/root/".to_owned(), ..Default::default() };
    let expereo = built(&block, &client()).unwrap();
    assert_eq!(expereo.clients.as_str(), "https://api.example.com/root/v2/api-clients");
    assert_eq!(expereo.base_url, "https://api.example.com/root");
    for (base_url, token_url, field) in [
        ("nowhere", "https://auth.example.com/token", "expereo.baseUrl"),
        ("https://api.example.com", "https://me:hunter2@auth.example.com/token", "expereo.tokenUrl"),
    ] {
        let [base_url, token_url] = [base_url, token_url].map(str::to_owned);
        let block = api::Expereo { base_url, token_url, ..Default::default() };
        let message = built(&block, &client()).err().unwrap().message();
        assert!(message.starts_with(field) && !message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_client_id_does_not_change_a_paths_meaning() {
    for id in ["4h1abc", "a:b@c", "a.b", "x=="] {
        assert!(is_client_id(id), "{id}");
    }
    for id in ["", ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%2fb", "a b", "ä", &"x".repeat(257)] {
        assert!(!is_client_id(id), "{id}");
    }
}

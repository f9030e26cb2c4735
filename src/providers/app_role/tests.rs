use serde_json::{Value, json};

use super::*;
use crate::{api::ProviderSettings, ops::metrics::Meter, providers::http::EgressPolicy};

fn block(mount: &str) -> api::AppRole {
    api::AppRole {
        base_url: "https://openbao.example.com:8200/".to_owned(),
        mount: mount.to_owned(),
        namespace: Some("team/shop".to_owned()),
    }
}

fn built(block: &api::AppRole, login: &[(&str, &str)]) -> Result<AppRole, SetupError> {
    let login = login.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect();
    let http = Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default())?;
    driver(block, Some(&login), Arc::new(http))
}

fn mount(path: &str) -> Result<AppRole, SetupError> {
    built(&block(path), &[("token", "s.token")])
}

fn place(role: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(ROLE.to_owned(), role.to_owned())])
}

#[test]
fn mount_and_role_are_parts_of_the_paths() {
    for (path, at) in [("approle", "approle"), ("teams/approle", "teams/approle")] {
        let driver = mount(path).unwrap_or_else(|error| panic!("{error}"));
        let role = driver.role(&place("orders")).unwrap();
        let root = format!("https://openbao.example.com:8200/v1/auth/{at}/role/orders");
        assert_eq!(role.role_id.as_str(), format!("{root}/role-id"));
        assert_eq!(role.secret_ids.as_str(), format!("{root}/secret-id"));
        assert_eq!(role.look_up_secret.as_str(), format!("{root}/secret-id/lookup"));
        assert_eq!(role.look_up.as_str(), format!("{root}/secret-id-accessor/lookup"));
        assert_eq!(role.destroy.as_str(), format!("{root}/secret-id-accessor/destroy"));
    }
    for path in ["", "..", "a/../b", "/approle", "approle/"] {
        assert_eq!(mount(path).err(), Some(SetupError::Path { field: "appRole.mount" }), "{path}");
    }
}

#[test]
fn a_role_has_one_spelling_and_is_one_segment() {
    let driver = mount("approle").unwrap_or_else(|error| panic!("{error}"));
    for name in ["orders", "o", "_o", "orders-2.prod_x", "42"] {
        assert!(driver.role(&place(name)).is_ok(), "{name}");
    }
    for name in ["", ".", "..", "Orders", "42/../43", "42%2f..%2f43", "42?x=", "-o", "o.", "o o", "o\n"] {
        let failure = driver.role(&place(name)).err().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(failure.kind, FailureKind::Rejected, "{name}");
    }
    assert!(driver.role(&BTreeMap::new()).is_err());
}

#[test]
fn a_login_is_a_pair_or_a_token() {
    let identity = |login: &[(&str, &str)]| {
        let driver = built(&block("approle"), login).map_err(|error| error.message())?;
        Ok(driver.identity().map(str::to_owned))
    };
    assert_eq!(identity(&[("token", "s.token")]), Ok(None));
    assert_eq!(identity(&[("role_id", "r"), ("secret_id", "s")]), Ok(Some("r".to_owned())));
    for (login, message) in [
        (vec![], "the login Secret lacks the key role_id: appRole needs role_id and secret_id, or token"),
        (
            vec![("role_id", "r")],
            "the login Secret lacks the key secret_id: appRole needs role_id and secret_id, or token",
        ),
        (
            vec![("token", "s.token"), ("role_id", "r")],
            "the login Secret holds both token and role_id: leave one of them out",
        ),
        (
            vec![("token", "s.token"), ("secret_id", "hunter2")],
            "the login Secret holds both token and secret_id: leave one of them out",
        ),
    ] {
        assert_eq!(identity(&login), Err(message.to_owned()));
    }
}

#[test]
fn the_account_is_the_server_the_mount_and_the_namespace() {
    let all = account(&block("approle"));
    assert_eq!(all, ["https://openbao.example.com:8200/", "approle", "team/shop"]);
    let root = api::AppRole { namespace: None, ..block("approle") };
    assert_ne!(account(&root), all);
    let driver = mount("approle").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(driver.fields(&[])["namespace"], "team/shop");
}

fn made(change: impl FnOnce(&mut Value)) -> wire::Made {
    let mut answer = json!({
        "secret_id": "841771dc-11c9-bbc7-bcac-6a3945a69cd9",
        "secret_id_accessor": "84896a0c-1347-aa90-a4f6-aca8b7558780",
        "secret_id_ttl": 3600,
        "secret_id_num_uses": 0,
    });
    change(&mut answer);
    serde_json::from_value(answer).unwrap()
}

#[test]
fn an_answer_is_believed_only_if_it_can_be_true_and_of_use() {
    let verdict = |answer: &wire::Made, asked| check(answer, asked).err().unwrap_or_default();
    for asked in [None, Some(3600), Some(7200)] {
        assert_eq!(verdict(&made(|_| {}), asked), "", "a shorter life is the role's");
    }
    let rows = [
        ("secret_id", json!(""), "without a secret ID"),
        ("secret_id", json!("caf\u{e9}"), "without a secret ID"),
        ("secret_id_accessor", json!(""), "without an accessor"),
        ("secret_id_accessor", json!("../x"), "without an accessor"),
        ("secret_id_ttl", Value::Null, "without secret_id_ttl"),
        ("secret_id_ttl", json!(3601), "with a later end"),
        ("secret_id_ttl", json!(0), "with a later end"),
        ("secret_id_num_uses", json!(1), "set secret_id_num_uses of the role to 0"),
    ];
    for (member, value, expected) in rows {
        let answer = made(|answer| answer[member] = value.clone());
        let verdict = verdict(&answer, Some(3600));
        assert!(verdict.contains(expected), "{member} {value}: {verdict}");
    }
}

#[test]
fn a_life_is_sent_in_whole_seconds_and_never_as_none() {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let until = |nanoseconds| seconds_until(now + SignedDuration::from_nanos(nanoseconds), now);
    assert_eq!(until(3_600_999_999_999), 3600);
    assert_eq!((until(1), until(0), until(-5_000_000_000)), (1, 1, 1));
}

#[test]
fn the_name_is_in_a_text_that_holds_json() {
    let body = serde_json::to_value(wire::Request::new("orders \"x\"", None, &[])).unwrap();
    assert_eq!(body, json!({ "metadata": r#"{"name":"orders \"x\""}"# }));
    let subnets = ["192.0.2.0/24".to_owned()];
    let body = serde_json::to_value(wire::Request::new("orders", Some(60), &subnets)).unwrap();
    assert_eq!((&body["ttl"], &body["cidr_list"]), (&json!(60), &json!(["192.0.2.0/24"])));
}

#[test]
fn a_name_is_read_from_any_metadata() {
    let name = |metadata: Value| {
        let looked: wire::Properties =
            serde_json::from_value(json!({ "secret_id_accessor": "a", "metadata": metadata })).unwrap();
        looked.name().map(str::to_owned)
    };
    assert_eq!(name(json!({ "name": "orders-kw1" })), Some("orders-kw1".to_owned()));
    for other in [json!({}), json!(null), json!({ "name": 7 }), json!("name"), json!(["name"])] {
        assert_eq!(name(other.clone()), None, "{other}");
    }
}

#[test]
fn a_refusal_is_known_by_its_sentence() {
    let refusal = |body: Value| serde_json::from_value::<Refusal>(body).unwrap_or_default();
    let nested = json!({ "errors": ["1 error occurred:\n\t* role \"none\" does not exist\n\n"] });
    assert!(refusal(nested).says(NO_SUCH_ROLE));
    let looked =
        json!({ "data": { "error": "failed to find accessor entry for secret_id_accessor: \"x\"" } });
    assert!(refusal(looked).says(UNKNOWN_ACCESSOR));
    assert!(refusal(json!({ "errors": [] })).is_of_nothing());
    for other in [json!({}), json!({ "errors": ["x"] }), json!({ "errors": null }), json!([])] {
        assert!(!refusal(other.clone()).is_of_nothing(), "{other}");
    }
}

//! The data of the Secret that workloads read.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{builders::*, table::*};
use crate::{
    api::SecretOutput,
    lifecycle::{
        ledger::Revision,
        render::{RenderError, WithSecret, rehearse, render, source},
    },
};

const CANARY: &str = "canary-3f9a-secret";

fn issued() -> Revision {
    let mut scene = a_credential().issued(days(1)).expiring_in(days(9));
    scene.it().fields = BTreeMap::from([
        ("token_url".to_owned(), "https://id.example/token".to_owned()),
        ("scope".to_owned(), "read write".to_owned()),
    ]);
    scene.it().clone()
}

fn rendered(output: Option<&SecretOutput>) -> Result<BTreeMap<String, String>, RenderError> {
    let secret = SecretString::from(CANARY);
    let data = render(output, WithSecret { revision: &issued(), client_secret: &secret }, None)?;
    Ok(data.into_iter().map(|(key, value)| (key, value.expose_secret().to_owned())).collect())
}

fn template(text: &str) -> Result<String, RenderError> {
    let output = SecretOutput {
        template: BTreeMap::from([("file".to_owned(), text.to_owned())]),
        ..SecretOutput::default()
    };
    rendered(Some(&output)).map(|mut data| data.remove("file").unwrap())
}

fn keys(pairs: &[(&str, &str)]) -> SecretOutput {
    let keys = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    SecretOutput { keys, ..SecretOutput::default() }
}

#[test]
fn the_default_keys() {
    let data = rendered(None).unwrap();
    let expected = [
        ("client_id", "client-1"),
        ("client_secret", CANARY),
        ("expires_at", "2026-11-30T12:00:00Z"),
        ("scope", "read write"),
        ("token_url", "https://id.example/token"),
    ];
    assert_eq!(data, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    assert_eq!(rendered(Some(&SecretOutput::default())).unwrap(), data);
}

#[test]
fn keys_are_renamed_and_left_out() {
    let data = rendered(Some(&keys(&[("client_id", "ID"), ("scope", ""), ("no_such", "x")]))).unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["ID", "client_secret", "expires_at", "token_url"]);
    assert_eq!(data["ID"], "client-1");
    let twice = rendered(Some(&keys(&[("client_id", "client_secret")])));
    assert_eq!(twice, Err(RenderError::DuplicateKey("client_secret".to_owned())));
    let swapped = rendered(Some(&keys(&[("client_id", "scope"), ("scope", "client_id")]))).unwrap();
    assert_eq!((&*swapped["scope"], &*swapped["client_id"]), ("client-1", "read write"));
}

#[test]
fn templates_make_whole_files() {
    let env = template("CLIENT_ID={{ client_id }}\nCLIENT_SECRET={{ client_secret }}\n").unwrap();
    assert_eq!(env, format!("CLIENT_ID=client-1\nCLIENT_SECRET={CANARY}\n"));
    let json =
        template("{\"id\": {{ client_id | tojson }}, \"scopes\": {{ scope | split | list | tojson }}}")
            .unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({ "id": "client-1", "scopes": ["read", "write"] }));
    assert_eq!(template("{{ client_id }}<&>{{ 'a&b' }}").unwrap(), "client-1<&>a&b", "nothing is escaped");
    let optional = "{% if previous_client_id is defined %}{{ previous_client_id }}{% endif %}.";
    assert_eq!(template(optional).unwrap(), ".");
    let same = SecretOutput { template: BTreeMap::from([("scope".to_owned(), "x".to_owned())]), ..keys(&[]) };
    assert_eq!(rendered(Some(&same)), Err(RenderError::DuplicateKey("scope".to_owned())));
}

#[test]
fn templates_use_the_default_names_whatever_the_keys_are_called() {
    let output = SecretOutput {
        template: BTreeMap::from([("file".to_owned(), "{{ client_id }}".to_owned())]),
        ..keys(&[("client_id", "")])
    };
    assert_eq!(rendered(Some(&output)).unwrap()["file"], "client-1");
}

#[test]
fn a_template_error_names_the_place_and_never_the_value() {
    let wrong = [
        "{{ client_idd }}",
        "line one\n{{ client_secret.nothing.more }}",
        "{{ client_secret | no_such_filter }}",
        "{{ client_secret() }}",
        "{{ client_secret + 1 }}",
        "{{ client_secret | int }}",
        "{{ no_such(client_secret) }}",
        "{% include client_secret %}",
        "{% extends client_secret %}",
        "{% if %}",
        "{{ debug(client_secret).x.y }}",
    ];
    for text in wrong {
        let error = template(text).expect_err(text);
        assert!(matches!(error, RenderError::Template { .. }), "{text}: {error:?}");
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("canary"), "{text}: {shown}");
            assert!(shown.contains("file") && shown.contains("line"), "{text}: {shown}");
        }
    }
}

#[test]
fn a_template_cannot_take_the_operators_time_or_memory() {
    let doubling = format!("{{% set a = 'x' * 1000 %}}{}{{{{ a }}}}", "{% set a = a ~ a %}".repeat(40));
    let squaring = format!("{{{{ client_secret {} }}}}", "| replace('', client_secret) ".repeat(30));
    let greedy = [
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ 'x' * 1000000000 }}",
        "{% for i in range(10000) %}{{ 'x' * 100000 }}{% endfor %}",
        "{{ range(100000) | join(client_secret * 1000) }}",
        "{{ client_secret | indent(1000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        &doubling,
        &squaring,
    ];
    for text in greedy {
        let result = template(text);
        assert!(result.is_err() || result.is_ok_and(|it| it.len() < 2000), "{text}");
    }
}

#[test]
fn the_secret_is_limited_in_size() {
    assert_eq!(template(&format!("{{{{ 'x' * {} }}}}", 512 * 1024)), Err(RenderError::TooLarge));
    let big = "{{ 'x' * 300000 }}".to_owned();
    let output = SecretOutput {
        template: BTreeMap::from([("a".to_owned(), big.clone()), ("b".to_owned(), big)]),
        ..SecretOutput::default()
    };
    assert_eq!(rendered(Some(&output)), Err(RenderError::TooLarge), "all values together");
}

#[test]
fn the_previous_pair_can_be_published_during_an_overlap() {
    let scene = a_credential().issued(days(80)).retiring(hours(1)).issued(hours(2));
    let (old, new) = (&scene.document.revisions[0], &scene.document.revisions[1]);
    let (old_secret, new_secret) = (SecretString::from("old"), SecretString::from("new"));
    let current = WithSecret { revision: new, client_secret: &new_secret };
    let previous = WithSecret { revision: old, client_secret: &old_secret };
    let data = render(None, current, Some(previous)).unwrap();
    let value = |key: &str| data[key].expose_secret();
    assert_eq!((value("client_id"), value("client_secret")), ("client-2", "new"));
    assert_eq!((value("previous_client_id"), value("previous_client_secret")), ("client-1", "old"));
}

#[test]
fn the_digest_of_the_source_changes_with_visible_changes_only() {
    let revision = issued();
    let from = |output: &SecretOutput, revision: &Revision| source(Some(output), revision, None);
    let plain = from(&SecretOutput::default(), &revision);
    assert_eq!(plain, from(&SecretOutput::default(), &revision));
    assert_ne!(plain, from(&keys(&[("scope", "")]), &revision));
    let labelled = SecretOutput { labels: BTreeMap::from([("a".into(), "b".into())]), ..keys(&[]) };
    assert_ne!(plain, from(&labelled, &revision));
    let other = Revision { revision: 2, ..revision.clone() };
    assert_ne!(plain, from(&SecretOutput::default(), &other));
    assert_ne!(plain, source(Some(&SecretOutput::default()), &revision, Some(&other)));
    let retired = Revision { retired_at: Some(noon()), refused_at: Some(noon()), ..revision };
    assert_eq!(
        plain,
        from(&SecretOutput::default(), &retired),
        "an invisible change does not render it again"
    );
}

#[test]
fn headers_and_pull_secrets_are_made_by_filters() {
    let basic = template("Authorization: Basic {{ (client_id ~ ':' ~ client_secret) | b64encode }}").unwrap();
    assert_eq!(basic, "Authorization: Basic Y2xpZW50LTE6Y2FuYXJ5LTNmOWEtc2VjcmV0");
    let pull = template(
        "{\"auths\":{\"registry.example\":{\"auth\":\"{{ (client_id ~ ':' ~ client_secret) | b64encode }}\"}}}",
    );
    let pull: serde_json::Value = serde_json::from_str(&pull.unwrap()).unwrap();
    assert_eq!(pull["auths"]["registry.example"]["auth"], "Y2xpZW50LTE6Y2FuYXJ5LTNmOWEtc2VjcmV0");
    assert_eq!(template("{{ 'a/b c+ä~%' | urlencode }}").unwrap(), "a%2Fb%20c%2B%C3%A4~%25");
    assert_eq!(template("{{ '' | b64encode }}{{ 5 | urlencode }}").unwrap(), "5");
    let growing = format!("{{{{ client_secret {} }}}}", "| b64encode ".repeat(60));
    assert!(template(&growing).is_err(), "none of them grows without an end");
}

#[test]
fn a_message_names_the_unknown_filter_or_value_and_the_known_ones() {
    for (text, expected) in [
        (
            "{{ client_secret | base64 }}",
            "file cannot be rendered: there is no filter base64 in line 1; there are b64encode, urlencode, ",
        ),
        (
            "a\n{{ client_idd }}",
            "there is no value client_idd in line 2; there are client_id, client_secret, expires_at, scope, ",
        ),
        ("{{ client_idd | b64encode }}", "there is no value client_idd in line 1; "),
        ("{% for it in scopes %}{{ it }}{% endfor %}", "there is no value scopes in line 1; "),
        ("{% set a = client_id %}{{ a ~ nobody }}", "there is no value nobody in line 1; "),
        (
            "{{ previous_client_id }}",
            "previous_client_id has no value in line 1; if a credential may lack it, write {% if previous_client_id is defined %}",
        ),
        ("{{ client_id is base64 }}", "there is no test base64 in line 1"),
        ("{{ lookup(client_id) }}", "there is no function lookup in line 1"),
        ("{{ client_id.name }}", "undefined value in line 1"),
    ] {
        let error = template(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains(CANARY), "{text}: {error}");
    }
    assert_eq!(template("{{ previous_client_id | default('none') }}").unwrap(), "none");
}

#[test]
fn a_template_that_always_fails_is_found_with_sample_values() {
    let rehearsed = |text: &str| {
        let template = BTreeMap::from([("file".to_owned(), text.to_owned())]);
        rehearse(Some(&SecretOutput { template, ..SecretOutput::default() }))
    };
    for never in [
        "{{ client_id | base64 }}",
        "{{ client_idd }}",
        "{{ previous_client_secret }}",
        "{% if %}",
        "{{ lookup(client_id) }}",
        "{{ client_id is base64 }}",
    ] {
        assert!(rehearsed(never).is_err(), "{never}");
    }
    for perhaps in [
        "{{ client_id }}:{{ client_secret }}@{{ host }}/{{ org }} {{ refresh_token }} {{ expires_at }}",
        "{{ scope | int }}",
        "{{ (token_url | split('/'))[7] }}",
        "{% if previous_client_id is defined %}{{ previous_client_id }}{% endif %}",
        "{% for i in range(100000) %}{{ i }}{% endfor %}",
    ] {
        assert_eq!(rehearsed(perhaps), Ok(()), "{perhaps}");
    }
    assert_eq!(rehearse(None), Ok(()));
}

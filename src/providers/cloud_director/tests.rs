use super::{
    tokens::{escaped, is_below, names_a_next_page},
    *,
};
use crate::{api::ProviderSettings, ops::metrics::Meter, providers::http::EgressPolicy};

fn built(org: &str, login: &[(&str, &str)]) -> Result<CloudDirector, SetupError> {
    let block = api::CloudDirector {
        base_url: "https://vcd.example.com".to_owned(),
        org: org.to_owned(),
        ..Default::default()
    };
    let login = login.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect();
    let http = Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default())?;
    driver(&block, Some(&login), Arc::new(http))
}

#[test]
fn the_organization_is_a_part_of_the_paths() {
    let login = [("username", "credwright"), ("password", "secret")];
    for (org, sessions, token) in [
        ("acme", "cloudapi/1.0.0/sessions", "oauth/tenant/acme/token"),
        ("a b", "cloudapi/1.0.0/sessions", "oauth/tenant/a%20b/token"),
        ("System", "cloudapi/1.0.0/sessions/provider", "oauth/provider/token"),
        ("system", "cloudapi/1.0.0/sessions/provider", "oauth/provider/token"),
    ] {
        let driver = built(org, &login).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(driver.site.sessions.as_str(), format!("https://vcd.example.com/{sessions}"));
        assert_eq!(driver.token_url.as_str(), format!("https://vcd.example.com/{token}"));
        assert_eq!(driver.fields_of("38.0".to_owned())["host"], "vcd.example.com");
    }
}

#[test]
fn a_login_is_a_password_or_a_token_of_the_identity_provider() {
    let identity = |login: &[(&str, &str)]| {
        built("acme", login)
            .map(|driver| driver.identity().map(str::to_owned))
            .map_err(|error| error.message())
    };
    assert_eq!(identity(&[("username", "me"), ("password", "x")]), Ok(Some("me".to_owned())));
    assert_eq!(identity(&[("id_token", "jwt")]), Ok(None));
    for (login, message) in [
        (
            vec![("username", "me")],
            "the login Secret lacks the key password: cloudDirector needs username and password, or id_token",
        ),
        (
            vec![],
            "the login Secret lacks the key username: cloudDirector needs username and password, or id_token",
        ),
        (
            vec![("id_token", "jwt"), ("username", "me")],
            "the login Secret holds both id_token and username: leave one of them out",
        ),
        (
            vec![("id_token", "jwt"), ("password", "x")],
            "the login Secret holds both id_token and password: leave one of them out",
        ),
        (
            vec![("username", "me:you"), ("password", "x")],
            "the login Secret's username cannot be used: a user name with a colon cannot be sent (RFC 7617)",
        ),
    ] {
        assert_eq!(identity(&login), Err(message.to_owned()));
    }
    for key in ["refresh_token", "api_token"] {
        let refusal = identity(&[("username", "me"), ("password", "x"), (key, "hunter2")]).unwrap_err();
        assert!(refusal.contains("may not make API tokens") && !refusal.contains("hunter2"), "{refusal}");
    }
}

#[test]
fn a_registration_is_believed_only_if_it_can_be_true() {
    let id = "5b0e1a52-0000-4000-8000-000000000000";
    for (client_id, client_name, expected) in [
        (id, Some("orders"), ""),
        (id, None, ""),
        (id, Some("other"), "another name"),
        ("", None, "without a UUID"),
        ("../tokens/5b0e1a52-0000-4000-8000-00", None, "without a UUID"),
        ("5b0e1a520000-4000-8000-000000000000-", None, "without a UUID"),
    ] {
        let registered =
            wire::Registered { client_id: client_id.to_owned(), client_name: client_name.map(str::to_owned) };
        let verdict = check(&registered, "orders").err().unwrap_or_default();
        assert!(
            verdict.contains(expected) && verdict.is_empty() == expected.is_empty(),
            "{client_id} {verdict}"
        );
    }
}

#[test]
fn the_version_is_the_newest_that_both_sides_know() {
    let offered = |numbers: &[(&str, bool)]| -> Vec<wire::Version> {
        let version = |(number, deprecated): &(&str, bool)| wire::Version {
            version: (*number).to_owned(),
            deprecated: *deprecated,
        };
        numbers.iter().map(version).collect()
    };
    let chosen = |numbers: &[(&str, bool)], wanted| {
        versions::chosen(&offered(numbers), wanted).map_err(|failure| failure.message)
    };
    let old_and_new = [("35.2", true), ("36.3", true), ("37.0", false), ("38.0", false), ("99.0", false)];
    assert_eq!(chosen(&old_and_new, None), Ok("38.0".to_owned()));
    assert_eq!(chosen(&old_and_new, Some("37.0")), Ok("37.0".to_owned()));
    assert_eq!(chosen(&old_and_new, Some("36.3")), Ok("36.3".to_owned()), "deprecated, but asked for");
    assert_eq!(chosen(&old_and_new[..2], None), Ok("36.3".to_owned()), "there is nothing else");
    assert_eq!(
        chosen(&old_and_new[..2], Some("37.0")).unwrap_err(),
        "Cloud Director does not offer API version 37.0 (apiVersion); it offers 35.2 (deprecated), 36.3 (deprecated)"
    );
    let strange = [("34.0", false), ("9.1.0", false), ("<script>", false)];
    assert!(chosen(&strange, None).unwrap_err().ends_with("; it offers 34.0, 9.1.0"));
    assert!(chosen(&[], None).unwrap_err().ends_with("; it offers none"));
}

#[test]
fn a_filter_means_its_values_literally() {
    assert_eq!(escaped("svc-credwright.1@example"), "svc-credwright.1@example");
    assert_eq!(escaped(r"a;b,c(d)e=f*g\h"), r"a\;b\,c\(d\)e\=f\*g\\h");
}

#[test]
fn a_next_page_is_one_link_among_others() {
    let link =
        |relation: &str| format!(r#"<https://vcd.example.com/x?a=1,2>;rel="{relation}";model="Tokens""#);
    assert!(names_a_next_page(&link("nextPage")));
    assert!(names_a_next_page(&[link("firstPage"), link("nextPage")].join(",")));
    assert!(!names_a_next_page(&[link("firstPage"), link("lastPage")].join(",")));
    assert!(!names_a_next_page(""));
}

#[test]
fn a_task_is_watched_on_its_own_server_only() {
    let tasks: Url = "https://vcd.example.com/api/task/".parse().unwrap();
    for (url, expected) in [
        ("https://vcd.example.com/api/task/5b0e1a52", true),
        ("https://vcd.example.com:443/api/task/5b0e1a52", true),
        ("http://vcd.example.com/api/task/5b0e1a52", false),
        ("https://vcd.example.com:8443/api/task/5b0e1a52", false),
        ("https://vcd.example.com.evil.example/api/task/5b0e1a52", false),
        ("https://me@vcd.example.com/api/task/5b0e1a52", false),
        ("https://vcd.example.com/api/task/../admin", false),
        ("https://vcd.example.com/api/org", false),
    ] {
        assert_eq!(is_below(&url.parse().unwrap(), &tasks), expected, "{url}");
    }
}

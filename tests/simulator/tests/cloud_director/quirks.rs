//! Each documented oddity of Cloud Director once, over real HTTP.

use credwright_simulator::{Login, Operation, Outcome};
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{a_director_with, a_session_with, code};

fn login(user: &str) -> Login {
    Login { client_id: user.to_owned(), client_secret: "secret".to_owned() }
}

#[tokio::test]
async fn versions_are_xml_unless_json_is_asked_for_by_its_documented_name() {
    let caller = a_director_with(|_| {}).await;
    for accept in ["*/*", "application/json"] {
        let answer =
            caller.http.get(caller.url("api/versions")).header("accept", accept).send().await.unwrap();
        assert!(answer.text().await.unwrap().starts_with("<SupportedVersions"), "{accept}");
    }
    let request = caller.http.get(caller.url("api/versions")).header("accept", "application/*+json");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let first = &answer["versionInfo"][0];
    assert_eq!((&first["version"], &first["deprecated"]), (&json!("35.2"), &json!(true)));
}

#[tokio::test]
async fn a_login_answers_with_a_header_and_every_call_names_a_version() {
    let (caller, session) = a_session_with(|options| options.id_token = Some("idp".into())).await;
    assert_eq!(caller.list(&session, &[]).await.status(), StatusCode::OK);

    let wrong = caller.login_request("credwright", "wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let url = caller.url("cloudapi/1.0.0/sessions");
    let anonymous = caller.http.post(&url).header("accept", "application/*;version=37.0");
    assert_eq!(anonymous.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    for (accept, status) in [
        ("application/*;version=37.0", StatusCode::OK),
        ("application/*;version=36.0", StatusCode::NOT_ACCEPTABLE),
        ("application/json", StatusCode::NOT_ACCEPTABLE),
    ] {
        let request = caller.http.post(&url).header("accept", accept);
        let answer = request.header("authorization", "Bearer idp; org=acme").send().await.unwrap();
        assert_eq!(answer.status(), status, "{accept}");
    }
}

#[tokio::test]
async fn a_token_takes_two_steps_and_the_second_is_possible_once() {
    let (caller, session) = a_session_with(|_| {}).await;
    let answer: Value = caller.register(&session, "two-steps").await.json().await.unwrap();
    assert!(answer.get("client_secret").is_none(), "{answer}");
    let client_id = answer["client_id"].as_str().unwrap().to_owned();
    assert_eq!(caller.names(&session, "name==two-steps").await, ["two-steps"], "it exists already");

    let answer: Value = caller.exchange(&session, &client_id).await.json().await.unwrap();
    let secret = answer["refresh_token"].as_str().unwrap();
    assert_eq!(answer["expires_in"], 2_592_000);
    let again = caller.exchange(&session, &client_id).await;
    assert_eq!(code(again).await, (StatusCode::BAD_REQUEST, "invalid_grant".into()));

    let answer: Value = caller.refresh(secret).await.json().await.unwrap();
    assert!(answer["refresh_token"].is_null() && answer["access_token"].is_string(), "{answer}");
    assert!(caller.simulator.record().accepts(&client_id, secret));
    assert_eq!(code(caller.refresh("wrong").await).await.1, "invalid_grant");
}

#[tokio::test]
async fn the_secret_of_a_client_that_was_only_registered_works_for_nobody() {
    let (caller, session) = a_session_with(|_| {}).await;
    let client_id = caller.registered(&session, "half").await;
    let hidden = caller.simulator.record().credential(&client_id).unwrap();
    assert_eq!(caller.refresh(hidden.secret()).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_session_that_an_api_token_opened_may_do_nothing_with_api_tokens() {
    let (caller, session) = a_session_with(|_| {}).await;
    let (client_id, secret) = caller.create(&session, "first").await;
    let answer: Value = caller.refresh(&secret).await.json().await.unwrap();
    let opened = answer["access_token"].as_str().unwrap();
    assert_eq!(caller.register(opened, "second").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(caller.list(opened, &[]).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(caller.one(Method::DELETE, opened, &client_id).await.status(), StatusCode::FORBIDDEN);
    let other = caller.registered(&session, "third").await;
    assert_eq!(caller.exchange(opened, &other).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_missing_object_is_answered_with_403() {
    let (caller, session) = a_session_with(|_| {}).await;
    let (client_id, secret) = caller.create(&session, "gone").await;
    assert_eq!(caller.one(Method::GET, &session, &client_id).await.status(), StatusCode::OK);
    assert_eq!(caller.one(Method::DELETE, &session, &client_id).await.status(), StatusCode::NO_CONTENT);
    let again = caller.one(Method::DELETE, &session, &client_id).await;
    assert_eq!(code(again).await, (StatusCode::FORBIDDEN, "ACCESS_TO_RESOURCE_IS_FORBIDDEN".into()));
    assert_eq!(caller.refresh(&secret).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn filters_are_fiql_with_escapes() {
    let (caller, session) = a_session_with(|options| options.others = vec![login("other")]).await;
    let others = caller.login_as("other", "secret").await;
    for name in ["plain", "with;semicolon", "with,comma", "(brackets)", "star*"] {
        caller.registered(&session, name).await;
    }
    caller.registered(&others, "plain").await;
    for (filter, names) in [
        ("name==plain;owner.name==other", vec!["plain"]),
        (r"name==with\;semicolon", vec!["with;semicolon"]),
        (r"name==with\,comma,name==star\*", vec!["with,comma", "star*"]),
        (r"(type==REFRESH;owner.name==credwright;name==\(brackets\))", vec!["(brackets)"]),
        ("name==*with*", vec!["with;semicolon", "with,comma"]),
        ("owner.name!=credwright", vec!["plain"]),
        ("type==PROXY", vec![]),
    ] {
        assert_eq!(caller.names(&session, filter).await, names, "{filter}");
    }
    for filter in ["name=plain", "name==plain;", "nonsense==1", "(name==plain", "name==a)"] {
        let answer = caller.list(&session, &[("filter", filter)]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{filter}");
    }
}

#[tokio::test]
async fn pages_have_128_entries_and_mostly_links() {
    for links in [true, false] {
        let (caller, session) = a_session_with(|options| options.links = links).await;
        for number in 0..3 {
            caller.registered(&session, &format!("token-{number}")).await;
        }
        let too_much = caller.list(&session, &[("page", "1"), ("pageSize", "129")]).await;
        assert_eq!(too_much.status(), StatusCode::BAD_REQUEST);
        for (page, count, is_more) in [("1", 2, true), ("2", 1, false), ("3", 0, false)] {
            let answer = caller.list(&session, &[("page", page), ("pageSize", "2")]).await;
            let link = answer.headers().get("link").map(|it| it.to_str().unwrap().to_owned());
            assert_eq!(link.is_some(), links);
            assert_eq!(link.is_some_and(|it| it.contains(r#"rel="nextPage""#)), links && is_more, "{page}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["values"].as_array().unwrap().len(), count);
            assert_eq!((&body["resultTotal"], &body["pageCount"]), (&json!(3), &json!(2)));
        }
    }
}

#[tokio::test]
async fn a_name_is_unique_for_its_user() {
    for status in [StatusCode::CONFLICT, StatusCode::BAD_REQUEST] {
        let (caller, session) = a_session_with(|options| {
            options.duplicate_status = status;
            options.others = vec![login("other")];
        })
        .await;
        let client_id = caller.registered(&session, "taken").await;
        assert_eq!(code(caller.register(&session, "taken").await).await, (status, "DUPLICATE_NAME".into()));
        let others = caller.login_as("other", "secret").await;
        assert_eq!(caller.register(&others, "taken").await.status(), StatusCode::OK);
        caller.one(Method::DELETE, &session, &client_id).await;
        assert_eq!(caller.register(&session, "taken").await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_tenant_context_is_a_bare_uuid() {
    let org_id = "6e9d5cb4-0000-4000-8000-000000000000";
    let (caller, session) = a_session_with(|options| {
        options.org_id = org_id.to_owned();
        options.demands_context = true;
    })
    .await;
    assert_eq!(caller.list(&session, &[]).await.status(), StatusCode::FORBIDDEN);
    for (context, status) in [
        (org_id.to_owned(), StatusCode::OK),
        (format!("urn:vcloud:org:{org_id}"), StatusCode::UNAUTHORIZED),
        (org_id.replace('6', "7"), StatusCode::FORBIDDEN),
    ] {
        let request = caller.cloudapi(Method::GET, "tokens", &session);
        let request = request.header("x-vmware-vcloud-tenant-context", &context);
        assert_eq!(request.send().await.unwrap().status(), status, "{context}");
    }
}

#[tokio::test]
async fn system_administrators_come_in_by_a_door_of_their_own() {
    let caller = a_director_with(|options| options.org = "System".into()).await;
    let secret = &caller.simulator.login().client_secret;
    for (path, status) in [("sessions", StatusCode::UNAUTHORIZED), ("sessions/provider", StatusCode::OK)] {
        let request = caller.unsigned(Method::POST, path).basic_auth("credwright@system", Some(secret));
        assert_eq!(request.send().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn the_record_tells_the_two_steps_and_a_workload_apart() {
    let (caller, session) = a_session_with(|_| {}).await;
    let (client_id, secret) = caller.create(&session, "seen").await;
    caller.refresh(&secret).await;
    caller.names(&session, "name==seen").await;
    caller.one(Method::DELETE, &session, &client_id).await;
    let door = caller.cloudapi(Method::POST, "tokens", &session).json(&json!({ "type": "REFRESH" }));
    assert_eq!(door.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let seen: Vec<_> = caller
        .simulator
        .record()
        .requests()
        .into_iter()
        .map(|it| (it.operation, it.by_login, it.outcome))
        .collect();
    let ok = Outcome::Answered(200);
    let expected = [
        (Operation::Token, true, ok),
        (Operation::Create, true, ok),
        (Operation::Exchange, true, ok),
        (Operation::Token, false, ok),
        (Operation::List, true, ok),
        (Operation::Delete, true, Outcome::Answered(204)),
        (Operation::Other, true, Outcome::Answered(400)),
    ];
    assert_eq!(seen, expected);
}

//! The peculiarities of expereoOne: two spellings of a scope, logins that may not manage clients,
//! and settings for everything undocumented.

use anyhow::{Context, Result};
use credwright::{
    api::{Expereo, ExpereoAnswer, ExpereoPaging, ProviderSettings, Switch},
    providers::{Failure, FailureKind, Revocation, RevokeRequest, Verdict, VerifyRequest},
};
use credwright_simulator::{
    Clock, Fault, Operation,
    expereo::{self, Answers, Options, Paging, TOKEN_PATH},
};
use http::StatusCode;
use secrecy::ExposeSecret;

use crate::{
    cases::shown,
    subject::{Calls, Driver, Subject, no_ids, pair, target},
};

const BEARER_TOKEN: &str = "Canary-Bearer-Token";

/// Enables or disables its list and its delete.
pub(crate) fn has(options: &mut Options, there: bool) {
    let status = |missing| (!there).then_some(missing);
    options.no_list = status(StatusCode::METHOD_NOT_ALLOWED);
    options.no_delete = status(StatusCode::NOT_FOUND);
}

/// A provider that is like no other, with a driver that knows what it has unless `set` says
/// otherwise.
pub(crate) async fn start_with(
    driver: Driver,
    change: impl FnOnce(&mut Options),
    set: impl FnOnce(&mut Expereo),
) -> Result<Subject> {
    let mut options = Options::new(Clock::real());
    change(&mut options);
    let switch = |missing: Option<StatusCode>| match missing {
        Some(_) => Switch::Disabled,
        None => Switch::Enabled,
    };
    let (list, delete) = (switch(options.no_list), switch(options.no_delete));
    let (scope, bearer_token) = (options.login_scope.clone(), options.bearer_token.clone());
    let simulator = expereo::start(options).await?;
    let base_url = simulator.base_url();
    let mut block = Expereo {
        token_url: format!("{base_url}{TOKEN_PATH}"),
        base_url,
        list,
        delete,
        ..Default::default()
    };
    set(&mut block);
    let settings = ProviderSettings { expereo: Some(block), ..Default::default() };
    let login = match bearer_token {
        Some(token) => vec![("bearer_token", token)],
        None => {
            let login = simulator.login().clone();
            vec![("client_id", login.client_id), ("client_secret", login.client_secret), ("scope", scope)]
        }
    };
    Subject::new(driver, simulator, settings, login)
}

async fn start(change: impl FnOnce(&mut Options), set: impl FnOnce(&mut Expereo)) -> Result<Subject> {
    start_with(Driver::Expereo, change, set).await
}

fn failed<T>(result: Result<T, Failure>, kind: FailureKind, words: &str) -> Result<()> {
    let failure = result.err().context("it did not fail")?;
    assert_eq!(failure.kind, kind, "{}", failure.message);
    assert!(failure.message.contains(words), "{}", failure.message);
    Ok(())
}

#[tokio::test]
async fn a_scope_is_spelt_one_way_at_creation_and_another_at_the_token_endpoint() -> Result<()> {
    let subject = start(|_| {}, |_| {}).await?;
    let issued = subject.created().await?;
    assert_eq!(issued.fields["scope"], "customerapi/basic.read customerapi/support.read-write");
    assert_eq!(issued.fields["base_url"], subject.simulator.base_url());
    assert_eq!(issued.fields, subject.provider.fields(&subject.request().scopes));
    let record = subject.simulator.record();
    assert!(record.accepts(&issued.client_id, issued.client_secret.expose_secret()));
    let verdict = subject.provider.verify(&pair(&issued, &["BasicRead".to_owned()])).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted, "with fewer scopes than it has");
    Ok(())
}

#[tokio::test]
async fn a_scope_needs_a_known_spelling() -> Result<()> {
    let add = |options: &mut Options| {
        drop(options.scopes.insert("AssetRead".into(), "customerapi/asset.read".into()));
    };
    let subject = start(add, |_| {}).await?;
    for scopes in [vec!["AssetRead".to_owned()], vec!["BasicRead".into(), "AssetRead".into()], vec![]] {
        let request = credwright::providers::CreateRequest { scopes, ..subject.request() };
        failed(subject.provider.created(&request).await, FailureKind::Rejected, "spelling")?;
    }
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 0);

    let spell = |spelling: &'static str| {
        move |it: &mut Expereo| drop(it.scope_spelling.insert("AssetRead".into(), spelling.into()))
    };
    for (spelling, works) in [("customerapi/asset.read", true), ("customerapi/assets.read", false)] {
        let subject = start(add, spell(spelling)).await?;
        let scopes = vec!["AssetRead".to_owned()];
        let request = credwright::providers::CreateRequest { scopes, ..subject.request() };
        let issued = subject.provider.created(&request).await.map_err(shown)?;
        let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await;
        if works {
            assert_eq!(verdict.map_err(shown)?, Verdict::Accepted);
        } else {
            failed(verdict, FailureKind::Rejected, "correct expereo.scopeSpelling")?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_verdict_is_about_the_pair_and_not_about_the_request() -> Result<()> {
    let subject = start(|it| it.invalid_client_status = StatusCode::UNAUTHORIZED, |_| {}).await?;
    let issued = subject.created().await?;
    let scopes = subject.request().scopes;
    let wrong = VerifyRequest { client_secret: "wrong".into(), ..pair(&issued, &scopes) };
    assert_eq!(subject.provider.verify(&wrong).await.map_err(shown)?, Verdict::Refused);
    let status = |code, body: &str| Fault::Status { code, headers: vec![], body: body.to_owned() };
    for (fault, verdict) in [
        (status(400, r#"{"error":"invalid_client"}"#), Ok(Verdict::Refused)),
        (status(401, ""), Ok(Verdict::Refused)),
        (status(400, r#"{"error":"invalid_scope"}"#), Err(FailureKind::Rejected)),
        (status(400, r#"{"error":"invalid_request"}"#), Err(FailureKind::Rejected)),
        (status(404, ""), Err(FailureKind::Unexplained)),
        (status(500, ""), Err(FailureKind::Unavailable)),
        (status(200, r#"{"access_token":"x"}"#), Ok(Verdict::Accepted)),
        (status(200, r#"{"access_token":"x","scope":"customerapi/basic.read"}"#), Err(FailureKind::Rejected)),
        (status(200, r#"{"access_token":""}"#), Err(FailureKind::Malformed)),
    ] {
        subject.faults().next(Operation::Token, fault.clone());
        let got = subject.provider.verify(&pair(&issued, &scopes)).await.map_err(|failure| failure.kind);
        assert_eq!(got, verdict, "{fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_may_not_manage_clients_is_reported_with_the_steps() -> Result<()> {
    let subject = start(|it| it.manage_by_client_credentials = false, |_| {}).await?;
    subject.provider.probe().await.map_err(shown)?;
    let words = "this login may not manage API clients: ";
    let create = subject.provider.created(&subject.request()).await;
    failed(create, FailureKind::Forbidden, words)?;
    let create = subject.provider.created(&subject.request()).await;
    failed(create, FailureKind::Forbidden, "store the bearer_token of a person")?;
    failed(subject.provider.find("kw").await, FailureKind::Forbidden, words)?;
    let target =
        RevokeRequest { client_id: "other".into(), ids: no_ids(), handle: None, ..RevokeRequest::default() };
    failed(subject.provider.revoke(&target).await, FailureKind::Forbidden, words)?;
    assert_eq!(subject.live().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn the_token_of_a_person_does_as_well() -> Result<()> {
    let person = |options: &mut Options| {
        options.manage_by_client_credentials = false;
        options.bearer_token = Some(BEARER_TOKEN.to_owned());
    };
    let subject = start(person, |_| {}).await?;
    subject.provider.probe().await.map_err(shown)?;
    assert_eq!(subject.provider.identity(), None);
    let request = subject.request();
    let issued = subject.provider.created(&request).await.map_err(shown)?;
    let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(subject.provider.find(&request.name).await.map_err(shown)?.len(), 1);
    assert_eq!(subject.provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
    assert_eq!(
        subject.simulator.record().arrived(Operation::Token),
        1,
        "none but the one that tried the pair"
    );
    Ok(())
}

#[tokio::test]
async fn the_token_of_a_person_that_has_run_out_is_told_from_other_failures() -> Result<()> {
    for there in [true, false] {
        let person = |options: &mut Options| {
            has(options, there);
            options.bearer_token = Some(BEARER_TOKEN.to_owned());
        };
        let subject = start(person, |_| {}).await?;
        subject.provider.probe().await.map_err(shown)?;
        for (code, kind, words) in [
            (401, FailureKind::LoginRefused, "store a fresh one"),
            (403, FailureKind::Forbidden, "the token's owner needs the permission Developer Portal (API)"),
            (429, FailureKind::RateLimited, "429"),
            (503, FailureKind::Unavailable, "503"),
        ] {
            subject.faults().every(Operation::List, Fault::status(code));
            if there || code != 403 {
                failed(subject.provider.probe().await, kind, words)?;
            } else {
                subject
                    .provider
                    .probe()
                    .await
                    .map_err(shown)
                    .context("some say 403 to a path that they do not have")?;
            }
            subject.faults().clear();
        }
        subject.faults().next(Operation::Create, Fault::status(401));
        let create = subject.provider.created(&subject.request()).await;
        failed(create, FailureKind::LoginRefused, "store a fresh one")?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_may_call_their_members_otherwise() -> Result<()> {
    let members = |wrapper: Option<&str>, items: Option<&str>, pair_only| {
        let [client_id, client_secret, name] = ["id", "secret", "label"].map(str::to_owned);
        let [wrapper, items] = [wrapper, items].map(|it| it.map(str::to_owned));
        Answers { client_id, id: None, client_secret, name, pair_only, wrapper, items }
    };
    let names = |names: [&str; 4]| {
        let [client_id, client_secret, name, items] = names.map(str::to_owned);
        ExpereoAnswer { client_id, id: String::new(), client_secret, name, items }
    };
    for (answers, names) in [
        (members(None, Some("results"), false), names(["id", "secret", "label", ""])),
        (members(None, None, true), names(["id", "secret", "label", ""])),
        (members(None, Some("clients"), true), names(["id", "secret", "label", "clients"])),
        (
            members(Some("client"), Some("all"), false),
            names(["/client/id", "/client/secret", "/client/label", "/all"]),
        ),
    ] {
        let looks = format!("{answers:?}");
        let change = |options: &mut Options| {
            options.answers = answers;
            options.created_status = StatusCode::OK;
        };
        let subject = start(change, |it| it.answer = names).await?;
        let request = subject.request();
        let issued = subject.provider.created(&request).await.map_err(shown).context(looks.clone())?;
        let record = subject.simulator.record();
        assert!(record.accepts(&issued.client_id, issued.client_secret.expose_secret()), "{looks}");
        let found = subject.provider.find(&subject.tag).await.map_err(shown)?;
        assert_eq!(found.len(), 1, "{looks}");
        assert_eq!((&found[0].name, &found[0].client_id), (&request.name, &issued.client_id));
    }
    Ok(())
}

#[tokio::test]
async fn a_client_is_deleted_by_what_the_provider_object_names() -> Result<()> {
    for wrapper in [None, Some("client".to_owned())] {
        let [id, client_id] =
            if wrapper.is_some() { ["/client/id", "/client/clientId"] } else { ["id", "clientId"] };
        let [client_secret, name] = if wrapper.is_some() {
            ["/client/clientSecret", "/client/apiClientName"]
        } else {
            ["clientSecret", "apiClientName"]
        };
        let [id, client_id, client_secret, name] = [id, client_id, client_secret, name].map(str::to_owned);
        let names = ExpereoAnswer { client_id, id, client_secret, name, items: String::new() };
        let change = |options: &mut Options| {
            options.answers.id = Some("id".to_owned());
            options.answers.wrapper = wrapper;
        };
        let subject = start(change, |it| it.answer = names).await?;
        let issued = subject.created().await?;
        let found = subject.provider.find(&subject.tag).await.map_err(shown)?;
        assert_eq!(found[0].ids, issued.ids, "what is found is deleted by the same");
        let by_client_id = RevokeRequest { ids: no_ids(), ..target(&issued) };
        assert_eq!(subject.provider.revoke(&by_client_id).await.map_err(shown)?, Revocation::NotFound);
        assert_eq!(subject.provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
        assert!(!subject.simulator.record().accepts(&issued.client_id, issued.client_secret.expose_secret()));
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_whose_members_are_called_otherwise_than_expected_is_malformed() -> Result<()> {
    let change = |options: &mut Options| options.answers.client_secret = "secret".to_owned();
    let subject = start(change, |_| {}).await?;
    let create = subject.provider.created(&subject.request()).await;
    failed(create, FailureKind::Malformed, "expereo.answer.clientSecret")?;
    let subject = start(|it| it.answers.items = Some("clients".to_owned()), |_| {}).await?;
    failed(subject.provider.find("kw").await, FailureKind::Malformed, "expereo.answer.items")
}

#[tokio::test]
async fn a_list_is_read_to_its_end_however_it_is_paged() -> Result<()> {
    let paging = |first, largest, total| Paging { first, largest, total, ..Paging::default() };
    let set_to = |page: &str, page_size: &str| {
        let [page, page_size] = [page, page_size].map(str::to_owned);
        ExpereoPaging { page, page_size }
    };
    let renamed = Paging { page: "p".into(), page_size: "n".into(), ..paging(1, 2, false) };
    for (of_provider, of_driver, requests) in [
        (paging(1, 50, true), set_to("page", "pageSize"), 1),
        (paging(1, 50, false), set_to("page", "pageSize"), 3),
        (paging(0, 50, false), set_to("page", "pageSize"), 3),
        (paging(1, 2, true), set_to("page", "pageSize"), 4),
        (paging(0, 2, true), set_to("page", "pageSize"), 3),
        (paging(1, 2, false), set_to("page", ""), 5),
        (paging(0, 2, false), set_to("page", ""), 4),
        (renamed, set_to("p", "n"), 5),
        (paging(1, 50, false), set_to("", ""), 1),
    ] {
        let looks = format!("{of_provider:?} {of_driver:?}");
        let subject = start(|it| it.paging = of_provider, |it| it.paging = of_driver).await?;
        for _ in 0..5 {
            subject.created().await?;
        }
        assert_eq!(subject.provider.find(&subject.tag).await.map_err(shown)?.len(), 5, "{looks}");
        assert_eq!(subject.simulator.record().arrived(Operation::List), requests, "{looks}");
    }
    Ok(())
}

/// A client that is not listed counts as missing.
#[tokio::test]
async fn a_list_that_is_not_whole_is_a_failure() -> Result<()> {
    let change = |options: &mut Options| {
        options.paging = Paging { page: "p".to_owned(), largest: 2, ..Paging::default() };
    };
    let subject = start(change, |_| {}).await?;
    subject.created().await?;
    subject.provider.find("kw").await.map_err(shown)?;
    subject.created().await?;
    failed(subject.provider.find("kw").await, FailureKind::Malformed, "correct expereo.paging")
}

#[tokio::test]
async fn a_list_that_never_ends_is_a_failure() -> Result<()> {
    let endless = Paging { endless: true, total: false, ..Paging::default() };
    let subject = start(|it| it.paging = endless, |_| {}).await?;
    failed(subject.provider.find("kw").await, FailureKind::Malformed, "does not end after 200 pages")?;
    assert_eq!(subject.simulator.record().arrived(Operation::List), 200);
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_enabled_and_missing_is_explained() -> Result<()> {
    for missing in [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED] {
        let change = |options: &mut Options| {
            options.no_list = Some(missing);
            options.no_delete = Some(StatusCode::METHOD_NOT_ALLOWED);
        };
        let enable = |it: &mut Expereo| (it.list, it.delete) = (Switch::Enabled, Switch::Enabled);
        let subject = start(change, enable).await?;
        let issued = subject.created().await?;
        let find = subject.provider.find("kw").await;
        failed(find, FailureKind::Unexplained, "set expereo.list: Disabled")?;
        let revoke = subject.provider.revoke(&target(&issued)).await;
        failed(revoke, FailureKind::Unexplained, "set expereo.delete: Disabled")?;
    }
    let subject = start(|_| {}, |it| it.clients_path = "/api-clients".to_owned()).await?;
    let create = subject.provider.created(&subject.request()).await;
    failed(create, FailureKind::Unexplained, "check expereo.baseUrl and expereo.clientsPath")
}

#[tokio::test]
async fn clients_may_be_elsewhere() -> Result<()> {
    let path = "/customer/v3/clients";
    let subject =
        start(|it| it.clients_path = path.to_owned(), |it| it.clients_path = path.to_owned()).await?;
    let issued = subject.created().await?;
    assert_eq!(subject.provider.find(&subject.tag).await.map_err(shown)?.len(), 1);
    assert_eq!(subject.provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
    Ok(())
}

#[tokio::test]
async fn an_id_that_would_be_another_path_is_never_revoked() -> Result<()> {
    let subject = start(|_| {}, |_| {}).await?;
    for client_id in ["..", "a/b"].map(str::to_owned) {
        let target = RevokeRequest { client_id, ids: no_ids(), handle: None, ..RevokeRequest::default() };
        failed(subject.provider.revoke(&target).await, FailureKind::Rejected, "revoke")?;
    }
    assert_eq!(subject.simulator.record().arrived(Operation::Delete), 0);
    Ok(())
}

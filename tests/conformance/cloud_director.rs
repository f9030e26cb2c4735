//! The peculiarities of Cloud Director: a create in two steps, 403 for missing objects, pages,
//! tasks, unique names, and sessions that end.

mod sessions;

use anyhow::{Context, Result};
use credwright::{
    api::{CloudDirector, ProviderSettings},
    providers::{FailureKind, Revocation, RevokeRequest, Verdict},
};
use credwright_simulator::{
    Clock, Fault, Login, Operation,
    cloud_director::{self, Options, Tasks},
};
use http::StatusCode;
use secrecy::ExposeSecret;

use crate::{
    cases::shown,
    subject::{Calls, Driver, Subject, loopback_allowed, no_ids, pair, target},
};

const ID_TOKEN: &str = "Canary-Id-Token";

pub(crate) async fn start() -> Result<Subject> {
    start_with(|_| {}, |_| {}).await
}

async fn start_with(
    change: impl FnOnce(&mut Options),
    set: impl FnOnce(&mut CloudDirector),
) -> Result<Subject> {
    let mut options = Options::new(Clock::real());
    change(&mut options);
    let org = options.org.clone();
    let simulator = cloud_director::start(options).await?;
    let mut block = CloudDirector { base_url: simulator.base_url(), org, ..Default::default() };
    set(&mut block);
    let settings = ProviderSettings { cloud_director: Some(block), ..Default::default() };
    let Login { client_id, client_secret } = simulator.login().clone();
    let login = vec![("username", client_id), ("password", client_secret)];
    Subject::new(Driver::CloudDirector, simulator, settings, login)
}

fn arrived(subject: &Subject, operation: Operation) -> usize {
    subject.simulator.record().arrived(operation)
}

#[tokio::test]
async fn a_workload_gets_all_that_it_needs() -> Result<()> {
    for status in [StatusCode::OK, StatusCode::CREATED] {
        let subject = start_with(|options| options.registered_status = status, |_| {}).await?;
        let issued = subject.created().await?;
        assert_eq!(issued.secret_aliases, ["refresh_token"]);
        assert_eq!(issued.ids["urn"], format!("urn:vcloud:token:{}", issued.client_id));
        let host = subject.simulator.base_url().replace("http://", "");
        let token_url = format!("http://{host}/oauth/tenant/acme/token");
        let expected = [("api_version", "37.3"), ("host", &host), ("org", "acme"), ("token_url", &token_url)];
        let fields: Vec<_> =
            issued.fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(fields, expected);
        assert!(subject.simulator.record().accepts(&issued.client_id, issued.client_secret.expose_secret()));
    }
    Ok(())
}

#[tokio::test]
async fn a_second_step_of_unknown_outcome_is_ambiguous_and_found() -> Result<()> {
    let subject = start().await?;
    for (fault, kind) in [
        (Fault::LostAnswer, FailureKind::Ambiguous),
        (Fault::TornBefore, FailureKind::Ambiguous),
        (Fault::CutBody, FailureKind::Ambiguous),
        (Fault::EndlessBody, FailureKind::Ambiguous),
        (Fault::status(504), FailureKind::Ambiguous),
        (Fault::status(302), FailureKind::Ambiguous),
        (Fault::StatusAfterEffect { code: 408, body: String::new() }, FailureKind::Ambiguous),
        (Fault::Malformed, FailureKind::Malformed),
        (Fault::EmptyBody, FailureKind::Malformed),
        (Fault::WrongContent, FailureKind::Malformed),
        (status(200, r#"{"access_token":"x","refresh_token":null}"#), FailureKind::Malformed),
        (status(200, r#"{"access_token":"x","refresh_token":""}"#), FailureKind::Malformed),
    ] {
        let request = subject.request();
        let sent = arrived(&subject, Operation::Exchange);
        subject.faults().next(Operation::Exchange, fault.clone());
        let failure = subject.provider.created(&request).await.err().context("it did not fail")?;
        assert_eq!(failure.kind, kind, "{fault:?}: {}", failure.message);
        assert_eq!(arrived(&subject, Operation::Exchange), sent + 1, "{fault:?}: sent once");
        let found = subject.provider.find(&request.name).await.map_err(shown)?;
        assert_eq!(found.len(), 1, "{fault:?}");
        let target = RevokeRequest {
            client_id: found[0].client_id.clone(),
            ids: found[0].ids.clone(),
            handle: None,
            ..RevokeRequest::default()
        };
        assert_eq!(subject.provider.revoke(&target).await.map_err(shown)?, Revocation::Revoked);
    }
    assert_eq!(subject.live().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_second_step_that_is_refused_takes_the_first_one_back() -> Result<()> {
    for tasks in [None, Some(Tasks { looks: 2, fails: false })] {
        let subject = start_with(|options| options.tasks = tasks, |_| {}).await?;
        for (code, kind) in [
            (400, FailureKind::Unexplained),
            (401, FailureKind::LoginRefused),
            (403, FailureKind::Forbidden),
            (404, FailureKind::Unexplained),
            (409, FailureKind::Unexplained),
            (429, FailureKind::RateLimited),
        ] {
            subject.faults().every(Operation::Exchange, Fault::status(code));
            let failure = subject.refused().await?;
            assert_eq!(failure.kind, kind, "{code}: {}", failure.message);
            assert_eq!(subject.live().await?, [""; 0], "{code}");
            subject.faults().clear();
        }
        assert_eq!(subject.simulator.record().created_count(), 6);
    }
    Ok(())
}

#[tokio::test]
async fn a_first_step_that_cannot_be_taken_back_is_ambiguous() -> Result<()> {
    let subject = start().await?;
    for fault in [Fault::status(500), Fault::status(403), Fault::status(429), Fault::TornBefore] {
        let before = subject.live().await?.len();
        subject.faults().every(Operation::Exchange, Fault::status(400));
        subject.faults().every(Operation::Delete, fault.clone());
        let failure = subject.refused().await?;
        assert_eq!(failure.kind, FailureKind::Ambiguous, "{fault:?}");
        assert!(failure.message.contains("; it was not deleted again: "), "{}", failure.message);
        assert_eq!(subject.live().await?.len(), before + 1, "{fault:?}");
        subject.faults().clear();
    }
    Ok(())
}

#[tokio::test]
async fn leftovers_of_a_crash_between_the_two_steps_are_found_and_revoked() -> Result<()> {
    let subject = start().await?;
    let gate = subject.faults().gate_before(Operation::Exchange);
    let request = subject.request();
    tokio::select! {
        _ = subject.provider.created(&request) => anyhow::bail!("the gate was open"),
        () = gate.wait_arrived() => {}
    }
    let afterwards = subject.rebuilt(&subject.login, &loopback_allowed())?;
    let found = afterwards.find(&request.name).await.map_err(shown)?;
    let [found] = &found[..] else { anyhow::bail!("found {found:?}") };
    let target = RevokeRequest {
        client_id: found.client_id.clone(),
        ids: found.ids.clone(),
        handle: None,
        ..RevokeRequest::default()
    };
    assert_eq!(afterwards.revoke(&target).await.map_err(shown)?, Revocation::Revoked);
    gate.release();
    assert_eq!(subject.live().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict_whatever_the_status() -> Result<()> {
    for status in [StatusCode::CONFLICT, StatusCode::BAD_REQUEST] {
        let subject = start_with(|options| options.duplicate_status = status, |_| {}).await?;
        let request = subject.request();
        subject.provider.created(&request).await.map_err(shown)?;
        let failure = subject.provider.created(&request).await.err().context("it did not fail")?;
        assert_eq!(failure.kind, FailureKind::Conflict, "{status}: {}", failure.message);
        assert_eq!(subject.live().await?.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn an_identity_providers_token_logs_in_too() -> Result<()> {
    let subject = start_with(|options| options.id_token = Some(ID_TOKEN.into()), |_| {}).await?;
    let login = |token: &str| [("id_token".to_owned(), token.to_owned().into())].into();
    let provider = subject.rebuilt(&login(ID_TOKEN), &loopback_allowed())?;
    assert_eq!(provider.identity(), None);
    let request = subject.request();
    let issued = provider.created(&request).await.map_err(shown)?;
    assert_eq!(provider.find(&request.name).await.map_err(shown)?.len(), 1);
    assert_eq!(provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);

    let expired = subject.rebuilt(&login("Canary-Expired"), &loopback_allowed())?;
    let failure = expired.probe().await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::LoginRefused);
    assert!(failure.message.contains("may have expired") && !failure.message.contains("Canary"));
    Ok(())
}

#[tokio::test]
async fn the_right_that_a_login_lacks_for_tokens_is_named() -> Result<()> {
    let subject = start_with(|options| options.may_manage_tokens = false, |_| {}).await?;
    subject.provider.probe().await.map_err(shown)?;
    let failure = subject.refused().await?;
    assert_eq!(failure.kind, FailureKind::Forbidden);
    for part in ["Manage user's own API token", "rights bundle", "must not be that of an API token"] {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
    Ok(())
}

#[tokio::test]
async fn the_version_that_is_asked_for_must_be_offered() -> Result<()> {
    let subject = start_with(|_| {}, |block| block.api_version = Some("37.0".into())).await?;
    assert_eq!(subject.created().await?.fields["api_version"], "37.0");
    let subject = start_with(|_| {}, |block| block.api_version = Some("38.0".into())).await?;
    let probed = subject.provider.probe().await.err().context("it did not fail")?;
    let (own, unsent) = (FailureKind::Rejected, FailureKind::Unavailable);
    for (failure, kind) in [(probed, own), (subject.refused().await?, unsent)] {
        assert_eq!(failure.kind, kind);
        let offered = "it offers 35.2 (deprecated), 36.3, 37.0, 37.3";
        assert!(failure.message.ends_with(offered), "{}", failure.message);
    }
    assert_eq!(arrived(&subject, Operation::Token), 0);
    Ok(())
}

#[tokio::test]
async fn an_organization_is_acted_in_by_its_bare_id() -> Result<()> {
    let id = "6e9d5cb4-0000-4000-8000-000000000000";
    let demanding = |options: &mut Options| {
        options.org_id = id.to_owned();
        options.demands_context = true;
    };
    let subject = start_with(demanding, |block| block.org_id = Some(id.to_owned())).await?;
    let issued = subject.created().await?;
    assert_eq!(subject.provider.find(&subject.tag).await.map_err(shown)?.len(), 1);
    assert_eq!(subject.provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);

    let subject = start_with(demanding, |_| {}).await?;
    let failure = subject.provider.find("kw").await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Forbidden);
    Ok(())
}

#[tokio::test]
async fn the_providers_own_organization_has_other_paths() -> Result<()> {
    let subject = start_with(|options| options.org = "System".into(), |_| {}).await?;
    let issued = subject.created().await?;
    assert!(issued.fields["token_url"].ends_with("/oauth/provider/token"));
    let verdict = subject.provider.verify(&pair(&issued, &[])).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(subject.provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
    Ok(())
}

#[tokio::test]
async fn a_missing_object_is_told_from_a_forbidden_one() -> Result<()> {
    let subject = start().await?;
    let issued = subject.created().await?;
    for code in [403, 404] {
        subject.faults().next(Operation::Delete, Fault::status(code));
        let failure = subject.provider.revoke(&target(&issued)).await.err().context("it did not fail")?;
        assert_eq!(failure.kind, FailureKind::Forbidden, "{}", failure.message);
    }
    let client_id = "00000000-0000-4000-8000-000000000000".to_owned();
    let missing = RevokeRequest { client_id, ids: no_ids(), handle: None, ..RevokeRequest::default() };
    assert_eq!(subject.provider.revoke(&missing).await.map_err(shown)?, Revocation::NotFound);
    subject.faults().next(Operation::List, Fault::status(500));
    let failure = subject.provider.revoke(&missing).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Unavailable, "what cannot be looked up is not missing");
    assert_eq!(subject.live().await?.len(), 1);

    let elsewhere = RevokeRequest {
        client_id: "../sessions".into(),
        ids: no_ids(),
        handle: None,
        ..RevokeRequest::default()
    };
    let failure = subject.provider.revoke(&elsewhere).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    Ok(())
}

#[tokio::test]
async fn every_page_is_read_and_only_our_own_tokens() -> Result<()> {
    for links in [true, false] {
        let other = Login { client_id: "other;user".into(), client_secret: "secret".into() };
        let others = vec![other.clone()];
        let subject = start_with(
            |options| {
                options.links = links;
                options.others = others;
            },
            |_| {},
        )
        .await?;
        let login = [("username", other.client_id), ("password", other.client_secret)]
            .map(|(key, value)| (key.to_owned(), value.into()));
        let stranger = subject.rebuilt(&login.into(), &loopback_allowed())?;
        for _ in 0..130 {
            subject.created().await?;
        }
        let theirs = stranger.created(&subject.request()).await.map_err(shown)?;
        assert_eq!(subject.provider.find(&subject.tag).await.map_err(shown)?.len(), 130, "links: {links}");
        assert_eq!(arrived(&subject, Operation::List), 2);
        let found = stranger.find(&subject.tag).await.map_err(shown)?;
        assert_eq!(found.len(), 1, "with a name that has to be escaped");
        assert_eq!(found[0].client_id, theirs.client_id);
        assert_eq!(subject.provider.revoke(&target(&theirs)).await.map_err(shown)?, Revocation::NotFound);
    }
    Ok(())
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_misses_nothing() -> Result<()> {
    let subject = start().await?;
    let first = subject.created().await?;
    for _ in 1..130 {
        subject.created().await?;
    }
    // What is on the second page moves to the first one when an entry of that goes.
    let gate = subject.faults().gate_after(Operation::List);
    let between = async {
        gate.wait_arrived().await;
        let revoked = subject.provider.revoke(&target(&first)).await;
        gate.release();
        revoked
    };
    let (found, revoked) = tokio::join!(subject.provider.find(&subject.tag), between);
    assert_eq!(revoked.map_err(shown)?, Revocation::Revoked);
    let mut found: Vec<String> = found.map_err(shown)?.into_iter().map(|it| it.name).collect();
    let mut live = subject.live().await?;
    found.sort_unstable();
    live.sort_unstable();
    assert_eq!(found, live);
    Ok(())
}

#[tokio::test]
async fn a_delete_that_is_a_task_is_watched_to_its_end() -> Result<()> {
    let subject = start_with(|it| it.tasks = Some(Tasks { looks: 3, fails: false }), |_| {}).await?;
    let issued = subject.created().await?;
    assert_eq!(subject.provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
    assert_eq!(subject.live().await?, [""; 0]);

    let subject = start_with(|it| it.tasks = Some(Tasks { looks: 1, fails: true }), |_| {}).await?;
    let issued = subject.created().await?;
    let failure = subject.provider.revoke(&target(&issued)).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.ends_with("ended as error"), "{}", failure.message);
    Ok(())
}

#[tokio::test]
async fn a_task_of_another_server_is_not_read() -> Result<()> {
    let (subject, elsewhere) = (start().await?, start().await?);
    let issued = subject.created().await?;
    let base = elsewhere.simulator.base_url();
    let own = subject.simulator.base_url();
    for location in [Some(format!("{base}/api/task/1")), Some(format!("{own}/api/admin")), None] {
        let headers = location.into_iter().map(|location| ("location".to_owned(), location)).collect();
        let seen = subject.simulator.record().requests().len();
        subject.faults().next(Operation::Delete, Fault::Status { code: 202, headers, body: String::new() });
        let failure = subject.provider.revoke(&target(&issued)).await.err().context("it did not fail")?;
        assert_eq!(failure.kind, FailureKind::Unavailable, "{}", failure.message);
        assert_eq!(subject.simulator.record().requests().len(), seen + 1, "nothing but the delete");
    }
    assert_eq!(elsewhere.simulator.record().requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_verdict_is_about_the_token_and_not_about_the_request() -> Result<()> {
    let subject = start().await?;
    let issued = subject.created().await?;
    let verify = async || {
        let verdict = subject.provider.verify(&pair(&issued, &[])).await;
        verdict.map_err(|failure| failure.kind)
    };
    let token = |refresh| format!(r#"{{"access_token":"x","refresh_token":{refresh}}}"#);
    let same = format!("\"{}\"", issued.client_secret.expose_secret());
    for (fault, verdict) in [
        (status(400, r#"{"minorErrorCode":"invalid_grant"}"#), Ok(Verdict::Refused)),
        (status(401, r#"{"minorErrorCode":"invalid_grant"}"#), Ok(Verdict::Refused)),
        (status(401, ""), Ok(Verdict::Refused)),
        (status(400, r#"{"error":"unsupported_grant_type"}"#), Err(FailureKind::Rejected)),
        (status(404, ""), Err(FailureKind::Unexplained)),
        (status(403, ""), Err(FailureKind::Forbidden)),
        (status(200, &token("null")), Ok(Verdict::Accepted)),
        (status(200, &token(&same)), Ok(Verdict::Accepted)),
        (status(200, &token("\"another\"")), Err(FailureKind::Malformed)),
        (status(200, r#"{"access_token":""}"#), Err(FailureKind::Malformed)),
        (status(200, r#"{"message":"fine"}"#), Err(FailureKind::Malformed)),
    ] {
        subject.faults().next(Operation::Token, fault.clone());
        assert_eq!(verify().await, verdict, "{fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn no_failure_of_the_second_step_shows_a_secret() -> Result<()> {
    let subject = start().await?;
    let secrets = subject.login_secrets();
    for code in [200, 302, 400, 403, 500] {
        let body = format!(r#"{{"error":"{0}","minorErrorCode":"Canary","message":"{0}"}}"#, secrets[0]);
        subject.faults().every(Operation::Exchange, status(code, &body));
        let text = format!("{:?}", subject.refused().await?);
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        subject.faults().clear();
    }
    Ok(())
}

fn status(code: u16, body: &str) -> Fault {
    Fault::Status { code, headers: vec![], body: body.to_owned() }
}

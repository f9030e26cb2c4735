//! The cases that every driver has to pass.

use anyhow::{Context, Result};
use credwright::{
    lifecycle::render::DRIVERS_KEYS,
    providers::{Failure, FailureKind, RetryAfter, Revocation, Verdict, registry::EgressPolicy},
};
use credwright_simulator::{Fault, Matching, Operation, Outcome, RetryAfter as Asked};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::subject::{Calls, Driver, Subject, loopback_allowed, pair, target, wrong_pair};

/// The failure, where there has to be one.
pub(crate) fn failed<T>(result: Result<T, Failure>) -> Result<Failure> {
    result.err().context("it did not fail")
}

pub(crate) async fn a_created_credential_is_found_by_its_name(subject: Subject) -> Result<()> {
    let request = subject.request();
    let issued = subject.provider.created(&request).await.map_err(shown)?;
    subject.created().await?;
    let found = subject.provider.find(&request.name).await.map_err(shown)?;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].name, &found[0].client_id), (&request.name, &issued.client_id));
    assert_eq!(found[0].ids, issued.ids);
    assert_eq!(subject.provider.find(&subject.tag).await.map_err(shown)?.len(), 2);
    assert_eq!(subject.provider.find("kw-of-somebody-else").await.map_err(shown)?, []);
    Ok(())
}

pub(crate) async fn what_was_created_is_accepted(subject: Subject) -> Result<()> {
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    assert_eq!(subject.live().await?, [request.name.as_str()]);
    assert!(issued.fields["token_url"].starts_with(&subject.simulator.base_url()));
    for key in issued.fields.keys().chain(&issued.secret_aliases) {
        assert!(DRIVERS_KEYS.contains(&key.as_str()), "a template that names {key} is refused beforehand");
    }
    let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted);
    let verdict = subject.provider.verify(&wrong_pair(&issued, &request.scopes)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Refused);
    Ok(())
}

pub(crate) async fn a_revoked_credential_is_refused_and_revoking_twice_is_fine(
    subject: Subject,
) -> Result<()> {
    let request = subject.request();
    let issued = subject.provider.created(&request).await.map_err(shown)?;
    let target = target(&issued);
    assert_eq!(subject.provider.revoke(&target).await.map_err(shown)?, Revocation::Revoked);
    assert_eq!(subject.live().await?, [""; 0]);
    let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Refused);
    assert_eq!(subject.provider.revoke(&target).await.map_err(shown)?, Revocation::NotFound);
    Ok(())
}

pub(crate) async fn the_login_is_probed(subject: Subject) -> Result<()> {
    subject.provider.probe().await.map_err(shown)?;
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 0);
    subject.simulator.stop().await;
    let failure = failed(subject.provider.probe().await)?;
    assert_eq!(failure.kind, FailureKind::Unavailable);
    subject.simulator.start_again().await?;
    subject.provider.probe().await.map_err(shown)
}

pub(crate) async fn a_wrong_login_is_refused(subject: Subject) -> Result<()> {
    let stranger = subject.rebuilt(&subject.wrong_login(), &loopback_allowed())?;
    let failure = failed(stranger.created(&subject.request()).await)?;
    assert_eq!(failure.kind, FailureKind::LoginRefused, "{}", failure.message);
    assert!(!failure.message.contains("Canary"), "{}", failure.message);
    assert_eq!(subject.live().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn one_access_token_serves_many_calls_until_it_dies(subject: Subject) -> Result<()> {
    let arrived = |it| subject.simulator.record().arrived(it);
    let (one, two) = tokio::join!(subject.created(), subject.created());
    one.and(two)?;
    if subject.provider.capabilities().can_list() {
        subject.provider.find("kw").await.map_err(shown)?;
    }
    assert_eq!(arrived(Operation::Token), 1);
    subject.simulator.clock().advance(std::time::Duration::from_hours(1));
    subject.created().await?;
    let calls = (arrived(Operation::Token), arrived(Operation::Create));
    assert_eq!(calls, (2, 4), "the third create is refused, then made");
    assert_eq!(subject.live().await?.len(), 3);
    Ok(())
}

pub(crate) async fn a_failed_login_of_a_create_means_that_nothing_was_created(
    subject: Subject,
) -> Result<()> {
    let mut rows = vec![
        (Fault::LostAnswer, FailureKind::Unavailable),
        (Fault::WrongContent, FailureKind::Unavailable),
        (Fault::status(500), FailureKind::Unavailable),
        (Fault::status(302), FailureKind::Unavailable),
        (Fault::status(409), FailureKind::Unavailable),
        (Fault::status(404), FailureKind::Unavailable),
        (Fault::status(429), FailureKind::RateLimited),
    ];
    if subject.driver == Driver::CloudDirector {
        // The session is in a header, whatever the body.
        rows.push((Fault::status(403), FailureKind::LoginRefused));
    } else {
        let unreadable = [Fault::CutBody, Fault::Malformed, Fault::EndlessBody];
        rows.extend(unreadable.map(|it| (it, FailureKind::Unavailable)));
        rows.push((Fault::status(400), FailureKind::LoginRefused));
    }
    for (fault, kind) in rows {
        subject.faults().every(Operation::Token, fault.clone());
        let failure = subject.refused().await?;
        assert_eq!(failure.kind, kind, "{fault:?}: {}", failure.message);
        subject.faults().clear();
    }
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 0);
    Ok(())
}

/// A delay in seconds, and a long one in hours: those that follow from a date differ by how long
/// the test takes.
fn rounded(asked: RetryAfter) -> i64 {
    match asked {
        RetryAfter::Delay(delay) if delay.as_hours() > 1 => delay.as_hours(),
        RetryAfter::Delay(delay) => delay.as_secs(),
        RetryAfter::At(at) => at.as_second(),
    }
}

pub(crate) async fn a_429_is_obeyed_with_its_delay(subject: Subject) -> Result<()> {
    let instant: Timestamp = "2030-01-01T00:00:00Z".parse()?;
    // A date is read by the clock of who wrote it, which the answer's `Date` tells: here the real
    // one.
    let by_date = instant.duration_since(Timestamp::now());
    let able = subject.provider.capabilities();
    for (asked, understood) in [
        (Asked::Seconds(7), Some(RetryAfter::Delay(SignedDuration::from_secs(7)))),
        (Asked::Date(instant), Some(RetryAfter::Delay(by_date))),
        (Asked::Absent, subject.wait_by_default()),
    ] {
        let request = subject.request();
        let issued = subject.issue(&request).await?;
        for (operation, is_there) in [
            (Operation::Create, !able.is_by_hand()),
            (Operation::Delete, able.can_revoke()),
            (Operation::Token, able.verify),
            (Operation::List, able.can_list()),
        ] {
            if !is_there {
                continue;
            }
            // Once is not enough: it is sent again in its next turn, if that is soon.
            let matching =
                if operation == Operation::Token { operation.by_others() } else { operation.into() };
            subject.faults().every(matching, Fault::rate_limited(asked));
            let failure = match operation {
                Operation::Create => subject.refused().await?,
                Operation::Delete => failed(subject.provider.revoke(&target(&issued)).await)?,
                Operation::Token => failed(subject.provider.verify(&pair(&issued, &request.scopes)).await)?,
                _ => failed(subject.provider.find("kw").await)?,
            };
            subject.faults().clear();
            let told = failure.retry_after.map(rounded);
            assert_eq!((failure.kind, told), (FailureKind::RateLimited, understood.map(rounded)));
        }
    }
    assert_eq!(subject.live().await?.len(), 3);
    Ok(())
}

pub(crate) async fn a_create_whose_answer_is_lost_is_ambiguous(subject: Subject) -> Result<()> {
    for (fault, made) in [
        (Fault::LostAnswer, 1),
        (Fault::CutBody, 1),
        (Fault::TornBefore, 0),
        (Fault::StatusAfterEffect { code: 500, body: String::new() }, 1),
        (Fault::StatusAfterEffect { code: 503, body: "<html>".into() }, 1),
        (Fault::StatusAfterEffect { code: 408, body: String::new() }, 1),
        (Fault::StatusAfterEffect { code: 302, body: String::new() }, 1),
        (Fault::status(504), 0),
        (Fault::EndlessBody, 1),
    ] {
        let before = subject.live().await?.len();
        let sent = subject.simulator.record().arrived(Operation::Create);
        subject.faults().next(Operation::Create, fault.clone());
        let failure = subject.refused().await?;
        assert_eq!(failure.kind, FailureKind::Ambiguous, "{fault:?}: {}", failure.message);
        assert_eq!(subject.simulator.record().arrived(Operation::Create), sent + 1, "{fault:?}: sent once");
        assert_eq!(subject.live().await?.len(), before + made, "{fault:?}");
    }
    Ok(())
}

pub(crate) async fn a_create_whose_answer_is_lost_is_found(subject: Subject) -> Result<()> {
    let request = subject.request();
    subject.faults().next(Operation::Create, Fault::LostAnswer);
    let failure = failed(subject.provider.created(&request).await)?;
    assert_eq!(failure.kind, FailureKind::Ambiguous);
    let found = subject.provider.find(&request.name).await.map_err(shown)?;
    assert_eq!(found.len(), 1);
    let target = credwright::providers::RevokeRequest {
        client_id: found[0].client_id.clone(),
        ids: found[0].ids.clone(),
        ..Default::default()
    };
    assert_eq!(subject.provider.revoke(&target).await.map_err(shown)?, Revocation::Revoked);
    assert_eq!(subject.live().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn an_answer_that_cannot_be_read_is_malformed(subject: Subject) -> Result<()> {
    for fault in [Fault::Malformed, Fault::EmptyBody, Fault::WrongContent] {
        subject.faults().next(Operation::Create, fault.clone());
        let failure = subject.refused().await?;
        assert_eq!(failure.kind, FailureKind::Malformed, "{fault:?}: {}", failure.message);
    }
    assert_eq!(subject.live().await?.len(), 3);
    Ok(())
}

pub(crate) async fn a_refused_create_makes_nothing(subject: Subject) -> Result<()> {
    // Twice, for those who try again with a fresh token.
    for (code, kind) in [
        (400, FailureKind::Unexplained),
        (401, FailureKind::LoginRefused),
        (403, FailureKind::Forbidden),
        (404, FailureKind::Unexplained),
        (409, FailureKind::Conflict),
        (422, FailureKind::Unexplained),
    ] {
        subject.faults().every(Operation::Create, Fault::status(code));
        let failure = subject.refused().await?;
        assert_eq!(failure.kind, kind, "{code}");
        subject.faults().clear();
    }
    assert_eq!(subject.live().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn a_create_that_is_never_sent_is_not_ambiguous(subject: Subject) -> Result<()> {
    subject.simulator.stop().await;
    let failure = subject.refused().await?;
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains(" refuses connections (it is reached directly"), "{}", failure.message);
    let hint = "--provider-proxy names a proxy, and HTTPS_PROXY is not used)";
    assert!(failure.message.ends_with(hint), "{}", failure.message);
    subject.simulator.start_again().await?;
    let mut request = subject.request();
    request.subnets = vec!["203.0.113.0/24".into()];
    assert_eq!(failed(subject.provider.created(&request).await)?.kind, FailureKind::Rejected);
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 0);
    Ok(())
}

pub(crate) async fn a_redirect_is_not_followed(subject: Subject) -> Result<()> {
    let elsewhere = Subject::start(subject.driver).await?;
    let location = ("location".to_owned(), format!("{}/elsewhere", elsewhere.simulator.base_url()));
    for code in [301, 302, 307, 308] {
        let redirect = Fault::Status { code, headers: vec![location.clone()], body: String::new() };
        subject.faults().next(Operation::Create, redirect);
        let failure = subject.refused().await?;
        assert_eq!(failure.kind, FailureKind::Ambiguous);
        assert!(failure.message.contains("redirects are not followed"), "{}", failure.message);
    }
    assert_eq!(elsewhere.simulator.record().requests().len(), 0);
    Ok(())
}

pub(crate) async fn a_token_request_does_not_follow_redirects(subject: Subject) -> Result<()> {
    let elsewhere = Subject::start(subject.driver).await?;
    let location = ("location".to_owned(), format!("{}/elsewhere", elsewhere.simulator.base_url()));
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    for code in [301, 302, 307, 308] {
        let redirect = Fault::Status { code, headers: vec![location.clone()], body: String::new() };
        subject.faults().next(Operation::Token, redirect);
        let failure = failed(subject.provider.verify(&pair(&issued, &request.scopes)).await)?;
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(failure.message.contains("redirects are not followed"), "{}", failure.message);
    }
    assert_eq!(elsewhere.simulator.record().requests().len(), 0);
    Ok(())
}

pub(crate) async fn nothing_goes_to_loopback_or_unencrypted_without_the_flag(subject: Subject) -> Result<()> {
    for private_allowed in [false, true] {
        let guarded =
            subject.rebuilt(&subject.login, &EgressPolicy { private_allowed, ..EgressPolicy::default() })?;
        let use_it = match guarded.capabilities().is_by_hand() {
            true => failed(guarded.verify(&subject.invented_pair()).await)?,
            false => failed(guarded.created(&subject.request()).await)?,
        };
        for failure in [failed(guarded.probe().await)?, use_it] {
            assert_eq!(failure.kind, FailureKind::Unavailable);
            let advice = "start Credwright with --allow-egress 127.0.0.0/8 if this is meant";
            assert!(failure.message.ends_with(advice), "{}", failure.message);
        }
    }
    assert_eq!(subject.simulator.record().requests().len(), 0);
    Ok(())
}

pub(crate) async fn an_endless_answer_ends(subject: Subject) -> Result<()> {
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    subject.faults().next(Operation::Token, Fault::EndlessBody);
    let failure = failed(subject.provider.verify(&pair(&issued, &request.scopes)).await)?;
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("is longer than"), "{}", failure.message);
    Ok(())
}

pub(crate) async fn what_is_no_answer_proves_nothing_of_a_pair(subject: Subject) -> Result<()> {
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    for (fault, kind) in [
        (Fault::Malformed, FailureKind::Malformed),
        (Fault::EmptyBody, FailureKind::Malformed),
        (Fault::WrongContent, FailureKind::Malformed),
        (Fault::status(404), FailureKind::Unexplained),
        (Fault::status(500), FailureKind::Unavailable),
        (Fault::status(503), FailureKind::Unavailable),
    ] {
        subject.faults().next(Operation::Token, fault.clone());
        let failure = failed(subject.provider.verify(&pair(&issued, &request.scopes)).await)?;
        assert_eq!(failure.kind, kind, "{fault:?}: {}", failure.message);
    }
    Ok(())
}

pub(crate) async fn a_torn_token_request_is_sent_again(subject: Subject) -> Result<()> {
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    subject.faults().next(Operation::Token, Fault::TornBefore);
    let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted, "after a second try");
    Ok(())
}

pub(crate) async fn a_revocation_is_not_sent_twice(subject: Subject) -> Result<()> {
    let issued = subject.issue(&subject.request()).await?;
    subject.faults().next(Operation::Delete, Fault::LostAnswer);
    let failure = failed(subject.provider.revoke(&target(&issued)).await)?;
    assert_eq!(failure.kind, FailureKind::Unavailable);
    let sent = subject.simulator.record().endings();
    assert_eq!(sent.get(&(Operation::Delete, Outcome::Torn)), Some(&1));
    assert_eq!(subject.simulator.record().arrived(Operation::Delete), 1);
    Ok(())
}

/// F35: the provider repeats in its errors what it was sent.
pub(crate) async fn no_failure_shows_a_secret(subject: Subject) -> Result<()> {
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    let by_hand = subject.provider.capabilities().is_by_hand();
    let mut secrets = subject.login_secrets();
    secrets.push(issued.client_secret.expose_secret().to_owned());
    secrets.extend(issued.handle.as_ref().map(|handle| handle.expose_secret().to_owned()));
    secrets.push("canary-7f3a".to_owned());
    let echo = |code| Fault::Status {
        code,
        headers: vec![("location".into(), "http://127.0.0.1:9/?secret=canary-7f3a".into())],
        body: format!(
            r#"{{"error":"{0}","error_description":"{0}","message":"{0}","minorErrorCode":"{0}"}}"#,
            secrets.join(" canary-7f3a ")
        ),
    };
    let mut messages = vec![];
    for fault in [
        echo(200),
        echo(302),
        echo(400),
        echo(401),
        echo(403),
        echo(404),
        echo(500),
        Fault::CutBody,
        Fault::LostAnswer,
        // Last: it may be a reason to call no more.
        echo(429),
    ] {
        subject.faults().every(Matching::any(), fault.clone());
        messages.extend(subject.provider.probe().await.err());
        messages.extend(subject.provider.verify(&pair(&issued, &request.scopes)).await.err());
        if !by_hand {
            messages.extend(subject.provider.created(&subject.request()).await.err());
            messages.extend(subject.provider.find("kw").await.err());
            messages.extend(subject.provider.revoke(&target(&issued)).await.err());
        }
        subject.faults().clear();
    }
    subject.simulator.stop().await;
    messages.extend(subject.provider.created(&subject.request()).await.err());
    messages.extend(subject.provider.verify(&subject.invented_pair()).await.err());
    let least = if by_hand { 12 } else { 30 };
    assert!(messages.len() > least, "{}", messages.len());
    for failure in messages {
        let text = format!("{failure:?}");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
    Ok(())
}

/// A failure that should not be, as an error of the test.
pub(crate) fn shown(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{:?}: {}", failure.kind, failure.message)
}

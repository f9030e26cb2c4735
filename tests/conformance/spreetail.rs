//! The peculiarities of Spreetail: access tokens for our own calls, an expiry, a list that includes
//! our login.

use anyhow::{Context, Result};
use credwright::providers::{FailureKind, Revocation, RevokeRequest, Verdict};
use credwright_simulator::{Fault, Operation};
use jiff::SignedDuration;

use crate::{
    cases::shown,
    subject::{Calls, Driver, Subject, in_a_month, no_ids, pair},
};

async fn start() -> Result<Subject> {
    Subject::start(Driver::Spreetail).await
}

#[tokio::test]
async fn one_access_token_serves_many_calls() -> Result<()> {
    let subject = start().await?;
    let (one, two) = (subject.request(), subject.request());
    let (one, two) = tokio::join!(subject.provider.created(&one), subject.provider.created(&two));
    one.and(two).map_err(shown)?;
    subject.provider.find("kw").await.map_err(shown)?;
    assert_eq!(subject.simulator.record().arrived(Operation::Token), 1);
    Ok(())
}

#[tokio::test]
async fn a_dead_access_token_is_replaced_and_the_create_made_once() -> Result<()> {
    let subject = start().await?;
    subject.provider.probe().await.map_err(shown)?;
    subject.simulator.clock().advance(std::time::Duration::from_hours(2));
    subject.provider.created(&subject.request()).await.map_err(shown)?;
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 2, "refused, then made");
    assert_eq!(subject.live().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_failed_token_call_of_a_create_means_that_nothing_was_created() -> Result<()> {
    let subject = start().await?;
    for (fault, kind) in [
        (Fault::LostAnswer, FailureKind::Unavailable),
        (Fault::CutBody, FailureKind::Unavailable),
        (Fault::Malformed, FailureKind::Unavailable),
        (Fault::WrongContent, FailureKind::Unavailable),
        (Fault::EndlessBody, FailureKind::Unavailable),
        (Fault::status(500), FailureKind::Unavailable),
        (Fault::status(302), FailureKind::Unavailable),
        (Fault::status(409), FailureKind::Unavailable),
        (Fault::status(404), FailureKind::Unavailable),
        (Fault::status(400), FailureKind::LoginRefused),
        (Fault::status(429), FailureKind::RateLimited),
    ] {
        subject.faults().every(Operation::Token, fault.clone());
        let failure = subject.provider.created(&subject.request()).await.err().context("it did not fail")?;
        assert_eq!(failure.kind, kind, "{fault:?}: {}", failure.message);
        subject.faults().clear();
    }
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 0);
    Ok(())
}

#[tokio::test]
async fn an_expiry_is_asked_for_and_enforced() -> Result<()> {
    let subject = start().await?;
    let mut request = subject.request();
    request.expires_at = Some(in_a_month());
    let issued = subject.provider.created(&request).await.map_err(shown)?;
    let difference = issued.expires_at.context("no expiry")?.duration_since(in_a_month()).abs();
    assert!(difference < SignedDuration::from_secs(5));
    subject.simulator.clock().advance(std::time::Duration::from_hours(721));
    let verdict = subject.provider.verify(&pair(&issued, &[])).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Refused);
    Ok(())
}

#[tokio::test]
async fn our_own_login_is_never_revoked() -> Result<()> {
    let subject = start().await?;
    let client_id = subject.provider.identity().context("no identity")?.to_owned();
    let target = RevokeRequest { client_id, ids: no_ids(), handle: None };
    let failure = subject.provider.revoke(&target).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert_eq!(subject.simulator.record().arrived(Operation::Delete), 0);
    subject.provider.probe().await.map_err(shown)
}

#[tokio::test]
async fn scopes_are_refused_rather_than_dropped() -> Result<()> {
    let subject = start().await?;
    let mut request = subject.request();
    request.scopes = vec!["BasicRead".into()];
    let failure = subject.provider.created(&request).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert_eq!(subject.simulator.record().arrived(Operation::Create), 0);
    Ok(())
}

#[tokio::test]
async fn a_credential_goes_by_its_client_id_and_not_by_its_other_id() -> Result<()> {
    let subject = start().await?;
    let issued = subject.provider.created(&subject.request()).await.map_err(shown)?;
    let other = issued.ids["credentialId"].clone();
    assert_ne!(other, issued.client_id);
    let confused = RevokeRequest { client_id: other, ids: issued.ids.clone(), handle: None };
    let revocation = subject.provider.revoke(&confused).await.map_err(shown)?;
    assert_eq!((revocation, subject.live().await?.len()), (Revocation::NotFound, 1));
    let right = RevokeRequest { client_id: issued.client_id, ids: issued.ids, handle: None };
    let revocation = subject.provider.revoke(&right).await.map_err(shown)?;
    assert_eq!((revocation, subject.live().await?.len()), (Revocation::Revoked, 0));
    Ok(())
}

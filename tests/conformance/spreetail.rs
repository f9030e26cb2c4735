//! The peculiarities of Spreetail: access tokens for our own calls, an expiry, a list that includes
//! our login.

use anyhow::{Context, Result};
use credwright::providers::{FailureKind, Revocation, RevokeRequest, Verdict};
use credwright_simulator::Operation;
use jiff::SignedDuration;

use crate::{
    cases::shown,
    subject::{Calls, Driver, Subject, in_a_month, pair},
};

async fn start() -> Result<Subject> {
    Subject::start(Driver::Spreetail).await
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
    let confused =
        RevokeRequest { client_id: other, ids: issued.ids.clone(), handle: None, ..RevokeRequest::default() };
    let revocation = subject.provider.revoke(&confused).await.map_err(shown)?;
    assert_eq!((revocation, subject.live().await?.len()), (Revocation::NotFound, 1));
    let right = RevokeRequest {
        client_id: issued.client_id,
        ids: issued.ids,
        handle: None,
        ..RevokeRequest::default()
    };
    let revocation = subject.provider.revoke(&right).await.map_err(shown)?;
    assert_eq!((revocation, subject.live().await?.len()), (Revocation::Revoked, 0));
    Ok(())
}

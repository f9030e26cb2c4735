//! The peculiarities of Vonage Contact Center: a scope in every token request, and boxes that
//! people forget to tick.

use anyhow::{Context, Result};
use credwright::{
    api::{ProviderSettings, VonageContactCenter},
    providers::{FailureKind, Verdict},
};
use credwright_simulator::{
    Clock, Fault, Operation, Portal,
    vonage::{self, Options},
};
use http::StatusCode;

use crate::{
    cases::shown,
    subject::{Driver, Subject, pair, wrong_pair},
};

pub(crate) async fn start() -> Result<Subject> {
    start_with(|_| {}).await
}

async fn start_with(change: impl FnOnce(&mut Options)) -> Result<Subject> {
    let mut options = Options::new(Clock::real());
    change(&mut options);
    let simulator = vonage::start(options).await?;
    let block = VonageContactCenter { base_url: Some(simulator.base_url()), ..Default::default() };
    let settings = ProviderSettings { vonage_contact_center: Some(block), ..Default::default() };
    Subject::new(Driver::VonageContactCenter, simulator, settings, vec![])
}

fn portal(subject: &Subject) -> Result<&dyn Portal> {
    subject.simulator.portal().context("no portal")
}

#[tokio::test]
async fn a_box_that_was_not_ticked_is_named_until_it_is_ticked() -> Result<()> {
    let subject = start().await?;
    let issued = subject.issue(&subject.request()).await?;
    let wanted = ["users:read", "globalpci", "stats"].map(str::to_owned);
    let failure = subject.provider.verify(&pair(&issued, &wanted)).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.contains("with the scope globalpci to this credential"), "{}", failure.message);
    portal(&subject)?.change_scopes(&issued.client_id, &wanted).map_err(anyhow::Error::msg)?;
    let verdict = subject.provider.verify(&pair(&issued, &wanted)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted);
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_one_in_either_status_and_ends_the_trial() -> Result<()> {
    for status in [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED] {
        let subject = start_with(|options| options.invalid_client_status = status).await?;
        let request = subject.request();
        let issued = subject.issue(&request).await?;
        let verdict = subject.provider.verify(&wrong_pair(&issued, &request.scopes)).await.map_err(shown)?;
        assert_eq!(verdict, Verdict::Refused, "{status}");
        assert_eq!(subject.simulator.record().arrived(Operation::Token), 1, "one scope is enough for that");
        assert!(portal(&subject)?.delete(&issued.client_id));
        let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await.map_err(shown)?;
        assert_eq!(verdict, Verdict::Refused, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn only_what_concerns_the_pair_refuses_it() -> Result<()> {
    let subject = start().await?;
    let request = subject.request();
    let issued = subject.issue(&request).await?;
    for (code, body, kind) in [
        (400, r#"{"error":"unsupported_grant_type"}"#, FailureKind::Rejected),
        (400, r#"{"error":"invalid_request"}"#, FailureKind::Rejected),
        (403, r#"{"error":"invalid_client"}"#, FailureKind::Forbidden),
        (200, r#"{"access_token":""}"#, FailureKind::Malformed),
    ] {
        let body = body.to_owned();
        subject.faults().next(Operation::Token, Fault::Status { code, headers: vec![], body });
        let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await;
        assert_eq!(verdict.err().context("it did not fail")?.kind, kind, "{code}");
    }
    let body = r#"{"error":"unauthorized_client"}"#.to_owned();
    subject.faults().next(Operation::Token, Fault::Status { code: 400, headers: vec![], body });
    let verdict = subject.provider.verify(&pair(&issued, &request.scopes)).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Refused);
    Ok(())
}

#[tokio::test]
async fn without_a_scope_nothing_is_asked() -> Result<()> {
    let subject = start().await?;
    let issued = subject.issue(&subject.request()).await?;
    let failure = subject.provider.verify(&pair(&issued, &[])).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert_eq!(subject.simulator.record().requests().len(), 0);
    Ok(())
}

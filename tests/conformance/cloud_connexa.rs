//! The peculiarities of CloudConnexa: four lifetimes that cannot be requested, a switch, subnets,
//! and a rate limit for each key.

use anyhow::{Context, Result};
use credwright::{
    api::{CloudConnexa, ProviderSettings},
    providers::{FailureKind, Issued, RetryAfter, Verdict},
};
use credwright_simulator::{
    Clock, Fault, Operation, Portal,
    cloud_connexa::{self, Options},
};
use http::StatusCode;
use jiff::SignedDuration;

use crate::{
    cases::shown,
    subject::{Driver, Subject, pair, wrong_pair},
};

pub(crate) async fn start() -> Result<Subject> {
    start_with(|_| {}, |_| {}).await
}

async fn start_with(
    change: impl FnOnce(&mut Options),
    set: impl FnOnce(&mut CloudConnexa),
) -> Result<Subject> {
    let mut options = Options::new(Clock::real());
    change(&mut options);
    let simulator = cloud_connexa::start(options).await?;
    let mut block = CloudConnexa { base_url: Some(simulator.base_url()), ..Default::default() };
    set(&mut block);
    let settings = ProviderSettings { cloud_connexa: Some(block), ..Default::default() };
    Subject::new(Driver::CloudConnexa, simulator, settings, vec![])
}

fn portal(subject: &Subject) -> Result<&dyn Portal> {
    subject.simulator.portal().context("no portal")
}

async fn verdict(subject: &Subject, issued: &Issued) -> Result<Verdict> {
    subject.provider.verify(&pair(issued, &[])).await.map_err(shown)
}

#[tokio::test]
async fn a_credential_is_refused_when_its_term_is_over_or_a_person_deleted_it() -> Result<()> {
    let subject = start().await?;
    let (one, other) = (subject.issue(&subject.request()).await?, subject.issue(&subject.request()).await?);
    assert!(portal(&subject)?.delete(&other.client_id));
    assert_eq!(verdict(&subject, &other).await?, Verdict::Refused);
    subject.simulator.clock().advance(std::time::Duration::from_hours(24 * 27));
    assert_eq!(verdict(&subject, &one).await?, Verdict::Accepted);
    subject.simulator.clock().advance(std::time::Duration::from_hours(24 * 5));
    assert_eq!(verdict(&subject, &one).await?, Verdict::Refused);
    Ok(())
}

#[tokio::test]
async fn an_api_that_is_switched_off_proves_nothing_and_is_explained() -> Result<()> {
    for (answered, set) in [(StatusCode::FORBIDDEN, 403), (StatusCode::UNAUTHORIZED, 401)] {
        let subject = start_with(
            |options| options.api_disabled_status = answered,
            |block| block.api_disabled_status = set,
        )
        .await?;
        let issued = subject.issue(&subject.request()).await?;
        portal(&subject)?.switch_api(false).map_err(anyhow::Error::msg)?;
        for tried in [pair(&issued, &[]), wrong_pair(&issued, &[])] {
            let failure = subject.provider.verify(&tried).await.err().context("it did not fail")?;
            assert_eq!(failure.kind, FailureKind::Forbidden);
            assert!(failure.message.contains("turn on Enable API"), "{}", failure.message);
        }
        portal(&subject)?.switch_api(true).map_err(anyhow::Error::msg)?;
        assert_eq!(verdict(&subject, &issued).await?, Verdict::Accepted);
    }
    Ok(())
}

#[tokio::test]
async fn a_credential_for_subnets_that_we_are_not_in_proves_nothing_and_is_explained() -> Result<()> {
    let subject = start_with(|options| options.callers_are_inside = false, |_| {}).await?;
    let mut request = subject.request();
    request.subnets = vec!["203.0.113.0/24".into()];
    let limited = subject.issue(&request).await?;
    let failure = subject.provider.verify(&pair(&limited, &[])).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Forbidden);
    assert!(failure.message.contains("limited to subnets"), "{}", failure.message);
    let free = subject.issue(&subject.request()).await?;
    assert_eq!(verdict(&subject, &free).await?, Verdict::Accepted);
    Ok(())
}

#[tokio::test]
async fn a_key_without_calls_is_left_alone_until_one_comes_back() -> Result<()> {
    let subject = start().await?;
    let (issued, other) =
        (subject.issue(&subject.request()).await?, subject.issue(&subject.request()).await?);
    for _ in 0..20 {
        assert_eq!(verdict(&subject, &issued).await?, Verdict::Accepted);
    }
    let failure = subject.provider.verify(&pair(&issued, &[])).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::RateLimited);
    let Some(RetryAfter::Delay(wait)) = failure.retry_after else { anyhow::bail!("no delay") };
    assert!(wait > SignedDuration::ZERO && wait <= SignedDuration::from_secs(15), "{wait}");
    assert_eq!(subject.simulator.record().arrived(Operation::Token), 20, "nothing was sent");
    assert_eq!(verdict(&subject, &other).await?, Verdict::Accepted, "the bucket is this key's");
    Ok(())
}

#[tokio::test]
async fn a_key_that_others_drained_is_left_alone_as_long_as_the_headers_say() -> Result<()> {
    let subject = start().await?;
    let issued = subject.issue(&subject.request()).await?;
    let headers = [("X-RateLimit-Replenish-Rate", "2"), ("X-RateLimit-Replenish-Time", "61")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    subject.faults().next(Operation::Token, Fault::Status { code: 429, headers, body: String::new() });
    let failure = subject.provider.verify(&pair(&issued, &[])).await.err().context("it did not fail")?;
    let expected = RetryAfter::Delay(SignedDuration::from_secs(31));
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(expected)));
    let failure = subject.provider.verify(&pair(&issued, &[])).await.err().context("it did not fail")?;
    assert!(failure.message.ends_with("none was made"), "{}", failure.message);
    assert_eq!(subject.simulator.record().arrived(Operation::Token), 1);
    Ok(())
}

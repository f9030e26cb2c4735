use async_trait::async_trait;
use kube::core::Status;
use serde_json::json;

use super::*;
use crate::providers::{Capabilities, Issuer, Verdict, VerifyRequest};

fn answered(code: u16, reason: &str) -> EngineError {
    let status = Status { code, reason: reason.to_owned(), ..Status::failure("no", reason) };
    EngineError::Kubernetes {
        what: "writing the ledger",
        source: Box::new(kube::Error::Api(Box::new(status))),
    }
}

/// The number of attempts that are made while each ends in `error`; `None` if there is no end of
/// them.
fn attempts(error: impl Fn() -> EngineError) -> Option<u32> {
    let mut attempts = Attempts::begin();
    (1..=1000).find(|_| !attempts.go_on_after(&error()))
}

#[test]
fn a_refused_write_is_given_up_after_a_few_attempts_and_an_outage_never() {
    for (code, reason) in
        [(403, "Forbidden"), (422, "Invalid"), (413, "RequestEntityTooLarge"), (400, "BadRequest")]
    {
        assert_eq!(attempts(|| answered(code, reason)), Some(REFUSALS), "{reason}");
    }
    for (code, reason) in [
        (401, "Unauthorized"),
        (404, "NotFound"),
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ] {
        assert_eq!(attempts(|| answered(code, reason)), None, "{reason}");
    }
    assert_eq!(attempts(|| EngineError::Timeout("writing the ledger")), None);
    assert_eq!(attempts(|| EngineError::Conflict("the ledger")), None);
    assert_eq!(attempts(|| EngineError::Gone("the ledger")), Some(1));
    assert_eq!(attempts(|| EngineError::Ledger("it does not open".to_owned())), Some(1));
    let illegal = || EngineError::Illegal(crate::lifecycle::ledger::IllegalEdit::NoIntent);
    assert_eq!(attempts(illegal), Some(1));
}

#[test]
fn retries_back_off_with_jitter() {
    let after = |count| Attempts { count, ..Attempts::begin() }.pause();
    for (count, longest) in [(1, 500), (2, 1000), (5, 8000), (7, 30_000), (u32::MAX, 30_000)] {
        let longest = Duration::from_millis(longest);
        for _ in 0..50 {
            let pause = after(count);
            assert!(pause <= longest && pause >= longest / 2, "{count}: {pause:?}");
        }
    }
    let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| after(7)).collect();
    assert!(pauses.len() > 1, "{pauses:?}");
}

#[test]
fn an_attempt_is_not_made_before_the_time_that_the_api_server_asks_for() {
    let after = |seconds| {
        let status = json!({ "code": 429, "details": { "retryAfterSeconds": seconds } });
        let status: Status = serde_json::from_value(status).unwrap();
        let source = Box::new(kube::Error::Api(Box::new(status)));
        let error = EngineError::Kubernetes { what: "writing the ledger", source };
        let mut attempts = Attempts::begin();
        assert!(attempts.go_on_after(&error));
        let asked_for = attempts.pause();
        attempts.go_on_after(&EngineError::Conflict("the ledger"));
        assert!(attempts.pause() <= Duration::from_secs(1), "it counts once");
        asked_for
    };
    let within = |pause: Duration, least: u64| {
        pause >= Duration::from_secs(least) && pause <= Duration::from_millis(least * 1000 + 500)
    };
    assert!(within(after(0), 0) && within(after(7), 7));
    assert!(within(after(300), 30), "a secret that is in no ledger does not wait for minutes");
}

struct Panicking;

#[async_trait]
impl Provider for Panicking {
    fn capabilities(&self) -> &Capabilities {
        unreachable!("not asked")
    }

    fn identity(&self) -> Option<&str> {
        None
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        Some(self)
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn verify(&self, _: &VerifyRequest) -> Result<Verdict, Failure> {
        Ok(Verdict::Accepted)
    }
}

#[async_trait]
impl Issuer for Panicking {
    async fn create(&self, _: &CreateRequest) -> Result<Issued, NotIssued> {
        unreachable!("a defect after the request was sent")
    }
}

#[tokio::test]
async fn a_panic_of_a_driver_is_a_lost_response() {
    let request = CreateRequest { name: "one".to_owned(), ..CreateRequest::default() };
    let failure = created(&Panicking, &request).await.err();
    assert_eq!(failure.map(|it| it.failure.kind), Some(FailureKind::Ambiguous));
}

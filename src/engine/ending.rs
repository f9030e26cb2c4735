//! The one door through which a credential is ended: revoking it, and trying its pair afterwards.
//!
//! The provider's word alone proves nothing: "not found" may be a wrong path, and a success may
//! have had no effect. Nor does its refusal: a person may have removed the credential there, and
//! then only the pair tells.

use crate::{
    lifecycle::failure::Failure,
    providers::{Pair, Provider, Revocation, RevokeRequest, Verdict},
};

/// A credential that the provider was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// True if the provider said that it has ended it.
    pub(super) said: bool,
    /// Whether it accepts the pair all the same; `None` if that cannot be tried.
    pub(super) still_accepted: Option<bool>,
}

/// Ends a credential. Without a `request` the provider lists no such thing; without a `pair`
/// nothing can be tried.
///
/// # Errors
/// If the provider fails or refuses, and the pair is not known to be dead.
pub(super) async fn end(
    driver: &dyn Provider,
    request: Option<&RevokeRequest>,
    pair: Option<&Pair>,
) -> Result<Ended, Failure> {
    let answer = match request {
        Some(request) => driver.revoke(request).await,
        None => Ok(Revocation::NotFound),
    };
    let worth_trying = answer.as_ref().map_or_else(|failure| failure.kind.is_of_one_credential(), |_| true);
    let tried = match pair.filter(|_| worth_trying && driver.capabilities().verify) {
        Some(pair) => Some(driver.verify(pair).await),
        None => None,
    };
    judged(answer, tried)
}

/// Returns what follows from the answer and from the pair that was tried afterwards.
fn judged(
    answer: Result<Revocation, Failure>,
    tried: Option<Result<Verdict, Failure>>,
) -> Result<Ended, Failure> {
    match (answer, tried) {
        (Ok(answer), None) => Ok(Ended { said: answer == Revocation::Revoked, still_accepted: None }),
        (Ok(answer), Some(Ok(verdict))) => Ok(Ended {
            said: answer == Revocation::Revoked,
            still_accepted: Some(verdict == Verdict::Accepted),
        }),
        // A provider that says so is believed where the pair cannot be tried just now; "not found"
        // is not.
        (Ok(Revocation::Revoked), Some(Err(_))) => Ok(Ended { said: true, still_accepted: None }),
        (Ok(Revocation::NotFound), Some(Err(failure))) => Err(failure),
        // A person has removed it.
        (Err(_), Some(Ok(Verdict::Refused))) => Ok(Ended { said: false, still_accepted: Some(false) }),
        (Err(failure), _) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::failure::FailureKind;

    fn failed(kind: FailureKind) -> Failure {
        Failure { kind, retry_after: None, message: String::new() }
    }

    #[test]
    fn only_the_pair_proves_that_a_credential_is_dead() {
        use Revocation::{NotFound, Revoked};
        use Verdict::{Accepted, Refused};
        let refusal = || Err(failed(FailureKind::Forbidden));
        let down = || Some(Err(failed(FailureKind::Unavailable)));
        let rows = [
            (Ok(Revoked), None, Some((true, None))),
            (Ok(NotFound), None, Some((false, None))),
            (Ok(Revoked), Some(Ok(Refused)), Some((true, Some(false)))),
            (Ok(Revoked), Some(Ok(Accepted)), Some((true, Some(true)))),
            (Ok(NotFound), Some(Ok(Refused)), Some((false, Some(false)))),
            (Ok(NotFound), Some(Ok(Accepted)), Some((false, Some(true)))),
            (Ok(Revoked), down(), Some((true, None))),
            (Ok(NotFound), down(), None),
            (refusal(), Some(Ok(Refused)), Some((false, Some(false)))),
            (refusal(), Some(Ok(Accepted)), None),
            (refusal(), down(), None),
            (refusal(), None, None),
        ];
        for (answer, tried, expected) in rows {
            let what = format!("{answer:?} {tried:?}");
            let ended = judged(answer, tried).ok().map(|it| (it.said, it.still_accepted));
            assert_eq!(ended, expected, "{what}");
        }
    }
}

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::Notify;

use super::*;
use crate::providers::{Failure, FailureKind};

/// Grants numbered tokens, each when it is told to.
struct Granter {
    asked: AtomicUsize,
    go: Notify,
    expires_in: Option<Duration>,
    fails: bool,
}

impl Granter {
    fn new(expires_in: Option<Duration>, fails: bool) -> Self {
        Self { asked: AtomicUsize::new(0), go: Notify::new(), expires_in, fails }
    }
}

impl Grant for Granter {
    fn identity(&self) -> Option<&str> {
        None
    }

    async fn grant(&self) -> Result<Granted, Failure> {
        let count = self.asked.fetch_add(1, Ordering::SeqCst);
        self.go.notified().await;
        if self.fails {
            return Err(Failure::new(FailureKind::LoginRefused, "no"));
        }
        Ok(Granted { token: format!("token-{count}").into(), expires_in: self.expires_in })
    }
}

#[tokio::test]
async fn concurrent_calls_request_one_token() {
    let tokens = Tokens::new(Granter::new(None, false));
    let all = join_all((0..20).map(|_| tokens.get()));
    let (got, ()) = tokio::join!(all, async { tokens.grant.go.notify_one() });
    assert!(got.iter().all(Result::is_ok));
    assert_eq!(tokens.grant.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let tokens = Tokens::new(Granter::new(None, true));
    for count in 1..=2 {
        tokens.grant.go.notify_one();
        assert!(tokens.get().await.is_err());
        assert_eq!(tokens.grant.asked.load(Ordering::SeqCst), count);
    }
}

#[tokio::test]
async fn a_refused_token_is_thrown_away_but_not_the_one_that_replaced_it() {
    let tokens = Tokens::new(Granter::new(Some(Duration::from_hours(1)), false));
    tokens.grant.go.notify_one();
    let first = tokens.get().await.unwrap_or_else(|_| unreachable!());
    tokens.discard(&first).await;
    tokens.grant.go.notify_one();
    let second = tokens.get().await.unwrap_or_else(|_| unreachable!());
    assert!(!Arc::ptr_eq(&first, &second));
    tokens.discard(&first).await;
    let third = tokens.get().await.unwrap_or_else(|_| unreachable!());
    assert!(Arc::ptr_eq(&second, &third));
}

#[test]
fn a_token_is_kept_for_nine_tenths_of_its_life() {
    let life = |expires_in| MostOfItsLife::of(&Granted { token: "t".into(), expires_in });
    assert_eq!(life(Some(Duration::from_secs(3600))), Some(Duration::from_secs(3240)));
    assert_eq!(life(Some(Duration::ZERO)), Some(Duration::ZERO));
    assert_eq!(life(None), Some(Duration::from_secs(54)));
}

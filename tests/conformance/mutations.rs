//! Responses that are almost right: with none of them does a driver panic or hang, believe half a
//! credential, or show a secret.
//!
//! `CREDWRIGHT_ROUNDS` and `CREDWRIGHT_SEED` ask for more rounds, or for the same ones again.

use std::time::Duration;

use credwright::providers::{Failure, Found, Issued, NotIssued, Revocation, Verdict};
use credwright_simulator::{Fault, Matching};
use secrecy::ExposeSecret;

use crate::subject::{Calls, Driver, Subject, pair, target};

/// Rounds for each driver in CI: some seconds for all.
const ROUNDS: u64 = 300;
/// Longer than any client waits for an answer from loopback.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest message that fits into a condition.
const LONGEST: usize = 1024;

#[tokio::test]
async fn no_response_makes_a_driver_panic_or_believe_half_a_credential() -> anyhow::Result<()> {
    let (rounds, seed) = (number("CREDWRIGHT_ROUNDS").unwrap_or(ROUNDS), first_seed());
    eprintln!("{rounds} rounds for each driver from seed {seed}");
    for driver in Driver::ALL {
        let subject = Subject::start(driver).await?;
        let mut told = Told::default();
        for round in 0..rounds {
            let seed = seed.wrapping_add(round);
            tokio::time::timeout(PATIENCE, told.round(&subject, seed))
                .await
                .unwrap_or_else(|_| panic!("{driver:?} hangs at seed {seed}"));
        }
        let Told { believed, refused, unusable, .. } = told;
        eprintln!("{driver:?}: {believed} answers believed, {refused} refused, {unusable} of those revoked");
        assert!(refused > 0, "{driver:?} believes everything");
    }
    Ok(())
}

/// The results of a driver.
#[derive(Default)]
struct Told {
    believed: u32,
    refused: u32,
    /// The number of the refused that said what was made.
    unusable: u32,
    /// The secrets that must not be shown.
    secrets: Vec<String>,
}

impl Told {
    /// Each operation once, with an answer that is almost right.
    async fn round(&mut self, subject: &Subject, seed: u64) {
        let (provider, faults) = (&subject.provider, subject.faults());
        faults.clear();
        self.secrets = subject.login_secrets();
        let request = subject.request();
        let made = subject.issue(&request).await.ok();
        let mutate = || faults.every(Matching::any(), Fault::Mutated { seed });
        let is_by_hand = provider.capabilities().is_by_hand();
        if let Some(made) = &made {
            self.secrets.push(made.client_secret.expose_secret().to_owned());
        }
        mutate();
        let probed = provider.probe().await;
        self.judge(seed, probed);
        if !is_by_hand {
            let created = provider.create(&subject.request()).await;
            let created = match created {
                Ok(issued) => Ok(issued),
                Err(NotIssued { failure, made }) => {
                    self.unusable += u32::from(made.is_some());
                    if let Some(made) = made {
                        faults.clear();
                        dies(subject, &made, seed).await;
                        mutate();
                    }
                    Err(failure)
                }
            };
            if let Some(issued) = self.judge(seed, created) {
                assert_whole(&issued, provider.identity(), seed);
            }
        }
        if provider.capabilities().can_list() {
            let found = provider.find(&subject.tag).await;
            let named = |found: &Found| found.name.contains(&subject.tag);
            assert!(self.judge(seed, found).is_none_or(|it| it.iter().all(named)), "seed {seed}");
        }
        if let Some(made) = made {
            let verified = provider.verify(&pair(&made, &request.scopes)).await;
            self.judge(seed, verified);
            if provider.capabilities().can_revoke() {
                let revoked = provider.revoke(&target(&made)).await;
                self.judge(seed, revoked);
                faults.clear();
                let _ = provider.revoke(&target(&made)).await;
            }
        }
    }

    fn judge<T>(&mut self, seed: u64, answer: Result<T, Failure>) -> Option<T> {
        match answer {
            Ok(told) => {
                self.believed += 1;
                Some(told)
            }
            Err(failure) => {
                self.refused += 1;
                let message = &failure.message;
                assert!(message.len() <= LONGEST, "seed {seed}: {} bytes: {message}", message.len());
                let leaks = self.secrets.iter().any(|secret| message.contains(secret.as_str()));
                assert!(!leaks, "seed {seed}: a secret in: {message}");
                None
            }
        }
    }
}

/// Revokes an unusable credential by what the answer held, if that is true.
async fn dies(subject: &Subject, made: &Issued, seed: u64) {
    let provider = &subject.provider;
    if !provider.capabilities().can_revoke() || made.client_secret.expose_secret().is_empty() {
        return;
    }
    let pair = pair(made, &subject.request().scopes);
    if !matches!(provider.verify(&pair).await, Ok(Verdict::Accepted)) {
        return;
    }
    let revoked = provider.revoke(&target(made)).await;
    let is_dead = matches!(provider.verify(&pair).await, Ok(Verdict::Refused));
    // A changed handle leads nowhere; whoever revokes tries the pair afterwards.
    let said = matches!(revoked, Ok(Revocation::Revoked));
    assert!(is_dead || !said, "seed {seed}: {} lives on", made.client_id);
}

/// Checks that the published values are a pair, and not the operator's own login.
fn assert_whole(issued: &Issued, identity: Option<&str>, seed: u64) {
    let usable = |text: &str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(usable(&issued.client_id), "seed {seed}: client ID {:?}", issued.client_id);
    assert!(usable(issued.client_secret.expose_secret()), "seed {seed}: a secret that nobody could send");
    assert_ne!(Some(issued.client_id.as_str()), identity, "seed {seed}");
}

fn first_seed() -> u64 {
    number("CREDWRIGHT_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

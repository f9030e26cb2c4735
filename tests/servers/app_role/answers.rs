//! Answers that a relay has changed: none of them makes the driver believe half a credential, or
//! show a secret.

use anyhow::{Context, Result};
use credwright::providers::{FailureKind, Revocation, Verdict};
use credwright_simulator::{Fault, Matching, Operation};
use secrecy::ExposeSecret;
use serde_json::json;

use super::scene::{ROLE, Scene, TAG, find, made, pair, refused, revoke, target, verdict};
use crate::subject::{Calls, shown};

/// Each of them takes some milliseconds.
const ROUNDS: u64 = 200;
/// The longest message that fits into a condition.
const LONGEST: usize = 1024;

#[tokio::test]
async fn an_answer_that_is_almost_right_is_whole_or_not_believed() -> Result<()> {
    let scene = Scene::new().await?;
    let login = scene.pair().await?;
    let (mut believed, mut failures) = (0, Vec::new());
    for seed in 0..ROUNDS {
        let provider = scene.provider_with(&login)?;
        let issued = made(&*provider, &scene.request()).await?;
        let mut secrets = vec![login[1].1.clone(), issued.client_secret.expose_secret().to_owned()];
        scene.faults().every(Matching::any(), Fault::Mutated { seed });
        failures.extend(provider.probe().await.err());
        match provider.create(&scene.request()).await {
            Ok(it) => {
                believed += 1;
                assert!(!it.client_id.is_empty() && it.secret_id.is_some(), "seed {seed}");
                assert!(!it.client_secret.expose_secret().is_empty(), "seed {seed}");
                secrets.push(it.client_secret.expose_secret().to_owned());
            }
            Err(it) => failures.push(it.failure),
        }
        match find(&*provider, ROLE, TAG).await {
            Ok(found) => assert!(found.iter().all(|it| it.name.contains(TAG)), "seed {seed}"),
            Err(failure) => failures.push(failure),
        }
        failures.extend(provider.verify(&pair(&issued)).await.err());
        failures.extend(provider.revoke(&target(&issued)).await.err());
        scene.faults().clear();
        for failure in &failures {
            assert!(failure.message.len() <= LONGEST, "seed {seed}: {}", failure.message);
            assert!(
                !secrets.iter().any(|it| failure.message.contains(it)),
                "seed {seed}: {}",
                failure.message
            );
        }
        // What is left does not slow down the next round.
        scene.empty(ROLE).await?;
        provider.close().await;
    }
    assert!(believed > 0 && !failures.is_empty(), "{believed} believed, {} refused", failures.len());
    Ok(())
}

#[tokio::test]
async fn what_no_secret_id_needs_is_not_believed() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    for (operation, fault) in [
        (Operation::Create, Fault::Malformed),
        (Operation::Create, Fault::EmptyBody),
        (Operation::Create, Fault::WrongContent),
        (Operation::Create, Fault::edited(&json!({ "data": null }))),
        (Operation::Create, Fault::edited(&json!({ "data": { "secret_id": "x".repeat(20_000) } }))),
    ] {
        scene.faults().next(operation, fault.clone());
        let failure = refused(&*provider, &scene.request()).await?.failure;
        assert_eq!(failure.kind, FailureKind::Malformed, "{fault:?}: {}", failure.message);
    }
    scene.faults().next(Operation::Create, Fault::EndlessBody);
    assert_eq!(refused(&*provider, &scene.request()).await?.failure.kind, FailureKind::Ambiguous);
    for fault in [Fault::EndlessBody, Fault::Malformed, Fault::edited(&json!({ "data": { "keys": [7] } }))] {
        scene.faults().next(Operation::List, fault.clone());
        let failure = find(&*provider, ROLE, TAG).await.err().context("it was listed")?;
        assert_eq!(failure.kind, FailureKind::Malformed, "{fault:?}: {}", failure.message);
    }
    assert_eq!(find(&*provider, ROLE, TAG).await.map_err(shown)?.len(), 6, "all can be settled");
    Ok(())
}

#[tokio::test]
async fn a_failed_read_of_the_role_id_makes_nothing_and_blames_no_request() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    for (fault, kind) in [
        (Fault::LostAnswer, FailureKind::Unavailable),
        (Fault::WrongContent, FailureKind::Unavailable),
        (Fault::status(400), FailureKind::Unexplained),
        (Fault::status(404), FailureKind::Unexplained),
        (Fault::status(409), FailureKind::Unavailable),
        (Fault::status(500), FailureKind::Unavailable),
    ] {
        scene.faults().every(Operation::Other, fault.clone());
        let failure = refused(&*provider, &scene.request()).await?.failure;
        assert_eq!(failure.kind, kind, "{fault:?}: {}", failure.message);
        scene.faults().clear();
    }
    assert_eq!(scene.relay.record().arrived(Operation::Create), 0);
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_to_a_revocation_is_not_sent_again_and_settled_by_the_next_one() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let issued = made(&*provider, &scene.request()).await?;
    scene.faults().next(Operation::Delete, Fault::LostAnswer);
    let failure = provider.revoke(&target(&issued)).await.err().context("it was answered")?;
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert_eq!(scene.relay.record().arrived(Operation::Delete), 1);
    assert_eq!(revoke(&*provider, &issued).await?, Revocation::NotFound);
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Refused);
    Ok(())
}

//! The logins of the driver: a token, and a pair that opens sessions.

use anyhow::{Context, Result};
use credwright::providers::{FailureKind, Revocation, Verdict};
use credwright_simulator::Operation;
use reqwest::Method;
use serde_json::json;

use super::scene::{ROLE, Scene, TAG, find, made, refused, revoke, verdict};
use crate::subject::shown;

#[tokio::test]
async fn the_policy_of_the_page_is_enough_for_every_call() -> Result<()> {
    let scene = Scene::new().await?;
    for login in [vec![("token", scene.token().await?)], scene.pair().await?] {
        let provider = scene.provider_with(&login)?;
        provider.probe().await.map_err(shown)?;
        let issued = made(&*provider, &scene.request()).await?;
        assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);
        assert_eq!(find(&*provider, ROLE, TAG).await.map_err(shown)?.len(), 1);
        assert_eq!(revoke(&*provider, &issued).await?, Revocation::Revoked);
        assert_eq!(verdict(&*provider, &issued).await?, Verdict::Refused);
        provider.close().await;
    }
    assert_eq!(scene.tokens().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_token_is_a_refused_login_and_a_missing_right_is_not() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider_with(&[("token", "Canary-Wrong-Token".to_owned())])?;
    let probed = provider.probe().await.err().context("it passed")?;
    for failure in [probed, refused(&*provider, &scene.request()).await?.failure] {
        assert_eq!(failure.kind, FailureKind::LoginRefused, "{}", failure.message);
        assert!(failure.message.contains("lack read on auth/token/lookup-self"), "{}", failure.message);
        assert!(!failure.message.contains("Canary"), "{}", failure.message);
    }
    // It may look itself up, and nothing else.
    let policy = r#"path "auth/token/lookup-self" { capabilities = ["read"] }"#;
    scene.root(Method::PUT, "sys/policies/acl/oneself", json!({ "policy": policy })).await?;
    let provider = scene.provider_with(&[("token", scene.token_with("oneself").await?)])?;
    provider.probe().await.map_err(shown)?;
    let failure = refused(&*provider, &scene.request()).await?.failure;
    assert_eq!(failure.kind, FailureKind::Forbidden, "{}", failure.message);
    assert!(failure.message.contains("lack a right for this role"), "{}", failure.message);
    assert_eq!(scene.listed(ROLE).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_pair_is_a_refused_login_and_so_is_a_role_that_is_locked() -> Result<()> {
    let scene = Scene::new().await?;
    let mut login = scene.pair().await?;
    login[1].1 = "Canary-Wrong-Secret".to_owned();
    let provider = scene.provider_with(&login)?;
    for attempt in 1..=6 {
        let failure = refused(&*provider, &scene.request()).await?.failure;
        assert_eq!(failure.kind, FailureKind::LoginRefused, "{}", failure.message);
        assert!(!failure.message.contains("Canary"), "{}", failure.message);
        let advice = if attempt < 6 {
            "check role_id and secret_id of the login"
        } else {
            "refuses all logins of a role"
        };
        assert!(failure.message.contains(advice), "{attempt}: {}", failure.message);
    }
    assert_eq!(scene.listed(ROLE).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_opened_again_and_ended_with_the_driver() -> Result<()> {
    let scene = Scene::new().await?;
    let login = scene.pair().await?;
    let provider = scene.provider_with(&login)?;
    assert_eq!(provider.identity(), Some(&*login[0].1));
    let logins = || scene.relay.record().arrived(Operation::Token);
    made(&*provider, &scene.request()).await?;
    provider.probe().await.map_err(shown)?;
    let session = scene.tokens().await?;
    assert_eq!((session.len(), logins()), (1, 1), "one session serves many calls");

    let end = json!({ "accessor": session[0] });
    scene.root(Method::POST, "auth/token/revoke-accessor", end).await?;
    made(&*provider, &scene.request()).await?;
    assert_eq!((scene.listed(ROLE).await?.len(), logins()), (2, 2), "each was made once");
    let next = scene.tokens().await?;
    assert!(next.len() == 1 && next != session, "{next:?}");

    provider.close().await;
    assert_eq!(scene.tokens().await?, [""; 0]);
    provider.probe().await.map_err(shown)?;
    assert_eq!(logins(), 3, "whoever needs it logs in again");
    provider.close().await;
    Ok(())
}

#[tokio::test]
async fn a_missing_right_opens_one_more_session_and_leaves_none_behind() -> Result<()> {
    let scene = Scene::new().await?;
    let login = scene.pair().await?;
    scene.role("credwright", json!({ "token_policies": ["default"] })).await?;
    let provider = scene.provider_with(&login)?;
    let failure = refused(&*provider, &scene.request()).await?.failure;
    assert_eq!(failure.kind, FailureKind::Forbidden, "{}", failure.message);
    assert_eq!(scene.relay.record().arrived(Operation::Token), 2);
    assert_eq!(scene.tokens().await?.len(), 1);
    provider.close().await;
    assert_eq!(scene.tokens().await?, [""; 0]);
    Ok(())
}

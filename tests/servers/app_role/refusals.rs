//! Requests that the server refuses, or that are never sent.

use anyhow::{Context, Result};
use credwright::providers::{
    CreateRequest, FailureKind, FindRequest, Revocation, RevokeRequest, Verdict, VerifyRequest, needed,
};
use credwright_harness::openbao::OpenBao;
use credwright_simulator::Operation;
use reqwest::Method;
use serde_json::json;

use super::scene::{ROLE, Scene, TAG, find, made, parameters, refused, revoke, target, verdict};
use crate::subject::{Calls, shown};

#[tokio::test]
async fn a_value_that_would_change_a_path_is_refused_before_any_call() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let issued = made(&*provider, &scene.request()).await?;
    let before = scene.count();
    for role in ["42/../43", "42%2f..%2f43", "42?x=", ".", "..", "", "Orders", "orders/"] {
        let create = CreateRequest { parameters: parameters(role), ..scene.request() };
        let failures = [
            refused(&*provider, &create).await?.failure,
            find(&*provider, role, TAG).await.err().context("it was listed")?,
            provider
                .verify(&VerifyRequest { parameters: parameters(role), ..VerifyRequest::default() })
                .await
                .err()
                .context("it was tried")?,
            provider
                .revoke(&RevokeRequest { parameters: parameters(role), ..target(&issued) })
                .await
                .err()
                .context("it was destroyed")?,
        ];
        for failure in failures {
            assert_eq!(failure.kind, FailureKind::Rejected, "{role}: {}", failure.message);
            assert!(failure.message.starts_with("spec.parameters.role is missing"), "{}", failure.message);
        }
    }
    for secret_id in [None, Some(""), Some("../x"), Some("a/b"), Some("a b")] {
        let request = RevokeRequest { secret_id: secret_id.map(str::to_owned), ..target(&issued) };
        let failure = provider.revoke(&request).await.err().context("it was destroyed")?;
        assert_eq!(failure.kind, FailureKind::Rejected, "{secret_id:?}");
    }
    let nowhere = FindRequest { tag: TAG.to_owned(), ..FindRequest::default() };
    assert!(needed(provider.lister()).map_err(shown)?.find(&nowhere).await.is_err());
    assert_eq!(scene.count(), before);
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);
    Ok(())
}

#[tokio::test]
async fn a_role_that_limits_the_uses_of_its_secret_ids_is_refused_and_nothing_is_left() -> Result<()> {
    let scene = Scene::new().await?;
    scene.role(ROLE, json!({ "secret_id_num_uses": 3 })).await?;
    let provider = scene.provider().await?;
    let refused = refused(&*provider, &scene.request()).await?;
    assert_eq!(refused.failure.kind, FailureKind::Malformed);
    let message = refused.failure.message;
    assert!(message.contains("good for 3 logins") && message.contains("secret_id_num_uses"), "{message}");
    let made = refused.made.context("it does not say what was made")?;
    assert_eq!(scene.listed(ROLE).await?, [made.secret_id.clone().unwrap_or_default()]);
    assert_eq!(revoke(&*provider, &made).await?, Revocation::Revoked);
    assert_eq!(scene.listed(ROLE).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_named_and_nothing_is_asked_of_it() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider_with(&[("token", scene.token_with("root").await?)])?;
    let asked = CreateRequest { parameters: parameters("nobody"), ..scene.request() };
    let failure = refused(&*provider, &asked).await?.failure;
    assert_eq!(failure.kind, FailureKind::Unexplained);
    assert!(failure.message.ends_with("correct spec.parameters.role, or create the role at the server"));
    assert_eq!(scene.relay.record().arrived(Operation::Create), 0);
    let failure = find(&*provider, "nobody", TAG).await.err().context("it was listed")?;
    assert!(failure.message.contains("correct spec.parameters.role"), "{}", failure.message);
    scene.role("nobody", json!({ "bind_secret_id": false, "token_bound_cidrs": ["127.0.0.1/32"] })).await?;
    let failure = refused(&*provider, &asked).await?.failure;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.ends_with("set bind_secret_id of the role to true"), "{}", failure.message);
    Ok(())
}

/// With 500, the server seems to say that it may have made one.
#[tokio::test]
async fn subnets_that_the_server_refuses_are_to_blame_and_not_the_account() -> Result<()> {
    let scene = Scene::new().await?;
    scene.role(ROLE, json!({ "secret_id_bound_cidrs": ["192.0.2.0/24"] })).await?;
    let provider = scene.provider().await?;
    for subnet in ["300.0.0.0/8", "192.0.2.1", "198.51.100.0/24"] {
        let asked = CreateRequest { subnets: vec![subnet.to_owned()], ..scene.request() };
        let failure = refused(&*provider, &asked).await?.failure;
        assert_eq!(failure.kind, FailureKind::Rejected, "{subnet}: {}", failure.message);
        assert!(failure.message.contains("answered 500"), "{}", failure.message);
        assert!(failure.message.contains("correct spec.subnets"), "{}", failure.message);
    }
    assert_eq!(scene.listed(ROLE).await?, [""; 0]);
    let asked = CreateRequest { subnets: vec!["192.0.2.0/25".to_owned()], ..scene.request() };
    made(&*provider, &asked).await.map(drop)
}

#[tokio::test]
async fn a_wrong_mount_is_named_and_a_namespace_is_another_account() -> Result<()> {
    let scene = Scene::new().await?;
    let token = scene.token_with("root").await?;
    let login = [("token", token)];
    let elsewhere = |mount: Option<&str>, namespace: Option<&str>| {
        scene.built(&login, |settings| {
            let block = settings.app_role.as_mut();
            block.into_iter().for_each(|block| {
                block.namespace = namespace.map(str::to_owned);
                block.mount = mount.unwrap_or(&scene.mount).to_owned();
            });
        })
    };
    let failure = refused(&*elsewhere(Some("nowhere"), None)?, &scene.request()).await?.failure;
    assert_eq!(failure.kind, FailureKind::Unexplained);
    assert!(failure.message.contains("appRole.baseUrl, mount or namespace"), "{}", failure.message);
    let issued = made(&*elsewhere(None, None)?, &scene.request()).await?;
    let failure =
        elsewhere(Some("nowhere"), None)?.revoke(&target(&issued)).await.err().context("it was destroyed")?;
    assert_eq!(failure.kind, FailureKind::Unexplained, "a wrong path proves nothing: {}", failure.message);
    assert_eq!(revoke(&*elsewhere(None, None)?, &issued).await?, Revocation::Revoked);
    let failure = elsewhere(None, Some("nowhere"))?.probe().await.err().context("it passed")?;
    assert!(failure.message.contains("appRole.baseUrl, mount or namespace"), "{}", failure.message);

    let namespace = scene.mount.replace('/', "-");
    scene.root(Method::POST, &format!("sys/namespaces/{namespace}"), json!({})).await?;
    let inside = elsewhere(None, Some(&namespace))?;
    assert!(refused(&*inside, &scene.request()).await?.failure.message.contains("mount or namespace"));
    scene
        .root(Method::POST, &format!("{namespace}/sys/auth/{}", scene.mount), json!({ "type": "approle" }))
        .await?;
    scene.root(Method::POST, &format!("{namespace}/{}", scene.path("role/orders")), json!({})).await?;
    let issued = made(&*inside, &scene.request()).await?;
    assert_eq!(issued.fields["namespace"], namespace);
    assert_eq!(verdict(&*inside, &issued).await?, Verdict::Accepted);
    assert_eq!(scene.listed(ROLE).await?, [""; 0], "nothing in the root namespace");
    Ok(())
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_and_makes_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let quota = format!("sys/quotas/rate-limit/{}", scene.mount.replace('/', "-"));
    let limit = json!({ "path": format!("auth/{}/", scene.mount), "rate": 1, "interval": "1h" });
    scene.root(Method::POST, &quota, limit).await?;
    let failure = refused(&*provider, &scene.request()).await?.failure;
    assert_eq!(failure.kind, FailureKind::RateLimited, "{}", failure.message);
    scene.root(Method::DELETE, &quota, json!({})).await?;
    assert_eq!(scene.listed(ROLE).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_sealed_server_is_unavailable_and_nothing_is_lost_or_made() -> Result<()> {
    let server = OpenBao::start().await?;
    let scene = Scene::at(&server).await?;
    let provider = scene.provider().await?;
    let issued = made(&*provider, &scene.request()).await?;
    scene.root(Method::PUT, "sys/seal", json!({})).await?;
    let failures = [
        provider.probe().await.err().context("it passed")?,
        refused(&*provider, &scene.request()).await?.failure,
        find(&*provider, ROLE, TAG).await.err().context("it was listed")?,
        provider.verify(&super::scene::pair(&issued)).await.err().context("it was tried")?,
        provider.revoke(&target(&issued)).await.err().context("it was destroyed")?,
    ];
    for failure in failures {
        assert_eq!(failure.kind, FailureKind::Unavailable, "{}", failure.message);
    }
    assert_eq!(scene.relay.record().arrived(Operation::Create), 1);
    Ok(())
}

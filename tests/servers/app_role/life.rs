//! The life of secret IDs: made, found, tried, ended.

use std::time::Duration;

use anyhow::{Context, Result};
use credwright::providers::{FailureKind, Found, Revocation, RevokeRequest, Verdict, VerifyRequest};
use credwright_harness::wait;
use credwright_simulator::{Fault, Operation};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use super::scene::{ROLE, Scene, TAG, find, made, pair, parameters, refused, revoke, target, verdict};
use crate::subject::{Calls, shown};

#[tokio::test]
async fn a_secret_id_is_made_and_listed_in_its_role_only_and_refused_once_it_is_destroyed() -> Result<()> {
    let scene = Scene::new().await?;
    scene.role("billing", json!({})).await?;
    let token = scene.token_with("root").await?;
    let provider = scene.provider_with(&[("token", token)])?;
    let asked = scene.request();
    let issued = made(&*provider, &asked).await?;
    assert_eq!(issued.secret_aliases, ["secret_id"]);
    assert_eq!(issued.fields["mount"], scene.mount);
    assert_eq!(issued.fields["base_url"], scene.relay.base_url());
    assert_eq!(issued.expires_at, None);
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);

    let listed = Found {
        name: asked.name.clone(),
        client_id: issued.client_id.clone(),
        secret_id: issued.secret_id.clone(),
        place: parameters(ROLE),
        ..Found::default()
    };
    for tag in [TAG, "kw", &asked.name] {
        assert_eq!(find(&*provider, ROLE, tag).await.map_err(shown)?, std::slice::from_ref(&listed), "{tag}");
    }
    assert_eq!(find(&*provider, ROLE, "kw-of-somebody-else").await.map_err(shown)?, []);
    assert_eq!(find(&*provider, "billing", TAG).await.map_err(shown)?, []);

    assert_eq!(revoke(&*provider, &issued).await?, Revocation::Revoked);
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Refused);
    assert_eq!(find(&*provider, ROLE, TAG).await.map_err(shown)?, []);
    assert_eq!(revoke(&*provider, &issued).await?, Revocation::NotFound, "destroyed twice");
    Ok(())
}

#[tokio::test]
async fn two_secret_ids_of_a_role_live_side_by_side_and_end_one_by_one() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let (old, new) = (made(&*provider, &scene.request()).await?, made(&*provider, &scene.request()).await?);
    assert_eq!(old.client_id, new.client_id);
    assert_ne!(old.secret_id, new.secret_id);
    assert_eq!(verdict(&*provider, &old).await?, Verdict::Accepted);
    assert_eq!(verdict(&*provider, &new).await?, Verdict::Accepted);
    assert_eq!(revoke(&*provider, &old).await?, Revocation::Revoked);
    assert_eq!(verdict(&*provider, &old).await?, Verdict::Refused);
    assert_eq!(verdict(&*provider, &new).await?, Verdict::Accepted);
    Ok(())
}

#[tokio::test]
async fn a_secret_id_whose_answer_is_lost_is_found_by_its_name_and_destroyed() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let asked = scene.request();
    scene.faults().next(Operation::Create, Fault::LostAnswer);
    let lost = refused(&*provider, &asked).await?;
    assert_eq!((lost.failure.kind, lost.made.is_some()), (FailureKind::Ambiguous, false));
    assert_eq!(scene.relay.record().arrived(Operation::Create), 1, "it is sent once");
    let found = find(&*provider, ROLE, &asked.name).await.map_err(shown)?;
    let [it] = &found[..] else { anyhow::bail!("{found:?}") };
    let lost = RevokeRequest {
        client_id: it.client_id.clone(),
        secret_id: it.secret_id.clone(),
        parameters: it.place.clone(),
        ..RevokeRequest::default()
    };
    assert_eq!(provider.revoke(&lost).await.map_err(shown)?, Revocation::Revoked);
    assert_eq!(scene.listed(ROLE).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn an_end_is_enforced_by_the_server_and_a_secret_id_that_has_ended_is_not_found() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let mut asked = scene.request();
    asked.expires_at = Some(asked.now + SignedDuration::from_millis(2900));
    let issued = made(&*provider, &asked).await?;
    assert_eq!(issued.expires_at, Some(asked.now + SignedDuration::from_secs(2)));
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);
    wait::until("the secret ID to end", Duration::from_secs(30), async || {
        Ok((verdict(&*provider, &issued).await? == Verdict::Refused).then_some(()))
    })
    .await?;
    assert!(Timestamp::now() >= issued.expires_at.context("no end")?);
    assert_eq!(scene.listed(ROLE).await?.len(), 1, "the server has not tidied up");
    assert_eq!(find(&*provider, ROLE, TAG).await.map_err(shown)?, []);
    assert_eq!(revoke(&*provider, &issued).await?, Revocation::Revoked);
    Ok(())
}

#[tokio::test]
async fn the_end_that_a_role_sets_is_taken_and_a_longer_one_is_rejected() -> Result<()> {
    let scene = Scene::new().await?;
    scene.role(ROLE, json!({ "secret_id_ttl": "1h" })).await?;
    let provider = scene.provider().await?;
    let mut asked = scene.request();
    let issued = made(&*provider, &asked).await?;
    assert_eq!(issued.expires_at, Some(asked.now + SignedDuration::from_hours(1)), "nobody asked for it");
    asked.expires_at = Some(asked.now + SignedDuration::from_hours(2));
    let failure = refused(&*provider, &asked).await?.failure;
    assert_eq!(failure.kind, FailureKind::Rejected, "{}", failure.message);
    let advice = "answered 400 to the request for a secret ID: correct spec.lifetime, or raise secret_id_ttl of the role";
    assert!(failure.message.ends_with(advice), "{}", failure.message);
    assert_eq!(scene.listed(ROLE).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_pair_that_is_right_but_not_from_here_is_accepted_until_it_is_destroyed() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let mut asked = scene.request();
    asked.subnets = vec!["192.0.2.0/24".to_owned()];
    let issued = made(&*provider, &asked).await?;
    let accessor = json!({ "secret_id_accessor": issued.secret_id });
    let looked = scene.path(&format!("role/{ROLE}/secret-id-accessor/lookup"));
    let looked = scene.root(Method::POST, &looked, accessor).await?;
    assert_eq!(looked["data"]["cidr_list"], json!(["192.0.2.0/24"]));
    // Without its role, a pair is tried without being looked up first.
    let only_tried = VerifyRequest { parameters: Default::default(), ..pair(&issued) };
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);
    assert_eq!(provider.verify(&only_tried).await.map_err(shown)?, Verdict::Accepted);
    assert_eq!(revoke(&*provider, &issued).await?, Revocation::Revoked);
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Refused);
    assert_eq!(provider.verify(&only_tried).await.map_err(shown)?, Verdict::Refused);
    Ok(())
}

/// After five of them, the server refuses every login of the role for a quarter of an hour.
#[tokio::test]
async fn trying_destroyed_secret_ids_locks_nobody_out() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let alive = made(&*provider, &scene.request()).await?;
    for _ in 0..6 {
        let dead = made(&*provider, &scene.request()).await?;
        assert_eq!(revoke(&*provider, &dead).await?, Revocation::Revoked);
        assert_eq!(verdict(&*provider, &dead).await?, Verdict::Refused);
    }
    assert_eq!(scene.relay.record().arrived(Operation::Token), 0, "none was tried");
    assert_eq!(verdict(&*provider, &alive).await?, Verdict::Accepted);
    Ok(())
}

#[tokio::test]
async fn a_verification_leaves_no_token_behind_and_spends_nothing_else() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let issued = made(&*provider, &scene.request()).await?;
    let before = scene.tokens().await?;
    for _ in 0..3 {
        assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);
    }
    assert_eq!(scene.relay.record().arrived(Operation::Token), 3);
    assert_eq!((scene.tokens().await?, before), (vec![], vec![]));
    // A token that may not end itself is no fault of the pair.
    scene.role(ROLE, json!({ "token_no_default_policy": true, "token_policies": ["none"] })).await?;
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Accepted);
    assert_eq!(scene.tokens().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn secret_ids_of_others_are_looked_up_once_and_left_alone() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    for metadata in ["", r#"{"name":"jenkins"}"#, r#"{"owner":"kw"}"#] {
        let path = scene.path(&format!("role/{ROLE}/secret-id"));
        scene.root(Method::POST, &path, json!({ "metadata": metadata })).await?;
    }
    let ours = made(&*provider, &scene.request()).await?;
    let requests = async || -> Result<usize> {
        let before = scene.count();
        let found = find(&*provider, ROLE, TAG).await.map_err(shown)?;
        assert_eq!(found.iter().map(|it| &it.secret_id).collect::<Vec<_>>(), [&ours.secret_id]);
        Ok(scene.count() - before)
    };
    assert_eq!(requests().await?, 6, "the list, four look-ups, and the role ID");
    assert_eq!(requests().await?, 3, "of the look-ups only that of our own");
    assert_eq!(scene.listed(ROLE).await?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_role_that_was_deleted_has_taken_its_secret_ids_with_it() -> Result<()> {
    let scene = Scene::new().await?;
    let provider = scene.provider().await?;
    let issued = made(&*provider, &scene.request()).await?;
    scene.root(Method::DELETE, &scene.path(&format!("role/{ROLE}")), json!({})).await?;
    assert_eq!(revoke(&*provider, &issued).await?, Revocation::NotFound);
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Refused);
    let failure = find(&*provider, ROLE, TAG).await.err().context("it was listed")?;
    assert_eq!(failure.kind, FailureKind::Unexplained);
    assert!(failure.message.contains("correct spec.parameters.role"), "{}", failure.message);

    scene.role(ROLE, json!({})).await?;
    assert_eq!(verdict(&*provider, &issued).await?, Verdict::Refused, "another role of that name");
    assert_eq!(find(&*provider, ROLE, TAG).await.map_err(shown)?, []);
    Ok(())
}

#[tokio::test]
async fn no_secret_is_in_a_failure() -> Result<()> {
    let scene = Scene::new().await?;
    let login = scene.pair().await?;
    let provider = scene.provider_with(&login)?;
    let issued = made(&*provider, &scene.request()).await?;
    let secrets = [login[1].1.clone(), issued.client_secret.expose_secret().to_owned()];
    let body = format!(
        r#"{{"error":"x","error_description":"{0} {1}","errors":["{0} {1}"]}}"#,
        secrets[0], secrets[1]
    );
    let mut failures = Vec::new();
    for code in [400, 403, 404, 429, 500] {
        let echo = Fault::Status { code, headers: vec![], body: body.clone() };
        scene.faults().every(credwright_simulator::Matching::any(), echo);
        failures.extend(provider.probe().await.err());
        failures.extend(provider.verify(&pair(&issued)).await.err());
        failures.extend(provider.create(&scene.request()).await.err().map(|it| it.failure));
        failures.extend(find(&*provider, ROLE, TAG).await.err());
        failures.extend(provider.revoke(&target(&issued)).await.err());
        scene.faults().clear();
    }
    assert_eq!(failures.len(), 25);
    for failure in failures {
        let text = format!("{failure:?}");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
    Ok(())
}

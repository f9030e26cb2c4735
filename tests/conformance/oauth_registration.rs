//! The peculiarities of a registration server: metadata, scopes, handles. The server is a real one.

use anyhow::{Context, Result};
use credwright::{
    api::{OauthRegistration, ProviderSettings, TokenEndpointAuthMethod},
    ops::metrics::Meter,
    providers::{CreateRequest, FailureKind, Provider, Revocation, RevokeRequest, Verdict, registry},
};
use std::sync::Arc;

use crate::{
    cases::shown,
    subject::{Calls, Driver, Subject, loopback_allowed, oidc_server, pair, target},
};

async fn built(change: impl FnOnce(&mut OauthRegistration)) -> Result<Arc<dyn Provider>> {
    let mut block =
        OauthRegistration { issuer: Some(oidc_server().await?.issuer.clone()), ..Default::default() };
    change(&mut block);
    let settings = ProviderSettings { oauth_registration: Some(block), ..Default::default() };
    let login = Subject::start(Driver::OauthRegistration).await?.login;
    Ok(registry::build(&settings, Some(&login), &loopback_allowed(), Meter::default())?)
}

fn request(scopes: &[&str]) -> CreateRequest {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    CreateRequest { name: "orders-discovered".into(), scopes, ..CreateRequest::default() }
}

#[tokio::test]
async fn endpoints_are_discovered_from_the_issuer_and_both_auth_methods_work() -> Result<()> {
    for method in [TokenEndpointAuthMethod::ClientSecretBasic, TokenEndpointAuthMethod::ClientSecretPost] {
        let provider = built(|block| block.token_endpoint_auth_method = method).await?;
        provider.probe().await.map_err(shown)?;
        let issued = provider.created(&request(&["read"])).await.map_err(shown)?;
        assert_eq!(issued.fields["token_url"], oidc_server().await?.token_endpoint);
        assert_eq!(issued.fields["scope"], "read");
        let verdict = provider.verify(&pair(&issued, &["read".into()])).await.map_err(shown)?;
        assert_eq!(verdict, Verdict::Accepted, "{method:?}");
        assert_eq!(provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
    }
    Ok(())
}

#[tokio::test]
async fn an_issuer_that_spells_itself_otherwise_is_refused() -> Result<()> {
    let issuer = format!("{}/", oidc_server().await?.issuer);
    let provider = built(|block| block.issuer = Some(issuer)).await?;
    let failure = provider.probe().await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Malformed);
    let failure = provider.created(&request(&[])).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Unavailable, "nothing was sent");
    Ok(())
}

#[tokio::test]
async fn a_server_without_metadata_is_no_verdict_on_anything() -> Result<()> {
    let issuer = format!("{}/nowhere", oidc_server().await?.issuer);
    let provider = built(|block| block.issuer = Some(issuer)).await?;
    let failure = provider.probe().await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Unavailable, "{}", failure.message);
    Ok(())
}

#[tokio::test]
async fn a_scope_that_does_not_exist_is_rejected_in_the_servers_words() -> Result<()> {
    let provider = built(|_| {}).await?;
    let failure = provider.created(&request(&["no-such"])).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    let said = "with error invalid_client_metadata (in its words: scope must only contain Authorization Server \
                supported scope values): correct oauthRegistration.metadata of the provider, or spec.scopes";
    assert!(failure.message.ends_with(said), "{}", failure.message);
    Ok(())
}

#[tokio::test]
async fn a_scope_that_the_token_lacks_is_named() -> Result<()> {
    let provider = built(|_| {}).await?;
    let issued = provider.created(&request(&["read"])).await.map_err(shown)?;
    let asked = pair(&issued, &["read".into(), "admin".into()]);
    let failure = provider.verify(&asked).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected, "{}", failure.message);
    provider.revoke(&target(&issued)).await.map_err(shown)?;
    Ok(())
}

#[tokio::test]
async fn a_member_that_is_taken_out_of_the_registration_is_not_sent() -> Result<()> {
    let provider = built(|block| block.metadata_without.push("response_types".to_owned())).await?;
    let failure = provider.created(&request(&["read"])).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected, "this server demands response_types: []");
    Ok(())
}

#[tokio::test]
async fn a_wrong_handle_proves_nothing() -> Result<()> {
    let provider = built(|_| {}).await?;
    let issued = provider.created(&request(&["read"])).await.map_err(shown)?;
    let uri = format!("{}/{}", oidc_server().await?.registration_endpoint, issued.client_id);
    let handle = serde_json::json!({ "uri": uri, "token": "wrong" }).to_string();
    let wrong = RevokeRequest { handle: Some(handle.into()), ..target(&issued) };
    assert_eq!(provider.revoke(&wrong).await.map_err(shown)?, Revocation::NotFound);
    let verdict = provider.verify(&pair(&issued, &[])).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted, "NotFound has to be confirmed");
    Ok(())
}

#[tokio::test]
async fn a_handle_never_leaves_for_another_place() -> Result<()> {
    let provider = built(|_| {}).await?;
    let handle = r#"{"uri":"http://127.0.0.1:9/reg/x","token":"t"}"#;
    let target = RevokeRequest {
        client_id: "x".into(),
        ids: crate::subject::no_ids(),
        handle: Some(handle.to_owned().into()),
        ..RevokeRequest::default()
    };
    let failure = provider.revoke(&target).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected);
    Ok(())
}

//! Answers of a registration server with habits that real ones have.

use std::sync::Arc;

use anyhow::{Context, Result};
use credwright::{
    api::{OauthRegistration, ProviderSettings},
    ops::metrics::Meter,
    providers::{CreateRequest, FailureKind, Provider, Revocation, Verdict, registry},
};
use serde_json::json;

use crate::{
    awkward_server::{Server, locked, start},
    cases::shown,
    subject::{Calls, loopback_allowed, pair, target},
};

fn driver(server: &Server) -> Result<Arc<dyn Provider>> {
    let block: OauthRegistration = serde_json::from_value(json!({
        "issuer": locked(server).origin, "tokenEndpointAuthMethod": "client_secret_post",
    }))?;
    let settings = ProviderSettings { oauth_registration: Some(block), ..Default::default() };
    Ok(registry::build(&settings, None, &loopback_allowed(), Meter::default())?)
}

fn request() -> CreateRequest {
    CreateRequest { name: "orders".into(), ..CreateRequest::default() }
}

#[tokio::test]
async fn members_that_one_document_of_metadata_lacks_are_taken_from_the_other() -> Result<()> {
    let (server, _serving) = start().await?;
    for first in [
        json!({ "registration_endpoint": null }),
        json!({ "registration_endpoint": null, "token_endpoint": null }),
        json!({ "issuer": "https://elsewhere.example.com" }),
        json!({ "issuer": null }),
    ] {
        locked(&server).first = first.clone();
        let issued = driver(&server)?.created(&request()).await.map_err(shown);
        assert!(issued.is_ok(), "{first}");
    }
    Ok(())
}

#[tokio::test]
async fn endpoints_that_move_are_found_again_and_what_workloads_read_follows() -> Result<()> {
    let (server, _serving) = start().await?;
    let provider = driver(&server)?;
    let issued = provider.created(&request()).await.map_err(shown)?;
    assert!(issued.fields["token_url"].ends_with("/old/token"));
    locked(&server).place = "new";
    let failure = provider.created(&request()).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Unexplained, "404 where it was");
    let another = provider.created(&request()).await.map_err(shown)?;
    assert!(another.fields["token_url"].ends_with("/new/token"));
    assert_eq!(provider.fields(&[])["token_url"], another.fields["token_url"]);
    assert_eq!(provider.verify(&pair(&issued, &[])).await.map_err(shown)?, Verdict::Accepted);
    assert_eq!(provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);

    locked(&server).place = "newest";
    assert!(provider.verify(&pair(&another, &[])).await.is_err(), "404 where it was");
    assert_eq!(provider.verify(&pair(&another, &[])).await.map_err(shown)?, Verdict::Accepted);
    Ok(())
}

#[tokio::test]
async fn a_token_is_understood_in_every_usual_spelling() -> Result<()> {
    let (server, _serving) = start().await?;
    let provider = driver(&server)?;
    let issued = provider.created(&request()).await.map_err(shown)?;
    for token in [
        json!({ "expires_in": "3600" }),
        json!({ "expires_in": 3599.5 }),
        json!({ "expires_in": null }),
        json!({ "expires_in": -1 }),
        json!({ "expires_in": 1e12 }),
        json!({ "expires_in": "soon" }),
        json!({ "scope": ["read", "write"] }),
        json!({ "scope": {} }),
        json!({ "error": "" }),
    ] {
        locked(&server).token = token.clone();
        let verdict = provider.verify(&pair(&issued, &["read".into()])).await.map_err(shown)?;
        assert_eq!(verdict, Verdict::Accepted, "{token}");
    }
    locked(&server).token = json!({ "access_token": null });
    let failure = provider.verify(&pair(&issued, &[])).await.err().context("it did not fail")?;
    assert!(failure.message.ends_with("without an access_token"), "{}", failure.message);
    Ok(())
}

#[tokio::test]
async fn an_error_in_an_answer_decides_whatever_its_status() -> Result<()> {
    let (server, _serving) = start().await?;
    let provider = driver(&server)?;
    let issued = provider.created(&request()).await.map_err(shown)?;
    locked(&server).error = Some("invalid_client");
    assert_eq!(provider.verify(&pair(&issued, &[])).await.map_err(shown)?, Verdict::Refused);
    let failure = provider.revoke(&target(&issued)).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Rejected, "{}", failure.message);
    locked(&server).error = None;
    assert_eq!(provider.revoke(&target(&issued)).await.map_err(shown)?, Revocation::Revoked);
    Ok(())
}

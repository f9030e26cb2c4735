//! The cases that every server has to pass with the driver.

use anyhow::{Context, Result};
use credwright::{
    api::TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost},
    providers::{CreateRequest, FailureKind, Issued, Provider, Revocation, Verdict, VerifyRequest},
};

use crate::subject::{Calls, Server, pair, request, shown, target};

/// Makes a test of each case, at the server that `server()` of the same module starts once.
macro_rules! cases {
    () => {
        cases! {
            the_settings_of_the_page_pass_the_probe
            a_client_is_made_with_scopes_and_a_wrong_secret_is_refused
            a_revoked_client_is_refused_and_revoking_it_twice_does_no_harm
            both_ways_to_send_the_secret_work
            without_scopes_a_client_has_those_that_the_page_names
            an_unknown_scope_is_answered_as_the_page_says
            a_wrong_login_is_refused
        }
    };
    ($($case:ident)*) => { $(
        #[tokio::test]
        async fn $case() -> anyhow::Result<()> {
            crate::cases::$case(server().await?).await
        }
    )* };
}

async fn made(provider: &dyn Provider, asked: &CreateRequest) -> Result<Issued> {
    provider.create(asked).await.map_err(|it| shown(it.failure))
}

async fn verdict(provider: &dyn Provider, pair: &VerifyRequest) -> Result<Verdict> {
    provider.verify(pair).await.map_err(shown)
}

/// Revokes a client, and checks that it is dead. At a server that cannot revoke, checks the message
/// of the driver.
async fn end(server: &Server, provider: &dyn Provider, issued: &Issued, asked: &CreateRequest) -> Result<()> {
    if server.revokes {
        assert_eq!(provider.revoke(&target(issued)).await.map_err(shown)?, Revocation::Revoked);
        assert_eq!(verdict(provider, &pair(issued, asked)).await?, Verdict::Refused);
    } else {
        let failure = provider.revoke(&target(issued)).await.err().context("it cannot have revoked")?;
        assert_eq!(failure.kind, FailureKind::Rejected);
        let said = "the server gave no registration access token: the client has to be deleted there";
        assert_eq!(failure.message, said);
        assert_eq!(verdict(provider, &pair(issued, asked)).await?, Verdict::Accepted, "it lives on");
    }
    Ok(())
}

pub(crate) async fn the_settings_of_the_page_pass_the_probe(server: &Server) -> Result<()> {
    server.provider()?.probe().await.map_err(shown)
}

pub(crate) async fn a_client_is_made_with_scopes_and_a_wrong_secret_is_refused(
    server: &Server,
) -> Result<()> {
    let provider = server.provider()?;
    let asked = server.request();
    let issued = made(&*provider, &asked).await?;
    assert!(issued.fields["token_url"].starts_with(&server.origin), "{:?}", issued.fields);
    if !asked.scopes.is_empty() {
        assert_eq!(issued.fields["scope"], asked.scopes.join(" "));
    }
    assert_eq!(verdict(&*provider, &pair(&issued, &asked)).await?, Verdict::Accepted);
    let wrong = VerifyRequest { client_secret: "Canary-Wrong-Secret".into(), ..pair(&issued, &asked) };
    assert_eq!(verdict(&*provider, &wrong).await?, Verdict::Refused);
    end(server, &*provider, &issued, &asked).await
}

pub(crate) async fn a_revoked_client_is_refused_and_revoking_it_twice_does_no_harm(
    server: &Server,
) -> Result<()> {
    let provider = server.provider()?;
    let asked = server.request();
    let (revoked, other) = (made(&*provider, &asked).await?, made(&*provider, &asked).await?);
    assert_ne!(revoked.client_id, other.client_id);
    end(server, &*provider, &revoked, &asked).await?;
    if server.revokes {
        let again = provider.revoke(&target(&revoked)).await.map_err(shown)?;
        assert_eq!(again, Revocation::NotFound);
    }
    assert_eq!(verdict(&*provider, &pair(&other, &asked)).await?, Verdict::Accepted);
    end(server, &*provider, &other, &asked).await
}

pub(crate) async fn both_ways_to_send_the_secret_work(server: &Server) -> Result<()> {
    for method in [ClientSecretBasic, ClientSecretPost] {
        let provider =
            server.provider_with(&server.login, |block| block.token_endpoint_auth_method = method)?;
        let asked = server.request();
        let issued = made(&*provider, &asked).await.with_context(|| format!("{method:?}"))?;
        assert_eq!(verdict(&*provider, &pair(&issued, &asked)).await?, Verdict::Accepted, "{method:?}");
        end(server, &*provider, &issued, &asked).await?;
    }
    Ok(())
}

pub(crate) async fn without_scopes_a_client_has_those_that_the_page_names(server: &Server) -> Result<()> {
    let provider = server.provider()?;
    let asked = request(&[]);
    let issued = made(&*provider, &asked).await?;
    let scope = issued.fields.get("scope").map(String::as_str).unwrap_or_default();
    let words: Vec<&str> = scope.split_whitespace().collect();
    let missing: Vec<_> = server.scopes_by_default.iter().filter(|it| !words.contains(it)).collect();
    assert!(missing.is_empty(), "{scope:?} lacks {missing:?}");
    assert_eq!(words.is_empty(), server.scopes_by_default.is_empty(), "{scope:?}");
    assert_eq!(verdict(&*provider, &pair(&issued, &asked)).await?, Verdict::Accepted);
    end(server, &*provider, &issued, &asked).await
}

pub(crate) async fn an_unknown_scope_is_answered_as_the_page_says(server: &Server) -> Result<()> {
    let provider = server.provider()?;
    let asked = request(&["no-such"]);
    match (provider.create(&asked).await, server.unknown_scope) {
        (Ok(issued), None) => end(server, &*provider, &issued, &asked).await,
        (Ok(_), Some(_)) => anyhow::bail!("it was registered"),
        (Err(it), None) => Err(shown(it.failure)),
        (Err(it), Some((kind, said))) => {
            assert_eq!(it.failure.kind, kind, "{}", it.failure.message);
            assert!(it.failure.message.contains(said), "{}", it.failure.message);
            Ok(())
        }
    }
}

pub(crate) async fn a_wrong_login_is_refused(server: &Server) -> Result<()> {
    let wrong = server.wrong_login();
    let provider = server.provider_with(&wrong, |_| {})?;
    let answer = provider.create(&server.request()).await;
    if wrong.is_empty() {
        assert!(answer.is_ok(), "a server that wants no login registers whoever asks");
        return Ok(());
    }
    let failure = answer.err().context("it was registered")?.failure;
    assert_eq!(failure.kind, FailureKind::LoginRefused, "{}", failure.message);
    assert!(!failure.message.contains("Canary"), "{}", failure.message);
    Ok(())
}

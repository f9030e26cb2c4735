//! The rows of src/api/tests/rules.rs on a real API server, whose evaluator is another one.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    rules::{
        ALLOW, CREDENTIAL_CHANGES, CREDENTIALS, NAMES, OWN_PROVIDERS, PROVIDER_CHANGES, PROVIDERS,
        SHARED_PROVIDERS, SPREETAIL, lengths_of_names, long_credentials, long_providers,
    },
    verbs::{Kind, judged, kind, parsed},
};

const PROVIDER_KINDS: [&str; 2] = ["CredentialProvider", "ClusterCredentialProvider"];

/// An object with `member`, unless it has another one.
fn with_default(object: &str, member: &str, default: Value) -> Value {
    let mut object = parsed(object);
    object.as_object_mut().unwrap().entry(member).or_insert(default);
    object
}

fn credential(spec: &str) -> Value {
    with_default(spec, "providerRef", json!({ "name": "p" }))
}

async fn check_changes(kind: &Kind, old: Value, new: Value, message: &str) -> Result<()> {
    let what = format!("{old} to {new}");
    judged(&kind.changed(&kind.created(old).await?, new).await, &what, message)
}

#[tokio::test]
async fn an_invalid_credential_is_rejected_with_a_message_about_its_field() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    let long = long_credentials();
    let long = long.iter().map(|(spec, message)| (spec.as_str(), *message));
    for (spec, message) in CREDENTIALS.iter().copied().chain(long) {
        judged(&credentials.tried("orders", credential(spec)).await, spec, message)?;
    }
    for (old, new, message) in CREDENTIAL_CHANGES {
        check_changes(&credentials, credential(old), credential(new), message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_credentials_name_leaves_room_for_its_ledger() -> Result<()> {
    let credentials = kind("ApiCredential").await?;
    let lengths = lengths_of_names();
    let lengths = lengths.iter().map(|(name, message)| (name.as_str(), *message));
    for (name, message) in NAMES.iter().copied().chain(lengths) {
        judged(&credentials.tried(name, credential("{}")).await, name, message)?;
    }
    Ok(())
}

#[tokio::test]
async fn an_invalid_provider_is_rejected_with_a_message_about_its_field() -> Result<()> {
    for name in PROVIDER_KINDS {
        let providers = kind(name).await?;
        let long = long_providers();
        let long = long.iter().map(|(spec, message)| (spec.as_str(), *message));
        for (spec, message) in PROVIDERS.iter().copied().chain(long) {
            judged(&providers.tried("p", parsed(spec)).await, spec, message)?;
        }
    }
    let shared = kind("ClusterCredentialProvider").await?;
    for (spec, message) in SHARED_PROVIDERS {
        judged(&shared.tried("p", parsed(spec)).await, spec, message)?;
    }
    let own = kind("CredentialProvider").await?;
    for (spec, message) in OWN_PROVIDERS {
        judged(&own.tried("p", parsed(spec)).await, spec, message)?;
    }
    for (allow, message) in ALLOW {
        let mut spec = parsed(SPREETAIL);
        spec["allow"] = with_default(allow, "namespaces", json!({ "names": ["shop"] }));
        judged(&shared.tried("p", spec).await, allow, message)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_provider_stays_the_account_that_it_is() -> Result<()> {
    for name in PROVIDER_KINDS {
        let providers = kind(name).await?;
        for (old, new, message) in PROVIDER_CHANGES {
            check_changes(&providers, parsed(old), parsed(new), message).await?;
        }
    }
    Ok(())
}

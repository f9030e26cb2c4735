//! Objects that a strict decoder cannot read, as any tenant can write them.

use anyhow::{Context, Result, ensure};
use http::Method;
use kube::Client;
use serde_json::{Value, json};

use crate::raw;

/// A legal time for the API server, and one that no instant of the operator's can be.
pub const NEVER: &str = "9999-12-31T23:59:59Z";

/// More levels than a JSON decoder with a limit accepts.
const DEPTH: usize = 300;

/// Writes times that no instant can be into `managedFields`.
///
/// # Errors
/// If the API server refuses it, or takes it without the times.
pub async fn times(client: &Client, path: &str) -> Result<()> {
    managed(client, path, |entry| entry["time"] = json!(NEVER), NEVER).await
}

/// Writes fields into `managedFields` that are nested 300 deep.
///
/// # Errors
/// If the API server refuses it, or takes it without the fields.
pub async fn depth(client: &Client, path: &str) -> Result<()> {
    let deep = (0..DEPTH).fold(json!({}), |inner, _| json!({ "f:deep": inner }));
    let poison = |entry: &mut Value| entry["fieldsV1"]["f:metadata"]["f:annotations"] = deep.clone();
    managed(client, path, poison, "f:deep").await
}

/// Edits each entry of `managedFields`. Alone that would be reverted, so an annotation changes with
/// it, and by another manager, whose own entry is the true one. The operator may write the object
/// meanwhile, so a conflict is tried again.
async fn managed(client: &Client, path: &str, poison: impl Fn(&mut Value), sign: &str) -> Result<()> {
    for _ in 0..5 {
        if managed_once(client, path, &poison, sign).await.is_ok() {
            return Ok(());
        }
    }
    managed_once(client, path, &poison, sign).await
}

async fn managed_once(client: &Client, path: &str, poison: impl Fn(&mut Value), sign: &str) -> Result<()> {
    let mut object = raw::ask(client, Method::GET, path, None).await?;
    object["metadata"]["annotations"]["poisoned"] = json!(sign);
    let entries = object["metadata"]["managedFields"].as_array_mut().context("managedFields")?;
    entries.iter_mut().for_each(poison);
    let put = format!("{path}?fieldManager=poisoner");
    let written = raw::text(client, Method::PUT, &put, Some(&object)).await?;
    // Once it is in the annotation.
    ensure!(written.matches(sign).count() > 1, "{path} took no poison");
    Ok(())
}

/// Writes a status with words that the operator does not know and times that no instant can be into
/// an ApiCredential.
///
/// # Errors
/// If the API server refuses it.
pub async fn status(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let status = json!({ "status": {
        "revision": 5_000_000_000_u64, "expiresAt": NEVER,
        "credentials": [{
            "revision": 1, "state": "FromTheFuture", "name": "n", "reason": "FromTheFuture", "expiresAt": NEVER,
        }],
        "lastRotation": { "at": NEVER, "reason": "FromTheFuture" },
    } });
    let path = format!("{}/status", raw::path(namespace, "apicredentials", name));
    raw::text(client, Method::PATCH, &path, Some(&status)).await.map(drop)
}

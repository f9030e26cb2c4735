//! Plain JSON to and from an API server, for objects that no type of ours could read.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use http::{Method, Request};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// The path of the objects of a kind in a namespace, or in all of them. `plural` names the kind:
/// one of the operator's, or one of the core group.
#[must_use]
pub fn collection(namespace: Option<&str>, plural: &str) -> String {
    let ours = plural.contains("credential");
    let group = if ours { "apis/credwright.dev/v1alpha1" } else { "api/v1" };
    let place = namespace.map(|it| format!("/namespaces/{it}")).unwrap_or_default();
    format!("/{group}{place}/{plural}")
}

/// The path of an object.
#[must_use]
pub fn path(namespace: &str, plural: &str, name: &str) -> String {
    format!("{}/{name}", collection(Some(namespace), plural))
}

/// Sends a request, with a body or none. Returns the text of the answer.
///
/// # Errors
/// If the API server refuses or cannot be reached.
pub async fn text(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<String> {
    let merge = method == Method::PATCH;
    let kind = if merge { "application/merge-patch+json" } else { "application/json" };
    let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body)?;
    client.request_text(request).await.with_context(|| path.to_owned())
}

/// Sends a request, with a body or none. Returns the answer, without `managedFields` that are
/// nested too deep to be read.
///
/// # Errors
/// If the API server refuses or cannot be reached.
pub async fn ask(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let text = text(client, method, path, body).await?;
    Ok(serde_json::from_str(&text).or_else(|_| shallow(&text))?)
}

fn shallow(text: &str) -> serde_json::Result<Value> {
    let mut object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)?;
    if let Some(metadata) = object.get_mut("metadata") {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(metadata.get())?;
        members.remove("managedFields");
        *metadata = serde_json::value::to_raw_value(&members)?;
    }
    serde_json::from_str(&serde_json::to_string(&object)?)
}

/// The names of the objects of a kind in a namespace.
///
/// # Errors
/// If the API server refuses or cannot be reached.
pub async fn names(client: &Client, namespace: &str, plural: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    let listed = text(client, Method::GET, &collection(Some(namespace), plural), None).await?;
    let list: List = serde_json::from_str(&listed)?;
    Ok(list.items.into_iter().map(|item| item.metadata.name).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_are_nested_too_deep_are_left_out() {
        let deep = format!("{}{}", r#"{"f:a":"#.repeat(300), "1".to_owned() + &"}".repeat(300));
        let text = format!(r#"{{"kind":"Secret","metadata":{{"name":"n","managedFields":{deep}}}}}"#);
        assert!(serde_json::from_str::<Value>(&text).is_err());
        assert_eq!(shallow(&text).unwrap(), json!({ "kind": "Secret", "metadata": { "name": "n" } }));
    }
}

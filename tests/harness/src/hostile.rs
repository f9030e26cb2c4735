//! The actions of a hostile tenant, with the rights that every tenant has in its own namespaces.

use std::ops::Range;

use anyhow::Result;
use futures::{StreamExt, stream};
use http::Method;
use kube::Client;
use serde_json::{Value, json};

use crate::{poison, raw};

/// The content of Secrets that the operator must not read, and that must not appear anywhere.
pub const CANARY: &str = "CANARY-of-a-poisoned-secret";

/// The number of concurrent creates or deletes.
const AT_ONCE: usize = 8;
/// The kinds that it creates, in the order in which they are removed.
const KINDS: [&str; 3] = ["apicredentials", "secrets", "credentialproviders"];

/// A tenant that means harm. Of what it creates, each has a number, and they are spread over its
/// namespaces.
pub struct Tenant {
    client: Client,
    namespaces: Vec<String>,
}

impl Tenant {
    /// One to whom `namespaces` belong, of which there is at least one.
    #[must_use]
    pub fn new(client: Client, namespaces: Vec<String>) -> Self {
        Self { client, namespaces }
    }

    /// Creates provider objects whose server is the tarpit at `url`.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn tarpits(&self, url: &str, numbers: Range<usize>) -> Result<()> {
        self.each(numbers, async |place, number| {
            let spec = json!({ "cloudConnexa": { "baseUrl": url } });
            self.create(place, "CredentialProvider", &format!("tarpit-{number}"), spec).await
        })
        .await
    }

    /// Creates the provider objects that [`slow`](Self::slow) and [`talkative`](Self::talkative)
    /// need, in the first `count` namespaces.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn providers(&self, slow: &str, talkative: &str, count: usize) -> Result<()> {
        for place in self.namespaces.iter().take(count) {
            let spec = json!({ "vonageContactCenter": { "baseUrl": slow } });
            self.create(place, "CredentialProvider", "slow", spec).await?;
            let spec = json!({ "oauthRegistration": {
                "registrationEndpoint": format!("{talkative}/register"),
                "tokenEndpoint": format!("{talkative}/token"),
            } });
            self.create(place, "CredentialProvider", "talkative", spec).await?;
        }
        Ok(())
    }

    /// Creates credentials whose pairs a person has made, to be tried with 64 scopes at the
    /// provider `slow`.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn slow(&self, numbers: Range<usize>) -> Result<()> {
        let scopes: Vec<String> = (0..64).map(|number| format!("scope:{number}")).collect();
        self.each(numbers, async |place, number| {
            self.by_hand(place, &format!("slow-{number}"), json!({}), &scopes).await
        })
        .await
    }

    /// Creates credentials at the provider `talkative`.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn talkative(&self, numbers: Range<usize>) -> Result<()> {
        self.each(numbers, async |place, number| {
            let spec = json!({ "providerRef": { "name": "talkative" } });
            self.create(place, "ApiCredential", &format!("talkative-{number}"), spec).await
        })
        .await
    }

    /// Creates an object of each watched kind that a strict decoder cannot read, and a Secret whose
    /// pair a person will have made at the end of the year 9999.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn poison(&self, numbers: Range<usize>) -> Result<()> {
        self.each(numbers, async |place, number| {
            let name = format!("poison-{number}");
            self.secret(place, &name, "target", json!({ "canary": CANARY })).await?;
            self.create(place, "ApiCredential", &name, json!({ "providerRef": { "name": "none" } })).await?;
            let spec = json!({ "cloudConnexa": { "baseUrl": "http://127.0.0.1:9" } });
            self.create(place, "CredentialProvider", &name, spec).await?;
            for plural in ["secrets", "apicredentials", "credentialproviders"] {
                let path = raw::path(place, plural, &name);
                poison::times(&self.client, &path).await?;
                poison::depth(&self.client, &path).await?;
            }
            poison::status(&self.client, place, &name).await?;
            let issued = json!({ "issued_at": poison::NEVER });
            self.by_hand(place, &format!("{name}-by-hand"), issued, &[]).await
        })
        .await
    }

    /// Runs `what` for each number, spread over the namespaces. Returns the last error.
    async fn each(&self, numbers: Range<usize>, what: impl AsyncFn(&str, usize) -> Result<()>) -> Result<()> {
        stream::iter(numbers)
            .map(async |number| what(&self.namespaces[number % self.namespaces.len()], number).await)
            .buffer_unordered(AT_ONCE)
            .fold(Ok(()), async |all, one| one.and(all))
            .await
    }

    /// A credential at the provider `slow`, whose pair is in a Secret with `more` beside it.
    async fn by_hand(&self, namespace: &str, name: &str, more: Value, scopes: &[String]) -> Result<()> {
        let intake = format!("{name}-intake");
        let mut pair = json!({ "client_id": format!("client-{name}"), "client_secret": CANARY });
        pair.as_object_mut()
            .into_iter()
            .for_each(|it| it.extend(more.as_object().cloned().unwrap_or_default()));
        self.secret(namespace, &intake, "intake", pair).await?;
        let spec = json!({
            "providerRef": { "name": "slow" }, "scopes": scopes, "intake": { "secretName": intake },
        });
        self.create(namespace, "ApiCredential", name, spec).await
    }

    async fn secret(&self, namespace: &str, name: &str, role: &str, data: Value) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": name, "labels": { "credwright.dev/role": role } }, "stringData": data,
        });
        self.post(namespace, "secrets", &secret).await
    }

    async fn create(&self, namespace: &str, kind: &str, name: &str, spec: Value) -> Result<()> {
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name }, "spec": spec,
        });
        self.post(namespace, &format!("{}s", kind.to_lowercase()), &object).await
    }

    async fn post(&self, namespace: &str, plural: &str, object: &Value) -> Result<()> {
        let collection = raw::collection(Some(namespace), plural);
        raw::text(&self.client, Method::POST, &collection, Some(object)).await.map(drop)
    }

    /// Deletes its credentials, as a tenant may. Their finalizers are left to the operator.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn delete_credentials(&self) -> Result<()> {
        for namespace in &self.namespaces {
            let all = raw::collection(Some(namespace), KINDS[0]);
            raw::text(&self.client, Method::DELETE, &all, None).await?;
        }
        Ok(())
    }

    /// The names of its credentials that are still there.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn credentials(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for namespace in &self.namespaces {
            names.extend(raw::names(&self.client, namespace, KINDS[0]).await?);
        }
        Ok(names)
    }

    /// Removes everything, whatever its finalizers say.
    ///
    /// # Errors
    /// If the API server cannot be asked what there is.
    pub async fn end(&self) -> Result<()> {
        let free = json!({ "metadata": { "finalizers": null } });
        for kind in KINDS {
            for namespace in &self.namespaces {
                stream::iter(raw::names(&self.client, namespace, kind).await?)
                    .for_each_concurrent(AT_ONCE, async |name| {
                        let path = raw::path(namespace, kind, &name);
                        let _ = raw::text(&self.client, Method::DELETE, &path, None).await;
                        let _ = raw::text(&self.client, Method::PATCH, &path, Some(&free)).await;
                    })
                    .await;
            }
        }
        Ok(())
    }
}

//! Token requests of workloads, in each provider's own form, with the values from the Secret.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use credwright::api::REVISION_ANNOTATION;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use reqwest::{Client, multipart};

/// The form of a token request at a provider.
#[derive(Clone, Copy)]
pub(crate) struct TokenRequest {
    /// `true` if client ID and secret are sent in HTTP Basic.
    pub(crate) basic: bool,
    pub(crate) body: Body,
    /// The members of the body.
    pub(crate) members: &'static [(&'static str, Value)],
    /// The shortest time between two requests of a workload.
    pub(crate) every: Duration,
}

#[derive(Clone, Copy)]
pub(crate) enum Body {
    Form,
    Multipart,
    Json,
}

#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// A constant.
    Text(&'static str),
    /// The value of this key of the Secret.
    Key(&'static str),
}

/// The values that a workload has read from its Secret.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) revision: u32,
    values: BTreeMap<String, String>,
}

impl Pair {
    pub(crate) fn read(secret: &Secret) -> Result<Self> {
        let revision = secret.annotations().get(REVISION_ANNOTATION).context("a revision")?.parse()?;
        let text = |(key, value): (&String, &k8s_openapi::ByteString)| {
            Ok((key.clone(), String::from_utf8(value.0.clone())?))
        };
        let values = secret.data.iter().flatten().map(text).collect::<Result<_>>()?;
        Ok(Self { revision, values })
    }

    pub(crate) fn client_id(&self) -> Result<&str> {
        self.value("client_id")
    }

    pub(crate) fn keys(&self) -> String {
        self.values.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    fn value(&self, key: &str) -> Result<&str> {
        self.values.get(key).map(String::as_str).with_context(|| format!("the Secret has no {key}"))
    }
}

impl TokenRequest {
    /// Asks as a workload does, and returns the status of the answer.
    pub(crate) async fn send(&self, http: &Client, pair: &Pair) -> Result<u16> {
        let mut request = http.post(pair.value("token_url")?);
        if self.basic {
            request = request.basic_auth(pair.client_id()?, Some(pair.value("client_secret")?));
        }
        let mut members = Vec::new();
        for (name, value) in self.members {
            let value = match value {
                Value::Text(text) => text,
                Value::Key(key) => pair.value(key)?,
            };
            members.push((*name, value.to_owned()));
        }
        let request = match self.body {
            Body::Form => request.form(&members),
            Body::Multipart => {
                let add = |form: multipart::Form, (name, value)| form.text(name, value);
                request.multipart(members.into_iter().fold(multipart::Form::new(), add))
            }
            Body::Json => request.json(&BTreeMap::from_iter(members)),
        };
        let answer = request.send().await.context("the token endpoint does not answer")?;
        Ok(answer.status().as_u16())
    }
}

pub(crate) fn http() -> Result<Client> {
    Ok(Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?)
}

//! A credential and an output spec make the data of the Secret that workloads read.

mod template;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    api::SecretOutput,
    lifecycle::model::{Revision, naming},
};

use super::schedule;

/// The largest size of all values of a Secret together; a Secret takes 1 MiB.
const SIZE_LIMIT: usize = 512 * 1024;

/// A revision with its secret.
#[derive(Clone, Copy)]
pub struct WithSecret<'a> {
    /// The revision.
    pub revision: &'a Revision,
    /// Its secret half.
    pub client_secret: &'a SecretString,
}

/// The cause for which a Secret cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A template failed.
    #[error("spec.secret.template{} cannot be rendered: {why}", member(.key))]
    Template {
        /// Its key.
        key: String,
        /// The cause, without any value.
        why: String,
        /// True if it fails for all values.
        certain: bool,
    },
    /// Two keys have the same name.
    #[error("spec.secret: two keys are named {0}")]
    DuplicateKey(String),
    /// Nothing is wrong with the templates.
    #[error("spec.secret.template cannot be rendered now: no thread could be started for it ({0})")]
    NoThread(std::io::ErrorKind),
    /// It is too large.
    #[error("spec.secret: the Secret would be larger than 512 KiB")]
    TooLarge,
}

/// A key behind the path of its map, as people write it.
fn member(key: &str) -> String {
    let plain = key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-');
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}

/// The keys that a driver may publish beside the pair, of which some hold the secret again. A test
/// holds drivers to them.
pub const DRIVERS_KEYS: [&str; 14] = [
    "api_version",
    "audience",
    "base_url",
    "cloud_id",
    "host",
    "mount",
    "namespace",
    "org",
    "refresh_token",
    "region",
    "resource",
    "scope",
    "secret_id",
    "token_url",
];
/// Keys that not every credential has, or not always.
const OPTIONAL: [&str; 3] = ["expires_at", "previous_client_id", "previous_client_secret"];

/// Renders the templates with made-up values before there is a credential. A template may still
/// fail with real ones; one that fails here fails with all of them.
///
/// # Errors
/// If a template cannot work, whatever is issued: it names a filter or a value that there is not,
/// or is none.
pub fn rehearse(output: Option<&SecretOutput>) -> Result<(), RenderError> {
    let Some(output) = output else { return Ok(()) };
    let made_up = |key: &&str| ((*key).to_owned(), SecretString::from(format!("made-up-{key}")));
    let mut values: BTreeMap<String, SecretString> =
        ["client_id", "client_secret"].iter().chain(&DRIVERS_KEYS).map(made_up).collect();
    // A first credential has no predecessor; whether it ends is not known before it exists.
    values.insert("expires_at".to_owned(), "2030-01-01T00:00:00Z".to_owned().into());
    match template::render(&output.template, &values) {
        Err(error @ RenderError::Template { certain: true, .. }) => Err(error),
        _ => Ok(()),
    }
}

/// A hash of all sources of a target. It contains no secret: each revision has one secret for its
/// whole life, but a person may say later when it ends, and other fields follow the provider.
#[must_use]
pub fn source(output: Option<&SecretOutput>, revision: &Revision, previous: Option<&Revision>) -> String {
    let output = serde_json::to_string(&output).unwrap_or_default();
    let number = |it: &Revision| {
        let followed = it.followed.map(|times| format!(" {times}")).unwrap_or_default();
        format!("{} {} {:?}{followed}", it.revision, it.intent.id, it.expires_at)
    };
    naming::fingerprint(&[&output, &number(revision), &previous.map(number).unwrap_or_default()])
}

/// Returns the fingerprint of the output that a failure to publish is about: when it changes, the
/// failure is forgotten.
#[must_use]
pub fn about(output: Option<&SecretOutput>) -> String {
    naming::fingerprint(&[&serde_json::to_string(&output).unwrap_or_default()])
}

/// Renders the Secret's data.
///
/// # Errors
/// If a template fails, two keys have one name, or the result is too large.
pub fn render(
    output: Option<&SecretOutput>,
    current: WithSecret<'_>,
    previous: Option<WithSecret<'_>>,
) -> Result<BTreeMap<String, SecretString>, RenderError> {
    let values = default_values(current, previous);
    let Some(output) = output else { return Ok(values) };
    let mut data = BTreeMap::new();
    for (key, value) in &values {
        let name = output.keys.get(key).unwrap_or(key);
        if !name.is_empty() && data.insert(name.clone(), value.clone()).is_some() {
            return Err(RenderError::DuplicateKey(name.clone()));
        }
    }
    for (key, text) in template::render(&output.template, &values)? {
        if data.insert(key.clone(), text).is_some() {
            return Err(RenderError::DuplicateKey(key));
        }
    }
    let size: usize = data.iter().map(|(key, value)| key.len() + value.expose_secret().len()).sum();
    if size > SIZE_LIMIT { Err(RenderError::TooLarge) } else { Ok(data) }
}

fn default_values(
    current: WithSecret<'_>,
    previous: Option<WithSecret<'_>>,
) -> BTreeMap<String, SecretString> {
    let revision = current.revision;
    let text = |text: &str| SecretString::from(text.to_owned());
    let mut values: BTreeMap<String, SecretString> =
        revision.fields.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    values.insert("client_id".to_owned(), text(revision.client_id.as_deref().unwrap_or_default()));
    let aliases = revision.secret_aliases.iter().cloned();
    values.extend(aliases.map(|key| (key, current.client_secret.clone())));
    values.insert("client_secret".to_owned(), current.client_secret.clone());
    if let Some(end) = schedule::end(revision) {
        values.insert("expires_at".to_owned(), text(&end.to_string()));
    }
    if let Some(previous) = previous {
        let id = previous.revision.client_id.as_deref().unwrap_or_default();
        values.insert("previous_client_id".to_owned(), text(id));
        values.insert("previous_client_secret".to_owned(), previous.client_secret.clone());
    }
    values
}

/// The credential that a rendered Secret holds.
pub struct TakenBack {
    /// The public half of the pair.
    pub client_id: String,
    /// The secret half.
    pub client_secret: SecretString,
    /// The driver's own keys.
    pub fields: BTreeMap<String, String>,
    /// More keys that hold the secret.
    pub secret_aliases: Vec<String>,
}

/// The reverse: returns the source of a Secret. `None` if it does not hold the pair under keys of
/// its own.
#[must_use]
pub fn take_back(output: Option<&SecretOutput>, data: BTreeMap<String, SecretString>) -> Option<TakenBack> {
    let mut values: BTreeMap<String, SecretString> = BTreeMap::new();
    for (name, value) in data {
        let renamed =
            output.and_then(|it| it.keys.iter().find(|(_, to)| **to == name)).map(|(key, _)| key.clone());
        if output.is_none_or(|it| !it.template.contains_key(&name)) {
            values.insert(renamed.unwrap_or(name), value);
        }
    }
    for derived in ["expires_at", "previous_client_id", "previous_client_secret"] {
        values.remove(derived);
    }
    let client_id = values.remove("client_id")?.expose_secret().to_owned();
    let client_secret = values.remove("client_secret")?;
    let is_secret = |value: &SecretString| value.expose_secret() == client_secret.expose_secret();
    let (aliases, fields): (BTreeMap<_, _>, BTreeMap<_, _>) =
        values.into_iter().partition(|(_, value)| is_secret(value));
    let secret_aliases = aliases.into_keys().collect();
    let fields = fields.into_iter().map(|(key, value)| (key, value.expose_secret().to_owned())).collect();
    Some(TakenBack { client_id, client_secret, fields, secret_aliases })
}

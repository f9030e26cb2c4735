//! The API server's audit log: who asked for what, and when.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;

/// One answered request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    verb: String,
    stage: String,
    #[serde(default)]
    impersonated_user: Option<User>,
    #[serde(default)]
    object_ref: Option<Object>,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

impl Entry {
    fn is_of(&self, user: &str, namespace: &str) -> bool {
        let by_user = self.impersonated_user.as_ref().is_some_and(|it| it.username == user);
        by_user && self.object_ref.as_ref().is_some_and(|object| object.namespace == namespace)
    }

    pub(crate) fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete")
    }

    /// `update secrets`, `patch apicredentials/status`.
    pub(crate) fn what(&self) -> String {
        let Some(object) = &self.object_ref else { return self.verb.clone() };
        let slash = if object.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{slash}{}", self.verb, object.resource, object.subresource)
    }

    /// Returns whether it is the last write of an object's way to Ready.
    fn is_rest(&self) -> bool {
        self.is_about_an_object() && self.what().ends_with("/status")
    }

    /// Returns whether it is about one of the measured objects, or a Secret or Event of one.
    pub(crate) fn is_about_an_object(&self) -> bool {
        let named = |object: &Object| object.name.starts_with(crate::load::PREFIX);
        self.object_ref
            .as_ref()
            .is_some_and(|object| object.resource != "credentialproviders" && named(object))
    }
}

/// The entries, in order of their answers.
pub(crate) struct Audit(Vec<Entry>);

impl Audit {
    /// Reads the log, in all the pieces that the API server has cut it into.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut entries = Vec::new();
        for file in fs::read_dir(folder)? {
            let file = file?;
            if !file.file_name().to_string_lossy().starts_with("audit") {
                continue;
            }
            for line in BufReader::new(File::open(file.path())?).lines() {
                let entry: Entry = serde_json::from_str(&line?)?;
                if entry.stage == "ResponseComplete" {
                    entries.push(entry);
                }
            }
        }
        entries.sort_by_key(|entry| entry.stage_timestamp);
        Ok(Self(entries))
    }

    /// Parts the log at an instant.
    pub(crate) fn parted(self, at: Timestamp) -> (Self, Self) {
        let (before, after) = self.0.into_iter().partition(|entry| entry.request_received_timestamp < at);
        (Self(before), Self(after))
    }

    /// Returns the requests of `user` in `namespace`.
    pub(crate) fn of(&self, user: &str, namespace: &str) -> Vec<&Entry> {
        self.0.iter().filter(|entry| entry.is_of(user, namespace)).collect()
    }
}

/// Those until all objects were at rest; what has been published is tried again once in an hour.
pub(crate) fn until_rest<'a>(entries: &[&'a Entry]) -> Vec<&'a Entry> {
    let last = entries.iter().filter(|entry| entry.is_rest()).map(|entry| entry.stage_timestamp).max();
    entries.iter().filter(|entry| Some(entry.stage_timestamp) <= last).copied().collect()
}

/// Seconds from the first write to the last one that brings an object to rest.
pub(crate) fn seconds(entries: &[&Entry]) -> f64 {
    let about_objects = || entries.iter().filter(|entry| entry.is_about_an_object() && entry.is_write());
    let first = about_objects().map(|entry| entry.request_received_timestamp).min();
    let last = about_objects().filter(|entry| entry.is_rest()).map(|entry| entry.stage_timestamp);
    first.zip(last.max()).map_or(f64::NAN, |(first, last)| last.duration_since(first).as_secs_f64())
}

/// Returns the number of requests of each kind.
pub(crate) fn counts<'a>(entries: impl IntoIterator<Item = &'a &'a Entry>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.what()).or_default() += 1;
    }
    counts
}

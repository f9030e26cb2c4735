//! The Secret that workloads read: its owner, and writes that lose no other writer's change.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use kube::api::{Api, GetParams, ObjectMeta, Patch, PatchParams, Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    api::{
        APPLIED_METADATA_ANNOTATION, ApiCredential, DIGEST_ANNOTATION, RENDERED_FROM_ANNOTATION,
        REVISION_ANNOTATION, ROLE_LABEL, ROLE_TARGET,
    },
    lifecycle::{Rendered, TargetView},
};

use super::{
    Engine, EngineError, Key, Partial, Secret, TargetEntry, call, ignore_absence, only, owner_uid, post,
    stores::target_digest, target_entry, version,
};

/// The result of writing a target, other than an error.
pub(super) enum Written {
    /// It is there, and was read back.
    Done,
    /// Someone else's Secret has the name.
    Foreign,
}

impl Engine {
    /// Reads the Secret with the target's name once, for Secrets that the watch does not see
    /// because they are not ours. One that says it is a target, and was forgotten because no object
    /// claimed it, is read into the stores again.
    pub(super) async fn inspect_target(
        &self,
        key: &Key,
        owner: &str,
    ) -> Result<Option<TargetView>, EngineError> {
        let api: Api<Partial<Secret>> = self.within(&key.namespace);
        let looked = match call("reading the Secret", api.get_with(&key.name, &GetParams::any())).await {
            Err(error) if error.is_not_found() => None,
            looked => Some(looked?),
        };
        let is_target =
            |it: &Partial<Secret>| it.labels().get(ROLE_LABEL).is_some_and(|role| role == ROLE_TARGET);
        if looked.as_ref().is_some_and(is_target) {
            self.refresh_target(key).await?;
        }
        Ok(looked.map(|secret| TargetView {
            name: key.name.to_string(),
            ours: owner_uid(&secret).as_deref() == Some(owner),
            inherited: false,
            intact: None,
            immutable: false,
            terminating: secret.metadata.deletion_timestamp.is_some(),
            created_at: None,
        }))
    }

    /// Writes the target of `object`: a create if none was seen, otherwise a replacement of the
    /// version that was seen, if that may be written.
    pub(super) async fn write_target(
        &self,
        object: &ApiCredential,
        rendered: &Rendered,
        data: BTreeMap<String, SecretString>,
        may_write: impl Fn(&Key, &TargetEntry) -> bool,
    ) -> Result<Written, EngineError> {
        let namespace = object.namespace().unwrap_or_default();
        let key = Key::new(namespace, object.spec.target_name(&object.name_any()));
        let api = self.secrets(&key.namespace);
        let created = match self.stores.targets.get(&key) {
            // It may have been taken by somebody else since the decision to write it.
            Some(seen) if !may_write(&key, &seen) => return Ok(Written::Foreign),
            Some(seen) => {
                let there = self.reread_target(&key, &seen).await?;
                return self.replace_target(&api, object, (&there.metadata, rendered, &data)).await;
            }
            None => {
                let secret = self.target(object, &ObjectMeta::default(), rendered, &data);
                call("creating the Secret", api.create(&post(), &secret)).await
            }
        };
        match created {
            Ok(secret) => Ok(self.wrote(&key, &secret)),
            Err(error) if error.is_already_exists() => {
                let there = call("reading the Secret", api.get_opt(&key.name))
                    .await?
                    .ok_or(EngineError::Conflict("the Secret"))?;
                if owner_uid(&there) != object.uid() {
                    return Ok(Written::Foreign);
                }
                self.replace_target(&api, object, (&there.metadata, rendered, &data)).await
            }
            Err(error) => Err(error),
        }
    }

    async fn replace_target(
        &self,
        api: &Api<Secret>,
        object: &ApiCredential,
        what: (&ObjectMeta, &Rendered, &BTreeMap<String, SecretString>),
    ) -> Result<Written, EngineError> {
        let (before, rendered, data) = what;
        let secret = self.target(object, before, rendered, data);
        let key = Key::of(&secret);
        match call("writing the Secret", api.replace(&key.name, &post(), &secret)).await {
            Ok(secret) => Ok(self.wrote(&key, &secret)),
            Err(error) if error.is_write_conflict() || error.is_not_found() => {
                self.refresh_target(&key).await?;
                Err(EngineError::Conflict("the Secret"))
            }
            Err(error) => Err(error),
        }
    }

    /// The target that was seen, with all that others have put into its metadata: that is not kept.
    async fn reread_target(&self, key: &Key, seen: &TargetEntry) -> Result<Secret, EngineError> {
        match call("reading the Secret", self.secrets(&key.namespace).get_opt(&key.name)).await? {
            Some(there) if version(&there) == seen.version => return Ok(there),
            Some(there) => self.stores.put_target(key, target_entry(&there, &self.sealer)),
            None => self.stores.targets.remove(key, seen.version),
        };
        Err(EngineError::Conflict("the Secret"))
    }

    /// Reads a target again into the stores.
    async fn refresh_target(&self, key: &Key) -> Result<(), EngineError> {
        let known = self.stores.targets.version(key);
        match call("reading the Secret", self.secrets(&key.namespace).get_opt(&key.name)).await? {
            Some(secret) => self.stores.put_target(key, target_entry(&secret, &self.sealer)),
            None => self.stores.targets.remove(key, known),
        };
        Ok(())
    }

    fn wrote(&self, key: &Key, secret: &Secret) -> Written {
        self.stores.put_target(key, target_entry(secret, &self.sealer));
        Written::Done
    }

    /// The target as it should be. Metadata that others add stay; its data is ours alone.
    fn target(
        &self,
        object: &ApiCredential,
        before: &ObjectMeta,
        rendered: &Rendered,
        data: &BTreeMap<String, SecretString>,
    ) -> Secret {
        let output = object.spec.secret.clone().unwrap_or_default();
        let mut metadata = ObjectMeta {
            namespace: object.namespace(),
            name: Some(object.spec.target_name(&object.name_any()).to_owned()),
            ..before.clone()
        };
        apply_metadata(&mut metadata, output.labels, output.annotations);
        let owners = metadata.owner_references.get_or_insert_default();
        owners.retain(|owner| owner.controller != Some(true));
        owners.extend(object.controller_owner_ref(&()));
        let bytes = |value: &SecretString| ByteString(value.expose_secret().as_bytes().to_vec());
        let mut secret = Secret {
            metadata,
            type_: output.type_,
            data: Some(data.iter().map(|(key, value)| (key.clone(), bytes(value))).collect()),
            ..Secret::default()
        };
        let digest = target_digest(&secret, rendered, &self.sealer);
        let annotations = secret.annotations_mut();
        annotations.insert(REVISION_ANNOTATION.to_owned(), rendered.revision.to_string());
        annotations.insert(RENDERED_FROM_ANNOTATION.to_owned(), rendered.from.clone());
        annotations.insert(DIGEST_ANNOTATION.to_owned(), digest);
        secret
    }

    /// Removes a Secret of ours.
    pub(super) async fn delete_target(&self, key: &Key) -> Result<(), EngineError> {
        let Some(entry) = self.stores.targets.get(key) else { return Ok(()) };
        let (api, delete) = (self.secrets(&key.namespace), only(Some(entry.uid)));
        let deleted = call("deleting the Secret", api.delete(&key.name, &delete)).await;
        ignore_absence(deleted.map(drop))?;
        self.stores.targets.remove(key, entry.version);
        Ok(())
    }

    /// Takes our owner reference and our label off a Secret, so that it outlives the object.
    pub(super) async fn release_target(&self, key: &Key) -> Result<(), EngineError> {
        let Some(seen) = self.stores.targets.get(key) else { return Ok(()) };
        let metadata = match self.reread_target(key, &seen).await {
            Ok(there) => there.metadata,
            // There is none to release, or it has changed and is read again.
            Err(error) => return if self.stores.targets.get(key).is_none() { Ok(()) } else { Err(error) },
        };
        let owners = metadata.owner_references.iter().flatten();
        let owners: Vec<_> = owners.filter(|owner| owner.controller != Some(true)).collect();
        let patch = serde_json::json!({ "metadata": {
            "resourceVersion": metadata.resource_version,
            "ownerReferences": owners,
            "labels": { ROLE_LABEL: null },
        }});
        let api = self.secrets(&key.namespace);
        let patched =
            call("releasing the Secret", api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)))
                .await;
        if let Err(error) = &patched
            && error.is_write_conflict()
        {
            self.refresh_target(key).await?;
            return Err(EngineError::Conflict("the Secret"));
        }
        let released = patched.as_ref().map_or_else(|_| seen.version, version);
        ignore_absence(patched.map(drop))?;
        self.stores.targets.remove(key, released);
        Ok(())
    }
}

/// Adds the labels and annotations that the spec asks for, and removes those that it asked for
/// before. Those of others stay.
fn apply_metadata(
    metadata: &mut ObjectMeta,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
) {
    let theirs_labels = metadata.labels.get_or_insert_default();
    let theirs = metadata.annotations.get_or_insert_default();
    for applied in theirs.remove(APPLIED_METADATA_ANNOTATION).iter().flat_map(|applied| applied.split(' ')) {
        match applied.split_once(':') {
            Some(("label", key)) => theirs_labels.remove(key),
            Some(("annotation", key)) => theirs.remove(key),
            _ => None,
        };
    }
    let applied = labels.keys().map(|key| format!("label:{key}"));
    let applied: Vec<String> =
        applied.chain(annotations.keys().map(|key| format!("annotation:{key}"))).collect();
    if !applied.is_empty() {
        theirs.insert(APPLIED_METADATA_ANNOTATION.to_owned(), applied.join(" "));
    }
    theirs_labels.extend(labels);
    theirs_labels.insert(ROLE_LABEL.to_owned(), ROLE_TARGET.to_owned());
    theirs.extend(annotations);
}

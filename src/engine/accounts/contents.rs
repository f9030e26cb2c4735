//! Reading the objects that a provider refers to.
//!
//! A ConfigMap is read into the shape of a Secret, so that all of them go the same way.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use kube::Api;
use secrecy::SecretString;

use crate::{
    api::{LOGIN_FINALIZER, ROLE_LABEL, Reason},
    engine::{
        ConfigMap, Engine, EngineError, Key, Partial, Secret, call, carries,
        consent::{self, Refusal},
        stores::{Purpose, Source, login_content},
    },
    providers::registry::{ClientCertificate, LoginData, TlsMaterial},
};

/// The longest bundle of certificates: all public authorities together take less. The account keeps
/// the largest part of it in memory.
pub const CA_BUNDLE_MAX: usize = 256 * 1024;

/// The cause for which an object may not be used, or is no use.
type Unusable = (Reason, String);

/// The contents of all objects that a provider refers to.
#[derive(Default)]
pub(in crate::engine) struct Contents {
    /// The login.
    pub(in crate::engine) login: Option<LoginData>,
    /// The certificates.
    pub(in crate::engine) tls: TlsMaterial,
    hashes: Vec<String>,
}

impl Contents {
    /// A keyed hash of all of them. That of a login alone is the hash of this login: failures of
    /// credentials are remembered with it.
    pub(super) fn hash(&self) -> String {
        self.hashes.join(" ")
    }

    fn add(&mut self, source: &Source, data: BTreeMap<String, ByteString>) -> Result<(), Unusable> {
        match &source.purpose {
            Purpose::Login => self.login = Some(texts(source, data)?),
            Purpose::CaBundle(key) => {
                let bundle = value(source, data, key)?;
                if bundle.len() > CA_BUNDLE_MAX {
                    let most = CA_BUNDLE_MAX / 1024;
                    let message = format!("{}: its key {key} is longer than {most} KiB", source.shown());
                    return Err((source.reason(), message));
                }
                self.tls.ca_bundle = Some(bundle);
            }
            Purpose::ClientCertificate => {
                let mut data = texts(source, data)?;
                let mut taken = |key| data.remove(key).ok_or_else(|| lacks(source, key));
                let (certificate, key) = (taken("tls.crt")?, taken("tls.key")?);
                self.tls.client_certificate = Some(ClientCertificate { certificate, key });
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Reads the metadata of one object. The content of a Secret is never read without its owner's
    /// consent.
    pub(super) async fn metadata_of(&self, source: &Source) -> Result<Option<Secret>, EngineError> {
        let Key { namespace, name } = &source.at;
        let metadata = if source.is_secret() {
            let api: Api<Partial<Secret>> = self.within(namespace);
            call("reading the metadata of a provider's Secret", api.get_opt(name))
                .await?
                .map(|it| it.metadata)
        } else {
            let api: Api<Partial<ConfigMap>> = self.within(namespace);
            let there = call("reading the metadata of a provider's ConfigMap", api.get_opt(name)).await?;
            there.map(|it| it.metadata)
        };
        Ok(metadata.map(|metadata| Secret { metadata, ..Secret::default() }))
    }

    /// Reads the contents of objects whose metadata were `looked` at.
    pub(super) async fn contents(
        &self,
        looked: &[(Source, Option<Secret>)],
    ) -> Result<Result<Contents, Unusable>, EngineError> {
        let mut contents = Ok(Contents::default());
        for (source, metadata) in looked {
            let read = match offered(source, metadata.as_ref()) {
                Ok(()) => self.content(source).await?,
                Err(unusable) => {
                    self.leave(source, metadata.as_ref()).await?;
                    Err(unusable)
                }
            };
            contents = contents.and_then(|mut contents: Contents| {
                let secret = read?;
                contents.hashes.push(login_content(&secret, &self.sealer));
                contents.add(source, secret.data.unwrap_or_default())?;
                Ok(contents)
            });
        }
        Ok(contents)
    }

    /// Reads the contents of the objects that a provider refers to, if all of them may be used.
    pub(in crate::engine) async fn contents_of(
        &self,
        sources: Vec<Source>,
    ) -> Result<Result<Contents, Unusable>, EngineError> {
        let mut looked = Vec::new();
        for source in sources {
            let metadata = self.metadata_of(&source).await?;
            looked.push((source, metadata));
        }
        self.contents(&looked).await
    }

    async fn content(&self, source: &Source) -> Result<Result<Secret, Unusable>, EngineError> {
        let Key { namespace, name } = &source.at;
        let whole = if source.is_secret() {
            call("reading a provider's Secret", self.secrets(namespace).get_opt(name)).await?
        } else {
            let api: Api<ConfigMap> = self.within(namespace);
            call("reading a provider's ConfigMap", api.get_opt(name)).await?.map(ConfigMap::into_secret)
        };
        Ok(offered(source, whole.as_ref()).and_then(|()| {
            let whole = whole.unwrap_or_default();
            consent::given_by(&whole, source.role()).map_err(|refusal| not_offered(source, refusal))?;
            Ok(whole)
        }))
    }

    /// Removes our finalizer from a Secret whose label was removed while no operator was there to
    /// see it: no watch tells of it any more.
    async fn leave(&self, source: &Source, metadata: Option<&Secret>) -> Result<(), EngineError> {
        if source.is_secret() && metadata.is_some_and(|it| carries(it, LOGIN_FINALIZER)) {
            self.remove_login_finalizer(&source.at).await?;
        }
        Ok(())
    }
}

/// Checks that an object exists and may be read; the error says what has to be done.
fn offered(source: &Source, object: Option<&Secret>) -> Result<(), Unusable> {
    match object {
        Some(object) => consent::given(object, source.role()).map_err(|refusal| not_offered(source, refusal)),
        None => {
            let (shown, role) = (source.shown(), source.role());
            let message = format!("{shown} does not exist: create it with the label {ROLE_LABEL}: {role}");
            Err((source.reason(), message))
        }
    }
}

fn not_offered(source: &Source, refusal: Refusal) -> Unusable {
    let (field, role) = (source.field(), source.role());
    let todo = match refusal {
        Refusal::Unlabelled => format!("its owner has to give it the label {ROLE_LABEL}: {role}"),
        Refusal::Own => format!("it is one that Credwright writes; name another in {field}"),
    };
    (source.reason(), format!("{} may not be used: {todo}", source.shown()))
}

/// The values of a login, each of them text.
fn texts(source: &Source, data: BTreeMap<String, ByteString>) -> Result<LoginData, Unusable> {
    let text = |(key, ByteString(bytes)): (String, ByteString)| match String::from_utf8(bytes) {
        Ok(text) => Ok((key, SecretString::from(text))),
        Err(_) => {
            let message = format!("{}: the key {key} is not text", source.shown());
            Err((Reason::ProviderInvalid, message))
        }
    };
    data.into_iter().map(text).collect()
}

/// The value of one key.
fn value(source: &Source, mut data: BTreeMap<String, ByteString>, key: &str) -> Result<Vec<u8>, Unusable> {
    data.remove(key).map(|ByteString(bytes)| bytes).ok_or_else(|| lacks(source, key))
}

fn lacks(source: &Source, key: &str) -> Unusable {
    (source.reason(), format!("{} lacks the key {key}", source.shown()))
}

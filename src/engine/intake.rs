//! The intake Secret that a person fills, and the check whether a person has removed an old
//! credential.
//!
//! An intake is the person's. It is read and never written, and nothing of its secret is kept but
//! keyed hashes.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::{Api, ResourceExt};
use secrecy::SecretString;

use crate::{
    api::{ApiCredential, IntakeVerify, ROLE_INTAKE, ROLE_LABEL, TRY_AGAIN_ANNOTATION, instant},
    lifecycle::{
        ledger::{Edit, Revision},
        plan::Outcome,
        world::{IntakePair, IntakeView, World},
    },
    providers::{Pair, Verdict},
};

use super::{
    Engine, EngineError, Pass,
    consent::{self, Refusal},
    kubernetes::{call, version},
    seal::{Sealer, Secrets},
    stores::{Key, ProviderKey},
    wire::Secret,
};

/// No provider's client ID or secret comes near this.
const VALUE_MAX: usize = 4096;

/// An intake as it is kept: without its secret.
#[derive(Clone, Debug)]
pub struct IntakeEntry {
    /// The Secret's version.
    pub version: u64,
    /// The content, or why it is no pair.
    pub holds: Result<IntakeContent, String>,
    /// The time since which its content is unchanged.
    pub since: Timestamp,
}

/// The content of an intake, without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeContent {
    client_id: String,
    pair: String,
    pair_before: Option<String>,
    content: String,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

/// An intake Secret as it is kept.
#[must_use]
pub fn intake_entry(secret: &Secret, sealer: &Sealer, now: Timestamp) -> IntakeEntry {
    let holds = offered(secret).and_then(|()| read(secret, sealer)).map(|(content, _)| content);
    IntakeEntry { version: version(secret), holds, since: now }
}

/// Returns whether a Secret may be read as an intake.
fn offered(secret: &Secret) -> Result<(), String> {
    consent::given_by(secret, ROLE_INTAKE).map_err(|refusal| match refusal {
        Refusal::Unlabelled => format!("it has no label {ROLE_LABEL}: {ROLE_INTAKE}"),
        Refusal::Own => "it is one that Credwright writes; name another in spec.intake.secretName".to_owned(),
    })
}

/// Returns the content of an intake Secret. A line break at the end of a value, which pasting
/// brings along, is no part of it.
fn read(secret: &Secret, sealer: &Sealer) -> Result<(IntakeContent, SecretString), String> {
    let text = |key: &str| -> Result<Option<&str>, String> {
        let Some(ByteString(bytes)) = secret.data.as_ref().and_then(|data| data.get(key)) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|_| format!("its key {key} is not text"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.len() > VALUE_MAX {
            return Err(format!("its key {key} is longer than {VALUE_MAX} bytes"));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    let required = |key: &str| text(key)?.ok_or_else(|| format!("its key {key} is missing or empty"));
    let read = |key: &str| -> Result<Option<Timestamp>, String> {
        let Some(text) = text(key)? else { return Ok(None) };
        let at = instant::parsed(text).ok_or_else(|| format!("its key {key} is not a {}", instant::FORM))?;
        Ok(Some(at))
    };
    let (client_id, client_secret) = (required("client_id")?, required("client_secret")?);
    let (issued_at, expires_at) = (read("issued_at")?, read("expires_at")?);
    if issued_at.zip(expires_at).is_some_and(|(issued, expires)| expires <= issued) {
        return Err("its expires_at is not after its issued_at".to_owned());
    }
    // RFC 6749, appendices A.1 and A.2. Many a server answers anything else with an error of its
    // own.
    if !client_id.bytes().all(|it| it.is_ascii_graphic()) {
        return Err("its client_id contains spaces, or characters other than printable ASCII".to_owned());
    }
    if !client_secret.bytes().all(|it| it.is_ascii_graphic() || it == b' ') {
        return Err("its client_secret contains characters other than printable ASCII".to_owned());
    }
    let parts = [client_id.as_bytes(), client_secret.as_bytes()];
    let again = secret.annotations().get(TRY_AGAIN_ANNOTATION).map(String::as_str).unwrap_or_default();
    let times = format!("{issued_at:?} {expires_at:?}");
    let content = IntakeContent {
        client_id: client_id.to_owned(),
        pair: sealer.digest(parts),
        pair_before: sealer.previous_digest(parts),
        content: sealer.digest(parts.into_iter().chain([times.as_bytes(), again.as_bytes()])),
        issued_at,
        expires_at,
    };
    Ok((content, client_secret.to_owned().into()))
}

impl Engine {
    /// The intake of the object at `of`, as a decision sees it.
    pub(super) fn intake(&self, of: &Key, object: &ApiCredential) -> Option<IntakeView> {
        let name = object.spec.intake.as_ref()?.secret_name.clone();
        let key = Key { namespace: of.namespace.clone(), name };
        let Some(entry) = self.stores.intakes.get(&key) else { return Some(IntakeView::Missing) };
        let account = self.accounts.fingerprint(&ProviderKey::wanted_by(object, &of.namespace));
        Some(match entry.holds {
            Err(why) => IntakeView::Unusable(why),
            Ok(it) => IntakeView::Holds(IntakePair {
                held_elsewhere: self.stores.ledgers.held_by_another(&it.client_id, &account, of),
                client_id: it.client_id,
                pair: it.pair,
                pair_before: it.pair_before,
                content: it.content,
                issued_at: it.issued_at,
                expires_at: it.expires_at,
                since: entry.since,
            }),
        })
    }
}

impl Pass<'_> {
    /// Tries the pair in the intake, and adds it to the ledger. That makes nothing at the provider,
    /// so nothing has to be written before.
    pub(super) async fn take(
        &mut self,
        world: &World,
        object: &ApiCredential,
        revision: &Revision,
    ) -> Result<Outcome, EngineError> {
        let intake = object.spec.intake.as_ref().ok_or(EngineError::Gone("spec.intake"))?;
        let driver = self.driver(&revision.account)?;
        self.confirm(object).await?;
        self.engine
            .add_account_finalizers(&ProviderKey::of_account(&revision.account, &self.key.namespace))
            .await?;
        let api: Api<Secret> = Api::namespaced(self.engine.client.clone(), &self.key.namespace);
        let secret = call("reading the intake Secret", api.get_opt(&intake.secret_name)).await?;
        let secret = secret.ok_or(EngineError::Gone("the intake Secret"))?;
        let read = offered(&secret).and_then(|()| read(&secret, &self.engine.sealer));
        let (content, client_secret) = read.map_err(|_| EngineError::Conflict("the intake Secret"))?;
        let decided = matches!(&world.intake, Some(IntakeView::Holds(it)) if it.content == content.content);
        if !decided || self.held_elsewhere(&content.client_id, &revision.account) {
            return Err(EngineError::Conflict("the intake Secret"));
        }
        let pair = Pair {
            client_id: content.client_id,
            client_secret: client_secret.clone(),
            scopes: revision.request.scopes.clone(),
        };
        let outcome = match intake.verify {
            IntakeVerify::Skip => Outcome::Done,
            IntakeVerify::Always | IntakeVerify::Other(_) => match driver.verify(&pair).await {
                Ok(Verdict::Accepted) => Outcome::Done,
                Ok(Verdict::Refused) => Outcome::Tried { accepted: false },
                Err(failure) => Outcome::Failed(failure),
            },
        };
        if self.seen.is_none() {
            // Somewhere has to be written that the pair was refused.
            let open = self.engine.create_ledger(object, &[], None).await?;
            self.seen = Some(open.version());
            self.hold(open);
        }
        if outcome == Outcome::Done {
            let taken = Revision {
                fields: driver.fields(&revision.request.scopes),
                unverified: intake.verify == IntakeVerify::Skip,
                ..revision.clone()
            };
            let keep = Some((revision.revision, Secrets { client_secret, handle: None }));
            let open = self.open().await?;
            let take = [Edit::Take(Box::new(taken))];
            let open = self.engine.write_ledger(&self.key, open, &take, keep).await?;
            self.hold(open);
        }
        Ok(outcome)
    }

    /// Returns whether the provider refuses the credential that a person was to remove, while it
    /// accepts the published one.
    pub(super) async fn check_removal(&mut self, revision: u32, beside: u32) -> Result<Outcome, EngineError> {
        let open = self.open().await?;
        let outcome = match self.tried(&open, revision).await? {
            Ok(Verdict::Accepted) => Outcome::Removed(Some(false)),
            Ok(Verdict::Refused) => match self.tried(&open, beside).await? {
                Ok(Verdict::Accepted) => Outcome::Removed(Some(true)),
                Ok(Verdict::Refused) => Outcome::Removed(None),
                Err(failure) => Outcome::Failed(failure),
            },
            Err(failure) => Outcome::Failed(failure),
        };
        self.hold(open);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;

//! Intake Secrets, which a person fills.
//!
//! An intake is the person's. It is read and never written, and nothing of its secret is kept but
//! keyed hashes.

use jiff::Timestamp;
use kube::ResourceExt;
use secrecy::SecretString;

use crate::{
    api::{ROLE_INTAKE, ROLE_LABEL, TRY_AGAIN_ANNOTATION, instant},
    engine::{
        Sealer, Secret,
        consent::{self, Refusal},
        version,
    },
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
    pub(in crate::engine) client_id: String,
    pub(in crate::engine) pair: String,
    pub(in crate::engine) pair_before: Option<String>,
    pub(in crate::engine) content: String,
    pub(in crate::engine) issued_at: Option<Timestamp>,
    pub(in crate::engine) expires_at: Option<Timestamp>,
}

/// An intake Secret as it is kept.
#[must_use]
pub fn intake_entry(secret: &Secret, sealer: &Sealer, now: Timestamp) -> IntakeEntry {
    let holds = read_intake(secret, sealer).map(|(content, _)| content);
    IntakeEntry { version: version(secret), holds, since: now }
}

/// Returns the content and the secret of an intake, if it may be read as one.
pub(in crate::engine) fn read_intake(
    secret: &Secret,
    sealer: &Sealer,
) -> Result<(IntakeContent, SecretString), String> {
    offered(secret).and_then(|()| read(secret, sealer))
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
        let Some(bytes) = secret.value(key) else { return Ok(None) };
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

#[cfg(test)]
mod tests;

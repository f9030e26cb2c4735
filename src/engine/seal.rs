//! Sealing: the data that only Credwright may read or vouch for.
//!
//! A ledger's secret material is encrypted with the document beside it as associated data. So a
//! person who can edit Secrets in a namespace can neither read it nor change the document unnoticed
//! nor move it elsewhere. A target carries a keyed digest of its content, so that Credwright
//! recognises its own work without storing any of it.

use std::{collections::BTreeMap, iter};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac, rand,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The length of the key in bytes.
pub const KEY_LEN: usize = 32;

/// The secret part of a ledger: for each revision that may be alive, its secret and the driver's
/// handle.
#[derive(Clone, Default)]
pub struct Material(BTreeMap<u32, Secrets>);

/// The secrets of one revision.
#[derive(Clone)]
pub struct Secrets {
    /// The secret half of the pair.
    pub client_secret: SecretString,
    /// The secret that only the driver needs.
    pub handle: Option<SecretString>,
}

/// The wire form; it exists only between a `Material` and its ciphertext, and is wiped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Plain(String, Option<String>);

/// The cause for which something does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed by this Credwright, or it was changed since")]
pub struct SealError;

/// Holds the key that everything is sealed with, and the one before it, which only opens.
pub struct Sealer {
    current: Keys,
    previous: Option<Keys>,
}

/// The keys that are derived from one sealing key.
struct Keys {
    aead: RandomizedNonceKey,
    mac: hmac::Key,
}

/// The place that a ledger's seal is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The ledger's namespace.
    pub namespace: &'a str,
    /// The ledger's name.
    pub name: &'a str,
    /// The document, byte for byte.
    pub document: &'a [u8],
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let parts = [self.namespace.as_bytes(), self.name.as_bytes(), self.document];
        parts
            .iter()
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
            .collect()
    }
}

impl Material {
    /// The secrets of one revision.
    #[must_use]
    pub fn get(&self, revision: u32) -> Option<&Secrets> {
        self.0.get(&revision)
    }

    /// Keeps the secrets of a revision.
    pub fn insert(&mut self, revision: u32, secrets: Secrets) {
        self.0.insert(revision, secrets);
    }

    /// Forgets the secrets of every revision for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.0.retain(|revision, _| keep(*revision));
    }

    /// With room for the seal's tag: a buffer that has to grow leaves its content behind.
    fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        let plain: BTreeMap<u32, Plain> = self
            .0
            .iter()
            .map(|(revision, it)| {
                let handle = it.handle.as_ref().map(|handle| handle.expose_secret().to_owned());
                (*revision, Plain(it.client_secret.expose_secret().to_owned(), handle))
            })
            .collect();
        let mut json = Zeroizing::new(Vec::with_capacity(self.longest_json()));
        if serde_json::to_writer(&mut *json, &plain).is_err() {
            json.clear();
        }
        json
    }

    /// No less than the length of the JSON, which escapes a character with six at the most, and of
    /// the tag.
    fn longest_json(&self) -> usize {
        let handle = |it: &Secrets| it.handle.as_ref().map_or(0, |handle| handle.expose_secret().len());
        let longest = |it: &Secrets| 6 * (it.client_secret.expose_secret().len() + handle(it)) + 32;
        self.0.values().map(longest).sum::<usize>() + 2 + AES_256_GCM.tag_len()
    }

    fn from_plain(plain: &[u8]) -> Result<Self, SealError> {
        let plain: BTreeMap<u32, Plain> = serde_json::from_slice(plain).map_err(|_| SealError)?;
        let secrets = |mut it: Plain| Secrets {
            client_secret: std::mem::take(&mut it.0).into(),
            handle: it.1.take().map(Into::into),
        };
        Ok(Self(plain.into_iter().map(|(revision, it)| (revision, secrets(it))).collect()))
    }
}

impl Sealer {
    /// A sealer with `key`.
    ///
    /// # Errors
    /// If the key does not have [`KEY_LEN`] bytes.
    pub fn new(key: &[u8]) -> Result<Self, SealError> {
        Ok(Self { current: Keys::new(key)?, previous: None })
    }

    /// The same, which also opens and recognises what was sealed with `key` before.
    ///
    /// # Errors
    /// If the key does not have [`KEY_LEN`] bytes.
    pub fn after(self, key: &[u8]) -> Result<Self, SealError> {
        Ok(Self { previous: Some(Keys::new(key)?), ..self })
    }

    fn keys(&self) -> impl Iterator<Item = &Keys> {
        iter::once(&self.current).chain(&self.previous)
    }

    /// A new random key.
    #[must_use]
    pub fn new_key() -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; KEY_LEN]);
        // The system's random source does not fail on the platforms that we support; a key of zeros
        // must never be used.
        if rand::fill(&mut key).is_err() {
            std::process::abort();
        }
        key
    }

    /// Encrypts `material` for `place`.
    ///
    /// # Errors
    /// If there is too much of it.
    pub fn seal(&self, material: &Material, place: Place<'_>) -> Result<Vec<u8>, SealError> {
        let mut buffer = material.to_plain();
        let aad = Aad::from(place.associated_data());
        let nonce = self.current.aead.seal_in_place_append_tag(aad, &mut *buffer).map_err(|_| SealError)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut buffer);
        Ok(sealed)
    }

    /// Decrypts what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    /// If it was made by another key, or for another place, or was changed.
    pub fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<Material, SealError> {
        self.keys().find_map(|keys| keys.open(sealed, place).ok()).ok_or(SealError)
    }

    /// Returns whether there is a key before the current one.
    #[must_use]
    pub fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// Returns whether the current key opens it. Where there is no other one, whatever opens does.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8], place: Place<'_>) -> bool {
        self.previous.is_none() || self.current.open(sealed, place).is_ok()
    }

    /// Returns a digest of `parts` that only the holder of the key can make.
    #[must_use]
    pub fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
        self.current.digest(parts)
    }

    /// Returns the digest that the key before would have made, if there is one.
    #[must_use]
    pub fn previous_digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
        self.previous.as_ref().map(|keys| keys.digest(parts))
    }
}

impl Keys {
    fn new(key: &[u8]) -> Result<Self, SealError> {
        if key.len() != KEY_LEN {
            return Err(SealError);
        }
        let derived = |purpose: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), purpose);
        let aead =
            RandomizedNonceKey::new(&AES_256_GCM, derived(b"ledger").as_ref()).map_err(|_| SealError)?;
        Ok(Self { aead, mac: hmac::Key::new(hmac::HMAC_SHA256, derived(b"target").as_ref()) })
    }

    fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<Material, SealError> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let aad = Aad::from(place.associated_data());
        let plain = self.aead.open_in_place(nonce, aad, &mut buffer).map_err(|_| SealError)?;
        Material::from_plain(plain)
    }

    fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut context = hmac::Context::with_key(&self.mac);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        BASE64_URL_SAFE_NO_PAD.encode(context.sign().as_ref())
    }
}

/// Random letters, for ids of writers and writes.
#[must_use]
pub fn random_id() -> String {
    crate::lifecycle::naming::random_letters(entropy(), 16)
}

/// Sixteen random bytes.
#[must_use]
pub fn entropy() -> u128 {
    let mut bytes = [0; 16];
    if rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;

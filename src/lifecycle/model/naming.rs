//! Unique names at the provider.
//!
//! `<name>-kw<cluster 4><object 10>-<revision><random 4>`, for example
//! `orders-prod-kwb3xq7f3a9c2e5k-4mz7p`. The part after `-kw` tells, without any lookup, which
//! cluster and which object a credential belongs to. A credential with our tag that is in no ledger
//! was left behind by us, and one without a tag is never touched.

use sha2::{Digest, Sha256};

/// Lower-case letters and digits that no provider refuses and that cannot be mistaken for one
/// another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The length of a tag.
const TAG: usize = 16;
/// The number of random letters at the end of a name.
const RANDOM: usize = 4;

/// Letters of a hash, in base 32.
fn letters(parts: &[&str], count: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(count).map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// A short text that stands for `parts`, for comparing them without keeping them.
#[must_use]
pub fn fingerprint(parts: &[&str]) -> String {
    letters(parts, 20)
}

/// Random letters, from `entropy`.
#[must_use]
pub fn random_letters(entropy: u128, count: usize) -> String {
    (0..count).map(|index| char::from(ALPHABET[(entropy >> (5 * index) & 31) as usize])).collect()
}

/// Returns the common part of an object's names at its provider.
#[must_use]
pub fn tag(cluster_id: &str, namespace: &str, name: &str, uid: &str) -> String {
    format!("{}{}", cluster_tag(cluster_id), letters(&[namespace, name, uid], 10))
}

/// Returns the common part of all names that a cluster gives.
#[must_use]
pub fn cluster_tag(cluster_id: &str) -> String {
    format!("kw{}", letters(&[cluster_id], 4))
}

/// The tag in a name that [`unique_name`] made, and the number of the revision.
#[must_use]
pub fn parts(name: &str) -> Option<(&str, u32)> {
    let (head, tail) = name.rsplit_once('-')?;
    let tag = head.rsplit_once('-').map_or(head, |(_, tag)| tag);
    let number = tail.get(..tail.len().checked_sub(RANDOM)?)?.parse().ok()?;
    (tag.len() == TAG && tag.starts_with("kw")).then_some((tag, number))
}

/// Returns a name for one revision, at most `max` characters long; the readable part is cut. `None`
/// if not even the tag fits. Without `entropy` it is the same each time: for a name that a person
/// is asked to type.
#[must_use]
pub fn unique_name(
    base: &str,
    tag: &str,
    revision: u32,
    entropy: Option<u128>,
    max: usize,
) -> Option<String> {
    let random = entropy.map(|entropy| random_letters(entropy, RANDOM)).unwrap_or_default();
    let tail = format!("{tag}-{revision}{random}");
    let room = max.checked_sub(tail.len())?;
    let readable: String = base.chars().take(room.saturating_sub(1)).collect();
    let readable = readable.trim_end_matches(['-', '.', '_', ' ']);
    Some(if readable.is_empty() { tail } else { format!("{readable}-{tail}") })
}

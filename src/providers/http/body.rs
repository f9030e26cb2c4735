//! Reading bodies, none of them without a bound.
//!
//! The bound belongs to the call. An answer with one credential or one token is short. A list may
//! be long, because the account holds other people's credentials too: it is read entry by entry,
//! and only the wanted entries are kept.

use reqwest::Response;
use zeroize::Zeroizing;

use super::broken::{Broken, Excess, Target, broken};
use crate::ops::metrics::Operation;

/// The longest body of a call about one credential or one token.
const BODY_MAX: usize = 64 * 1024;
/// The longest document: a page of a list, or metadata.
const DOCUMENT_MAX: usize = 1024 * 1024;
/// The longest list that is read entry by entry, or page by page.
pub(in crate::providers) const LIST_MAX: usize = 32 * 1024 * 1024;
/// The most that is kept of a list: room for ten thousand credentials of ours.
pub(in crate::providers) const KEPT_MAX: usize = 4 * 1024 * 1024;
/// The least size that a kept entry counts for: it takes that much memory, even if it is shorter.
pub(in crate::providers) const ENTRY_MIN: usize = 256;
/// The longest entry of a list.
const ENTRY_MAX: usize = 64 * 1024;
/// An answer with a secret is usually shorter.
const BODY_USUAL: usize = 16 * 1024;

/// Returns whether an entry of a list is wanted, by its JSON. An unreadable entry has to be wanted:
/// then the whole list fails to decode.
type Wanted = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// The part of an answer that is read.
pub(super) enum Bound {
    /// The whole body, if it is no longer than this.
    Whole(usize),
    /// The wanted entries of a bare array.
    Entries(Wanted),
}

impl Bound {
    /// The bound for calls of this kind.
    pub(super) fn of(operation: Operation) -> Self {
        Self::Whole(match operation {
            Operation::List | Operation::Discover => DOCUMENT_MAX,
            Operation::Login | Operation::Create | Operation::Verify | Operation::Revoke => BODY_MAX,
        })
    }

    pub(super) fn entries(wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self::Entries(Box::new(wanted))
    }
}

/// The body within `bound`, wiped when it is dropped.
pub(super) async fn read(
    response: Response,
    target: Target<'_>,
    bound: &Bound,
) -> Result<Zeroizing<Vec<u8>>, Broken> {
    match bound {
        Bound::Entries(wanted) if response.status().is_success() => entries(response, target, wanted).await,
        Bound::Entries(_) => whole(response, target, BODY_MAX).await,
        Bound::Whole(max) => whole(response, target, *max).await,
    }
}

async fn whole(mut response: Response, target: Target<'_>, max: usize) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > max) {
        return Err(too_long(target.place, max, Excess::Announced));
    }
    // A buffer that has to grow leaves its content behind.
    let room = announced.unwrap_or(BODY_USUAL).min(max);
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error, target))? {
        if body.len() + chunk.len() > max {
            return Err(too_long(target.place, max, Excess::Unannounced));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn entries(
    mut response: Response,
    target: Target<'_>,
    wanted: &Wanted,
) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let mut list = Entries::new(wanted);
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error, target))? {
        length += chunk.len();
        if length > LIST_MAX {
            return Err(too_long(target.place, LIST_MAX, Excess::Unannounced));
        }
        list.read(&chunk).map_err(|max| too_long(target.place, max, Excess::Unannounced))?;
    }
    Ok(list.kept)
}

fn too_long(place: &str, max: usize, excess: Excess) -> Broken {
    let message = format!("the response of {place} is longer than {max} bytes");
    Broken { sent: true, excess, message, ..Broken::default() }
}

/// An array that is read bit by bit. The result is an array of the wanted entries. If the input is
/// no array, or is not well formed, the result is not well formed either.
struct Entries<'a> {
    wanted: &'a Wanted,
    kept: Zeroizing<Vec<u8>>,
    entry: Zeroizing<Vec<u8>>,
    at: At,
    depth: usize,
    size: usize,
    /// True if an entry has to follow, because a comma came before.
    follows: bool,
}

/// The position of a reader in an array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Entry,
    Text,
    Escape,
    End,
    /// No array: it is kept as it is.
    Other,
}

impl<'a> Entries<'a> {
    fn new(wanted: &'a Wanted) -> Self {
        let (kept, entry) = (Vec::with_capacity(BODY_USUAL), Vec::with_capacity(BODY_USUAL));
        let (kept, entry) = (Zeroizing::new(kept), Zeroizing::new(entry));
        Self { wanted, kept, entry, at: At::Start, depth: 0, size: 0, follows: false }
    }

    /// Reads on. Fails with the bound that was passed.
    fn read(&mut self, chunk: &[u8]) -> Result<(), usize> {
        chunk.iter().try_for_each(|byte| self.take(*byte))
    }

    fn take(&mut self, byte: u8) -> Result<(), usize> {
        match self.at {
            At::Start if byte == b'[' => {
                self.kept.push(byte);
                self.at = At::Entry;
            }
            At::Start | At::End if byte.is_ascii_whitespace() => {}
            At::Start | At::End | At::Other => {
                self.at = At::Other;
                return push(&mut self.kept, byte, KEPT_MAX + BODY_MAX);
            }
            At::Text | At::Escape => {
                self.at = match byte {
                    b'\\' if self.at == At::Text => At::Escape,
                    b'"' if self.at == At::Text => At::Entry,
                    _ => At::Text,
                };
                return push(&mut self.entry, byte, ENTRY_MAX);
            }
            At::Entry => return self.take_in_entry(byte),
        }
        Ok(())
    }

    fn take_in_entry(&mut self, byte: u8) -> Result<(), usize> {
        match byte {
            b',' | b']' if self.depth == 0 => return self.end_entry(byte),
            b'"' => self.at = At::Text,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ if self.entry.is_empty() && byte.is_ascii_whitespace() => return Ok(()),
            _ => {}
        }
        push(&mut self.entry, byte, ENTRY_MAX)
    }

    fn end_entry(&mut self, by: u8) -> Result<(), usize> {
        let is_last = by == b']';
        if !self.entry.is_empty() || !is_last || self.follows {
            if self.entry.is_empty() || (self.wanted)(&self.entry) {
                if self.kept.len() > 1 {
                    self.kept.push(b',');
                }
                self.size += self.entry.len().max(ENTRY_MIN);
                if self.size > KEPT_MAX {
                    return Err(KEPT_MAX);
                }
                // An empty entry is kept as a text that no decoder accepts.
                let kept: &[u8] = if self.entry.is_empty() { b"," } else { &self.entry };
                self.kept.extend_from_slice(kept);
            }
            self.entry.clear();
        }
        self.follows = !is_last;
        if is_last {
            self.kept.push(by);
            self.at = At::End;
        }
        Ok(())
    }
}

fn push(buffer: &mut Vec<u8>, byte: u8, max: usize) -> Result<(), usize> {
    if buffer.len() >= max {
        return Err(max);
    }
    buffer.push(byte);
    Ok(())
}

#[cfg(test)]
mod tests;

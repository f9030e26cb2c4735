//! Values that a newer version of Credwright wrote.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize};

/// The most words that are kept. Versions differ in a few.
const MOST: usize = 512;
/// The longest word that is kept, in bytes.
const LONGEST: usize = 64;
/// The placeholder for a word that is not kept.
const UNKNOWN: &str = "Unknown";

/// A word that this version does not know. It is read, shown and written back unchanged. Otherwise,
/// after a rollback, the word of one object would make a whole list unreadable.
///
/// Each word is stored once per process, so that types with a word can be `Copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Word(&'static str);

impl Word {
    /// Returns the word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    fn kept(text: &str) -> Self {
        static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut kept = KEPT.lock();
        if let Some(known) = kept.get(text) {
            return Self(known);
        }
        // Anyone who may write a status may write any word, so the memory for them is bounded.
        if kept.len() >= MOST || text.len() > LONGEST {
            return Self(UNKNOWN);
        }
        let word: &'static str = Box::leak(text.into());
        kept.insert(word);
        Self(word)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::kept(&text))
    }
}

/// Makes an enum of words that manifests spell as it does. A word of a newer version is kept.
macro_rules! words {
    ($(#[$about:meta])* pub enum $Type:ident { $($(#[$what:meta])* $Variant:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $Type {
            $($(#[$what])* $Variant,)+
            /// A word of a newer version.
            #[serde(untagged)]
            #[schemars(skip, !untagged)]
            Other(Word),
        }

        impl $Type {
            /// Returns the word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => stringify!($Variant),)+
                    Self::Other(word) => word.as_str(),
                }
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_stored_once_and_limited() {
        let (one, other) = (Word::kept("FromTheFuture"), Word::kept("FromTheFuture"));
        assert!(std::ptr::eq(one.as_str(), other.as_str()));
        assert_eq!(Word::kept(&"x".repeat(LONGEST + 1)).as_str(), UNKNOWN);
    }
}

//! What a provider can do, as data. The lifecycle knows capabilities, never a provider's name.

use std::collections::BTreeMap;

use jiff::SignedDuration;

/// What a driver's provider can do. The lifecycle decides by it, and refuses beforehand what it cannot honour.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// Whether existing credentials can be listed, so that a lost answer can be settled.
    pub list: bool,
    /// Whether credentials can be revoked.
    pub revoke: bool,
    /// Whether an issued pair can be tried at the provider.
    pub verify: bool,
    /// What end of life the provider can enforce.
    pub expiry: Expiry,
    /// What scopes it knows.
    pub scopes: Scopes,
    /// Whether a credential can be limited to subnets.
    pub subnets: bool,
    /// The longest name it takes, in characters.
    pub name_max: usize,
    /// How long a new pair may be refused before it works everywhere.
    pub propagation: SignedDuration,
    /// How long a listing may lag behind a create or a delete: what is not listed after that does not exist.
    pub listing_lag: SignedDuration,
    /// The longest that one create call can take. Nobody settles an intent before that is over.
    pub create_timeout: SignedDuration,
}

/// What end of life a provider can enforce by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// None that can be asked for: Credwright's clock is the only one.
    None,
    /// Any instant.
    Instant,
}

/// What scopes a provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// None at all.
    None,
    /// Whatever the account defines.
    Free,
}

impl Capabilities {
    /// The capabilities in words, for the provider's status.
    #[must_use]
    pub fn in_words(&self) -> BTreeMap<String, String> {
        let expiry = match self.expiry {
            Expiry::None => "not enforced by the provider; Credwright rotates and revokes on time",
            Expiry::Instant => "any instant, enforced by the provider",
        };
        let scopes = match self.scopes {
            Scopes::None => "none: every credential may do everything",
            Scopes::Free => "any that the account defines",
        };
        let yes_no = |yes, no, it: bool| if it { yes } else { no };
        [
            ("expiry", expiry),
            ("scopes", scopes),
            ("subnets", yes_no("yes", "no", self.subnets)),
            (
                "list",
                yes_no(
                    "yes",
                    "no: a lost answer may leave a credential behind, which is recorded",
                    self.list,
                ),
            ),
            ("revoke", yes_no("yes", "no: a person has to remove what is retired", self.revoke)),
            ("verify", yes_no("by a token request", "no", self.verify)),
        ]
        .into_iter()
        .map(|(what, words)| (what.to_owned(), words.to_owned()))
        .collect()
    }
}

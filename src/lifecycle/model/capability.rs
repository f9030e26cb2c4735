//! The capabilities of providers, as data. The lifecycle knows capabilities, never a provider's
//! name.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::ledger::Revision;

/// The capabilities of a driver's provider. The lifecycle decides by them, and refuses in advance
/// anything that the provider cannot honour.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// The provider's name, as people know it.
    pub title: &'static str,
    /// The place where a person creates or removes credentials, if anything can only be done by a
    /// person.
    pub portal: Option<Portal>,
    /// True if a person makes the credentials. Then nothing is created, listed or revoked by calls.
    pub by_hand: bool,
    /// The proof that a probe of the provider gives about our login.
    pub login: LoginCheck,
    /// True if existing credentials can be listed, so that a lost response can be settled.
    pub list: bool,
    /// True if credentials can be revoked.
    pub revoke: bool,
    /// True if an issued pair can be tried at the provider.
    pub verify: bool,
    /// The ends of life that the provider can enforce.
    pub expiry: Expiry,
    /// The scopes that the provider knows.
    pub scopes: Scopes,
    /// True if a credential must have scopes.
    pub scopes_required: bool,
    /// True if a credential can be limited to subnets.
    pub subnets: bool,
    /// The longest name it takes, in characters.
    pub name_max: usize,
    /// True if a rate limit (429) concerns one credential, not the whole account.
    pub limits_per_credential: bool,
    /// The time for which a new pair may be refused before it works everywhere.
    pub propagation: SignedDuration,
    /// The time by which a listing may lag behind a create or a delete: a credential that is not
    /// listed after that does not exist.
    pub listing_lag: SignedDuration,
    /// The longest time of one create call. An intent is not settled before that is over.
    pub create_timeout: SignedDuration,
}

/// The proof that a probe of a provider gives about our login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginCheck {
    /// The provider has taken it.
    Tried,
    /// Nothing: it cannot be tried without being used up.
    Untried,
    /// There is no login.
    None,
}

/// The place where a person works. All of it is shown to people verbatim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portal {
    /// The page where a credential is created, as it follows the word "open".
    pub create_at: String,
    /// The page where a credential is removed, as it follows the words "remove it at".
    pub remove_at: String,
    /// The portal's word for scopes.
    pub scopes_called: &'static str,
    /// Further notes for a person who creates one: whole sentences.
    pub notes: Vec<String>,
    /// Other causes for which a new pair is refused: whole sentences, or nothing.
    pub when_refused: String,
}

/// The ends of life that a provider can enforce by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// None that can be asked for: Credwright's clock is the only one.
    None,
    /// Any instant.
    Instant,
    /// One of these, shortest first.
    OneOf(&'static [Term]),
}

/// One of a provider's fixed lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The portal's words for it.
    pub words: &'static str,
    /// The longest lifetime that it is chosen for.
    pub covers: SignedDuration,
    /// The earliest end that it can mean: a month may have 28 days.
    pub at_least: SignedDuration,
}

/// The scopes that a provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// None at all.
    None,
    /// Any scope that the account defines.
    Free,
    /// These and no others.
    Only(Vec<String>),
    /// These are documented; others are passed on with a note.
    Documented(Vec<String>),
}

impl Expiry {
    /// Returns the shortest term that covers `lifetime`, or the longest if no lifetime is
    /// requested. `None` also if no term is long enough.
    #[must_use]
    pub fn term(self, lifetime: Option<SignedDuration>) -> Option<Term> {
        let Self::OneOf(terms) = self else { return None };
        match lifetime {
            Some(lifetime) => terms.iter().find(|term| term.covers >= lifetime).copied(),
            None => terms.last().copied(),
        }
    }
}

impl Capabilities {
    /// Returns whether Credwright can revoke `revision`.
    #[must_use]
    pub fn can_revoke(&self, revision: &Revision) -> bool {
        self.revoke && (!revision.rebuilt || self.list)
    }

    /// Returns the place where a person removes credentials.
    #[must_use]
    pub fn remove_at(&self) -> &str {
        self.portal.as_ref().map_or(self.title, |portal| portal.remove_at.as_str())
    }

    /// The capabilities in words, for the provider's status.
    #[must_use]
    pub fn in_words(&self) -> BTreeMap<String, String> {
        let expiry = match self.expiry {
            Expiry::None => "not enforced by the provider; Credwright rotates and revokes on time".to_owned(),
            Expiry::Instant => "any instant, enforced by the provider".to_owned(),
            Expiry::OneOf(terms) => {
                let choice = either(terms.iter().map(|term| term.words));
                format!("{choice}: the shortest that covers spec.lifetime; Credwright enforces the rest")
            }
        };
        let scopes = match &self.scopes {
            Scopes::None => "none: every credential may do everything".to_owned(),
            Scopes::Free => "any that the account defines".to_owned(),
            Scopes::Only(known) => known.join(", "),
            Scopes::Documented(known) => format!("{}; others are passed on as they are", known.join(", ")),
        };
        let scopes = if self.scopes_required { format!("{scopes}; at least one is needed") } else { scopes };
        let creation = match &self.portal {
            Some(portal) if self.by_hand => format!("by a person: {}", portal.create_at),
            _ => "by its API".to_owned(),
        };
        let list = match (self.list, self.by_hand) {
            (true, _) => "yes",
            (false, true) => "no",
            (false, false) => "no: a lost response may leave a credential behind, which is recorded",
        };
        let revoke = match (&self.portal, self.revoke) {
            (_, true) => "yes".to_owned(),
            (Some(portal), false) => {
                format!("no: a person removes retired credentials: {}", portal.remove_at)
            }
            (None, false) => "no: a person has to remove retired credentials".to_owned(),
        };
        let yes_no = |yes: &str, it: bool| if it { yes } else { "no" }.to_owned();
        [
            ("creation", creation),
            ("expiry", expiry),
            ("scopes", scopes),
            ("subnets", yes_no("yes", self.subnets)),
            ("list", list.to_owned()),
            ("revoke", revoke),
            ("verify", yes_no("by a token request", self.verify)),
        ]
        .into_iter()
        .map(|(what, words)| (what.to_owned(), words))
        .collect()
    }
}

/// "a, b or c"
#[must_use]
pub fn either<'a>(choices: impl IntoIterator<Item = &'a str>) -> String {
    let choices: Vec<&str> = choices.into_iter().collect();
    match choices.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

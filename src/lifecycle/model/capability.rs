//! The capabilities of providers, as data. The lifecycle knows capabilities, never a provider's
//! name.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::SignedDuration;

use super::{
    ledger::{CredentialKind, Parameters, Revision},
    pattern::Pattern,
};

/// A text of a driver, or of the description of a provider.
pub type Text = Cow<'static, str>;

/// The capabilities of a driver's provider. The lifecycle decides by them, and refuses in advance
/// anything that the provider cannot honour.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// The provider's name, as people know it.
    pub title: Text,
    /// The place where a person finds the credentials, as it follows the words "remove it at".
    pub place: String,
    /// The thing at the provider that is a credential.
    pub kind: CredentialKind,
    /// The way in which credentials are created.
    pub creation: Creation,
    /// The way in which credentials are removed.
    pub removal: Removal,
    /// The proof that a probe of the provider gives about our login.
    pub login: LoginCheck,
    /// True if an issued pair can be tried at the provider.
    pub verify: bool,
    /// True if the provider tells a right pair that is used from a wrong address from a wrong pair.
    pub tells_elsewhere: bool,
    /// The ends of life that the provider can enforce.
    pub expiry: Expiry,
    /// The scopes that the provider knows.
    pub scopes: Scopes,
    /// True if a credential must have scopes.
    pub scopes_required: bool,
    /// The parameters of `spec.parameters` that it has.
    pub parameters: Vec<Parameter>,
    /// True if a credential can be limited to subnets.
    pub subnets: bool,
    /// The longest name it takes, in characters.
    pub name_max: usize,
    /// True if a rate limit (429) concerns one credential, not the whole account.
    pub limits_per_credential: bool,
    /// The time for which a new pair may be refused before it works everywhere.
    pub propagation: SignedDuration,
    /// The number of times in a row that a new pair has to be accepted before it is published,
    /// spread over `propagation`: where requests reach several replicas, one may know the pair
    /// before the others. At least 1.
    pub acceptances: u16,
    /// The time for which a pair may still be accepted after it was revoked.
    pub revocation_lag: SignedDuration,
    /// The most credentials that may be alive at once in one place; at least 2. `None` if there is
    /// no limit.
    pub max_alive: Option<u32>,
}

/// The way in which a provider's credentials are created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// By a call.
    Api {
        /// The longest time of one create call. An intent is not settled before that is over.
        timeout: SignedDuration,
        /// The list of existing credentials, which settles a lost response. `None` if the provider
        /// has none.
        list: Option<List>,
    },
    /// By a person. Then no credential is listed by calls either.
    Person(Portal),
}

/// The list of a provider's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// The time by which it may lag behind a create or a delete: a credential that is not listed
    /// after that does not exist.
    pub lag: SignedDuration,
}

/// The way in which a provider's credentials are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// By a call.
    Api,
    /// By a person, at [`Capabilities::place`].
    Person,
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

/// The place where a person creates credentials. All of it is shown to people verbatim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portal {
    /// The page where a credential is created, as it follows the word "open".
    pub create_at: String,
    /// The portal's word for scopes.
    pub scopes_called: Text,
    /// Further notes for a person who creates one: whole sentences.
    pub notes: Vec<String>,
    /// Other causes for which a new pair is refused: whole sentences, or nothing.
    pub when_refused: String,
}

/// The ends of life that a provider can enforce by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// None that can be asked for: Credwright's clock is the only one.
    None,
    /// Any instant.
    Instant,
    /// One of these, shortest first.
    OneOf(Cow<'static, [Term]>),
}

/// One of a provider's fixed lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The portal's words for it.
    pub words: Text,
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

/// A parameter that a credential is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in `spec.parameters`.
    pub name: Text,
    /// The words for it, as they follow "is".
    pub what: Text,
    /// The pattern that its values match.
    pub pattern: Pattern,
    /// True if the provider lists by it: then it is a part of the place of a credential.
    pub lists: bool,
}

impl Expiry {
    /// Returns the shortest term that covers `lifetime`, or the longest if no lifetime is
    /// requested. `None` also if no term is long enough.
    #[must_use]
    pub fn term(&self, lifetime: Option<SignedDuration>) -> Option<&Term> {
        let Self::OneOf(terms) = self else { return None };
        match lifetime {
            Some(lifetime) => terms.iter().find(|term| term.covers >= lifetime),
            None => terms.last(),
        }
    }
}

impl Capabilities {
    /// Returns the place where a person creates the credentials, if a person does.
    #[must_use]
    pub fn portal(&self) -> Option<&Portal> {
        match &self.creation {
            Creation::Api { .. } => None,
            Creation::Person(portal) => Some(portal),
        }
    }

    /// Returns the place of a credential that was made with these parameters.
    #[must_use]
    pub fn place(&self, parameters: &Parameters) -> Parameters {
        let is_part = |name: &str| self.parameters.iter().any(|it| it.lists && it.name == name);
        parameters
            .iter()
            .filter(|(name, _)| is_part(name))
            .map(|(name, it)| (name.clone(), it.clone()))
            .collect()
    }

    /// Returns whether a person creates the credentials.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.portal().is_some()
    }

    fn list(&self) -> Option<List> {
        match self.creation {
            Creation::Api { list, .. } => list,
            Creation::Person(_) => None,
        }
    }

    /// Returns whether existing credentials can be listed.
    #[must_use]
    pub fn can_list(&self) -> bool {
        self.list().is_some()
    }

    /// Returns the time by which a listing may lag behind. Without a list there is nothing to wait
    /// for.
    #[must_use]
    pub fn listing_lag(&self) -> SignedDuration {
        self.list().map_or(SignedDuration::ZERO, |list| list.lag)
    }

    /// Returns the longest time of one create call.
    #[must_use]
    pub fn create_timeout(&self) -> SignedDuration {
        match self.creation {
            Creation::Api { timeout, .. } => timeout,
            Creation::Person(_) => SignedDuration::ZERO,
        }
    }

    /// Returns whether credentials can be revoked by a call.
    #[must_use]
    pub fn can_revoke(&self) -> bool {
        self.removal == Removal::Api
    }

    /// Returns whether Credwright can revoke `revision`. Of a rebuilt one, the list has to tell the
    /// rest, and it must be certain which of a client's secrets it is.
    #[must_use]
    pub fn revokes(&self, revision: &Revision) -> bool {
        self.can_revoke() && (!revision.rebuilt || self.can_list() && revision.is_certain())
    }

    /// The capabilities in words, for the provider's status.
    #[must_use]
    pub fn in_words(&self) -> BTreeMap<String, String> {
        let expiry = match &self.expiry {
            Expiry::None => "not enforced by the provider; Credwright rotates and revokes on time".to_owned(),
            Expiry::Instant => "any instant, enforced by the provider".to_owned(),
            Expiry::OneOf(terms) => {
                let choice = either(terms.iter().map(|term| &*term.words));
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
        let (creation, list) = match &self.creation {
            Creation::Api { list: Some(_), .. } => ("by its API".to_owned(), "yes"),
            Creation::Api { list: None, .. } => (
                "by its API".to_owned(),
                "no: a lost response may leave a credential behind, which is recorded",
            ),
            Creation::Person(portal) => (format!("by a person: {}", portal.create_at), "no"),
        };
        let revoke = match self.removal {
            Removal::Api => "yes".to_owned(),
            Removal::Person => format!("no: a person removes retired credentials: {}", self.place),
        };
        let parameters: Vec<String> =
            self.parameters.iter().map(|it| format!("{}: {}", it.name, it.what)).collect();
        let parameters = if parameters.is_empty() { "none".to_owned() } else { parameters.join("; ") };
        let yes_no = |yes: &str, it: bool| if it { yes } else { "no" }.to_owned();
        [
            ("creation", creation),
            ("expiry", expiry),
            ("scopes", scopes),
            ("subnets", yes_no("yes", self.subnets)),
            ("parameters", parameters),
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

//! The capabilities that most providers share, so that a driver states only its own.

use jiff::SignedDuration;

use super::{Capabilities, http::CREATE_TIMEOUT, turns};
use crate::lifecycle::{
    Creation, CredentialKind, Expiry, LONGEST_CREATE, List, LoginCheck, Portal, Removal, Scopes,
};

const _: () = assert!(CREATE_TIMEOUT.as_secs() + turns::WAIT.as_secs() <= LONGEST_CREATE.as_secs());

/// The list of a provider, which may lag behind by a minute.
pub(super) const LIST: List = List { lag: SignedDuration::from_mins(1) };

/// The capabilities of a provider that has all calls, and whose credentials have no scopes, no
/// subnets and no end.
pub(super) fn by_api(title: &'static str) -> Capabilities {
    Capabilities {
        title: title.into(),
        place: title.to_owned(),
        kind: CredentialKind::Client,
        creation: Creation::Api { timeout: CREATE_TIMEOUT, list: Some(LIST) },
        removal: Removal::Api,
        login: LoginCheck::Tried,
        verify: true,
        tells_elsewhere: false,
        expiry: Expiry::None,
        scopes: Scopes::None,
        scopes_required: false,
        parameters: Vec::new(),
        subnets: false,
        // Where the pages state none.
        name_max: 128,
        limits_per_credential: false,
        propagation: SignedDuration::from_mins(1),
        acceptances: 1,
        revocation_lag: SignedDuration::ZERO,
        max_alive: None,
    }
}

/// The capabilities of a provider whose clients stay, and whose credentials are secrets of them.
pub(super) fn secrets_of_a_client(title: &'static str) -> Capabilities {
    let timeout = CREATE_TIMEOUT + turns::WAIT;
    Capabilities {
        kind: CredentialKind::Secret,
        creation: Creation::Api { timeout, list: Some(LIST) },
        ..by_api(title)
    }
}

/// The capabilities of a provider whose credentials a person makes. There is nothing to log in to.
pub(super) fn by_hand(title: &'static str, portal: Portal) -> Capabilities {
    Capabilities {
        place: portal.create_at.clone(),
        creation: Creation::Person(portal),
        removal: Removal::Person,
        login: LoginCheck::None,
        // The pages state none. A name that people type into a form had better be short.
        name_max: 64,
        ..by_api(title)
    }
}

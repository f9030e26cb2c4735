//! Listing the secret IDs of a role: the list has accessors only, so each is looked up.
//!
//! A role may have secret IDs of others by the thousand, and each look-up is a request. The names
//! never change, so those that were looked up once are remembered, within a bound.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::{
    AppRole, NAME_MAX, Role, refused,
    wire::{self, Refusal},
};
use crate::providers::{
    Failure, FailureKind,
    http::{Call, Operation},
    listing::Listing,
};

/// The longest time for the look-ups of one list. The next one begins where it stopped.
const LOOKING_UP: Duration = Duration::from_secs(60);
/// The most that is remembered of the names of a mount, in bytes.
const REMEMBERED_MAX: usize = 32 * 1024;
/// The size that each remembered name counts for besides its letters.
const ENTRY: usize = 48;

impl AppRole {
    /// The secret IDs of a role whose names contain `tag`: the names by accessor.
    pub(super) async fn named(&self, role: &Role, tag: &str) -> Result<Vec<(String, String)>, Failure> {
        let wanted = |_: &str, name: Option<&str>| name.is_some_and(|name| name.contains(tag));
        let mut list = Listing::new(self.capabilities.title.clone(), wanted);
        let (accessors, length) = self.accessors(role).await?;
        list.page(length)?;
        self.names.keep_only(role, &accessors);
        let (since, all) = (Instant::now(), accessors.len());
        for (number, accessor) in accessors.into_iter().enumerate() {
            if self.names.of(role, &accessor).is_some_and(|name| !wanted(&accessor, name.as_deref())) {
                continue;
            }
            if since.elapsed() > LOOKING_UP {
                return Err(too_many(number, all));
            }
            let Some((name, length)) = self.looked_up(role, &accessor).await? else { continue };
            list.page(length)?;
            self.names.remember(role, &accessor, name.clone());
            list.add(accessor, name)?;
        }
        Ok(list.kept().into_iter().filter_map(|(accessor, name)| Some((accessor, name?))).collect())
    }

    /// The accessors in the list of a role, and its length. The method LIST would do the same, but
    /// not every proxy passes it on.
    async fn accessors(&self, role: &Role) -> Result<(Vec<String>, usize), Failure> {
        let call = Call::read(Operation::List, "the list request");
        let mut url = role.secret_ids.clone();
        url.set_query(Some("list=true"));
        let answer = self.login.call(&call, || self.site.request(Method::GET, &url)).await?;
        // A role without secret IDs is no empty list (https://openbao.org/api-docs/auth/approle/).
        if answer.is_not_found() && Refusal::of(&answer, &call).is_of_nothing() {
            return Ok((Vec::new(), 0));
        }
        if !answer.is_success() {
            return Err(refused(&answer, &call));
        }
        let wire::Listed { keys } = wire::content(&answer, &call)?;
        Ok((keys, answer.length()))
    }

    /// The name of a secret ID, if it has one, and the length of the answer. `None` if there is no
    /// such secret ID any more: then the answer is 404, or 204 for one that has ended and was not
    /// tidied up yet.
    async fn looked_up(
        &self,
        role: &Role,
        accessor: &str,
    ) -> Result<Option<(Option<String>, usize)>, Failure> {
        let call = Call::read(Operation::List, "the look-up of a secret ID");
        let body = json!({ "secret_id_accessor": accessor });
        let post = || self.site.request(Method::POST, &role.look_up).json(&body);
        let answer = self.login.call(&call, post).await?;
        let is_gone = answer.status.as_u16() == 204
            || answer.is_not_found() && Refusal::of(&answer, &call).says(super::UNKNOWN_ACCESSOR);
        if is_gone {
            return Ok(None);
        }
        if !answer.is_success() {
            return Err(refused(&answer, &call));
        }
        let properties: wire::Properties = wire::content(&answer, &call)?;
        // A longer name is none that Credwright has given.
        let name = properties.name().filter(|name| name.chars().count() <= NAME_MAX);
        Ok(Some((name.map(str::to_owned), answer.length())))
    }
}

fn too_many(known: usize, all: usize) -> Failure {
    let message = format!(
        "the role has {all} secret IDs, which could not all be looked up within {} s: {known} of them are known by \
         now; give these credentials a role with few other secret IDs",
        LOOKING_UP.as_secs()
    );
    Failure::new(FailureKind::Malformed, message)
}

/// The names of secret IDs that were looked up.
#[derive(Default)]
pub(super) struct Names {
    known: Mutex<Known>,
    hasher: RandomState,
}

#[derive(Default)]
struct Known {
    /// By role and by accessor, of both a hash with a random key.
    by_role: HashMap<u64, HashMap<u64, Option<Arc<str>>>>,
    size: usize,
}

impl Names {
    /// The name of a secret ID, `None` if it is not known. It may have none.
    fn of(&self, role: &Role, accessor: &str) -> Option<Option<Arc<str>>> {
        let (role, accessor) = (self.hasher.hash_one(&role.name), self.hasher.hash_one(accessor));
        self.known.lock().by_role.get(&role)?.get(&accessor).cloned()
    }

    /// Remembers a name, if there is room.
    fn remember(&self, role: &Role, accessor: &str, name: Option<String>) {
        let (role, accessor) = (self.hasher.hash_one(&role.name), self.hasher.hash_one(accessor));
        let mut known = self.known.lock();
        let size = ENTRY + name.as_ref().map_or(0, String::len);
        if known.size + size > REMEMBERED_MAX {
            return;
        }
        if known.by_role.entry(role).or_default().insert(accessor, name.map(Arc::from)).is_none() {
            known.size += size;
        }
    }

    /// Forgets the secret IDs of a role that are no longer listed.
    fn keep_only(&self, role: &Role, accessors: &[String]) {
        let role = self.hasher.hash_one(&role.name);
        let listed: HashSet<u64> = accessors.iter().map(|it| self.hasher.hash_one(it)).collect();
        let mut known = self.known.lock();
        let Some(names) = known.by_role.get_mut(&role) else { return };
        let mut freed = 0;
        names.retain(|accessor, name| {
            let stays = listed.contains(accessor);
            freed += if stays { 0 } else { ENTRY + name.as_ref().map_or(0, |name| name.len()) };
            stays
        });
        if names.is_empty() {
            known.by_role.remove(&role);
        }
        known.size = known.size.saturating_sub(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Role {
        let url: reqwest::Url = "https://openbao.example.com".parse().unwrap();
        Role {
            name: name.to_owned(),
            role_id: url.clone(),
            secret_ids: url.clone(),
            look_up: url.clone(),
            destroy: url.clone(),
            look_up_secret: url,
        }
    }

    #[test]
    fn names_are_remembered_by_role_until_they_are_no_longer_listed() {
        let (names, orders, billing) = (Names::default(), role("orders"), role("billing"));
        names.remember(&orders, "a", Some("orders-kw1".to_owned()));
        names.remember(&orders, "b", None);
        assert_eq!(names.of(&orders, "a").flatten().as_deref(), Some("orders-kw1"));
        assert_eq!(names.of(&orders, "b"), Some(None), "it is known to have none");
        assert_eq!(names.of(&orders, "c"), None);
        assert_eq!(names.of(&billing, "a"), None);
        names.keep_only(&billing, &[]);
        names.keep_only(&orders, &["b".to_owned()]);
        assert_eq!((names.of(&orders, "a"), names.of(&orders, "b")), (None, Some(None)));
        assert_eq!(names.known.lock().size, ENTRY);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (names, role) = (Names::default(), role("orders"));
        for number in 0..100_000 {
            names.remember(&role, &number.to_string(), Some("x".repeat(100)));
        }
        let size = names.known.lock().size;
        assert!(size <= REMEMBERED_MAX && size > REMEMBERED_MAX - 200, "{size}");
        names.keep_only(&role, &[]);
        assert_eq!(names.known.lock().size, 0);
    }
}

use std::sync::Arc;

use super::*;
use crate::{
    api::{DeletionPolicy, ProviderKind, Reason},
    lifecycle::ledger::{Account, CredentialKind, Document, Intent, Request, State},
};

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

fn entry(version: u64, clients: &[&str]) -> LedgerEntry {
    let mut document = Document::new("cluster", "uid", DeletionPolicy::Revoke);
    for (number, client) in (1..).zip(clients) {
        let at = Timestamp::UNIX_EPOCH;
        let intent = Intent { writer: String::new(), id: String::new(), at, call_by: at };
        let account = Account {
            kind: ProviderKind::CredentialProvider,
            name: "acme".to_owned(),
            fingerprint: "of acme".to_owned(),
        };
        let request = Request {
            name: String::new(),
            scopes: Vec::new(),
            lifetime: None,
            subnets: Vec::new(),
            rotation_request: None,
        };
        let revision =
            Revision::intended((number, String::new()), (Reason::FirstIssue, request), intent, account);
        let client_id = Some((*client).to_owned());
        document.revisions.push(Revision { client_id, state: State::Issued, ..revision });
    }
    LedgerEntry {
        owned: true,
        up_to_date: true,
        uid: "ledger".to_owned(),
        version,
        held: true,
        terminating: None,
        sealed: 0,
        document: Ok(Arc::new(document)),
    }
}

/// A ledger of this version whose credentials were minted so many minutes after the epoch; the last
/// minute is that of its last write.
fn minted(version: u64, minutes: &[i64]) -> LedgerEntry {
    let at = |minute: &i64| Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(*minute);
    let mut entry = entry(version, &["one"]);
    let document = Arc::make_mut(entry.document.as_mut().unwrap());
    document.mints = minutes.iter().map(at).collect();
    document.written_at = minutes.last().map(at).unwrap();
    entry
}

/// Returns the number of mints that count at the account, and of those for earlier ledgers of
/// `orders`.
fn counted(ledgers: &Ledgers) -> (usize, usize) {
    let hour = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(59);
    let all: usize = ledgers.accounts(|tally| tally.minted(hour)).iter().map(|(_, count)| count).sum();
    (all, ledgers.minted_before(&key("orders")).len())
}

#[test]
fn a_force_deleted_ledger_counts_until_it_is_recreated() {
    let ledgers = Ledgers::default();
    assert!(ledgers.put(key("orders"), minted(1, &[1, 2, 3])));
    assert_eq!(counted(&ledgers), (3, 0));
    assert!(ledgers.remove(&key("orders"), 1));
    assert_eq!(counted(&ledgers), (3, 3));
    assert!(ledgers.take_lost() && !ledgers.take_lost(), "it is to be stored, once");
    assert!(ledgers.put(key("orders"), minted(2, &[4])), "another one is minted");
    assert_eq!(counted(&ledgers), (4, 3));
    assert!(ledgers.put(key("orders"), minted(3, &[1, 2, 3, 5])), "it is recreated from its copy");
    assert_eq!(counted(&ledgers), (4, 0));
}

#[test]
fn an_older_ledger_in_place_of_a_newer_one_does_not_reset_the_count() {
    let ledgers = Ledgers::default();
    assert!(ledgers.put(key("orders"), minted(1, &[1, 2, 3])));
    assert!(ledgers.put(key("orders"), minted(2, &[1])));
    assert_eq!(counted(&ledgers), (3, 2));
    assert!(ledgers.put(key("orders"), minted(3, &[1, 4])), "it goes on from there");
    assert_eq!(counted(&ledgers), (4, 2));
    let unreadable = LedgerEntry { document: Err("it does not open".to_owned()), ..entry(4, &[]) };
    assert!(ledgers.put(key("orders"), unreadable));
    assert_eq!(counted(&ledgers), (4, 4));
}

#[test]
fn a_mint_of_an_earlier_object_is_not_that_of_a_later_one_at_the_same_moment() {
    let ledgers = Ledgers::default();
    assert!(ledgers.put(key("orders"), minted(1, &[1])));
    assert!(ledgers.remove(&key("orders"), 1));
    let mut later = minted(2, &[1]);
    Arc::make_mut(later.document.as_mut().unwrap()).object_uid = "later".to_owned();
    assert!(ledgers.put(key("orders"), later));
    assert_eq!(counted(&ledgers), (2, 1));
}

#[test]
fn mints_of_a_released_ledger_are_neither_lost_nor_counted_twice() {
    let ledgers = Ledgers::default();
    let entry = minted(1, &[1, 2]);
    let past_mints = PastMint::all(&key("orders"), &entry);
    assert!(ledgers.put(key("orders"), entry));
    ledgers.set_stored(past_mints.clone());
    assert_eq!(counted(&ledgers), (2, 0), "the ledger is still there");
    assert!(ledgers.remove(&key("orders"), 1));
    assert_eq!(counted(&ledgers), (2, 2));
    assert!(!ledgers.take_lost());
    ledgers.set_stored(past_mints);
    assert_eq!(counted(&ledgers), (2, 2));
}

fn changed(entry: &LedgerEntry, version: u64, change: impl FnOnce(&mut Document)) -> LedgerEntry {
    let mut document = (**entry.document.as_ref().unwrap()).clone();
    change(&mut document);
    LedgerEntry { version, document: Ok(Arc::new(document)), ..entry.clone() }
}

#[test]
fn only_credentials_that_may_be_alive_hold_their_client() {
    use State::*;
    let rows = [
        (Issued, true),
        (Retiring, true),
        (Revoking, true),
        (Left, true),
        (Revoked, false),
        (Absent, false),
        (Abandoned, false),
    ];
    for ((state, holds), version) in rows.into_iter().zip(1..) {
        let ledgers = Ledgers::default();
        let of = |closed| {
            changed(&entry(1, &["one"]), version + u64::from(closed), |it| {
                (it.revisions[0].state, it.closed) = (state, closed);
            })
        };
        assert!(ledgers.put(key("a"), of(false)));
        assert_eq!(
            ledgers.held_by_another(&Identity::of_client("one"), "of acme", &key("b")),
            holds,
            "{state:?}"
        );
        assert_eq!(ledgers.held_against(&Identity::of_client("one"), "of acme", "shop"), holds, "{state:?}");
        assert!(ledgers.put(key("a"), of(true)));
        assert!(
            !ledgers.held_by_another(&Identity::of_client("one"), "of acme", &key("b")),
            "{state:?}, closed"
        );
    }
}

#[test]
fn an_unverified_client_is_held_in_its_own_namespace_only() {
    let ledgers = Ledgers::default();
    let claimed = changed(&entry(1, &["one"]), 1, |it| it.revisions[0].unverified = true);
    assert!(ledgers.put(key("a"), claimed.clone()));
    let elsewhere = Key::new("bank", "a");
    let held = || {
        (
            ledgers.held_by_another(&Identity::of_client("one"), "of acme", &key("b")),
            ledgers.held_by_another(&Identity::of_client("one"), "of acme", &elsewhere),
            ledgers.held_against(&Identity::of_client("one"), "of acme", "shop"),
            ledgers.held_against(&Identity::of_client("one"), "of acme", "bank"),
        )
    };
    assert_eq!(held(), (true, false, true, false));
    let verified = changed(&claimed, 2, |it| it.revisions[0].unverified = false);
    assert!(ledgers.put(key("a"), verified));
    assert_eq!(held(), (true, true, true, true), "the provider has confirmed it");
}

#[test]
fn one_ledger_holds_the_same_number_at_two_servers() {
    let ledgers = Ledgers::default();
    let both = changed(&entry(1, &["1", "1"]), 1, |it| {
        it.revisions[0].account.fingerprint = "of another".to_owned();
    });
    assert!(ledgers.put(key("a"), both.clone()));
    let held = |account: &str| ledgers.held_by_another(&Identity::of_client("1"), account, &key("b"));
    assert!(held("of acme") && held("of another") && !held("of a third"));
    let one = changed(&both, 2, |it| it.revisions[0].state = State::Revoked);
    assert!(ledgers.put(key("a"), one));
    assert!(held("of acme") && !held("of another"), "only one of them was revoked");
}

#[test]
fn a_client_id_is_held_by_those_ledgers_that_list_it_now() {
    let ledgers = Ledgers::default();
    assert!(ledgers.put(key("a"), entry(1, &["one", "two"])));
    assert!(!ledgers.held_by_another(&Identity::of_client("one"), "", &key("a")), "its own");
    assert!(ledgers.held_by_another(&Identity::of_client("one"), "", &key("b")));
    assert!(ledgers.put(key("a"), entry(2, &["two", "three"])));
    assert!(
        !ledgers.held_by_another(&Identity::of_client("one"), "", &key("b")),
        "it is not listed any more"
    );
    assert!(ledgers.held_by_another(&Identity::of_client("three"), "", &key("b")));
    assert!(!ledgers.put(key("a"), entry(1, &["one"])), "what is old is no news");
    assert!(!ledgers.held_by_another(&Identity::of_client("one"), "", &key("b")));
    assert!(ledgers.put(key("b"), entry(3, &["two"])));
    assert!(ledgers.held_by_another(&Identity::of_client("two"), "", &key("a")), "pasted from another");
    assert!(!ledgers.remove(&key("b"), 2), "that was an earlier one");
    assert!(ledgers.held_by_another(&Identity::of_client("two"), "", &key("a")));
    assert!(ledgers.remove(&key("b"), 3));
    assert!(!ledgers.held_by_another(&Identity::of_client("two"), "", &key("a")));
    assert!(!ledgers.index.lock().census.is_empty());
    let elsewhere = |name: &str| ledgers.held_by_another(&Identity::of_client("three"), name, &key("b"));
    assert!(elsewhere("") && elsewhere("of acme"), "it may be the same account");
    assert!(!elsewhere("of another"), "there it is another client");
    let unreadable = LedgerEntry { document: Err("it does not open".to_owned()), ..entry(9, &[]) };
    assert!(ledgers.put(key("a"), unreadable));
    assert_eq!(ledgers.index.lock().holders.len(), 0, "nothing is left behind");
    assert!(ledgers.index.lock().census.is_empty());
}

#[test]
fn several_objects_hold_secrets_of_one_client() {
    let ledgers = Ledgers::default();
    let of = |version, id: &str| {
        changed(&entry(version, &["one"]), version, |it| {
            it.revisions[0].kind = CredentialKind::Secret;
            it.revisions[0].secret_id = Some(id.to_owned());
        })
    };
    assert!(ledgers.put(key("a"), of(1, "of a")) && ledgers.put(key("b"), of(1, "of b")));
    let held = |id: &'static str, name: &str| {
        let identity = Identity { secret_id: Some(id), ..Identity::of_client("one") };
        ledgers.held_by_another(&identity, "of acme", &key(name))
    };
    assert!(!held("of a", "a") && held("of a", "b"));
    assert!(!held("of b", "b") && held("of b", "a"));
    assert!(!held("of nobody", "a"));
    assert!(ledgers.held_by_another(&Identity::of_client("one"), "of acme", &key("a")), "all of them");
    assert!(ledgers.put(key("c"), entry(1, &["one"])), "a ledger of an earlier version");
    assert!(held("of a", "a"), "it may mean that one");
}

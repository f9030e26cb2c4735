use jiff::{SignedDuration, Timestamp};

use crate::{
    api::ProviderKind,
    engine::stores::{Key, ProviderKey},
};

use super::{Item, Queue};

const NOON: Timestamp = Timestamp::UNIX_EPOCH;

fn later(seconds: i64) -> Timestamp {
    NOON + SignedDuration::from_secs(seconds)
}

fn credential(name: &str) -> Item {
    Item::Credential(Key { namespace: "shop".to_owned(), name: name.to_owned() })
}

fn provider() -> Item {
    Item::Provider(ProviderKey::resolve(ProviderKind::CredentialProvider, "spreetail", "shop"))
}

#[test]
fn items_come_in_order_and_providers_first() {
    let queue = Queue::default();
    for item in [credential("a"), credential("b"), provider(), credential("a")] {
        queue.wake(item);
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.take(NOON)).collect();
    assert_eq!(order, [provider(), credential("a"), credential("b")]);
}

#[test]
fn nothing_is_looked_at_twice_at_once_and_no_wake_is_lost() {
    let queue = Queue::default();
    queue.wake(credential("a"));
    assert_eq!(queue.take(NOON), Some(credential("a")));
    queue.wake(credential("a"));
    assert_eq!(queue.take(NOON), None, "it is being looked at");
    queue.done(credential("a"), Ok(None), NOON);
    assert_eq!(queue.take(NOON), Some(credential("a")), "and then again, because of the wake");
    queue.done(credential("a"), Ok(None), NOON);
    assert!(queue.is_idle() && queue.next_due().is_none());
}

#[test]
fn what_is_due_comes_when_it_is_due() {
    let queue = Queue::default();
    queue.wake(credential("a"));
    let item = queue.take(NOON).unwrap();
    queue.done(item, Ok(Some(later(60))), NOON);
    assert_eq!(queue.next_due(), Some(later(60)));
    assert_eq!(queue.take(later(59)), None);
    assert_eq!(queue.take(later(3600)), Some(credential("a")), "a clock that jumps makes it due, too");
}

#[test]
fn a_later_look_replaces_an_earlier_plan_and_wake_by_only_brings_forward() {
    let queue = Queue::default();
    queue.wake_by(credential("a"), later(60));
    queue.wake_by(credential("a"), later(90));
    assert_eq!(queue.next_due(), Some(later(60)));
    queue.wake_by(credential("a"), later(30));
    assert_eq!(queue.next_due(), Some(later(30)));
    let item = queue.take(later(30)).unwrap();
    queue.wake_by(credential("a"), later(40));
    queue.done(item, Ok(Some(later(100))), later(30));
    assert_eq!(queue.next_due(), Some(later(40)), "a plan made during the look is kept");
}

#[test]
fn errors_are_spaced_and_forgotten_after_a_success() {
    let queue = Queue::default();
    let fail = |at: Timestamp| {
        queue.wake(credential("a"));
        let item = queue.take(at).unwrap();
        queue.done(item, Err(()), at);
        queue.next_due().unwrap().duration_since(at).as_secs()
    };
    assert_eq!([fail(NOON), fail(later(1)), fail(later(3))], [1, 2, 4]);
    let item = queue.take(later(7)).unwrap();
    queue.done(item, Ok(None), later(7));
    assert_eq!(fail(later(8)), 1);
}

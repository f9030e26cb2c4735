use jiff::{SignedDuration, Timestamp};

use crate::{
    api::ProviderKind,
    engine::stores::{Key, ProviderKey},
};

use super::{Item, Queue, Retry};

const NOON: Timestamp = Timestamp::UNIX_EPOCH;

fn later(seconds: i64) -> Timestamp {
    NOON + SignedDuration::from_secs(seconds)
}

fn credential(name: &str) -> Item {
    Item::Credential(Key::new("shop", name))
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
fn no_item_is_reconciled_twice_at_once_and_no_wake_is_lost() {
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
fn a_delayed_item_comes_when_it_is_due() {
    let queue = Queue::default();
    queue.wake(credential("a"));
    let item = queue.take(NOON).unwrap();
    queue.done(item, Ok(Some(later(60))), NOON);
    assert_eq!(queue.next_due(), Some(later(60)));
    assert_eq!(queue.take(later(59)), None);
    assert_eq!(queue.take(later(3600)), Some(credential("a")), "a clock that jumps makes it due, too");
}

#[test]
fn a_later_reconcile_replaces_the_planned_time_and_wake_by_only_brings_it_forward() {
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
        queue.done(item, Err(Retry::default()), at);
        queue.next_due().unwrap().duration_since(at).as_millis()
    };
    let about = |seconds: i128| 500 * seconds..1500 * seconds;
    assert!(about(1).contains(&fail(NOON)) && about(2).contains(&fail(later(10))));
    assert!(about(4).contains(&fail(later(20))));
    let item = queue.take(later(40)).unwrap();
    queue.done(item, Ok(None), later(40));
    assert!(about(1).contains(&fail(later(50))));
}

#[test]
fn items_that_fail_together_come_back_one_after_the_other() {
    let queue = Queue::default();
    let names: Vec<String> = (0..10_000).map(|number| format!("many-{number}")).collect();
    names.iter().for_each(|name| queue.wake(credential(name)));
    while let Some(item) = queue.take(NOON) {
        queue.done(item, Err(Retry::default()), NOON);
    }
    let each_second = (1..=202).map(|second| std::iter::from_fn(|| queue.take(later(second))).count());
    let counts: Vec<usize> = each_second.collect();
    assert_eq!(counts.iter().sum::<usize>(), names.len());
    assert!(counts.iter().all(|count| *count < 400), "{counts:?}");
}

#[test]
fn no_item_is_retried_before_the_api_server_allows_it() {
    let queue = Queue::default();
    queue.wake(credential("a"));
    let item = queue.take(NOON).unwrap();
    queue.done(item, Err(Retry { after: Some(SignedDuration::from_secs(30)) }), NOON);
    assert!(queue.next_due() >= Some(later(30)), "{:?}", queue.next_due());
}

#[test]
fn namespaces_take_turns() {
    let queue = Queue::default();
    let item = |namespace: &str, name: &str| Item::Credential(Key::new(namespace, name));
    for name in ["a", "b", "c"] {
        queue.wake(item("many", name));
    }
    queue.wake(item("few", "a"));
    let order: Vec<_> = std::iter::from_fn(|| queue.take(NOON)).collect();
    assert_eq!(order, [item("many", "a"), item("few", "a"), item("many", "b"), item("many", "c")]);
}

#[test]
fn a_namespace_whose_last_turn_was_long_ago_does_not_wait_for_forty_that_are_always_ready() {
    let queue = Queue::default();
    let hostile = |number: usize, name: &str| Item::Credential(Key::new(format!("hostile-{number}"), name));
    for name in ["a", "b", "c"] {
        (0..40).for_each(|number| queue.wake(hostile(number, name)));
    }
    queue.wake(Item::Credential(Key::new("shop", "a")));
    let first: Vec<_> = (0..41).filter_map(|_| queue.take(NOON)).collect();
    assert_eq!(first.last(), Some(&Item::Credential(Key::new("shop", "a"))), "each has a first turn");
    (0..40).for_each(|number| assert_eq!(queue.take(NOON), Some(hostile(number, "b"))));
    queue.wake(Item::Credential(Key::new("shop", "b")));
    assert_eq!(queue.take(NOON), Some(Item::Credential(Key::new("shop", "b"))));
}

#[test]
fn what_was_planned_goes_before_the_news_of_forty_namespaces_but_not_in_every_fourth_turn() {
    let queue = Queue::default();
    let orders = |name: &str| Item::Credential(Key::new("shop", name));
    for name in ["a", "b", "c", "d"] {
        queue.wake_by(orders(name), later(60));
    }
    let news = |number: usize| Item::Credential(Key::new(format!("hostile-{number}"), "new"));
    (0..40).for_each(|number| queue.wake(news(number)));
    queue.wake(orders("b"));
    let order: Vec<_> = (0..5).filter_map(|_| queue.take(later(60))).collect();
    assert_eq!(order, [orders("a"), orders("b"), orders("c"), news(0), orders("d")]);
}

#[test]
fn a_queue_is_stuck_while_items_are_ready_and_none_is_taken_up_or_ends() {
    let queue = Queue::default();
    assert_eq!(queue.stuck_for(), None);
    queue.wake(credential("a"));
    assert!(queue.stuck_for().is_some());
    let item = queue.take(NOON).unwrap();
    assert_eq!(queue.stuck_for(), None, "nothing else is ready");
    queue.wake(credential("b"));
    assert!(queue.stuck_for().is_some());
    assert_eq!(queue.take(NOON), Some(credential("b")));
    queue.done(item, Ok(None), NOON);
    assert_eq!(queue.stuck_for(), None);
}

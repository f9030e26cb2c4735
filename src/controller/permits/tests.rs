use jiff::SignedDuration;

use super::*;
use crate::{api::ProviderKind, engine::stores::Key};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn account(namespace: &str, name: &str) -> ProviderKey {
    ProviderKey::resolve(ProviderKind::CredentialProvider, name, namespace)
}

fn shared() -> ProviderKey {
    ProviderKey::resolve(ProviderKind::ClusterCredentialProvider, "shared", "")
}

fn item(namespace: &str, name: &str) -> Item {
    Item::Credential(Key::new(namespace, name))
}

/// Permits whose time the test tells.
struct Stage {
    permits: Arc<Permits>,
    queue: Arc<Queue>,
    now: Instant,
}

impl Stage {
    fn new(concurrency: usize, accounts: &[ProviderKey]) -> Self {
        let queue = Arc::<Queue>::default();
        let permits = Permits::new(queue.clone(), concurrency);
        accounts.iter().for_each(|account| permits.know(account));
        Self { permits, queue, now: Instant::now() }
    }

    fn asks(&self, item: &Item, account: &ProviderKey, urgency: Urgency, at_once: usize) -> Option<Permit> {
        let ask = Ask { lane: Lane::Steps, account: account.clone(), urgency, ends: AT, at_once };
        let permit = self.permits.turn(item).ask(ask, AT, self.now).ok()?;
        permit.stopwatch().start(self.now);
        Some(permit)
    }

    fn gets(&self, namespace: &str, name: &str, account: &ProviderKey) -> Option<Permit> {
        self.asks(&item(namespace, name), account, Urgency::Ordinary, 1000)
    }

    /// Returns whether one more would get a permit; it does not wait for one.
    fn may(&self, namespace: &str, account: &ProviderKey) -> bool {
        let got = self.gets(namespace, "one more", account).is_some();
        drop(self.permits.turn(&item(namespace, "one more")));
        got
    }

    /// Returns how many of `count` items of a namespace get a permit at once.
    fn many(&self, namespace: &str, account: &ProviderKey, count: usize) -> Vec<Permit> {
        (0..count).filter_map(|number| self.gets(namespace, &number.to_string(), account)).collect()
    }

    fn ends(&self, permit: Permit) {
        self.permits.end(permit.given.lane, permit.given.number, self.now);
        std::mem::forget(permit);
    }

    /// Returns who is woken, in order.
    fn woken(&self) -> Vec<Item> {
        let taken: Vec<Item> = std::iter::from_fn(|| self.queue.take(AT)).collect();
        taken.iter().for_each(|item| self.queue.done(item.clone(), Ok(None), AT));
        taken
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.permits.shift(self.now);
    }
}

#[test]
fn a_single_account_may_use_every_permit() {
    let stage = Stage::new(32, &[shared()]);
    assert_eq!(stage.many("shop", &shared(), 40).len(), 32);
}

#[test]
fn the_last_quarter_is_reserved_for_accounts_with_nothing_running() {
    let (busy, other) = (account("many", "a"), account("few", "a"));
    let stage = Stage::new(32, &[busy.clone(), other.clone()]);
    let held = stage.many("many", &busy, 40);
    assert_eq!(held.len(), 24);
    assert!(stage.gets("many", "another", &account("many", "b")).is_none(), "its namespace is busy");
    let first = stage.gets("few", "one", &other);
    assert!(first.is_some());
    assert!(stage.gets("few", "two", &other).is_none(), "it has something running now");
}

#[test]
fn two_permits_are_enough_for_two_accounts() {
    let (slow, quick) = (account("many", "a"), account("few", "a"));
    let mut stage = Stage::new(2, &[slow.clone(), quick.clone()]);
    let held = stage.many("many", &slow, 3);
    assert_eq!(held.len(), 1);
    stage.passes(SLOW);
    let other = stage.gets("few", "one", &quick);
    assert!(other.is_some());
    assert!(stage.gets("many", "more", &slow).is_none(), "slow accounts have one between them");
}

#[test]
fn slow_accounts_share_an_eighth_until_they_are_quick_again() {
    let accounts: Vec<_> = (0..24).map(|number| account("many", &number.to_string())).collect();
    let mut stage = Stage::new(32, &accounts);
    let held: Vec<_> = accounts.iter().filter_map(|it| stage.gets("many", &it.name, it)).collect();
    assert_eq!(held.len(), 24);
    stage.passes(SLOW);
    let others = account("few", "a");
    stage.permits.know(&others);
    let few = stage.many("few", &others, 20);
    assert_eq!(few.len(), 20, "what is slow has left all but an eighth");
    assert!(!stage.may("few", &others));
    few.into_iter().for_each(|permit| stage.ends(permit));
    held.into_iter().for_each(|permit| stage.ends(permit));
    let ask = |it: &ProviderKey| stage.gets("many", &it.name, it);
    let again: Vec<_> = accounts[..4].iter().filter_map(ask).collect();
    assert_eq!(again.len(), 4);
    assert!(!stage.may("many", &accounts[4]), "slow ones have four between them");
    again.into_iter().for_each(|permit| stage.ends(permit));
    for round in 0..9 {
        let permit = stage.gets("many", &round.to_string(), &accounts[0]);
        stage.ends(permit.unwrap());
    }
    assert_eq!(stage.many("many", &accounts[0], 40).len(), 24, "ten were quicker");
}

#[test]
fn one_stall_among_many_quick_steps_is_excused() {
    let (honest, other) = (account("few", "a"), account("many", "a"));
    let mut stage = Stage::new(32, &[honest.clone(), other]);
    let quick = |stage: &Stage, count: usize| {
        for _ in 0..count {
            let permit = stage.gets("few", "quick", &honest);
            stage.ends(permit.unwrap());
        }
    };
    quick(&stage, 10);
    let slow = ["one", "two", "three"].map(|name| stage.gets("few", name, &honest));
    stage.passes(SLOW);
    assert!(stage.may("few", &honest), "while they are under way: one stall held them all up");
    slow.into_iter().for_each(|slow| stage.ends(slow.unwrap()));
    let held = stage.many("few", &honest, 5);
    assert_eq!(held.len(), 5, "and afterwards, beyond an eighth");
    stage.passes(SLOW);
    assert!(!stage.may("few", &honest), "but not another one");
}

#[test]
fn a_slow_api_server_makes_no_account_slow() {
    let (quick, slow) = (account("few", "a"), account("many", "a"));
    let mut stage = Stage::new(32, &[quick.clone(), slow.clone()]);
    for (account, at_provider, at_api_server, expected) in
        [(&quick, SLOW / 10, SLOW * 6, 24), (&slow, SLOW, Duration::ZERO, 4)]
    {
        let permit = stage.gets(&account.namespace, "step", account).unwrap();
        stage.passes(at_provider);
        permit.stopwatch().stop(stage.now);
        stage.passes(at_api_server);
        stage.ends(permit);
        assert_eq!(stage.many(&account.namespace, account, 40).len(), expected, "{}", account.namespace);
    }
}

#[test]
fn an_account_has_no_more_permits_than_it_takes_requests() {
    let stage = Stage::new(32, &[shared()]);
    let one = stage.asks(&item("shop", "one"), &shared(), Urgency::Ordinary, 1);
    assert!(stage.asks(&item("shop", "two"), &shared(), Urgency::Ordinary, 1).is_none());
    stage.ends(one.unwrap());
    assert_eq!(stage.woken(), [item("shop", "two")]);
    let two = stage.asks(&item("shop", "two"), &shared(), Urgency::Ordinary, 1);
    assert!(two.is_some(), "the permit that it was woken with");
    assert_eq!(stage.permits.count(), (1, 0));
}

#[test]
fn the_urgent_go_first_and_namespaces_take_turns() {
    let stage = Stage::new(8, &[shared()]);
    let mut held = stage.asks(&item("shop", "held"), &shared(), Urgency::Ordinary, 1);
    let asks = |namespace: &str, name: &str, urgency| {
        assert!(stage.asks(&item(namespace, name), &shared(), urgency, 1).is_none());
    };
    for name in ["a", "b", "c"] {
        asks("shop", name, Urgency::Ordinary);
    }
    asks("web", "a", Urgency::Ordinary);
    asks("web", "going", Urgency::Deletion);
    asks("shop", "leaked", Urgency::Leaked);
    let mut order = Vec::new();
    while let Some(permit) = held.take() {
        stage.ends(permit);
        let woken = stage.woken();
        let Some(next) = woken.first() else { break };
        assert_eq!(woken.len(), 1);
        held = stage.asks(next, &shared(), Urgency::Ordinary, 1);
        order.push(next.clone());
    }
    let place = |wanted: &Item| order.iter().position(|it| it == wanted).unwrap();
    assert_eq!(order.len(), 6);
    assert!(place(&item("shop", "leaked")) < 2 && place(&item("web", "going")) < 3, "{order:?}");
    assert!(place(&item("web", "a")) < place(&item("shop", "c")), "{order:?}");
}

#[test]
fn a_permit_that_is_not_needed_any_more_goes_to_the_next() {
    let stage = Stage::new(8, &[shared()]);
    let held = stage.asks(&item("shop", "held"), &shared(), Urgency::Ordinary, 1);
    for name in ["one", "two"] {
        assert!(stage.asks(&item("shop", name), &shared(), Urgency::Ordinary, 1).is_none());
    }
    stage.ends(held.unwrap());
    assert_eq!(stage.woken(), [item("shop", "one")]);
    drop(stage.permits.turn(&item("shop", "one")));
    assert_eq!(stage.woken(), [item("shop", "two")]);
    drop(stage.permits.turn(&item("shop", "two")));
    assert_eq!(stage.permits.count(), (0, 0));
}

/// A tenant with many accounts whose work takes half a minute, against one whose work takes a tenth
/// of a second: the longest that the second waits, in a made-up minute.
fn longest_wait(attackers: usize, namespaces: usize) -> Duration {
    let place = |number: usize| format!("attacker-{}", number % namespaces);
    let accounts: Vec<_> = (0..attackers).map(|it| account(&place(it), &it.to_string())).collect();
    let victim = account("victim", "a");
    let mut stage = Stage::new(32, &accounts);
    stage.permits.know(&victim);
    let tick = Duration::from_millis(100);
    let mut running: Vec<(Instant, Permit)> = Vec::new();
    let attack = |stage: &Stage, item: &Item| {
        let Item::Credential(key) = item else { return None };
        let permit = stage.gets(&key.namespace, &key.name, &account(&key.namespace, &key.name))?;
        Some((stage.now + Duration::from_secs(30), permit))
    };
    running.extend(accounts.iter().filter_map(|it| attack(&stage, &item(&it.namespace, &it.name))));
    let (mut longest, mut wanted) = (Duration::ZERO, None::<Instant>);
    for round in 0..600_u32 {
        stage.passes(tick);
        // The victim wants something every ten seconds, and is at first as unknown as they are.
        let begins = wanted.is_none() && round % 100 == 0;
        let mut looked: Vec<Item> = stage.woken();
        if begins {
            wanted = Some(stage.now);
            looked.push(item("victim", "a"));
        }
        let (over, left) = std::mem::take(&mut running).into_iter().partition(|(end, _)| *end <= stage.now);
        running = left;
        for (_, permit) in Vec::from_iter::<Vec<(Instant, Permit)>>(over) {
            if permit.given.account != victim {
                looked.push(item(&permit.given.account.namespace, &permit.given.account.name));
            }
            stage.ends(permit);
        }
        for item in looked {
            let Some((end, permit)) = attack(&stage, &item) else { continue };
            let is_victim = permit.given.account == victim;
            if let Some(since) = wanted.filter(|_| is_victim) {
                longest = longest.max(stage.now - since);
                wanted = None;
            }
            running.push((if is_victim { stage.now + tick } else { end }, permit));
        }
    }
    assert!(wanted.is_none() || longest > Duration::ZERO, "the victim never gets a permit");
    longest
}

#[test]
fn many_slow_accounts_do_not_keep_a_quick_one_waiting() {
    for (attackers, namespaces) in [(150, 1), (150, 40), (40, 40)] {
        let longest = longest_wait(attackers, namespaces);
        assert!(longest <= Duration::from_secs(6), "{attackers} in {namespaces}: {longest:?}");
    }
}

#[test]
fn a_parked_item_keeps_its_waiting_time() {
    let stage = Stage::new(8, &[shared()]);
    let _held = stage.asks(&item("shop", "held"), &shared(), Urgency::Ordinary, 1);
    let ask =
        || Ask { lane: Lane::Steps, account: shared(), urgency: Urgency::Ordinary, ends: AT, at_once: 1 };
    let later = AT + SignedDuration::from_secs(60);
    let one = item("shop", "one");
    assert_eq!(stage.permits.turn(&one).ask(ask(), AT, stage.now).err(), Some(AT));
    assert_eq!(stage.permits.turn(&one).ask(ask(), later, stage.now).err(), Some(AT));
    drop(stage.permits.turn(&one));
    assert_eq!(stage.permits.turn(&one).ask(ask(), later, stage.now).err(), Some(later));
}

#[test]
fn a_pass_keeps_its_permit_for_one_more_step_and_each_is_timed_by_itself() {
    let mut stage = Stage::new(32, &[shared(), account("other", "a")]);
    let ask =
        || Ask { lane: Lane::Steps, account: shared(), urgency: Urgency::Ordinary, ends: AT, at_once: 1 };
    let mut turn = stage.permits.turn(&item("shop", "one"));
    let mut works = |stage: &mut Stage| {
        let permit = turn.ask(ask(), AT, stage.now).ok()?;
        permit.stopwatch().start(stage.now);
        stage.now += SLOW / 2;
        permit.stopwatch().stop(stage.now);
        turn.keep(Some(permit));
        Some(())
    };
    assert!(works(&mut stage).is_some());
    let waiting = item("shop", "two");
    assert!(stage.permits.turn(&waiting).ask(ask(), AT, stage.now).is_err());
    assert!(works(&mut stage).is_some(), "it goes on, although another waits");
    assert!(stage.woken().is_empty());
    assert!(works(&mut stage).is_none(), "now it is the other's turn");
    assert_eq!(stage.woken(), [waiting]);
    assert!(stage.many("shop", &shared(), 30).len() > 8, "nothing took longer than half of what is slow");
}

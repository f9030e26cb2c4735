//! The login, or everything but the login, is in trouble for an hour while a renewal is due.

use std::time::Duration;

use credwright_simulator::{Fault, Faults, Operation, RetryAfter};
use serde_json::json;

use super::{During::Renewal, Known, Lie, Place, runner};

const fn told(name: &'static str, creates: (usize, usize), tell: fn(&Faults, &Known)) -> Lie {
    Lie { name, at: Place::Spreetail, during: Renewal, tell, creates, calls: 60, says: None }
}

/// The login gets its tokens, and nothing else works.
fn but_for_the_login(faults: &Faults, fault: &Fault) {
    for operation in [Operation::Create, Operation::List, Operation::Delete] {
        faults.every(operation, fault.clone());
    }
    faults.every(Operation::Token.by_others(), fault.clone());
}

static LIES: [Lie; 7] = [
    told("429 to all, without Retry-After", (0, 20), |faults, _| {
        faults.every(credwright_simulator::Matching::any(), Fault::rate_limited(RetryAfter::Absent));
    }),
    told("429 to all but the login, without Retry-After", (1, 30), |faults, _| {
        but_for_the_login(faults, &Fault::rate_limited(RetryAfter::Absent));
    }),
    // How often a create is sent again in its turn depends on how busy the machine is: 18 to 21 in
    // all.
    told("429 to all but the login, to be tried again at once", (1, 30), |faults, _| {
        but_for_the_login(faults, &Fault::rate_limited(RetryAfter::Seconds(0)));
    }),
    told("503 to all but the login", (1, 20), |faults, _| {
        but_for_the_login(faults, &Fault::status(503));
    }),
    told("401 to the login", (0, 2), |faults, _| {
        faults.every(Operation::Token.by_login(), Fault::status(401));
    }),
    told("its tokens live for a second", (1, 1), |faults, _| {
        faults.every(Operation::Token.by_login(), Fault::edited(&json!({ "expires_in": 1 })));
    }),
    told("a new credential is accepted and refused in turns for 30 s", (1, 1), |faults, _| {
        faults.set_propagation_delay(Duration::from_secs(30));
        faults.set_flapping(Duration::from_secs(5));
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn f25_an_account_where_only_the_login_works_is_not_called_in_a_loop() {
    runner::play(&LIES).await;
}

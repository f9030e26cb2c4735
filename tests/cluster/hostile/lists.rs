//! The answer to a create is lost, and the list in which it is looked for lies or fails.

use std::time::Duration;

use credwright_simulator::{Fault, Faults, Operation};
use serde_json::json;

use super::{During::Renewal, Known, Lie, Place, runner};

const fn told(name: &'static str, creates: (usize, usize), tell: fn(&Faults, &Known)) -> Lie {
    Lie { name, at: Place::Spreetail, during: Renewal, tell, creates, calls: 60, says: None }
}

fn lost(faults: &Faults) {
    faults.next(Operation::Create, Fault::LostAnswer);
}

fn listed(body: &str) -> Fault {
    Fault::Status { code: 200, headers: Vec::new(), body: body.to_owned() }
}

static LIES: [Lie; 7] = [
    told("the list lags 30 s", (2, 2), |faults, _| {
        lost(faults);
        faults.set_listing_lag(Duration::from_secs(30));
    }),
    told("the list is empty, though something works", (1, 4), |faults, _| {
        lost(faults);
        faults.every(Operation::List, listed("[]"));
    }),
    told("the list is 200 with an error inside", (1, 4), |faults, _| {
        lost(faults);
        faults.every(Operation::List, listed(&json!({ "error": "try later" }).to_string()));
    }),
    told("the list never ends", (1, 4), |faults, _| {
        lost(faults);
        faults.every(Operation::List, Fault::EndlessBody);
    }),
    Lie {
        // Each is asked for twice: a connection that tears may be a hiccup.
        calls: 100,
        ..told("the list is cut", (1, 4), |faults, _| {
            lost(faults);
            faults.every(Operation::List, Fault::CutBody);
        })
    },
    told("the list gives everything the neighbour's id", (1, 4), |faults, known| {
        lost(faults);
        faults.every(Operation::List, Fault::edited(&json!({ "clientId": known.neighbour })));
    }),
    told("the list gives everything the login's id", (1, 4), |faults, known| {
        lost(faults);
        faults.every(Operation::List, Fault::edited(&json!({ "clientId": known.login })));
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_false_list_proves_nothing_and_lost_credentials_are_found_in_the_end() {
    runner::play(&LIES).await;
}

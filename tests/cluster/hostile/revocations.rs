//! A revocation is answered with what is not so.

use credwright_simulator::{Fault, Faults, Operation};
use serde_json::json;

use super::{During::Revocation, Known, Lie, Place, runner};

const fn told(name: &'static str, tell: fn(&Faults, &Known)) -> Lie {
    Lie { name, at: Place::Spreetail, during: Revocation, tell, creates: (0, 0), calls: 60, says: None }
}

fn answer(code: u16, body: &str) -> Fault {
    Fault::Status { code, headers: Vec::new(), body: body.to_owned() }
}

static LIES: [Lie; 7] = [
    told("404 to DELETE, from a server that has no DELETE", |faults, _| {
        faults.every(Operation::Delete, Fault::status(404));
    }),
    told("401 to DELETE for a client that lives", |faults, _| {
        faults.every(Operation::Delete, Fault::status(401));
    }),
    told("200 to DELETE, and nothing happens", |faults, _| {
        faults.every(Operation::Delete, Fault::status(200));
    }),
    told("200 to DELETE, with an error inside", |faults, _| {
        faults.every(Operation::Delete, answer(200, &json!({ "error": "locked" }).to_string()));
    }),
    told("403 to DELETE", |faults, _| {
        faults.every(Operation::Delete, Fault::status(403));
    }),
    told("500 to DELETE after the effect", |faults, _| {
        faults.every(Operation::Delete, Fault::StatusAfterEffect { code: 500, body: String::new() });
    }),
    told("a redirect of DELETE to another account", |faults, known| {
        let location = ("location".to_owned(), format!("{}/api/v0/client-credentials", known.elsewhere));
        let redirect = Fault::Status { code: 307, headers: vec![location], body: String::new() };
        faults.every(Operation::Delete, redirect);
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_false_response_to_a_revocation_is_not_believed_and_the_credential_is_revoked_in_the_end() {
    runner::play(&LIES).await;
}

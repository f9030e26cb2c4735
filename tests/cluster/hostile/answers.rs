//! A create is answered with what cannot be true, or cannot be read.

use credwright_simulator::{Fault, Faults, Operation};
use jiff::SignedDuration;
use serde_json::json;

use super::{
    During::{self, Issue, Renewal},
    Known, Lie, Place, runner,
};

const fn told(name: &'static str, during: During, part: &'static str, tell: fn(&Faults, &Known)) -> Lie {
    // The first one is asked for as the hour begins, and so is another as it ends.
    let (ready, reason, most) = match during {
        Issue => ("False", "ProviderProtocolError", 6),
        _ => ("True", "MintLimit", 5),
    };
    Lie {
        name,
        at: Place::Spreetail,
        during,
        tell,
        creates: (5, most),
        calls: 60,
        says: Some((("Ready", ready, reason), part)),
    }
}

/// The same where the answer says what was made: that is revoked, and another one is asked for
/// after an hour.
const fn unusable(name: &'static str, during: During, part: &'static str, tell: fn(&Faults, &Known)) -> Lie {
    let ready = match during {
        Issue => ("Ready", "False", "ProviderProtocolError"),
        _ => ("Ready", "True", "ProviderProtocolError"),
    };
    Lie { creates: (1, 2), says: Some((ready, part)), ..told(name, during, part, tell) }
}

static LIES: [Lie; 14] = [
    unusable("it has expired already", Issue, "expir", |faults, known| {
        let past = known.now - SignedDuration::from_mins(1);
        let before = known.now - SignedDuration::from_hours(1);
        faults.every(Operation::Create, Fault::edited(&json!({ "expires": past, "created": before })));
    }),
    Lie {
        at: Place::Expereo,
        ..unusable("it may do more than was asked for", Renewal, "more scopes", |faults, _| {
            faults.every(
                Operation::Create,
                Fault::edited(&json!({ "scopes": ["BasicRead", "SupportReadWrite"] })),
            );
        })
    },
    unusable("its secret is empty", Renewal, "without a secret", |faults, _| {
        faults.every(Operation::Create, Fault::edited(&json!({ "secret": "" })));
    }),
    told("its id is one that another ledger holds", Renewal, "someone else", |faults, known| {
        faults.every(Operation::Create, Fault::edited(&json!({ "clientId": known.neighbour })));
    }),
    told("its id is the login's", Renewal, "our own", |faults, known| {
        faults.every(Operation::Create, Fault::edited(&json!({ "clientId": known.login })));
    }),
    told("its id is that of the credential to be replaced", Renewal, "already", |faults, known| {
        faults.every(Operation::Create, Fault::edited(&json!({ "clientId": known.own })));
    }),
    told("it is the old one, which has a name like it", Renewal, "another name", |faults, _| {
        faults.set_upsert(Some(10));
    }),
    told("the answer never ends", Renewal, "is longer than", |faults, _| {
        faults.every(Operation::Create, Fault::EndlessBody);
    }),
    Lie {
        creates: (2, 2),
        says: None,
        ..told("the answer comes a byte each second", Renewal, "in time", |faults, _| {
            faults.next(Operation::Create, Fault::Drip { millis: 1000 });
        })
    },
    told("the answer is no UTF-8", Renewal, "undocumented", |faults, _| {
        faults.every(Operation::Create, Fault::NotUtf8);
    }),
    told("the answer is no JSON", Renewal, "undocumented", |faults, _| {
        faults.every(Operation::Create, Fault::Malformed);
    }),
    Lie {
        creates: (1, 2),
        says: Some((("Ready", "True", "InvalidForProvider"), "with error quota_exceeded")),
        ..told("200 with an error inside", Renewal, "", |faults, _| {
            let body = json!({ "error": "quota_exceeded", "message": "try later" }).to_string();
            faults.every(Operation::Create, Fault::Status { code: 200, headers: Vec::new(), body });
        })
    },
    told("504 after the effect", Renewal, "504", |faults, _| {
        faults.every(Operation::Create, Fault::StatusAfterEffect { code: 504, body: String::new() });
    }),
    told("a redirect to another account", Renewal, "redirects are not followed", |faults, known| {
        let location = ("location".to_owned(), format!("{}/api/v0/client-credentials", known.elsewhere));
        faults.every(
            Operation::Create,
            Fault::Status { code: 307, headers: vec![location], body: String::new() },
        );
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_false_response_to_a_create_costs_few_credentials_and_ends_no_other() {
    runner::play(&LIES).await;
}

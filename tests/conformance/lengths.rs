//! Answers and lists of any length: what no credential needs is not believed, and what is an
//! account's own is read to its end.

use anyhow::{Context, Result};
use credwright::providers::FailureKind;
use credwright_simulator::{Fault, Matching, Operation};
use serde_json::json;

use crate::{
    cases::shown,
    subject::{Calls, Driver, Subject},
};

/// The members of an answer to a create, and of which call's answer they are.
fn members(driver: Driver) -> Vec<(Matching, &'static str)> {
    let create =
        |names: &[&'static str]| names.iter().map(|name| (Operation::Create.into(), *name)).collect();
    match driver {
        Driver::Spreetail => create(&["clientId", "secret", "credentialId", "name"]),
        Driver::OauthRegistration => create(&[
            "client_id",
            "client_secret",
            "scope",
            "registration_access_token",
            "registration_client_uri",
        ]),
        Driver::CloudDirector => vec![
            (Operation::Create.into(), "client_id"),
            (Operation::Create.into(), "client_name"),
            (Operation::Exchange.into(), "refresh_token"),
        ],
        Driver::Expereo | Driver::ExpereoWithoutListAndDelete => {
            create(&["clientId", "clientSecret", "apiClientName"])
        }
        Driver::CloudConnexa | Driver::VonageContactCenter => Vec::new(),
    }
}

pub(crate) async fn an_answer_longer_than_any_credential_is_malformed(subject: Subject) -> Result<()> {
    let lengths = [1024, 20 * 1024, 256 * 1024, 1024 * 1024 - 100];
    for (on, member) in members(subject.driver) {
        for length in lengths {
            let value = "CANARY".repeat(length / 6 + 1)[..length].to_owned();
            subject.faults().next(on, Fault::edited(&json!({ member: value })));
            let answer = subject.provider.created(&subject.request()).await;
            assert_eq!(subject.faults().outstanding(), 0, "{member}");
            match answer {
                Ok(_) => assert_eq!(length, 1024, "{member}: {length} bytes are believed"),
                Err(failure) => {
                    assert_eq!(failure.kind, FailureKind::Malformed, "{member}: {}", failure.message);
                    assert!(!failure.message.contains("CANARY"), "{}", failure.message);
                    assert!(failure.message.len() < 1024, "{}", failure.message);
                }
            }
        }
    }
    Ok(())
}

pub(crate) async fn an_endless_list_is_malformed(subject: Subject) -> Result<()> {
    subject.faults().next(Operation::List, Fault::EndlessBody);
    let failure = subject.provider.find(&subject.tag).await.err().context("it did not fail")?;
    assert_eq!(failure.kind, FailureKind::Malformed, "{}", failure.message);
    assert!(failure.message.contains("is longer than"), "{}", failure.message);
    Ok(())
}

/// Others may make as many credentials in the same account as they like.
#[tokio::test]
async fn a_list_of_other_peoples_credentials_is_read_to_its_end() -> Result<()> {
    let subject = Subject::start(Driver::Spreetail).await?;
    let ours = format!("orders-{}-1-abc", subject.tag);
    let entry = |name: &str, id: usize| json!({ "credentialId": format!("c{id}"), "clientId": format!("{id:032x}"), "name": name, "expires": null });
    let mut entries: Vec<_> = (0..40_000).map(|id| entry("somebody else's", id)).collect();
    entries.push(entry(&ours, 40_000));
    let body = json!(entries).to_string();
    assert!(body.len() > 4 * 1024 * 1024, "{}", body.len());
    subject.faults().next(Operation::List, Fault::Status { code: 200, headers: Vec::new(), body });
    let found = subject.provider.find(&subject.tag).await.map_err(shown)?;
    assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [ours.as_str()]);
    Ok(())
}

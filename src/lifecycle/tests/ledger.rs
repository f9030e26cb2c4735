//! The document changes only along the arrows of the state diagram, and keeps what it does not
//! know.

use std::collections::BTreeMap;

use super::{builders::*, table::*};
use crate::{
    api::Reason,
    lifecycle::{
        failure::FailureKind,
        ledger::{Answer, Document, Edit, FailureRecord, Found, Identity, IllegalEdit, State, StepKind},
    },
};

const STATES: [State; 8] = [
    State::Intended,
    State::Unconfirmed,
    State::Issued,
    State::Retiring,
    State::Revoking,
    State::Revoked,
    State::Absent,
    State::Abandoned,
];

fn in_state(state: State) -> Document {
    a_credential().next(state).document
}

fn answer(intent: &str) -> Edit {
    Edit::Answer(Box::new(Answer {
        intent_id: intent.to_owned(),
        client_id: "client-x".to_owned(),
        secret_id: None,
        ids: BTreeMap::from([("id".to_owned(), "7".to_owned())]),
        fields: BTreeMap::from([("host".to_owned(), "h".to_owned())]),
        secret_aliases: Vec::new(),
        scopes: vec!["read".to_owned()],
        expires_at: Some(noon() + days(9)),
        is_doomed: false,
    }))
}

#[test]
fn an_unusable_response_is_kept_for_its_revocation() {
    let mut document = in_state(State::Intended);
    let intent = document.revisions[0].intent.id.clone();
    let Edit::Answer(mut answer) = answer(&intent) else { unreachable!() };
    answer.is_doomed = true;
    document.apply(&Edit::Answer(answer), noon()).unwrap();
    assert_eq!(document.revisions[0].state, State::Revoking);
    assert_eq!(document.revisions[0].client_id.as_deref(), Some("client-x"));
}

fn found(revision: u32) -> Edit {
    let found = Found { client_id: "client-x".to_owned(), ..Found::default() };
    Edit::Found { revision, found: Box::new(found) }
}

#[test]
fn only_the_transitions_of_the_diagram_are_allowed() {
    use State::*;
    let revision = 1;
    // (edit, where it leads from each state that it is legal in)
    let edges: Vec<(Edit, Vec<(State, State)>)> = vec![
        (Edit::Unconfirm(revision), vec![(Intended, Unconfirmed)]),
        (
            found(revision),
            vec![
                (Intended, Revoking),
                (Unconfirmed, Revoking),
                (Issued, Revoking),
                (Retiring, Revoking),
                (Absent, Revoking),
            ],
        ),
        (Edit::Absent { revision, refused: true }, vec![(Intended, Absent), (Unconfirmed, Absent)]),
        (Edit::Absent { revision, refused: false }, vec![(Intended, Absent), (Unconfirmed, Absent)]),
        (Edit::Retire(vec![1]), vec![(Issued, Retiring)]),
        (
            Edit::StartRevoking(vec![1]),
            vec![
                (Intended, Revoking),
                (Unconfirmed, Revoking),
                (Issued, Revoking),
                (Retiring, Revoking),
                (Absent, Revoking),
            ],
        ),
        (Edit::Revoked(revision), vec![(Revoking, Revoked)]),
        (
            Edit::Abandon(revision),
            vec![(Intended, Abandoned), (Unconfirmed, Abandoned), (Revoking, Abandoned)],
        ),
        (
            answer("intent-1"),
            vec![
                (Intended, Issued),
                (Unconfirmed, Revoking),
                (Absent, Revoking),
                (Revoked, Revoking),
                (Abandoned, Revoking),
                (Issued, Issued),
                (Retiring, Retiring),
                (Revoking, Revoking),
            ],
        ),
    ];
    for (edit, legal) in edges {
        for from in STATES {
            let mut document = in_state(from);
            let before = document.clone();
            let applied = document.apply(&edit, noon());
            match legal.iter().find(|(state, _)| *state == from) {
                Some((_, to)) => {
                    assert_eq!(applied, Ok(()), "{edit:?} in {from:?}");
                    assert_eq!(document.revisions[0].state, *to, "{edit:?} in {from:?}");
                }
                None => {
                    assert!(matches!(applied, Err(IllegalEdit::NoArrow { .. })), "{edit:?} in {from:?}");
                    assert_eq!(document, before, "{edit:?} in {from:?}");
                }
            }
        }
    }
}

#[test]
fn several_edits_are_applied_together_or_not_at_all() {
    let mut document = a_credential().issued(days(9)).issued(days(8)).revoking().document;
    let before = document.clone();
    for revisions in [vec![1, 2, 3], vec![1, 9], vec![1, 1]] {
        assert!(document.apply(&Edit::Retire(revisions), noon()).is_err());
        assert_eq!(document, before);
    }
}

#[test]
fn an_edit_of_a_missing_revision_is_rejected() {
    let mut document = in_state(State::Issued);
    let before = document.clone();
    let refused = [
        (Edit::Dead(2), IllegalEdit::NoRevision(2)),
        (Edit::Refused { revision: 2, refused: true }, IllegalEdit::NoRevision(2)),
        (Edit::Revoked(2), IllegalEdit::NoRevision(2)),
        (answer("someone else's"), IllegalEdit::NoIntent),
        (Edit::Intend(Box::new(revision(1, State::Intended))), IllegalEdit::NotNewer(1)),
    ];
    for (edit, why) in refused {
        assert_eq!(document.apply(&edit, noon()), Err(why));
        assert_eq!(document, before);
    }
}

#[test]
fn a_response_fills_in_its_revision() {
    let mut document = in_state(State::Intended);
    document.apply(&answer("intent-1"), noon()).unwrap();
    let it = document.revisions[0].clone();
    assert_eq!((it.client_id.as_deref(), it.issued_at), (Some("client-x"), Some(noon())));
    assert_eq!((it.ids["id"].as_str(), it.fields["host"].as_str()), ("7", "h"));
    assert_eq!(it.expires_at, Some(noon() + days(9)));

    document.apply(&answer("intent-1"), noon() + hours(1)).unwrap();
    assert_eq!(document.revisions[0], it, "the same answer twice does not restart its life");
}

#[test]
fn an_unexpected_response_is_revoked_with_its_handle() {
    for state in [State::Unconfirmed, State::Absent, State::Revoked, State::Abandoned] {
        let mut document = in_state(state);
        document.revisions[0].ended_at = Some(noon());
        document.apply(&answer("intent-1"), noon()).unwrap();
        let it = &document.revisions[0];
        assert_eq!((it.state, it.ended_at), (State::Revoking, None), "{state:?}");
        assert_eq!(it.ids["id"], "7", "{state:?}");
    }
}

#[test]
fn live_revisions_with_the_same_client_id_are_siblings() {
    let mut document = in_state(State::Issued);
    let second = revision(2, State::Intended);
    document.revisions.push(second.clone());
    document.revisions[0].client_id = Some("client-x".to_owned());
    assert_eq!(document.sibling(&second, &Identity::of_client("client-x")).map(|it| it.revision), Some(1));
    assert_eq!(document.sibling(&document.revisions[0], &Identity::of_client("client-x")), None, "itself");
    assert_eq!(document.sibling(&second, &Identity::of_client("another")), None);
    document.revisions[0].state = State::Revoked;
    assert_eq!(document.sibling(&second, &Identity::of_client("client-x")), None, "it is over");
}

#[test]
fn the_same_client_id_at_another_account_is_another_client() {
    let mut document = in_state(State::Issued);
    document.revisions[0].client_id = Some("1".to_owned());
    let there = |fingerprint: &str| {
        let mut it = revision(2, State::Intended);
        fingerprint.clone_into(&mut it.account.fingerprint);
        it
    };
    let here = document.revisions[0].account.fingerprint.clone();
    assert!(document.sibling(&there(&here), &Identity::of_client("1")).is_some());
    assert!(
        document.sibling(&there(""), &Identity::of_client("1")).is_some(),
        "nobody knows whether it is another"
    );
    assert_eq!(document.sibling(&there("of another server"), &Identity::of_client("1")), None);
}

#[test]
fn a_confirmed_client_is_verified_from_then_on() {
    let mut document = in_state(State::Issued);
    document.revisions[0].unverified = true;
    document.apply(&Edit::Verified(1), noon()).unwrap();
    assert!(!document.revisions[0].unverified);
}

#[test]
fn mints_are_counted_for_an_hour_unless_certainly_refused() {
    let mut intended = revision(1, State::Intended);
    intended.intent.at = noon();
    let later = noon() + seconds(3);
    for (edit, counted) in [
        (Edit::Absent { revision: 1, refused: true }, 0),
        (Edit::Absent { revision: 1, refused: false }, 1),
        (Edit::Unconfirm(1), 1),
        (answer("intent-1"), 1),
    ] {
        let mut document = Document::new("c", "u", Default::default());
        document.apply(&Edit::Intend(Box::new(intended.clone())), later).unwrap();
        document.apply(&edit, later).unwrap();
        assert_eq!(document.mints.len(), counted, "{edit:?}");
        document.apply(&Edit::Succeed(StepKind::Mint), noon() + hours(1)).unwrap();
        assert!(document.mints.is_empty(), "{edit:?}");
    }
}

fn failure(reason: Reason, about: &str) -> Edit {
    let record = FailureRecord {
        reason,
        message: String::new(),
        kind: Some(FailureKind::Unavailable),
        count: 1,
        at: noon(),
        revision: None,
        about: about.to_owned(),
    };
    Edit::Fail { step: StepKind::Mint, record: Box::new(record) }
}

#[test]
fn failures_are_counted_in_a_row() {
    let mut document = in_state(State::Issued);
    let down = Reason::ProviderUnavailable;
    let mut count = |reason, about| {
        document.apply(&failure(reason, about), noon()).unwrap();
        document.failures[&StepKind::Mint].count
    };
    assert_eq!((count(down, "a"), count(down, "a"), count(down, "a")), (1, 2, 3));
    assert_eq!(count(down, "b"), 1, "about something else");
    assert_eq!(count(Reason::NeverAccepted, "b"), 1, "for another reason, which has its own spacing");
    document.apply(&Edit::Succeed(StepKind::Mint), noon()).unwrap();
    assert!(document.failures.is_empty());
}

#[test]
fn only_the_newest_ended_revisions_are_kept_and_all_live_ones() {
    let mut scene = a_credential().issued(days(99));
    for _ in 0..9 {
        scene = scene.next(State::Revoked);
    }
    let mut document = scene.unconfirmed(hours(1)).document;
    document.apply(&Edit::Succeed(StepKind::Mint), noon()).unwrap();
    let kept: Vec<u32> = document.revisions.iter().map(|it| it.revision).collect();
    assert_eq!(kept, [1, 6, 7, 8, 9, 10, 11]);

    let mut document = a_credential().next(State::Absent).document;
    document.apply(&Edit::Close, noon()).unwrap();
    assert_eq!(document.next_revision(), 2, "the newest stays, for its number");
}

#[test]
fn fields_of_a_newer_version_survive_reading_and_writing() {
    let mut document = a_credential().issued(days(80)).retiring(hours(1)).issued(hours(2)).document;
    document.apply(&failure(Reason::NeverAccepted, "a"), noon()).unwrap();
    document.mints = vec![noon()];
    let mut json = serde_json::to_value(&document).unwrap();
    json["fromTheFuture"] = serde_json::json!({ "a": [1, 2] });
    json["revisions"][1]["alsoNew"] = serde_json::json!("kept");
    let read: Document = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json);

    let mut edited = read.clone();
    edited.apply(&Edit::Dead(2), noon()).unwrap();
    let written = serde_json::to_value(&edited).unwrap();
    assert_eq!(written["fromTheFuture"], json["fromTheFuture"]);
    assert_eq!(written["revisions"][1]["alsoNew"], "kept");

    let plain: Document = serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
    assert_eq!(plain, document);
}

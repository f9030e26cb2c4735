//! The conclusions from each outcome: edits, events, memory, and the time of the next attempt.

use jiff::SignedDuration;

use super::{builders::*, table::*};
use crate::{
    api::Reason,
    lifecycle::{
        Report, backoff, conclude, decide,
        failure::{Failure, FailureKind},
        ledger::{Document, Edit, Found, Revision, State, StepKind},
        plan::{FoundCredential, Outcome, Step},
    },
};

/// Returns the conclusions, and the ledger after them.
fn after(scene: Scene, step: &Step, outcome: &Outcome) -> (Report, Document) {
    let mut document = scene.document.clone();
    let report = conclude(&scene.world(), step, outcome, noon());
    for edit in &report.edits {
        document.apply(edit, noon()).unwrap();
    }
    (report, document)
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::new(kind, "no".to_owned()))
}

fn again(document: &Document, step: StepKind) -> Option<SignedDuration> {
    let at = backoff::next_attempt(step, document.failures.get(&step)?);
    Some(at.duration_since(noon()))
}

fn mint_of(scene: &mut Scene) -> Step {
    scene.it().intent.at = noon();
    scene.document.mints = vec![noon()];
    Step::Mint(Box::new(scene.it().clone()))
}

#[test]
fn an_unusable_credential_is_reported_and_not_requested_again_at_once() {
    let mut scene = a_credential().intended(seconds(0));
    let step = mint_of(&mut scene);
    let malformed = Failure::new(FailureKind::Malformed, "more scopes".to_owned());
    let (report, document) = after(scene, &step, &Outcome::Unusable(malformed));
    assert_eq!(document.revisions[0].state, State::Intended, "the answer was written down with the outcome");
    let record = &document.failures[&StepKind::Mint];
    assert_eq!(record.reason, Reason::ProviderProtocolError);
    assert_eq!(
        record.message,
        "the provider created a credential that cannot be used, so it is revoked: more scopes"
    );
    assert_eq!(again(&document, StepKind::Mint), Some(hours(1)));
    assert_eq!(document.mints.len(), 1);
    assert_eq!(report.events.len(), 1);
}

#[test]
fn a_failed_mint_by_kind_of_failure() {
    use FailureKind::*;
    let (refused, lost) = (State::Absent, State::Unconfirmed);
    let rows = [
        (Unavailable, refused, Some((Reason::ProviderUnavailable, seconds(5))), true),
        (RateLimited, refused, None, true),
        (LoginRefused, refused, None, true),
        (Forbidden, refused, Some((Reason::ProviderForbidden, minutes(1))), false),
        (Rejected, refused, Some((Reason::InvalidForProvider, hours(1))), false),
        (Unexplained, refused, Some((Reason::ProviderRefused, seconds(5))), false),
        (NotFound, refused, Some((Reason::FoundRevoked, seconds(5))), false),
        (Conflict, refused, Some((Reason::NameTaken, seconds(5))), false),
        (Ambiguous, lost, Some((Reason::ProviderUnavailable, seconds(30))), false),
        (Malformed, lost, Some((Reason::ProviderProtocolError, seconds(30))), false),
    ];
    for (kind, state, recorded, trouble) in rows {
        let mut scene = a_credential().intended(seconds(0));
        let step = mint_of(&mut scene);
        let (report, document) = after(scene, &step, &failed(kind));
        assert_eq!(document.revisions[0].state, state, "{kind:?}");
        let record = document.failures.get(&StepKind::Mint);
        let told = record.map(|it| (it.reason, again(&document, StepKind::Mint).unwrap()));
        assert_eq!(told, recorded, "{kind:?}");
        assert_eq!(report.trouble.is_some(), trouble, "{kind:?}");
        assert_eq!(
            document.mints.is_empty(),
            state == refused,
            "{kind:?}: only what may exist counts as a mint"
        );
        assert_eq!(report.events.len(), usize::from(recorded.is_some()), "{kind:?}");
    }
}

#[test]
fn other_steps_by_kind_of_failure() {
    use FailureKind::*;
    let rows = [
        (Unavailable, Some(seconds(5))),
        (RateLimited, None),
        (LoginRefused, None),
        (Forbidden, Some(minutes(10))),
        (Rejected, Some(minutes(10))),
        (Unexplained, Some(seconds(10))),
        (NotFound, Some(seconds(5))),
        (Conflict, Some(seconds(5))),
        (Ambiguous, Some(seconds(5))),
        (Malformed, Some(seconds(10))),
    ];
    let steps = [
        (Step::Settle { revision: 1 }, StepKind::Settle, a_credential().unconfirmed(hours(1))),
        (Step::Verify { revision: 1 }, StepKind::Verify, a_credential().issued(hours(1))),
        (Step::Revoke { revision: 1 }, StepKind::Revoke, a_credential().revoking()),
    ];
    for (step, kind_of_step, scene) in &steps {
        for (kind, wait) in rows {
            let before = scene.document.revisions[0].state;
            let (_, document) = after(scene.clone(), step, &failed(kind));
            assert_eq!(again(&document, *kind_of_step), wait, "{step:?} {kind:?}");
            assert_eq!(document.revisions[0].state, before, "{step:?} {kind:?}");
        }
    }
}

#[test]
fn a_call_that_came_too_late_was_never_made() {
    let mut scene = a_credential().intended(seconds(0));
    let step = mint_of(&mut scene);
    let (_, document) = after(scene, &step, &Outcome::TooLate);
    assert_eq!(document.revisions[0].state, State::Absent);
    assert!(document.mints.is_empty());
}

#[test]
fn a_failed_search_is_reported_and_backed_off() {
    let mut scene = a_credential().intended(seconds(0)).capable(unlisted);
    let step = mint_of(&mut scene);
    let (report, document) = after(scene, &step, &failed(FailureKind::Ambiguous));
    assert_eq!(report.events[0].reason, Reason::Unconfirmed);
    assert!(report.events[0].message.contains("prod-orders-kwtag-1abcd"));
    assert_eq!(again(&document, StepKind::Mint), Some(minutes(10)));

    // The same after a crash, where nobody was left to conclude.
    let scene = a_credential().intended(hours(1)).capable(unlisted);
    let step = Step::Record(Edit::Unconfirm(1));
    let (report, document) = after(scene, &step, &Outcome::Done);
    assert_eq!(report.events[0].reason, Reason::Unconfirmed);
    assert_eq!(again(&document, StepKind::Mint), Some(minutes(10)));
}

fn found(name: &str, held_elsewhere: bool) -> Outcome {
    let found = Found { name: name.to_owned(), client_id: "client-x".to_owned(), ..Found::default() };
    Outcome::Found(vec![FoundCredential { found, held_elsewhere }])
}

#[test]
fn a_lost_response_is_settled() {
    let step = Step::Settle { revision: 1 };
    let state = |scene: Scene, outcome: &Outcome| after(scene, &step, outcome).1.revisions[0].state;
    let ours = found("prod-orders-kwtag-1abcd", false);
    assert_eq!(state(a_credential().unconfirmed(seconds(0)), &ours), State::Revoking);
    assert_eq!(state(a_credential().intended(hours(1)), &ours), State::Revoking);
    let other = found("prod-orders-kwtag-1abce", false);
    assert_eq!(state(a_credential().unconfirmed(seconds(29)), &other), State::Unconfirmed);
    assert_eq!(state(a_credential().unconfirmed(seconds(30)), &other), State::Absent);
    assert_eq!(state(a_credential().intended(seconds(69)), &other), State::Intended);
    assert_eq!(state(a_credential().intended(seconds(70)), &other), State::Absent);
}

type Change = fn(&mut Revision);

#[test]
fn a_list_without_a_working_credential_proves_nothing() {
    let tagged = |number: u32| format!("prod-orders-{}-{number}abcd", own_tag());
    let settled = |change: Change, listed: &str| {
        let listing_by_role = a_credential().capable(|it| it.parameters = vec![role()]);
        let scene = listing_by_role.issued(days(1)).published().unconfirmed(hours(1)).and(|it| {
            it.document.revisions.iter_mut().for_each(|it| it.name = tagged(it.revision));
            it.document.revisions[1].parameters = reader();
            change(&mut it.document.revisions[0]);
        });
        let (report, document) = after(scene, &Step::Settle { revision: 2 }, &found(listed, false));
        (document.revisions[1].state, report.events.first().map(|it| it.reason))
    };
    let nothing_else: Change = |_| ();
    let protocol = Some(Reason::ProviderProtocolError);
    assert_eq!(settled(nothing_else, &tagged(1)), (State::Absent, None), "it is an honest list");
    assert_eq!(settled(nothing_else, "something-else"), (State::Unconfirmed, protocol));
    assert_eq!(settled(nothing_else, &tagged(2)).0, State::Revoking, "what it shows, it shows");
    let cases: [(&str, Change); 6] = [
        ("too new to be listed", |it| it.issued_at = Some(noon() - seconds(29))),
        ("found dead", |it| it.dead_at = Some(noon())),
        ("refused", |it| it.refused_at = Some(noon())),
        ("made in another place", |it| it.parameters = [("role".to_owned(), "writer".to_owned())].into()),
        ("made elsewhere", |it| it.account = account("other")),
        ("expired", |it| it.expires_at = Some(noon())),
    ];
    for (what, change) in cases {
        assert_eq!(settled(change, "something-else"), (State::Absent, None), "{what}");
    }
}

#[test]
fn a_credential_of_another_owner_is_never_revoked_and_stays_reported() {
    let step = Step::Settle { revision: 1 };
    let theirs = found("prod-orders-kwtag-1abcd", true);
    let (report, first) = after(a_credential().unconfirmed(hours(1)), &step, &theirs);
    assert_eq!(first.revisions[0].state, State::Unconfirmed);
    assert_eq!(report.events[0].reason, Reason::ProviderProtocolError);
    let scene = a_credential().unconfirmed(hours(1)).and(|it| it.document = first);
    let (report, second) = after(scene, &step, &theirs);
    assert_eq!(second.failures[&StepKind::Settle].count, 2);
    assert!(report.events.is_empty(), "the same is told once");
    assert_eq!(again(&second, StepKind::Settle), Some(minutes(1)));
}

#[test]
fn a_new_credential_is_given_the_settle_time() {
    let step = Step::Verify { revision: 2 };
    let issued = |ago| a_credential().issued(days(80)).published().issued(ago);
    let (report, document) = after(issued(seconds(1)), &step, &Outcome::Tried { accepted: true });
    assert_eq!(report.memory.verified, Some(Tried::new(2, noon())));
    assert_eq!(report.edits, [], "what is only remembered is not written");
    assert_eq!(document.revisions[1].state, State::Issued);

    let refused = Outcome::Tried { accepted: false };
    let (report, _) = after(issued(seconds(59)), &step, &refused);
    assert_eq!((report.edits.len(), report.memory.tried), (0, Some(Tried::new(2, noon()))));

    let (report, document) = after(issued(seconds(60)), &step, &refused);
    assert_eq!(document.revisions[1].state, State::Revoking);
    assert_eq!(report.events[0].reason, Reason::NeverAccepted);
    assert_eq!(again(&document, StepKind::Mint), Some(seconds(0)), "another one is tried at once");
}

#[test]
fn a_credential_in_use_is_dead_only_after_two_refusals() {
    let step = Step::Verify { revision: 1 };
    let refused = Outcome::Tried { accepted: false };
    let taken = |scene: Scene| {
        scene.frozen().with_secret(|it| it.name = Some("other".to_owned())).with_target(|it| it.ours = false)
    };
    let in_use = [
        ("published", a_credential().issued(days(9)).published()),
        ("published under an earlier name", taken(a_credential().issued(days(9)).published())),
        ("being restored", a_credential().issued(days(9)).status_says(1)),
    ];
    for (sentence, scene) in in_use {
        let (_, document) = after(scene.clone(), &step, &refused);
        assert_eq!(document.revisions[0].state, State::Issued, "{sentence}");
        assert_eq!(document.revisions[0].refused_at, Some(noon()), "{sentence}");
        let (report, document) = after(scene.clone().refused(seconds(59)), &step, &refused);
        assert_eq!((report.edits.len(), document.revisions[0].dead_at), (0, None), "{sentence}");
        let (report, document) = after(scene.clone().refused(seconds(60)), &step, &refused);
        assert_eq!(document.revisions[0].dead_at, Some(noon()), "{sentence}");
        assert_eq!(report.events[0].reason, Reason::FoundRevoked, "{sentence}");
        let (_, document) = after(scene.refused(seconds(5)), &step, &Outcome::Tried { accepted: true });
        assert_eq!(document.revisions[0].refused_at, None, "{sentence}");
    }
}

#[test]
fn each_kind_of_publication_has_its_event() {
    let publish = |revision| Step::Publish { revision, previous: None, from: String::new() };
    let told = |scene: Scene, revision| after(scene, &publish(revision), &Outcome::Done).0.events[0].reason;
    assert_eq!(told(a_credential().issued(seconds(1)), 1), Reason::Issued);
    assert_eq!(told(a_credential().issued(days(80)).published().issued(seconds(1)), 2), Reason::Rotated);
    assert_eq!(told(a_credential().issued(days(9)).status_says(1), 1), Reason::Restored);
}

#[test]
fn failures_to_mint_are_forgotten_once_one_is_published() {
    let publish = Step::Publish { revision: 1, previous: None, from: String::new() };
    let scene = a_credential().issued(seconds(1)).failed(
        StepKind::Mint,
        Reason::ProviderUnavailable,
        FailureKind::Unavailable,
        minutes(1),
    );
    let (_, document) = after(scene, &publish, &Outcome::Done);
    assert!(document.failures.is_empty(), "the first issue too, which retires nothing");
}

#[test]
fn a_failed_publication_is_retried() {
    let publish = Step::Publish { revision: 1, previous: None, from: String::new() };
    let rows = [
        (Reason::TargetForeign, minutes(1)),
        (Reason::TargetRefused, seconds(5)),
        (Reason::TemplateInvalid, seconds(5)),
    ];
    for (reason, wait) in rows {
        let outcome = Outcome::NotPublished { reason, message: "no".to_owned() };
        let (report, document) = after(a_credential().issued(seconds(1)), &publish, &outcome);
        assert_eq!(again(&document, StepKind::Publish), Some(wait), "{reason:?}");
        assert_eq!(report.events[0].reason, reason);
    }
}

#[test]
fn revocation_ends_only_when_the_pair_is_refused() {
    let step = Step::Revoke { revision: 1 };
    let revoked = |said, still_accepted| {
        after(a_credential().revoking(), &step, &Outcome::Revoked { said, still_accepted })
    };
    for said in [true, false] {
        assert_eq!(revoked(said, None).1.revisions[0].state, State::Revoked);
        assert_eq!(revoked(said, Some(false)).1.revisions[0].state, State::Revoked);
        assert_eq!(revoked(said, Some(true)).1.revisions[0].state, State::Revoking);
    }
    let (report, document) = revoked(false, Some(true));
    assert_eq!(again(&document, StepKind::Revoke), Some(seconds(10)));
    assert_eq!(report.events[0].reason, Reason::RevocationFailed);

    // A deletion may take a while to be known everywhere.
    let mut scene = a_credential().revoking();
    let mut told = Vec::new();
    for wait in [5, 10, 20, 40, 80] {
        let lie = Outcome::Revoked { said: true, still_accepted: Some(true) };
        let (report, document) = after(scene.clone(), &step, &lie);
        assert_eq!(again(&document, StepKind::Revoke), Some(seconds(wait)));
        told.push(report.events.len());
        scene.document = document;
    }
    assert_eq!(told, [0, 0, 0, 1, 0], "people are told once");
}

#[test]
fn failures_of_several_revocations_add_up() {
    let scene = a_credential().revoking().revoking();
    let (_, document) =
        after(scene.clone(), &Step::Revoke { revision: 1 }, &failed(FailureKind::Unavailable));
    let scene = scene.and(|it| it.document = document);
    let (_, document) = after(scene, &Step::Revoke { revision: 2 }, &failed(FailureKind::Unavailable));
    assert_eq!(again(&document, StepKind::Revoke), Some(seconds(10)));
}

#[test]
fn leftovers_are_reported_when_the_ledger_is_closed() {
    let close = Step::Record(Edit::Close);
    let told = |scene: Scene| after(scene.deleting(), &close, &Outcome::Done).0.events.len();
    assert_eq!(told(a_credential().next(State::Revoked)), 0);
    assert_eq!(told(a_credential().issued(days(1)).retained()), 0, "that was asked for");
    assert_eq!(told(a_credential().unconfirmed(hours(1))), 1);
    assert_eq!(told(a_credential().revoking()), 1);
    assert_eq!(told(a_credential().issued(days(1)).restored_ledger()), 1);
}

#[test]
fn a_recorded_credential_leaves_the_ledger_with_an_event() {
    let abandoned = |scene: Scene, action: Option<&str>| {
        let world = scene.world();
        let Some(Step::Abandon(mut it)) = decide(&world, noon()).step().cloned() else {
            panic!("nothing is given up")
        };
        it.action = action.map(str::to_owned);
        conclude(&world, &Step::Abandon(it), &Outcome::Done, noon())
    };
    let late = || a_credential().revoking().paused().deleting_for(minutes(10));
    let report = abandoned(late(), None);
    assert_eq!(report.edits, [Edit::Abandon(1)]);
    let note = &report.events[0];
    assert!(note.warning && note.reason == Reason::Abandoned);
    let told = [
        "prod-orders-kwtag-1abcd",
        "the provider does not answer",
        "AbandonedCredential kw",
        "Credwright retries",
    ];
    assert!(told.iter().all(|it| note.message.contains(it)), "{}", note.message);
    let asked = abandoned(late(), Some("remove it at Acme"));
    assert!(asked.events[0].message.contains("remove it at Acme"), "{}", asked.events[0].message);

    let refused = active()
        .unconfirmed(hours(1))
        .failed(StepKind::Settle, Reason::ProviderForbidden, FailureKind::Forbidden, minutes(1))
        .of_revision(2)
        .and(|it| it.document.failures.values_mut().for_each(|it| it.count = 3));
    let report = abandoned(refused, None);
    let spaced = |edit: &Edit| matches!(edit, Edit::Fail { step: StepKind::Mint, record } if record.reason == Reason::Unconfirmed);
    assert!(report.edits.iter().any(spaced), "the next attempt waits: {:?}", report.edits);
}

#[test]
fn an_unverified_client_is_verified_once_the_provider_accepts_it() {
    let step = Step::Verify { revision: 1 };
    let tried = |accepted| {
        let scene = a_credential().issued(days(1)).published().and(|it| it.it().unverified = true);
        after(scene, &step, &Outcome::Tried { accepted }).1.revisions[0].unverified
    };
    assert!(!tried(true));
    assert!(tried(false));
}

//! Property tests of whole lives, with everything that can go wrong. `model` checks the invariants
//! after every step. These tests check the end.

use proptest::prelude::*;

use super::{
    model::Model,
    story::{Case, Crash, Event, Fault, cases},
};
use crate::lifecycle::ledger::State;

fn live(case: &Case) -> Model {
    let mut model = Model::new(case);
    model.run_to_rest();
    for event in &case.events {
        model.happens(event);
    }
    model.all_is_well();
    model
}

/// Checks that a life ends well once faults stop.
fn ends_well(case: &Case) {
    let model = live(case);
    let alive = model.alive();
    let Some(object) = &model.object else {
        let kept = case.events.iter().any(|it| matches!(it, Event::Delete(false)));
        if model.ledger.is_some() || alive.len() > usize::from(kept) {
            model.fail(&format!("deletion left {alive:?}, or its ledger"));
        }
        return;
    };
    if object.metadata.deletion_timestamp.is_some() {
        model.fail("deletion does not end");
    }
    let document = model.document().unwrap();
    let newest = document.newest_issued().map(|it| it.name.clone());
    if Some(&alive) != newest.map(|it| vec![it]).as_ref() {
        model.fail(&format!("{alive:?} are alive"));
    }
    let held: Vec<u32> =
        model.targets.iter().filter_map(|it| it.view.intact.as_ref()).map(|it| it.revision).collect();
    if held != document.newest_issued().map(|it| vec![it.revision]).unwrap_or_default() {
        model.fail("the Secret does not hold the newest credential");
    }
    if document.revisions.iter().any(|it| it.state.may_be_alive() && it.state != State::Issued) {
        model.fail("something is left to be done");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_ends_well_once_faults_stop(case in cases()) {
        ends_well(&case);
    }
}

/// Lives that were, or could have been, counterexamples.
#[test]
fn lives_that_once_went_wrong_end_well() {
    use Event::*;
    let lives: Vec<(&str, Vec<Event>)> = vec![
        (
            "the Secret cannot be written while an old and a new credential both want to be in it",
            vec![TemplateBroken(true), Rename(false), Wait(90_000)],
        ),
        (
            "two mints in one moment, the second refused",
            vec![TheNextCall(Fault::Unavailable), Scopes(0), Wait(61), Scopes(2), Scopes(0), Scopes(1)],
        ),
        (
            "answers are lost at two providers",
            vec![
                TheNextCall(Fault::LostBeforeEffect),
                Request(0),
                MoveToOtherProvider(true),
                TheNextCall(Fault::Malformed),
                TheNextCall(Fault::LostBeforeEffect),
                Scopes(0),
            ],
        ),
        (
            "the spec moves away while a lost answer cannot be looked for",
            vec![
                TheNextCall(Fault::LostAfterEffect),
                Scopes(1),
                ProviderGone(true),
                MoveToOtherProvider(true),
                Wait(600),
            ],
        ),
        (
            "it moves away while a new credential waits to be accepted",
            vec![
                TheNextIsAcceptedAfter(500),
                Scopes(1),
                ProviderGone(true),
                MoveToOtherProvider(true),
                Wait(600),
            ],
        ),
        (
            "the Secret is renamed to another's name, and the provider refuses once",
            vec![SomeoneTakesTheOtherName, Rename(true), Wait(90), TheNextCall(Fault::Forbidden), Wait(3600)],
        ),
        (
            "an emergency: a request, and no overlap",
            vec![Overlap(Some(0)), IncludePrevious(true), Request(1), Request(2), Wait(5)],
        ),
        (
            "the power goes before a call, and the list lacks what somebody else has ended",
            vec![Lifetime(None), CrashAt(Crash::BeforeCall), SomeoneRevokesWhatIsPublished, Scopes(0)],
        ),
        (
            "suspended in the middle of a rotation",
            vec![CrashAt(Crash::BeforeAnswer), Scopes(1), Suspend(true), Wait(90_000)],
        ),
        ("the clock jumps past every end", vec![Scopes(1), AwayForFortyDays, Restart, AwayForFortyDays]),
        (
            "it expires while the provider is gone",
            vec![TheProviderGivesSeconds(Some(1800)), Request(1), ProviderGone(true), Wait(5000)],
        ),
        (
            "it is past its lifetime first, and expires later",
            vec![
                Lifetime(Some(0)),
                TheProviderGivesSeconds(Some(9000)),
                Request(0),
                ProviderGone(true),
                Wait(20_000),
            ],
        ),
        ("the breaker trips", (0..12).map(|it| Scopes(it % 2)).collect()),
        ("a new one is never accepted", vec![TheNextIsAcceptedAfter(500_000), Request(1), Wait(600)]),
        (
            "deletion while an answer is lost and the provider gone",
            vec![CrashAt(Crash::BeforeAnswer), Request(1), ProviderGone(true), Delete(true), Wait(600)],
        ),
        (
            "the power goes when what cannot be revoked is on record",
            vec![ProviderGone(true), CrashAt(Crash::AfterRecord), Delete(true), Wait(900)],
        ),
        (
            "Retain while the provider is gone for longer than the deadline",
            vec![Overlap(Some(1)), Request(1), Wait(5), ProviderGone(true), Delete(false), Wait(900)],
        ),
        (
            "Retain in the middle of a rotation",
            vec![TheNextIsAcceptedAfter(500), Request(1), Delete(false), Wait(600)],
        ),
    ];
    all_end_well(&lives);
}

/// The same of lives in which ledgers are lost, and namespaces restored.
#[test]
fn disasters_that_once_went_wrong_end_well() {
    use Event::*;
    let lives: Vec<(&str, Vec<Event>)> = vec![
        (
            "the ledger is lost after a move: what was made before is at the other provider",
            vec![MoveToOtherProvider(true), LedgerForcedAway],
        ),
        (
            "the budget is used up until long after the end",
            vec![Wait(1), TheProviderGivesSeconds(Some(1800)), Scopes(0), BudgetUsedUpFor(3600), Wait(3600)],
        ),
        (
            "what was borrowed is backed up and restored in turn",
            vec![Backup, RestoreElsewhere, Backup, Restore],
        ),
        (
            "what is suspended is restored, and then deleted",
            vec![Suspend(true), Backup, Restore, Delete(true)],
        ),
        ("a backup is made right after a ledger was recreated", vec![LedgerDeleted, Backup, Restore]),
        (
            "what a rolled-back cluster holds is deleted before anybody says whose it is",
            vec![Backup, AwayForFortyDays, Wait(20), RollBack, Delete(true)],
        ),
        (
            "the ledger is lost, and the only Secret has another name than the spec says",
            vec![Suspend(true), LedgerForcedAway, Rename(true)],
        ),
        (
            "the ledger is lost while a renamed Secret is kept for the overlap",
            vec![Rename(true), Scopes(0), LedgerForcedAway],
        ),
        (
            "the ledger of something borrowed and replaced is lost",
            vec![Backup, RestoreElsewhere, Scopes(0), SealLost(true)],
        ),
        ("a backup goes to a cluster without the seal's key", vec![SealLost(true), Backup, RestoreElsewhere]),
        (
            "what was made right before a restore is not listed at once",
            vec![Backup, AwayForFortyDays, TemplateBroken(true), Restore],
        ),
        (
            "the ledger is lost twice, and nothing could be published in between",
            vec![TemplateBroken(true), TargetDeleted, LedgerForcedAway, SealLost(true)],
        ),
    ];
    all_end_well(&lives);
}

fn all_end_well(lives: &[(&str, Vec<Event>)]) {
    for (sentence, events) in lives {
        for capable in 0..16 {
            let [list, verify, revoke, several] = [1, 2, 4, 8].map(|it| capable & it == 0);
            println!("{sentence}; list: {list}, verify: {verify}, revoke: {revoke}, several: {several}");
            ends_well(&Case { list, verify, revoke, several, events: events.clone() });
        }
    }
}

/// The credential that workloads hold when a retained object is deleted is the one that survives.
#[test]
fn retain_keeps_what_workloads_hold() {
    let events = vec![Event::TheNextIsAcceptedAfter(500), Event::Request(1), Event::Delete(false)];
    let model = live(&Case { list: true, verify: true, revoke: true, several: false, events });
    let held = model.targets[0].view.intact.as_ref().map(|it| it.revision);
    assert_eq!(held, Some(1));
    let alive = model.alive();
    assert!(matches!(&alive[..], [one] if one.contains("-1")), "{alive:?}");
}

/// It slept beyond the ten minutes for which it counts that a pair was accepted.
#[test]
fn a_life_whose_secret_cannot_be_written_for_longer_than_a_trial_counts_ends_well() {
    use Event::*;
    let events = vec![TemplateBroken(true), Request(0), Wait(20), Scopes(0), Wait(600)];
    ends_well(&Case { list: false, verify: true, revoke: false, several: false, events });
}

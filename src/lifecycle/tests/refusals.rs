//! Refusals: for how long they hold back what, what ends that, and what messages say.

use jiff::{SignedDuration, Timestamp};

use super::{
    builders::*,
    by_hand::{ByHand, by_hand, pair},
    table::*,
};
use crate::{
    api::{ApiCredential, ConditionType, Reason, Verify},
    lifecycle::{
        conclude, decide,
        failure::{Failure, FailureKind},
        ledger::{Edit, FailureRecord, Revision, State, StepKind},
        plan::{Outcome, Step, Wake},
        render,
        rules::about,
        status,
        world::ProviderView,
    },
};

impl Scene {
    pub(super) fn failed(
        self,
        step: StepKind,
        reason: Reason,
        kind: FailureKind,
        ago: SignedDuration,
    ) -> Self {
        self.with_ledger().and(|scene| {
            let newest = scene.document.revisions.last();
            let about = scene.about(step, newest);
            let record = FailureRecord {
                reason,
                message: "it failed".to_owned(),
                kind: Some(kind),
                count: 1,
                at: noon() - ago,
                revision: newest.map(|it| it.revision),
                about,
            };
            scene.document.failures.insert(step, record);
        })
    }

    /// The failure was about this revision.
    pub(super) fn of_revision(mut self, number: u32) -> Self {
        let steps: Vec<StepKind> = self.document.failures.keys().copied().collect();
        for step in steps {
            let about = self.about(step, self.document.revision(number));
            let record = self.document.failures.get_mut(&step).unwrap();
            (record.revision, record.about) = (Some(number), about);
        }
        self
    }

    /// The failure was about something that has changed since.
    pub(super) fn since_changed(mut self) -> Self {
        self.document.failures.values_mut().for_each(|it| it.about = "something else".to_owned());
        self
    }

    /// Returns what a failed step is about; a mint is set by [`Self::about_minting`].
    fn about(&self, step: StepKind, of: Option<&Revision>) -> String {
        match (step, of) {
            (StepKind::Settle | StepKind::Verify | StepKind::Revoke, Some(of)) => {
                about::calling(step, of, self.world.provider(&of.account).and_then(ProviderView::usable))
            }
            _ => render::about(self.object.spec.secret.as_ref()),
        }
    }

    /// Returns what a failure to mint for its request would be about.
    pub(super) fn about_minting(&self) -> String {
        let provider = self.world.providers.values().find_map(ProviderView::usable).unwrap();
        let revision = self.document.revisions.last().unwrap();
        about::minting((&revision.request, &revision.parameters), provider)
    }

    /// The same for a mint.
    fn refused_a_mint(self, reason: Reason, kind: FailureKind, ago: SignedDuration) -> Self {
        let scene = self.failed(StepKind::Mint, reason, kind, ago);
        let about = scene.about_minting();
        scene.and(|it| it.document.failures.get_mut(&StepKind::Mint).unwrap().about = about)
    }

    /// Any field of the provider's spec is corrected, or a value in its login Secret.
    fn with_the_provider_corrected(self) -> Self {
        self.provider(|it| it.setup = "another setup".to_owned())
    }
}

#[test]
fn a_correction_ends_the_wait_for_it() {
    use FailureKind::*;
    let invalid = Reason::InvalidForProvider;
    let mint = |kind| a_credential().next(State::Absent).refused_a_mint(invalid, kind, seconds(1));
    let verify = || {
        let scene = a_credential().issued(minutes(1));
        scene.failed(StepKind::Verify, invalid, Rejected, seconds(1))
    };
    let settle =
        || a_credential().unconfirmed(minutes(1)).failed(StepKind::Settle, invalid, Rejected, seconds(1));
    let revoke =
        || a_credential().revoking().failed(StepKind::Revoke, Reason::RevocationFailed, Rejected, seconds(1));
    let corrected = Scene::with_the_provider_corrected;
    let mut rows = vec![
        ("a refused pair waits", verify(), "rest: InvalidForProvider"),
        ("but not after the provider was corrected", corrected(verify()), "verify 1"),
        ("a search waits", settle(), "rest: Unconfirmed"),
        ("but not after the provider was corrected", corrected(settle()), "settle 1"),
        ("a revocation waits", revoke(), "mint 2: FirstIssue"),
        ("but not after the provider was corrected", corrected(revoke()), "revoke 1"),
    ];
    for kind in [Rejected, Forbidden, Unexplained, Unavailable, Malformed] {
        rows.push(("a create waits", mint(kind), "rest: InvalidForProvider"));
        rows.push(("but not after the provider was corrected", corrected(mint(kind)), "mint 2: FirstIssue"));
        let shorter = mint(kind).with_spec(|it| it.lifetime = lasting("24h"));
        rows.push(("nor after the lifetime was", shorter, "mint 2: FirstIssue"));
    }
    check(rows);
}

/// After a correction of the scopes the second credential once was not tried for ten minutes.
#[test]
fn a_verdict_on_one_revision_never_holds_back_another() {
    use FailureKind::*;
    let tried = |kind| {
        let scene = a_credential().issued(minutes(5));
        scene.failed(StepKind::Verify, Reason::InvalidForProvider, kind, seconds(1)).issued(seconds(1))
    };
    let revoking = |kind| {
        let scene = active().frozen().revoking().revoking();
        scene.failed(StepKind::Revoke, Reason::RevocationFailed, kind, seconds(1))
    };
    check(vec![
        ("the next one is tried at once", tried(Rejected), "verify 2"),
        ("whatever became of the first", tried(Unavailable), "verify 2"),
        ("itself it waits", tried(Rejected).of_revision(2), "rest: InvalidForProvider"),
        ("a later one is revoked at once", revoking(Rejected).of_revision(2), "revoke 3"),
        ("then each has had its turn", revoking(Rejected).of_revision(3), "rest: Issued"),
        ("an account that is down is another matter", revoking(Unavailable).of_revision(2), "rest: Issued"),
    ]);
}

#[test]
fn every_wait_shows_the_time_of_the_next_attempt() {
    use FailureKind::*;
    for kind in [Unavailable, Forbidden, Rejected, Unexplained, NotFound, Conflict, Ambiguous, Malformed] {
        let created = a_credential().next(State::Absent).refused_a_mint(Reason::NameTaken, kind, seconds(1));
        let tried =
            a_credential().issued(minutes(5)).failed(StepKind::Verify, Reason::NameTaken, kind, seconds(1));
        for (what, scene) in [("create", created), ("try", tried)] {
            let plan = decide(&scene.world(), noon()).at_rest();
            let Wake::At(again) = plan.wake else { panic!("{what} {kind:?}: it never wakes") };
            assert_eq!(plan.reason, Reason::NameTaken, "{what} {kind:?}");
            let next = plan.message.rsplit_once("; the next attempt is at ").expect("it tells when").1;
            let next: Timestamp = next.parse().unwrap();
            assert!(again <= next.max(noon() + seconds(16)), "{what} {kind:?}: {again} {next}");
            assert!(next <= noon() + hours(1), "{what} {kind:?}: {next}");
        }
    }
}

#[test]
fn only_errors_that_a_person_has_to_correct_are_stalled() {
    use FailureKind::*;
    for (reason, kind, stalled) in [
        (Reason::InvalidForProvider, Rejected, true),
        (Reason::ProviderForbidden, Forbidden, true),
        (Reason::ProviderRefused, Unexplained, false),
        (Reason::ProviderUnavailable, Unavailable, false),
        (Reason::ProviderProtocolError, Malformed, false),
        (Reason::NameTaken, Conflict, false),
    ] {
        let scene = a_credential().next(State::Absent).refused_a_mint(reason, kind, seconds(1));
        assert_eq!(is_stalled(&scene, noon()), stalled, "{reason:?}");
        let corrected = scene.with_the_provider_corrected();
        assert!(!is_stalled(&corrected, noon()), "{reason:?}, and corrected");
    }
}

fn is_stalled(scene: &Scene, now: Timestamp) -> bool {
    let world = scene.clone().world();
    let object: ApiCredential = scene.object.clone();
    let shown = status::view(&world, &object, &decide(&world, now).at_rest(), now);
    shown.conditions.iter().any(|it| it.type_ == ConditionType::Stalled.as_str())
}

/// Attempts to renew a credential of 90 seconds while creates fail, and when one succeeds.
fn renewal(kind: FailureKind, until: SignedDuration) -> (Vec<i64>, Option<i64>) {
    let issued = noon() - seconds(60);
    let mut scene = a_credential().issued(seconds(60)).published().with_spec(|it| {
        it.lifetime = lasting("90s");
        it.rotation.get_or_insert_default().renew_before = lasting("30s");
    });
    scene.document.revisions[0].request.lifetime = lasting("90s");
    scene.document.revisions[0].expires_at = Some(issued + seconds(90));
    let (mut now, mut attempts) = (noon(), Vec::new());
    for _ in 0..100 {
        scene.world.memory.checked = Some(Tried::new(1, now));
        assert!(!is_stalled(&scene, now) || kind == FailureKind::Rejected, "at {now}");
        let plan = decide(&scene.clone().world(), now);
        match plan.step().cloned() {
            Some(Step::Mint(revision)) => {
                attempts.push(now.duration_since(issued).as_secs());
                scene.document.apply(&Edit::Intend(revision.clone()), now).unwrap();
                if now >= noon() + until {
                    return (attempts.clone(), attempts.last().copied());
                }
                let failure = Failure::new(kind, "no".to_owned());
                let step = Step::Mint(revision);
                let report = conclude(&scene.clone().world(), &step, &Outcome::Failed(failure), now);
                report.edits.iter().for_each(|edit| scene.document.apply(edit, now).unwrap());
            }
            Some(other) => panic!("{other:?}"),
            None => {
                let Wake::At(at) = rest_of(&plan).wake else { return (attempts, None) };
                now = at;
            }
        }
        if now >= issued + seconds(90) {
            break;
        }
    }
    (attempts, None)
}

/// A router's 404 at the wrong moment ended all renewals, and the credential expired.
#[test]
fn a_renewal_outlives_refusals_that_pass() {
    assert_eq!(renewal(FailureKind::Unexplained, seconds(14)), (vec![60, 65, 75], Some(75)));
    let (attempts, renewed) = renewal(FailureKind::Rejected, seconds(14));
    assert_eq!((attempts, renewed), (vec![60], None), "the next half a minute later, at the end");
}

/// A list that answers 500 for ever once kept an object from its renewal.
#[test]
fn a_failed_search_does_not_cost_a_credential_its_last_third() {
    let issued = |age| a_credential().issued(age).published().frozen();
    let searched = |scene: Scene| {
        let down = Reason::ProviderUnavailable;
        let scene = scene.failed(StepKind::Settle, down, FailureKind::Unavailable, seconds(1));
        scene
            .with_rotation(|it| it.renew_before = lasting("900h"))
            .and(|it| it.world.memory.checked = Some(Tried::new(1, noon())))
    };
    check(vec![
        ("before it waits", searched(issued(days(59)).unconfirmed(hours(1))), "rest: Unconfirmed"),
        ("then it does not", searched(issued(days(61)).unconfirmed(hours(1))), "mint 3: RenewalDue"),
        (
            "but for a call that is under way",
            searched(issued(days(61)).intended(seconds(0))),
            "rest: Unconfirmed",
        ),
    ]);
}

/// "The answer was lost" once hid that an answer had come, and which setting reads it.
#[test]
fn a_search_says_what_was_wrong_with_the_answer_and_with_the_list() {
    let (cause, list) = ("no client ID: check expereo.answer.clientId", "set expereo.answer.items");
    let said = |kind: FailureKind| {
        let scene = a_credential().unconfirmed(seconds(20));
        let scene = scene.refused_a_mint(Reason::ProviderProtocolError, kind, seconds(20));
        let scene = scene.failed(StepKind::Settle, Reason::ProviderProtocolError, kind, seconds(1));
        let scene = scene.and(|it| {
            it.document.failures.get_mut(&StepKind::Mint).unwrap().message = cause.to_owned();
            it.document.failures.get_mut(&StepKind::Settle).unwrap().message = list.to_owned();
        });
        let plan = decide(&scene.world(), noon());
        assert_eq!(rest_of(&plan).reason, Reason::Unconfirmed);
        rest_of(&plan).message
    };
    let message = said(FailureKind::Malformed);
    for part in
        [cause, list, "Credwright searches for the credential at the provider", "; the next attempt is at "]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn an_intake_is_taken_as_soon_as_the_spec_skips_its_verification() {
    let scene = by_hand().holding(pair("a"));
    let world = scene.clone().world();
    let step = decide(&world, noon()).step().cloned().expect("it is tried");
    let failure = Failure::new(FailureKind::Forbidden, "Enable API is off".to_owned());
    let report = conclude(&world, &step, &Outcome::Failed(failure), noon());
    let scene = scene.with_ledger().and(|it| {
        report.edits.iter().for_each(|edit| it.document.apply(edit, noon()).unwrap());
    });
    let plan = decide(&scene.clone().world(), noon());
    assert_eq!(rest_of(&plan).reason, Reason::ProviderForbidden);
    for part in ["Enable API is off", "kubectl annotate secret", "; the next attempt is at "] {
        assert!(rest_of(&plan).message.contains(part), "{}", rest_of(&plan).message);
    }
    assert_eq!(
        rest_of(&plan).action.as_deref(),
        Some(rest_of(&plan).message.as_str()),
        "a person has something to do"
    );
    let skip = |scene: Scene| scene.with_spec(|it| it.intake.as_mut().unwrap().verify = Verify::Skip);
    check(vec![
        ("it waits", scene.clone(), "rest: ProviderForbidden"),
        ("it is taken untried", skip(scene.clone()), "take 1: FirstIssue"),
        ("it is tried again", scene.with_the_provider_corrected(), "take 1: FirstIssue"),
    ]);
}

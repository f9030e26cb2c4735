//! Times: when a credential is replaced and when the old one ends, spacing after failures, and the
//! mint breaker.

use jiff::{SignedDuration, Timestamp};

use super::{builders::*, table::*};
use crate::{
    api::{Reason, Rotation},
    lifecycle::{
        backoff,
        failure::{FailureKind, RetryAfter},
        ledger::{FailureRecord, Revision, State, StepKind},
        schedule,
    },
};

fn issued(lifetime: Option<&str>, expires_in: Option<SignedDuration>) -> Revision {
    let mut scene = a_credential().issued(seconds(0));
    scene.it().request.lifetime = lifetime.and_then(lasting);
    scene.it().expires_at = expires_in.map(|rest| noon() + rest);
    scene.it().clone()
}

fn rotation(renew_before: Option<&str>, overlap: Option<&str>) -> crate::api::ApiCredentialSpec {
    let rotation = Rotation {
        renew_before: renew_before.and_then(lasting),
        overlap: overlap.and_then(lasting),
        ..Rotation::default()
    };
    crate::api::ApiCredentialSpec { rotation: Some(rotation), ..spec() }
}

#[test]
fn a_credential_ends_at_the_earlier_of_its_lifetime_and_the_providers_expiry() {
    let rows = [
        (None, None, None),
        (Some("48h"), None, Some(days(2))),
        (None, Some(days(3)), Some(days(3))),
        (Some("48h"), Some(days(3)), Some(days(2))),
        (Some("96h"), Some(days(3)), Some(days(3))),
    ];
    for (lifetime, expires_in, end) in rows {
        let revision = issued(lifetime, expires_in);
        assert_eq!(schedule::end(&revision), end.map(|end| noon() + end), "{lifetime:?} {expires_in:?}");
    }
}

#[test]
fn renewal_comes_before_the_end_by_as_much_as_is_asked() {
    let rows = [
        ("a third where nothing is asked", None, days(30)),
        ("what is asked", Some("240h"), days(10)),
        ("up to half", Some("1080h"), days(45)),
        ("a third where more than half is asked", Some("1081h"), days(30)),
    ];
    for (sentence, asked, before) in rows {
        let revision = issued(Some("2160h"), None);
        let spec = rotation(asked, None);
        let times = schedule::schedule("uid-1", &spec, &revision).unwrap();
        let latest = times.end - before;
        assert!(times.renewal <= latest && times.renewal >= latest - before / 10, "{sentence}: {times:?}");
        let said = schedule::renew_before_is_too_long(&spec, &revision);
        assert_eq!(said, asked == Some("1081h"), "{sentence}");
    }
}

#[test]
fn jitter_is_a_function_of_object_and_revision() {
    let revision = issued(Some("2160h"), None);
    let times = |uid: &str, number| {
        let revision = Revision { revision: number, ..revision.clone() };
        schedule::schedule(uid, &spec(), &revision).unwrap().renewal
    };
    assert_eq!(times("uid-1", 1), times("uid-1", 1));
    let mut all: Vec<Timestamp> = (1..=200).map(|number| times("uid-1", number)).collect();
    all.extend((1..=200).map(|number| times("uid-2", number)));
    all.sort_unstable();
    all.dedup();
    assert!(all.len() > 390, "they are spread");
    let width = all[all.len() - 1].duration_since(all[0]);
    assert!(width > days(2) && width <= days(3), "over a tenth of the thirty days: {width}");
}

#[test]
fn a_credential_that_arrives_expired_is_due_when_it_is_issued() {
    let revision = issued(None, Some(-hours(1)));
    let times = schedule::schedule("uid-1", &spec(), &revision).unwrap();
    assert_eq!(times.renewal, noon());
    let far = issued(None, Some(Timestamp::MAX.duration_since(noon())));
    assert!(schedule::schedule("uid-1", &spec(), &far).is_some());
}

#[test]
fn the_overlap_is_bounded_by_the_old_ones_end_and_the_new_ones_renewal() {
    let old = |lifetime: &str| Revision { retired_at: Some(noon()), ..issued(Some(lifetime), None) };
    let new = |renewal| Some(schedule::Schedule { end: noon() + days(90), renewal: noon() + renewal });
    let rows = [
        ("a day where nothing is asked", None, old("2160h"), new(days(60)), days(1)),
        ("what is asked", Some("72h"), old("2160h"), new(days(60)), days(3)),
        ("nothing", Some("0s"), old("2160h"), new(days(60)), days(0)),
        ("no longer than the old one has", Some("72h"), old("48h"), new(days(60)), days(2)),
        ("nor than the new one is the newest", Some("72h"), old("2160h"), new(hours(5)), hours(5)),
        ("and never before the old one was replaced", Some("72h"), old("2160h"), new(-hours(5)), days(0)),
        ("without an end there is only what is asked", Some("72h"), old("2160h"), None, days(3)),
    ];
    for (sentence, overlap, old, new, expected) in rows {
        let at = schedule::revoke_at(&rotation(None, overlap), &old, new);
        assert_eq!(at, Some(noon() + expected), "{sentence}");
    }
    let dead = Revision { dead_at: Some(noon()), ..old("2160h") };
    assert_eq!(schedule::revoke_at(&rotation(None, None), &dead, None), Some(noon()), "the dead need none");
    assert_eq!(
        schedule::revoke_at(&spec(), &issued(None, None), None),
        None,
        "only what is retired is revoked"
    );
}

#[test]
fn checks_are_hourly_and_spread_after_a_start() {
    let revision = issued(None, None);
    let started = noon() + days(9);
    assert_eq!(schedule::next_check("uid-1", &revision, Some(started), noon()), started + hours(1));
    let mut all: Vec<_> = (0..100)
        .map(|object| schedule::next_check(&format!("uid-{object}"), &revision, None, started))
        .map(|at| at.duration_since(started))
        .collect();
    all.sort_unstable();
    assert!(all[0] >= minutes(1) && all[99] <= hours(1));
    assert!(all[50] > minutes(15) && all[50] < minutes(45));
}

fn record(reason: Reason, kind: FailureKind, count: u32) -> FailureRecord {
    let (message, about) = (String::new(), String::new());
    FailureRecord { reason, message, kind: Some(kind), count, at: noon(), revision: None, about }
}

#[test]
fn spacing_grows_with_each_failure_in_a_row() {
    use FailureKind::*;
    let (down, protocol) = (Reason::ProviderUnavailable, Reason::ProviderProtocolError);
    let rows: Vec<(StepKind, Reason, FailureKind, Vec<SignedDuration>)> = vec![
        (StepKind::Mint, down, Unavailable, [5, 10, 20, 40, 80, 160, 300, 300].map(seconds).to_vec()),
        (StepKind::Verify, down, Unavailable, [5, 10, 20].map(seconds).to_vec()),
        (StepKind::Revoke, down, Unavailable, [5, 10, 20].map(seconds).to_vec()),
        (
            StepKind::Mint,
            down,
            Ambiguous,
            [30, 60, 120, 240, 480, 960, 1920, 3600, 3600].map(seconds).to_vec(),
        ),
        (StepKind::Mint, protocol, Malformed, [30, 60].map(seconds).to_vec()),
        (StepKind::Mint, Reason::Unconfirmed, Ambiguous, [10, 60, 360, 360].map(minutes).to_vec()),
        (StepKind::Mint, Reason::NeverAccepted, Malformed, [0, 1, 6, 24, 24].map(hours).to_vec()),
        (StepKind::Mint, Reason::ProviderForbidden, Forbidden, [1, 5, 10, 10].map(minutes).to_vec()),
        (StepKind::Mint, Reason::InvalidForProvider, Rejected, [60, 60].map(minutes).to_vec()),
        (StepKind::Mint, Reason::IntakeRefused, Rejected, [60, 60].map(minutes).to_vec()),
        (
            StepKind::Mint,
            Reason::ProviderRefused,
            Unexplained,
            [5, 10, 20, 40, 80, 160, 300, 300].map(seconds).to_vec(),
        ),
        (StepKind::Verify, Reason::ProviderRefused, Unexplained, [10, 60, 600, 600].map(seconds).to_vec()),
        (StepKind::Settle, Reason::ProviderForbidden, Forbidden, [10, 10].map(minutes).to_vec()),
        (StepKind::Publish, Reason::TargetForeign, Unavailable, [1, 1].map(minutes).to_vec()),
        (StepKind::Publish, Reason::TemplateInvalid, Unavailable, [5, 10].map(seconds).to_vec()),
    ];
    for (step, reason, kind, waits) in rows {
        for (count, wait) in (1..).zip(waits) {
            let at = backoff::next_attempt(step, &record(reason, kind, count));
            assert_eq!(at, noon() + wait, "{step:?} {reason:?} {kind:?} {count}");
        }
        let at = backoff::next_attempt(step, &record(reason, kind, u32::MAX));
        assert!(at <= noon() + hours(24), "however often: {step:?} {reason:?}");
    }
}

/// One 4xx at a renewal let a credential of 90 seconds expire: nothing was tried again.
#[test]
fn a_failed_renewal_is_tried_more_often_in_the_last_third() {
    // Seconds of the life, of the failed attempt, and of the next one if an hour is the usual wait.
    for (life, failed, next) in [
        (90, 50, 80),
        (90, 60, 90),
        (90, 10, 60),
        (90, 89, 119),
        (90, 90, 90 + 3600),
        (3600, 2400, 2500),
        (3600, 3500, 3530),
        (86_400, 57_600, 57_600 + 2400),
        (86_400, 80_000, 80_000 + 6400 / 12),
        (90 * 86_400, 60 * 86_400, 60 * 86_400 + 3600),
    ] {
        let at = |second| noon() + seconds(second);
        let third = at(life * 2 / 3);
        let again = backoff::before_the_end(at(failed + 3600), at(failed), (third, at(life)));
        let again = again.duration_since(noon()).as_secs();
        assert_eq!(again, next, "{failed} of {life}");
    }
}

#[test]
fn the_wait_that_a_provider_asks_for_is_limited() {
    assert_eq!(RetryAfter::Delay(minutes(5)).instant(noon()), noon() + minutes(5));
    assert_eq!(RetryAfter::Delay(hours(5)).instant(noon()), noon() + hours(1));
    assert_eq!(RetryAfter::Delay(-hours(5)).instant(noon()), noon());
    assert_eq!(RetryAfter::At(noon() - hours(5)).instant(noon()), noon());
    assert_eq!(RetryAfter::At(noon() + days(500)).instant(noon()), noon() + hours(1));
}

#[test]
fn the_breaker_allows_three_times_what_the_spec_needs() {
    let limit = |lifetime: Option<&str>| {
        let lifetime = lifetime.and_then(lasting);
        backoff::mint_limit(&crate::api::ApiCredentialSpec { lifetime, ..spec() }, None)
    };
    assert_eq!(limit(None), 5);
    assert_eq!(limit(Some("2160h")), 5);
    assert_eq!(limit(Some("2h")), 5);
    assert_eq!(limit(Some("30m")), 12, "each 20 minutes, 4 in an hour");
    assert_eq!(limit(Some("10s")), 1803);
    let mut used = revision(1, State::Issued);
    used.request.lifetime = lasting("30m");
    assert_eq!(backoff::mint_limit(&spec(), Some(&used)), 12, "what is used ends as soon as it was made to");
}

#[test]
fn the_breaker_opens_when_the_oldest_mint_is_an_hour_old() {
    let opens = |ago: &[i64], limit| {
        let mints = ago.iter().map(|ago| noon() - minutes(*ago));
        backoff::breaker_opens(mints, limit, noon()).map(|at| at.duration_since(noon()))
    };
    assert_eq!(opens(&[], 5), None);
    assert_eq!(opens(&[1, 2, 3, 4], 5), None);
    assert_eq!(opens(&[1, 2, 3, 4, 5], 5), Some(minutes(55)));
    assert_eq!(opens(&[5, 4, 3, 2, 1], 5), Some(minutes(55)), "in whatever order");
    assert_eq!(opens(&[1, 2, 3, 4, 60], 5), None, "an hour ago is over");
    assert_eq!(
        opens(&[1, 2, 3, 4, 5, 6, 7], 5),
        Some(minutes(55)),
        "more than the limit, after it was lowered"
    );
    // A clock that was a year ahead wrote them down, and a person has said that this one is right.
    let year = -365 * 24 * 60;
    assert_eq!(opens(&[year; 20], 5), None, "what lies in the future");
    assert_eq!(opens(&[year, year, 1, 2, 3, 4], 5), None);
    assert_eq!(opens(&[year, 1, 2, 3, 4, 5], 5), Some(minutes(55)));
    assert_eq!(opens(&[-1, 1, 2, 3, 4], 5), Some(minutes(56)), "clocks may differ by a minute");
}

//! The plan of the trouble, and its times. All of it is chosen beforehand from the seed, so that
//! the same seed gives the same plan.

use std::time::Duration;

use credwright_harness::random::Random;
use credwright_simulator::{Fault, Matching, Operation, RetryAfter};
use jiff::SignedDuration;

/// The number of operators that run at the same time.
pub(crate) const REPLICAS: usize = 2;

/// The time that etcd stands still.
pub(crate) const PAUSE: Duration = Duration::from_secs(20);
/// The time that the provider is down.
pub(crate) const OUTAGE: Duration = Duration::from_secs(15);

/// The number of faults of each kind in ten minutes, and their names in the table.
const MIX: [(Kind, usize, &str); 15] = [
    (Kind::Kill, 50, "operators killed"),
    (Kind::RestartApiServer, 3, "API server restarted"),
    (Kind::PauseEtcd, 3, "etcd paused for 20 s"),
    (Kind::ForgetConnections, 5, "all connections to the API server dead"),
    (Kind::LoseAnswers, 6, "API server that drops responses, 10 s"),
    (Kind::JumpClock, 2, "clock jumps"),
    (Kind::Outage, 3, "provider down for 15 s"),
    (Kind::Fault, 57, "other faults of the provider"),
    (Kind::Throttle, 8, "account throttled (429)"),
    (Kind::NotFound, 8, "404 around a renewal"),
    (Kind::Undeletable, 8, "credential that cannot be deleted"),
    (Kind::Tarpits, 8, "ten provider objects at a tarpit"),
    (Kind::Slow, 4, "four objects with 64 scopes, slow"),
    (Kind::Talkative, 8, "four objects with answers of 1 MiB"),
    (Kind::Poison, 8, "three poisoned objects of each kind"),
];

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Kill,
    RestartApiServer,
    PauseEtcd,
    ForgetConnections,
    LoseAnswers,
    JumpClock,
    Outage,
    Fault,
    Throttle,
    NotFound,
    Undeletable,
    Tarpits,
    Slow,
    Talkative,
    Poison,
}

impl Kind {
    /// All of them, in the order of the table.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        MIX.iter().map(|(kind, _, _)| *kind)
    }

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        MIX.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, _, name)| name)
    }

    /// Returns how long it holds up what comes after it, on a machine that is not busy.
    pub(crate) fn takes(self) -> Duration {
        match self {
            Self::PauseEtcd => PAUSE,
            Self::Outage => OUTAGE,
            Self::RestartApiServer => Duration::from_secs(10),
            _ => Duration::from_secs(1),
        }
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// `kill -9` of a replica, which is started again at once.
    Kill(usize),
    RestartApiServer,
    PauseEtcd,
    /// Every open connection between the operators and the API server goes silent. New ones work.
    ForgetConnections,
    /// Requests reach the API server, and one of so many answers is lost, half of them with the
    /// connection.
    LoseAnswers(usize),
    /// The API server's `Date` moves by this for so long: to the operator, its own clock has
    /// jumped.
    JumpClock(SignedDuration, Duration),
    /// The provider refuses connections.
    Outage,
    /// The next requests to the provider go wrong.
    Provider(Kind, Matching, usize, Fault),
    /// The account is throttled for so long, with a `Retry-After` or without one. An end after so
    /// many requests would not do: an operator that leaves a throttled account alone would not come
    /// to it for minutes.
    Throttle(Matching, RetryAfter, Duration),
    /// So many DELETEs of one credential are answered 500. The number chooses the credential.
    Undeletable(usize, usize),
    /// A noisy tenant creates more of a kind.
    Noise(Kind),
}

impl Trouble {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Kill(_) => Kind::Kill,
            Self::RestartApiServer => Kind::RestartApiServer,
            Self::PauseEtcd => Kind::PauseEtcd,
            Self::ForgetConnections => Kind::ForgetConnections,
            Self::LoseAnswers(_) => Kind::LoseAnswers,
            Self::JumpClock(..) => Kind::JumpClock,
            Self::Outage => Kind::Outage,
            Self::Throttle(..) => Kind::Throttle,
            Self::Undeletable(..) => Kind::Undeletable,
            Self::Provider(kind, ..) | Self::Noise(kind) => *kind,
        }
    }

    fn of(kind: Kind, random: &mut Random) -> Self {
        let provider = |(on, times, fault)| Self::Provider(kind, on, times, fault);
        match kind {
            Kind::Kill => Self::Kill(random.below(REPLICAS)),
            Kind::RestartApiServer => Self::RestartApiServer,
            Kind::PauseEtcd => Self::PauseEtcd,
            Kind::ForgetConnections => Self::ForgetConnections,
            Kind::LoseAnswers => Self::LoseAnswers(2 + random.below(7)),
            Kind::JumpClock => jump(random),
            Kind::Outage => Self::Outage,
            Kind::Fault => provider(fault(random)),
            Kind::Throttle => throttle(random),
            Kind::NotFound => provider(not_found(random)),
            Kind::Undeletable => Self::Undeletable(random.below(1 << 16), 1 + random.below(5)),
            Kind::Tarpits | Kind::Slow | Kind::Talkative | Kind::Poison => Self::Noise(kind),
        }
    }
}

/// The trouble of so many minutes, in order, each with the time after which it begins.
pub(crate) fn plan(random: &mut Random, minutes: u64) -> Vec<(Duration, Trouble)> {
    let span = usize::try_from(minutes * 60_000).unwrap_or(usize::MAX);
    let mut plan = Vec::new();
    for (kind, often, _) in MIX {
        let times = usize::try_from(minutes).unwrap_or(usize::MAX).saturating_mul(often).div_ceil(10);
        for time in 0..times {
            let at = match kind {
                // Two that come close together would keep the clock wrong for longer than a
                // credential of eight minutes can wait for its renewal.
                Kind::JumpClock => span / times * time + random.below(span / times / 2),
                _ => random.below(span),
            };
            plan.push((Duration::from_millis(at as u64), Trouble::of(kind, random)));
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

/// Years, an hour or two minutes, in both directions.
fn jump(random: &mut Random) -> Trouble {
    let by = *random.one_of(&[120, 3_600, 100_000_000]);
    let by = if random.below(2) == 0 { by } else { -by };
    let long = Duration::from_secs(20 + random.below(15) as u64);
    Trouble::JumpClock(SignedDuration::from_secs(by), long)
}

fn fault(random: &mut Random) -> (Matching, usize, Fault) {
    let operations =
        [Operation::Create, Operation::Create, Operation::Delete, Operation::List, Operation::Token];
    let on = (*random.one_of(&operations)).into();
    let faults = [
        Fault::TornBefore,
        Fault::LostAnswer,
        Fault::LostAnswer,
        Fault::CutBody,
        Fault::status(500),
        Fault::StatusAfterEffect { code: 504, body: String::new() },
        Fault::Malformed,
        Fault::slow(Duration::from_secs(2)),
    ];
    (on, 1 + random.below(4), random.one_of(&faults).clone())
}

fn throttle(random: &mut Random) -> Trouble {
    let after = match random.below(2) {
        0 => RetryAfter::Absent,
        _ => RetryAfter::Seconds(1 + random.below(10) as u64),
    };
    let on = *random.one_of(&[Matching::any(), Operation::Create.into(), Operation::Delete.into()]);
    Trouble::Throttle(on, after, Duration::from_secs(5 + random.below(10) as u64))
}

/// Tenants ask for a renewal twice in a second, so it meets one.
fn not_found(random: &mut Random) -> (Matching, usize, Fault) {
    let operations = [Operation::Create, Operation::Delete, Operation::List, Operation::Token];
    ((*random.one_of(&operations)).into(), 1 + random.below(3), Fault::status(404))
}

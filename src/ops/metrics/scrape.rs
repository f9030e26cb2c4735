//! Metrics that are read from the objects at each scrape. They are stored nowhere, so they cost
//! nothing at rest and cannot outlive their object.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::MetricType,
    registry::Unit::{self, Seconds},
};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value},
};

use super::labels::{Kind, Labels, Object, Provider, Standing, Why};
use crate::api::{ApiCredential, ApiCredentialStatus, ConditionType, CredentialCounts, Reason};

/// The source of the metrics. It holds no lock when it returns.
pub trait Source: Send + Sync + 'static {
    /// Returns all ApiCredentials.
    fn credentials(&self) -> Vec<Arc<ApiCredential>>;

    /// Returns all provider accounts.
    fn accounts(&self) -> Vec<AccountFacts>;

    /// Returns the number of objects with an unreadable spec, by kind.
    fn unreadable(&self) -> BTreeMap<String, u32>;

    /// Returns how many ledgers still need the previous sealing key, by kind. Empty if there is no
    /// such key.
    fn sealed_before(&self) -> BTreeMap<&'static str, u32>;
}

/// The known facts about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its provider object.
    pub provider: Provider,
    /// The usability of the account, and the reason; `None` before its first probe.
    pub ready: Option<(bool, Reason)>,
    /// The account's credentials by state.
    pub counts: CredentialCounts,
    /// The number of its credentials that are recorded as AbandonedCredentials.
    pub abandoned: u32,
    /// The use of its limits; `None` for an account without limits: a person creates its
    /// credentials, or it was deleted.
    pub mints: Option<MintFacts>,
    /// The most requests per minute that it is sent, while that is less than its limits allow.
    pub requests_per_minute: Option<u32>,
}

/// The use of an account's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintFacts {
    /// The credentials that were requested within the last hour.
    pub recent: u32,
    /// The most that may be requested within an hour.
    pub limit: u32,
    /// True if its limits allow what the schedules need.
    pub suffice: bool,
}

/// A metric that is read: its name without prefix and unit, its unit, and its help without the full
/// stop.
pub(super) type About = (&'static str, Option<Unit>, &'static str);

/// The destination of the series: the text of a scrape, or the documentation.
pub(super) trait Sink {
    /// Writes a gauge.
    fn put<L: Labels>(&mut self, about: About, rows: impl Iterator<Item = (L, i64)>) -> fmt::Result;

    /// Writes a gauge without a unit.
    fn gauge<L: Labels>(
        &mut self,
        name: &'static str,
        help: &'static str,
        rows: impl Iterator<Item = (L, i64)>,
    ) -> fmt::Result {
        self.put((name, None, help), rows)
    }
}

/// The collector.
pub(super) struct Scrape<S>(pub(super) S);

impl<S> fmt::Debug for Scrape<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scrape")
    }
}

impl<S: Source> Collector for Scrape<S> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (credentials, accounts) = (self.0.credentials(), self.0.accounts());
        write_all(&credentials, &accounts, (&self.0.unreadable(), &self.0.sealed_before()), &mut encoder)
    }
}

impl Sink for DescriptorEncoder<'_> {
    fn put<L: Labels>(
        &mut self,
        (name, unit, help): About,
        rows: impl Iterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let help = format!("{help}.");
        let mut metric = self.encode_descriptor(name, &help, unit.as_ref(), MetricType::Gauge)?;
        for (labels, value) in rows {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// Writes all metrics that are read into `sink`.
pub(super) fn write_all(
    credentials: &[Arc<ApiCredential>],
    accounts: &[AccountFacts],
    (unreadable, sealed_before): (&BTreeMap<String, u32>, &BTreeMap<&'static str, u32>),
    sink: &mut impl Sink,
) -> fmt::Result {
    times(credentials, sink)?;
    conditions(credentials, sink)?;
    provider_counts(accounts, sink)?;
    provider_states(accounts, sink)?;
    let of_kind = unreadable.iter().map(|(kind, count)| (Kind(kind), i64::from(*count)));
    sink.gauge(
        "unreadable_objects",
        "Objects with an unreadable spec. They are ignored, and the log names them",
        of_kind,
    )?;
    let of_kind = sealed_before.iter().map(|(kind, count)| (Kind(kind), i64::from(*count)));
    sink.gauge(
        "sealed_before",
        "Ledgers that still need the key in the Secret credwright-seal-previous, which can be deleted when this is 0; absent if there is no such Secret",
        of_kind,
    )
}

/// Returns a row for each object for which `value` returns one.
fn rows<'a, T>(
    credentials: &'a [Arc<ApiCredential>],
    value: impl Fn(&'a ApiCredentialStatus) -> Option<T>,
) -> impl Iterator<Item = (Object<'a>, T)> {
    credentials.iter().filter_map(move |it| {
        let namespace = it.metadata.namespace.as_deref().unwrap_or_default();
        let name = it.metadata.name.as_deref().unwrap_or_default();
        Some((Object { namespace, name }, value(it.status.as_ref()?)?))
    })
}

fn times(credentials: &[Arc<ApiCredential>], sink: &mut impl Sink) -> fmt::Result {
    sink.put(
        (
            "credential_expiry_timestamp",
            Some(Seconds),
            "Time at which the published credential expires; absent if it never expires",
        ),
        rows(credentials, |status| status.expires_at.map(Timestamp::as_second)),
    )?;
    sink.put(
        (
            "credential_renewal_timestamp",
            Some(Seconds),
            "Time at which the published credential is renewed. A time in the past means that the renewal is overdue. Absent if the credential is never renewed",
        ),
        rows(credentials, |status| status.renewal_time.map(Timestamp::as_second)),
    )?;
    sink.gauge(
        "credential_successor",
        "1 if a newer credential than the published one has been issued and is about to replace it; 0 otherwise",
        rows(credentials, |status| {
            let published = status.revision?;
            let newer = status.credentials.iter().any(|it| it.revision > published && it.state == "Issued");
            Some(newer.into())
        }),
    )
}

fn conditions(credentials: &[Arc<ApiCredential>], sink: &mut impl Sink) -> fmt::Result {
    let all = |type_: ConditionType| {
        let stated = rows(credentials, move |status| state_of(type_, &status.conditions));
        stated.map(|(object, (holds, why))| ((object, why), holds.into()))
    };
    let holding = |type_| all(type_).filter(|(_, holds)| *holds == 1);
    sink.gauge(
        "credential_ready",
        "1 if the published credential works, as in the condition Ready; 0 otherwise. The reason says why",
        all(ConditionType::Ready),
    )?;
    sink.gauge(
        "credential_stalled",
        "1 while only a person can help, as in the condition Stalled; absent otherwise",
        holding(ConditionType::Stalled),
    )?;
    sink.gauge(
        "credential_action_required",
        "1 while a person has to act, as in the condition ActionRequired; absent otherwise",
        holding(ConditionType::ActionRequired),
    )
}

/// Returns whether a condition holds, and its reason. Anyone who may write status may write any
/// reason there, so only a reason of ours becomes a label.
fn state_of(type_: ConditionType, conditions: &[Condition]) -> Option<(bool, Why)> {
    let condition = conditions.iter().find(|it| it.type_ == type_.as_str())?;
    let reason: value::StrDeserializer<'_, value::Error> = condition.reason.as_str().into_deserializer();
    let reason = Reason::deserialize(reason).ok().filter(|it| !matches!(it, Reason::Other(_)))?;
    Some((condition.status == "True", Why(reason)))
}

fn provider_counts(accounts: &[AccountFacts], sink: &mut impl Sink) -> fmt::Result {
    let by_state = accounts.iter().flat_map(|it| {
        let counts = [
            (Standing::Active, it.counts.active),
            (Standing::Retiring, it.counts.retiring),
            (Standing::Unconfirmed, it.counts.unconfirmed),
            (Standing::Abandoned, it.abandoned),
        ];
        counts.map(|(state, count)| ((it.provider.clone(), state), count.into()))
    });
    sink.gauge("credentials", "Credentials at the provider, by state", by_state)?;
    let mints = || accounts.iter().filter_map(|it| Some((it.provider.clone(), it.mints?)));
    sink.gauge(
        "provider_recent_mints",
        "New credentials that were requested from the provider within the last hour, by every operator that ran in that time",
        mints().map(|(provider, it)| (provider, it.recent.into())),
    )?;
    sink.gauge(
        "provider_mint_limit",
        "New credentials that may be requested from the provider within an hour. At this number everything but urgent renewals waits",
        mints().map(|(provider, it)| (provider, it.limit.into())),
    )?;
    sink.gauge(
        "provider_limits_suffice",
        "1 if the provider's limits allow what the schedules of its credentials need, as in its condition LimitsSuffice; 0 otherwise",
        mints().map(|(provider, it)| (provider, it.suffice.into())),
    )
}

fn provider_states(accounts: &[AccountFacts], sink: &mut impl Sink) -> fmt::Result {
    let known = || accounts.iter().filter_map(|it| Some((it.provider.clone(), it.ready?)));
    sink.gauge(
        "provider_ready",
        "1 if the provider can be used; 0 otherwise. While it is 0, Credwright sends only probes, and the reason says why",
        known().map(|(provider, (ready, why))| ((provider, Why(why)), ready.into())),
    )?;
    sink.gauge(
        "provider_login_accepted",
        "0 while the provider refuses the login, or the login is missing; 1 otherwise, also while the provider is unreachable",
        known().map(|(provider, (_, why))| {
            let refused = matches!(why, Reason::ProviderLoginRefused | Reason::LoginMissing);
            (provider, (!refused).into())
        }),
    )?;
    sink.gauge(
        "provider_requests_per_minute",
        "Most requests per minute that the provider is sent, while it answers more of them with 429; absent otherwise",
        accounts.iter().filter_map(|it| Some((it.provider.clone(), it.requests_per_minute?.into()))),
    )
}

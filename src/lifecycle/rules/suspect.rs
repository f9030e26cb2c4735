//! Checks of the account as a whole: a login that was swapped, a provider object that was recreated
//! for another account, or most credentials being refused at once.
//!
//! Then nothing is minted and nothing is revoked, because both would be done at the wrong place or
//! for the wrong reason. Secrets stay as they are, a person is asked, and work resumes by itself
//! once the account is right again.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ACCOUNT_ANNOTATION, ProviderKind, REFUSED_ANNOTATION},
    lifecycle::model::{Account, Document, Moved, Parameters, Revision, UsableProvider, agree},
};

use super::schedule;

/// Refusals that lie so close together have one cause.
pub const TOGETHER: SignedDuration = SignedDuration::from_mins(10);

/// So many credentials of an account may be refused within [`TOGETHER`], or a tenth of them.
const FEW: u32 = 3;

/// The number of credentials checked when another one of the account is refused.
const SAMPLE: u32 = 10;

/// Returns why a list is not reliable: it lacks a credential which works, under the same tag and in
/// the same place. A credential newer than `lag` need not be listed yet.
#[must_use]
pub fn hides(
    document: &Document,
    (tag, account, place): (&str, &Account, &Parameters),
    is_listed: impl Fn(&str) -> bool,
    (now, lag): (Timestamp, SignedDuration),
) -> Option<String> {
    let tagged = |it: &Revision| it.tag() == Some(tag);
    let works = |it: &Revision| it.state.is_usable() && it.refused_at.is_none() && it.dead_at.is_none();
    let ends = |it: &Revision| schedule::end(it).is_some_and(|end| end <= now);
    let hidden = document.revisions.iter().find(|it| {
        it.account == *account
            && tagged(it)
            && agree(place, &it.parameters)
            && works(it)
            && !ends(it)
            && it.issued_at.is_some_and(|at| at.later(lag) <= now)
            && !is_listed(&it.name)
    })?;
    Some(format!(
        "the provider's list lacks {}, which exists, so nothing can be concluded from the list",
        hidden.name
    ))
}

/// The time after a person's judgement in which refusals belong to it, if the credential is older.
const JUDGED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Returns whether a person's judgement of the account at `judged` covers a refusal at `refused` of
/// a credential that was issued at `issued`. All credentials are checked after a judgement, so more
/// refusals are found within minutes.
#[must_use]
pub fn is_judged(judged: Option<Timestamp>, issued: Option<Timestamp>, refused: Timestamp) -> bool {
    judged.is_some_and(|judged| {
        refused <= judged
            || refused <= judged.later(JUDGED_FOR) && issued.is_some_and(|issued| issued <= judged)
    })
}

/// A provider object, for the line that a person types.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Its kind.
    pub kind: ProviderKind,
    /// Its namespace; empty for a cluster-scoped one.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl Named<'_> {
    fn annotate(self, annotation: &str, value: &str) -> String {
        let (kind, place) = match self.kind {
            ProviderKind::CredentialProvider | ProviderKind::Other(_) => {
                ("credprov", format!(" --namespace={}", self.namespace))
            }
            ProviderKind::ClusterCredentialProvider => ("clustercredprov", String::new()),
        };
        format!("kubectl annotate {kind} {}{place} --overwrite {annotation}={value}", self.name)
    }
}

/// Returns the message for `count` credentials that were made at another account than the one with
/// this fingerprint.
#[must_use]
pub fn of_another_account(count: u32, fingerprint: &str, provider: Named<'_>) -> String {
    let command = provider.annotate(ACCOUNT_ANNOTATION, fingerprint);
    format!(
        "{count} live credentials were issued at a different account, judging by its address or its \
         login: nothing is issued or revoked here, and Secrets stay as they are. Restore the earlier \
         login; or, if it is the same account after all, say so: {command}"
    )
}

/// Returns the message if more credentials of an account are refused together than is likely;
/// `refusals` come in order of time.
#[must_use]
pub fn of_too_many_refusals(
    refusals: impl Iterator<Item = Timestamp>,
    usable: u32,
    provider: Named<'_>,
) -> Option<String> {
    let all: Vec<Timestamp> = refusals.collect();
    let most = most_together(&all);
    if most <= FEW.max(usable / 10) {
        return None;
    }
    let last = all.last().map_or(0, |at| at.as_second()) + 1;
    let last = Timestamp::from_second(last).unwrap_or(Timestamp::MAX);
    let command = provider.annotate(REFUSED_ANNOTATION, &last.to_string());
    // A revision that is being deleted is refused as well, and is not usable any more.
    let of = if usable >= most { format!(" of {usable}") } else { String::new() };
    Some(format!(
        "the provider began to refuse {most}{of} credentials within ten minutes, which suggests a problem \
         with the account: nothing is issued or revoked here until it accepts them again, and Secrets \
         stay as they are. Look whether the account was locked, swapped or emptied; if the credentials \
         are gone for good, say so, and they are replaced: {command}"
    ))
}

/// The most of `times`, which are in order, that lie within [`TOGETHER`].
fn most_together(times: &[Timestamp]) -> u32 {
    let mut first = 0;
    let mut most = 0;
    for (index, at) in times.iter().enumerate() {
        while at.duration_since(times[first]) > TOGETHER {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// Returns whether a refusal that began at `first` concerns this credential alone. It has lasted
/// for the settle time and, while others of the account are refused too, as long as it takes to see
/// whether it is all of them.
#[must_use]
pub(in crate::lifecycle) fn is_its_own(
    provider: &UsableProvider,
    account: &Account,
    first: Timestamp,
    now: Timestamp,
) -> bool {
    let settled = provider.capabilities.propagation;
    let wait = if provider.standing.sibling_refused_at.is_some() { settled.max(TOGETHER) } else { settled };
    is_the_same(provider, account) && provider.standing.suspicion.is_none() && now >= first.later(wait)
}

/// Returns whether credentials of this account were made at this provider.
pub(in crate::lifecycle) fn is_the_same(provider: &UsableProvider, account: &Account) -> bool {
    account.may_be(&provider.fingerprint) || provider.standing.confirmed
}

/// Returns whether a published credential is checked because another one of its account is refused:
/// a few of them are.
pub(in crate::lifecycle) fn is_in_the_sample(provider: &UsableProvider, spread: u16) -> bool {
    let usable = provider.standing.usable.max(1);
    u64::from(spread) * u64::from(usable) <= u64::from(SAMPLE) * u64::from(u16::MAX)
}

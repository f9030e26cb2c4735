//! The state of an account as a whole: from the ledgers, and from the annotations that a person has
//! set on its provider object.

use super::account::Account;
use crate::{
    api::{ACCOUNT_ANNOTATION, ProviderKind, REFUSED_ANNOTATION, REMOVED_ANNOTATION, instant},
    engine::{Engine, Key, ProviderKey, ProviderObject, Tally},
    lifecycle::{
        Budget, ProviderView, Standing, budget,
        suspect::{Named, of_another_account, of_too_many_refusals},
    },
};

impl Engine {
    /// Returns the account as a decision about the object `of` sees it; `None` before its first
    /// pass.
    pub(in crate::engine) fn provider_view(&self, key: &ProviderKey, of: &Key) -> Option<ProviderView> {
        let mut view = self.accounts.view(key)?;
        if let ProviderView::Usable(provider) = &mut view
            && let Some(object) = self.stores.providers.get(key)
        {
            // It may have been deleted since the last pass of the account.
            provider.deleting |= object.deleting();
            provider.standing = self.standing(key, &object, &provider.fingerprint, Some(of));
            provider.budget = self.budget(key, &object, of);
        }
        Some(view)
    }

    /// Returns how many more credentials may be requested from an account by the namespace of the
    /// object `of`.
    fn budget(&self, key: &ProviderKey, object: &ProviderObject, of: &Key) -> Budget {
        let shared = key.kind == ProviderKind::ClusterCredentialProvider;
        let namespace = shared.then_some(&*of.namespace);
        let limits = object.settings().limits.as_ref();
        let asked = self.stores.ledgers.of(key, |tally: &Tally| {
            let limit = budget::limit(limits, tally.needed);
            let over = namespace.is_some_and(|it| budget::is_over_its_share(limit, tally.needed_by(it)));
            (limit, over, tally.asked(namespace, limit, self.now()))
        });
        match asked {
            Some((limit, renewals_wait, Some(asked))) => {
                Budget { renewals_wait, ..Budget::after(limit, &asked, self.now()) }
            }
            Some((limit, _, None)) => Budget { limit, ..Budget::default() },
            None => Budget { limit: budget::limit(limits, 0), ..Budget::default() },
        }
    }

    pub(super) fn standing_of(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        account: &Account,
    ) -> Standing {
        match &account.setup {
            Ok(usable) => self.standing(key, object, &usable.fingerprint, None),
            Err(_) => Standing::default(),
        }
    }

    fn standing(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        fingerprint: &str,
        of: Option<&Key>,
    ) -> Standing {
        let confirmed = object.annotation(ACCOUNT_ANNOTATION) == Some(fingerprint);
        let known = object.annotation(REFUSED_ANNOTATION).and_then(instant::parsed);
        let named = Named { kind: key.kind, namespace: &key.namespace, name: &key.name };
        let said = Standing {
            confirmed,
            judged: known,
            removed: object.annotation(REMOVED_ANNOTATION).map(ToOwned::to_owned),
            ..Standing::default()
        };
        let counted = self.stores.ledgers.of(key, |tally: &Tally| {
            let elsewhere = if confirmed { 0 } else { tally.made_elsewhere(fingerprint) };
            let refusals = || tally.refusals(known, self.now());
            let suspicion = if elsewhere > 0 {
                Some(of_another_account(elsewhere, fingerprint, named))
            } else {
                of_too_many_refusals(refusals().map(|(at, _)| at), tally.usable, named)
            };
            let sibling = refusals().rev().find(|(_, key)| Some(*key) != of).map(|(at, _)| at);
            (suspicion, tally.usable, sibling)
        });
        match counted {
            Some((suspicion, usable, sibling_refused_at)) => {
                Standing { suspicion, usable, sibling_refused_at, ..said }
            }
            None => said,
        }
    }
}

//! The ledger of a scene, its revisions and what happened to them.

use super::*;

impl Scene {
    pub(in crate::lifecycle::tests) fn with_ledger(mut self) -> Self {
        self.has_ledger = true;
        self
    }

    pub(in crate::lifecycle::tests) fn next(self, state: State) -> Self {
        let mut scene = self.with_ledger();
        let number = scene.document.next_revision();
        scene.document.revisions.push(revision(number, state));
        scene
    }

    pub(in crate::lifecycle::tests) fn it(&mut self) -> &mut Revision {
        self.document.revisions.last_mut().unwrap()
    }

    /// One more revision, issued so long before noon.
    pub(in crate::lifecycle::tests) fn issued(self, ago: SignedDuration) -> Self {
        self.next(State::Issued).and(|scene| {
            let it = scene.it();
            it.client_id = Some(format!("client-{}", it.revision));
            it.issued_at = Some(noon() - ago);
            it.intent.at = noon() - ago;
        })
    }

    /// One more revision whose call was allowed until so long before noon.
    pub(in crate::lifecycle::tests) fn intended(self, ago: SignedDuration) -> Self {
        self.next(State::Intended).and(|scene| scene.it().intent.call_by = noon() - ago)
    }

    pub(in crate::lifecycle::tests) fn unconfirmed(self, ago: SignedDuration) -> Self {
        self.next(State::Unconfirmed).and(|scene| scene.it().unconfirmed_at = Some(noon() - ago))
    }

    pub(in crate::lifecycle::tests) fn retiring(mut self, ago: SignedDuration) -> Self {
        self.it().state = State::Retiring;
        self.it().retired_at = Some(noon() - ago);
        self
    }

    pub(in crate::lifecycle::tests) fn revoking(self) -> Self {
        self.next(State::Revoking)
    }

    pub(in crate::lifecycle::tests) fn expiring_in(mut self, rest: SignedDuration) -> Self {
        self.it().expires_at = Some(noon() + rest);
        self
    }

    pub(in crate::lifecycle::tests) fn refused(mut self, ago: SignedDuration) -> Self {
        self.it().refused_at = Some(noon() - ago);
        self
    }

    pub(in crate::lifecycle::tests) fn dead(mut self) -> Self {
        self.it().dead_at = Some(noon() - minutes(1));
        self
    }

    pub(in crate::lifecycle::tests) fn at_provider(mut self, name: &str) -> Self {
        self.it().account = account(name);
        self
    }

    pub(in crate::lifecycle::tests) fn minted(self, ago: &[SignedDuration]) -> Self {
        self.with_ledger().and(|scene| scene.document.mints = ago.iter().map(|ago| noon() - *ago).collect())
    }

    pub(in crate::lifecycle::tests) fn restored_ledger(mut self) -> Self {
        self.document.ledger_uid = Some("ledger-uid-0".to_owned());
        self
    }

    /// The spec named another Secret until so long before noon.
    pub(in crate::lifecycle::tests) fn renamed(self, to: &str, ago: SignedDuration) -> Self {
        let renamed = Renamed { to: to.to_owned(), at: noon() - ago };
        self.with_ledger().and(|scene| scene.document.renamed = Some(renamed))
    }

    /// Someone is deleting the ledger.
    pub(in crate::lifecycle::tests) fn deleted_ledger(mut self) -> Self {
        self.ledger_deleted = true;
        self
    }

    pub(in crate::lifecycle::tests) fn undeleted_ledger(mut self) -> Self {
        self.ledger_deleted = false;
        self
    }

    /// Makes everything in the ledger come by so.
    pub(in crate::lifecycle::tests) fn inherited(mut self, how: Inheritance) -> Self {
        let through = self.document.next_revision() - 1;
        let (tags, objects) = (vec![OLD_TAG.to_owned()], vec!["uid-0".to_owned()]);
        self.document.inherited = Some(Inherited { how, through, borrowed_through: 0, tags, objects });
        self
    }

    /// Makes its credentials secrets of one client: `secret-N` of the client `the-client`, with the
    /// role `reader`.
    pub(in crate::lifecycle::tests) fn secrets_of_one_client(self) -> Self {
        self.capable(|it| it.kind = CredentialKind::Secret).and(|it| {
            for it in &mut it.document.revisions {
                it.client_id = Some("the-client".to_owned());
                it.kind = CredentialKind::Secret;
                it.secret_id = Some(format!("secret-{}", it.revision));
                it.parameters = reader();
            }
        })
    }

    pub(in crate::lifecycle::tests) fn released_ledger(mut self) -> Self {
        self.ledger_held = false;
        self
    }

    /// Someone took the label off it.
    pub(in crate::lifecycle::tests) fn outdated_ledger(mut self) -> Self {
        self.ledger_up_to_date = false;
        self
    }
}

//! A model of the steps that leave the core: calls of a provider, and the write of the Secret.

use std::collections::BTreeMap;

use super::{
    model::{Client, Model, Performed, Remote, Target},
    story::{Crash, Fault},
    table::*,
};
use crate::{
    api::Reason,
    lifecycle::{
        failure::FailureKind,
        ledger::{Answer, CredentialKind, Edit, Found, Revision},
        plan::{FoundCredential, Outcome},
        world::{Rendered, TargetView},
    },
};

impl Model {
    pub(super) fn mint(&mut self, revision: &Revision) -> Performed {
        self.write(&Edit::Intend(Box::new(revision.clone())));
        if self.crashes(Crash::BeforeCall) {
            return Performed::Crashed;
        }
        let fault = self.faults.pop_front();
        if matches!(fault, None | Some(Fault::LostAfterEffect | Fault::Malformed)) {
            self.made += 1;
            let client = Client {
                id: format!("client-{}", self.made),
                name: revision.name.clone(),
                alive: true,
                killed: false,
                expires: self.provider_life.map(|life| self.now + life),
                accepted_from: self.now + std::mem::take(&mut self.propagation),
                listed_from: self.now + seconds(20),
                forgotten: false,
                untraceable: false,
                elsewhere: false,
                parameters: revision.parameters.clone(),
            };
            self.creates.push(self.now);
            self.remotes.get_mut(&*revision.account.name).unwrap().clients.push(client);
        }
        if self.crashes(Crash::BeforeAnswer) {
            return Performed::Crashed;
        }
        if let Some(fault) = fault {
            return Performed::Outcome(Outcome::Failed(fault.failure(FailureKind::Ambiguous)));
        }
        let answer = Answer {
            intent_id: revision.intent.id.clone(),
            client_id: self.known_as(&format!("client-{}", self.made)).0,
            secret_id: self.known_as(&format!("client-{}", self.made)).1,
            ids: BTreeMap::new(),
            fields: BTreeMap::new(),
            secret_aliases: Vec::new(),
            scopes: revision.request.scopes.clone(),
            expires_at: self.provider_life.map(|life| self.now + life),
            is_doomed: false,
        };
        self.write(&Edit::Answer(Box::new(answer)));
        Performed::Outcome(Outcome::Done)
    }

    pub(super) fn revision(&self, number: u32) -> Revision {
        let found = self.document().and_then(|it| it.revision(number));
        found.cloned().unwrap_or_else(|| self.fail("a step is about a revision that is in no ledger"))
    }

    pub(super) fn list(&mut self, number: u32) -> Outcome {
        if let Some(fault) = self.faults.pop_front() {
            return Outcome::Failed(fault.failure(FailureKind::Unavailable));
        }
        let revision = self.revision(number);
        let there = |it: &FoundCredential| it.found.place == revision.parameters;
        Outcome::Found(self.listed(&self.remotes[&*revision.account.name]).filter(there).collect())
    }

    /// Returns the client ID and the ID of the secret, if it is one of several.
    pub(super) fn known_as(&self, id: &str) -> (String, Option<String>) {
        match self.capabilities.kind {
            CredentialKind::Client => (id.to_owned(), None),
            CredentialKind::Secret => ("the-client".to_owned(), Some(id.to_owned())),
        }
    }

    /// Returns what a provider's list shows.
    pub(super) fn listed<'a>(&'a self, remote: &'a Remote) -> impl Iterator<Item = FoundCredential> + 'a {
        let listed = remote.clients.iter().filter(|it| self.is_alive(it) && it.listed_from <= self.now);
        listed.map(|it| {
            let (client_id, secret_id) = self.known_as(&it.id);
            let (name, place) = (it.name.clone(), it.parameters.clone());
            let found = Found { name, client_id, secret_id, place, ..Found::default() };
            FoundCredential { found, held_elsewhere: false }
        })
    }

    pub(super) fn verify(&mut self, number: u32) -> Outcome {
        if let Some(fault) = self.faults.pop_front() {
            return Outcome::Failed(fault.failure(FailureKind::Unavailable));
        }
        let revision = self.revision(number);
        let accepted =
            self.client(&revision).is_some_and(|it| self.is_alive(it) && it.accepted_from <= self.now);
        Outcome::Tried { accepted }
    }

    pub(super) fn look_for_removal(&mut self, number: u32, beside: u32) -> Outcome {
        match [number, beside].map(|it| self.verify(it)) {
            [Outcome::Failed(failure), _] | [_, Outcome::Failed(failure)] => Outcome::Failed(failure),
            [Outcome::Tried { accepted: true }, _] => Outcome::Removed(Removed::NotYet),
            [_, Outcome::Tried { accepted: true }] => Outcome::Removed(Removed::Yes),
            _ => Outcome::Removed(Removed::Unproved),
        }
    }

    pub(super) fn revoke(&mut self, number: u32) -> Outcome {
        let fault = self.faults.pop_front();
        let revision = self.revision(number);
        if matches!(fault, None | Some(Fault::LostAfterEffect | Fault::Malformed)) {
            if self.client(&revision).is_some_and(|it| it.elsewhere) {
                self.fail("what another cluster may be using is revoked");
            }
            let clients = &mut self.remotes.get_mut(&*revision.account.name).unwrap().clients;
            clients.iter_mut().filter(|it| it.is(&revision)).for_each(|it| it.alive = false);
        }
        match fault {
            Some(fault) => Outcome::Failed(fault.failure(FailureKind::Unavailable)),
            None => Outcome::Revoked { said: true, still_accepted: Some(false) },
        }
    }

    pub(super) fn publish(&mut self, revision: u32, previous: Option<u32>, from: &str) -> Performed {
        let name = self.object.as_ref().unwrap().spec.target_name("orders").to_owned();
        let old = self.targets.iter().position(|it| it.view.name == name);
        let refused = |reason| Outcome::NotPublished { reason, message: "it cannot be written".to_owned() };
        if old.is_some_and(|old| !self.targets[old].view.ours) {
            return Performed::Outcome(refused(Reason::TargetForeign));
        }
        if self.template_is_broken {
            return Performed::Outcome(refused(Reason::TemplateInvalid));
        }
        let created_at =
            old.map(|old| self.targets.remove(old)).and_then(|it| it.view.created_at).or(Some(self.now));
        let intact = Some(Rendered { revision, from: from.to_owned() });
        let view = TargetView {
            name,
            ours: true,
            inherited: false,
            intact,
            immutable: false,
            terminating: false,
            created_at,
        };
        let id = self.revision(revision).id().map(str::to_owned);
        self.targets.push(Target { view, id, previous });
        if self.crashes(Crash::AfterPublication) {
            return Performed::Crashed;
        }
        Performed::Outcome(Outcome::Done)
    }
}

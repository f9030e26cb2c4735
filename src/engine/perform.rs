//! One step, performed. No policy here: each step says what to do, and each outcome says what came of it.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::{
    api::{ApiCredential, Reason},
    lifecycle::{
        Report,
        failure::{Failure, FailureKind},
        ledger::{Account, Answer, Edit, Revision, State},
        naming,
        plan::{FoundCredential, Outcome, Plan, Step},
        render::{self, WithSecret},
        skew,
        world::{Rendered, TargetView, World},
    },
    ops::metrics::{self, RotationOutcome},
    providers::{CreateRequest, Issued, Pair, Provider, Verdict},
};

use super::{
    Engine, EngineError,
    ledger::OpenLedger,
    seal::Secrets,
    stores::{Key, ProviderKey},
    target::Published,
};

/// How long to wait between attempts to write an answer down.
pub(super) const ANSWER_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// One pass over one object: what it has read and opened is kept for its length only.
pub struct Pass<'a> {
    pub(super) engine: &'a Engine,
    pub(super) key: Key,
    open: Option<OpenLedger>,
    /// Whether the object has come from the API server, not from a watch, since the pass began.
    confirmed: bool,
    /// The ledger's version that was decided on.
    pub(super) seen: Option<u64>,
    pub(super) inspected: Option<Option<TargetView>>,
    /// Whether our definitions are being deleted, once that is known.
    pub(super) uninstalling: Option<bool>,
}

impl Engine {
    /// Begins a pass.
    #[must_use]
    pub fn pass(&self, key: Key) -> Pass<'_> {
        Pass {
            engine: self,
            key,
            open: None,
            confirmed: false,
            seen: None,
            inspected: None,
            uninstalling: None,
        }
    }
}

impl Pass<'_> {
    /// Performs `step`.
    ///
    /// # Errors
    /// If Kubernetes is in the way. What a provider answers, good or bad, is an [`Outcome`].
    pub async fn perform(&mut self, world: &World, step: &Step) -> Result<Outcome, EngineError> {
        let object = || world.subject.object.as_deref().ok_or(EngineError::Gone("the object"));
        self.confirm_absence(world).await?;
        match step {
            Step::HoldObject => {
                self.engine.hold_object(object()?).await?;
                self.confirmed = true;
            }
            Step::Mint(revision) => return self.mint(object()?, revision).await,
            Step::Take(revision) => return self.take(world, object()?, revision).await,
            Step::Remind(_) => {}
            Step::CheckRemoval { revision, beside } => return self.check_removal(*revision, *beside).await,
            Step::Settle { revision } => return self.settle(world, *revision).await,
            Step::Verify { revision } => return self.verify(*revision).await,
            Step::Publish { revision, previous, from } => {
                let rendered = Rendered { revision: *revision, from: from.clone() };
                return self.publish(object()?, rendered, *previous).await;
            }
            Step::Record(edit) => {
                if let (Edit::StartRevoking { .. }, Some(object)) = (edit, world.subject.object.as_deref()) {
                    self.confirm(object).await?;
                    self.the_clock_is_right()?;
                }
                self.record(std::slice::from_ref(edit)).await?;
            }
            Step::Revoke { revision } => return self.revoke(*revision).await,
            Step::Abandon(it) => self.abandon(world, it).await?,
            Step::DeleteTarget { name } => self.engine.delete_target(&self.target_key(name)).await?,
            Step::ReleaseTarget { name } => self.engine.release_target(&self.target_key(name)).await?,
            Step::Inherit(inherited) => self.inherit(object()?, inherited).await?,
            Step::Recover(recovery) => {
                let recovered = self.recover(object()?, recovery).await;
                return or_refused(world, recovered);
            }
            Step::CopyLedger => self.copy_ledger().await?,
            Step::DropLedger => self.engine.drop_ledger(&self.key, self.seen).await?,
            Step::RestoreLedger => {
                let restored = self.engine.restore_ledger(object()?).await;
                return or_refused(world, restored.map(|()| Outcome::Done));
            }
            Step::RemoveCopy => self.engine.remove_copy(&self.key).await?,
            Step::ReleaseObject => self.engine.release_object(object()?).await?,
            Step::ReleaseLedger => self.engine.release_ledger(&self.key).await?,
        }
        Ok(Outcome::Done)
    }

    /// Writes down what a step came to. Returns when the account it concerned is to be probed.
    ///
    /// # Errors
    /// If the ledger cannot be written.
    pub async fn conclude(
        &mut self,
        world: &World,
        report: Report,
    ) -> Result<Option<(ProviderKey, jiff::Timestamp)>, EngineError> {
        self.engine.remember(&self.key, report.memory);
        if !report.edits.is_empty() {
            self.note(&report.edits).await?;
        }
        if let Some((why, done)) = report.rotation {
            let outcome = if done { RotationOutcome::Done } else { RotationOutcome::Failed };
            self.engine.metrics.rotated(why, outcome);
        }
        if let Some(object) = &world.subject.object {
            for note in &report.events {
                self.engine.publish_event(object, note).await;
            }
        }
        Ok(report.trouble.and_then(|trouble| {
            let (kind, name) = &trouble.account;
            let key = ProviderKey::resolve(*kind, name, &self.key.namespace);
            let until = self.engine.accounts.pause(&key, &trouble.failure, self.engine.now())?;
            Some((key, until))
        }))
    }

    /// Ends the pass: status says what the plan at rest says.
    ///
    /// # Errors
    /// If status cannot be written.
    pub async fn rest(&self, world: &World, plan: &Plan) -> Result<(), EngineError> {
        if world.subject.object.is_none() {
            self.engine.remember(&self.key, Default::default());
        }
        self.engine.write_status(world, plan).await
    }

    fn target_key(&self, name: &str) -> Key {
        Key { namespace: self.key.namespace.clone(), name: name.to_owned() }
    }

    /// Makes sure, once in a pass, that the object of a ledger is really gone before that is finished without it.
    async fn confirm_absence(&mut self, world: &World) -> Result<(), EngineError> {
        match &world.subject.object {
            None if !self.confirmed => {
                self.engine.confirm_absence(&self.key).await?;
                self.confirmed = true;
                Ok(())
            }
            Some(object)
                if world
                    .document()
                    .is_some_and(|it| Some(&it.object_uid) != object.metadata.uid.as_ref()) =>
            {
                self.confirm(object).await
            }
            _ => Ok(()),
        }
    }

    /// Makes sure, once in a pass, that the object is what the watch says it is.
    pub(super) async fn confirm(&mut self, object: &ApiCredential) -> Result<(), EngineError> {
        if !self.confirmed {
            self.engine.confirm_object(object).await?;
            self.confirmed = true;
        }
        Ok(())
    }

    /// The last answer of the API server may have shown that the clock was set since the decision.
    fn the_clock_is_right(&self) -> Result<(), EngineError> {
        let wrong = skew::is_wrong(self.engine.clock.skew());
        if wrong { Err(EngineError::Conflict("the clock")) } else { Ok(()) }
    }

    /// The open ledger, if it is the one that was decided on. What another writer has changed since is a conflict, never overwritten.
    pub(super) async fn open(&mut self) -> Result<OpenLedger, EngineError> {
        if let Some(open) = self.open.take()
            && Some(open.version()) == self.seen
        {
            return Ok(open);
        }
        let open = self.engine.read_ledger(&self.key).await?.ok_or(EngineError::Gone("the ledger"))?;
        if Some(open.version()) == self.seen { Ok(open) } else { Err(EngineError::Conflict("the ledger")) }
    }

    /// Keeps the ledger open for the rest of the pass.
    pub(super) fn hold(&mut self, open: OpenLedger) {
        self.open = Some(open);
    }

    /// From here on the ledger counts as it is now: what has happened is written down, whoever wrote in between. Returns whether
    /// somebody did.
    fn catch_up(&mut self) -> bool {
        let known = self.open.as_ref().map(OpenLedger::version).or(self.seen);
        self.seen = self.engine.stores.ledgers.get(&self.key).map(|entry| entry.version);
        known != self.seen
    }

    /// Writes down what a step came to, unless somebody else has done so already.
    async fn note(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let disturbed = self.catch_up();
        match self.record(edits).await {
            Err(EngineError::Illegal(_)) if disturbed => Err(EngineError::Conflict("the ledger")),
            written => written,
        }
    }

    async fn record(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let open = self.open().await?;
        self.open = Some(self.engine.write_ledger(&self.key, open, edits, None).await?);
        Ok(())
    }

    pub(super) fn driver(&self, account: &Account) -> Result<Arc<dyn Provider>, EngineError> {
        self.engine
            .accounts
            .driver(&ProviderKey::of_account(account, &self.key.namespace))
            .ok_or(EngineError::Gone("the provider"))
    }

    /// The intent goes into the ledger, the provider is called, the answer goes into the ledger; nothing else happens between.
    async fn mint(&mut self, object: &ApiCredential, revision: &Revision) -> Result<Outcome, EngineError> {
        let driver = self.driver(&revision.account)?;
        let provider = ProviderKey::of_account(&revision.account, &self.key.namespace);
        self.confirm(object).await?;
        self.the_clock_is_right()?;
        self.engine.ensure_leading().await?;
        self.engine.hold_account(&provider).await?;
        let intend = [Edit::Intend(Box::new(revision.clone()))];
        let open = if self.seen.is_some() {
            let open = self.open().await?;
            self.engine.write_ledger(&self.key, open, &intend, None).await?
        } else {
            self.engine.create_ledger(object, &intend, None).await?
        };
        self.open = Some(open);
        let now = self.engine.now();
        // Held or not: what is made after its provider has gone could not be revoked.
        let going = self.engine.stores.providers.get(&provider).is_none_or(|object| object.deleting());
        if going || now >= revision.intent.call_by {
            return self.too_late(revision).await;
        }
        let request = CreateRequest {
            name: revision.name.clone(),
            scopes: revision.request.scopes.clone(),
            expires_at: crate::lifecycle::asked_expiry(revision, driver.capabilities(), now),
            subnets: revision.request.subnets.clone(),
        };
        self.engine.ensure_leading().await?;
        let issued = driver.create(&request).await.and_then(|issued| {
            match self.cannot_be_true(&issued, revision.revision, driver.as_ref()) {
                Some(message) => Err(Failure { kind: FailureKind::Malformed, retry_after: None, message }),
                None => Ok(issued),
            }
        });
        let outcome = issued.as_ref().map_or_else(|failure| failure.kind.into(), |_| metrics::Outcome::Done);
        self.engine.meter(&provider).minted(outcome);
        let issued = match issued {
            Ok(issued) => issued,
            Err(failure) => return Ok(Outcome::Failed(failure)),
        };
        self.keep(revision, issued, driver.as_ref()).await?;
        Ok(Outcome::Done)
    }

    /// Nothing was sent. Whoever came in the meantime may have settled the intent already.
    async fn too_late(&mut self, revision: &Revision) -> Result<Outcome, EngineError> {
        self.catch_up();
        let open = self.open().await?;
        let is_ours = open.document.revision(revision.revision).is_some_and(|it| it.state == State::Intended);
        self.open = Some(open);
        if is_ours { Ok(Outcome::TooLate) } else { Err(EngineError::Conflict("the intent")) }
    }

    /// What a provider returned is checked before it is believed.
    fn cannot_be_true(&self, issued: &Issued, revision: u32, driver: &dyn Provider) -> Option<String> {
        let own = self.open.as_ref().and_then(|open| open.document.sibling(revision, &issued.client_id));
        if issued.client_id.is_empty() || issued.client_secret.expose_secret().is_empty() {
            Some("the provider answered with an empty client ID or secret".to_owned())
        } else if issued.expires_at.is_some_and(|at| at <= self.engine.now()) {
            Some("the provider answered with a credential that has expired already".to_owned())
        } else if driver.identity() == Some(&issued.client_id) || self.held_elsewhere(&issued.client_id) {
            Some(format!(
                "the provider answered with client {}, which belongs to someone else",
                issued.client_id
            ))
        } else {
            own.map(|own| {
                format!(
                    "the provider answered with client {}, which is {} already",
                    issued.client_id, own.name
                )
            })
        }
    }

    pub(super) fn held_elsewhere(&self, client_id: &str) -> bool {
        self.engine.stores.ledgers.held_by_another(client_id, &self.key)
    }

    /// Writes an answer down. This is never given up: the secret is in this process only. On a conflict the ledger is read
    /// again, and the answer attached to its intent, whatever has become of that.
    async fn keep(
        &mut self,
        revision: &Revision,
        issued: Issued,
        driver: &dyn Provider,
    ) -> Result<(), EngineError> {
        let answer = Answer {
            intent_id: revision.intent.id.clone(),
            client_id: issued.client_id,
            ids: issued.ids,
            fields: issued.fields,
            secret_aliases: issued.secret_aliases,
            expires_at: issued.expires_at,
        };
        let secrets = Secrets { client_secret: issued.client_secret, handle: issued.handle };
        let edits = [Edit::Answer(Box::new(answer.clone()))];
        let mut open = self.open.take();
        loop {
            let written = match open.take() {
                Some(open) => {
                    let keep = Some((revision.revision, secrets.clone()));
                    self.engine.write_ledger(&self.key, open, &edits, keep).await
                }
                None => Err(EngineError::Conflict("the ledger")),
            };
            let error = match written {
                Ok(open) => {
                    self.open = Some(open);
                    return Ok(());
                }
                Err(error) => error,
            };
            let again = match self.engine.read_ledger(&self.key).await {
                Ok(Some(there)) => Some(there),
                Ok(None) | Err(EngineError::Ledger(_)) => None,
                Err(_) => {
                    tokio::time::sleep(ANSWER_PAUSE).await;
                    open = None;
                    continue;
                }
            };
            let known =
                |open: &OpenLedger| open.document.revisions.iter().any(|it| it.intent.id == answer.intent_id);
            if !again.as_ref().is_some_and(known) {
                return self.give_back(revision, (&answer, &secrets), driver, error).await;
            }
            tracing::warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "an answer is written again");
            open = again;
            tokio::time::sleep(ANSWER_PAUSE).await;
        }
    }

    async fn settle(&mut self, world: &World, revision: u32) -> Result<Outcome, EngineError> {
        let revision = revision_of(world, revision)?;
        let driver = self.driver(&revision.account)?;
        // Its own name says under which tag it was made: that of an object before this one, or of another cluster, is another.
        let made_under = naming::parts(&revision.name).map(|(tag, _)| tag.to_owned());
        let found = match driver.find(&made_under.unwrap_or_else(|| world.tag())).await {
            Ok(found) => found,
            Err(failure) => return Ok(Outcome::Failed(failure)),
        };
        let own = |it: &str| world.document().and_then(|all| all.sibling(revision.revision, it));
        let credentials = found.into_iter().map(|it| FoundCredential {
            held_elsewhere: driver.identity() == Some(&it.client_id)
                || self.held_elsewhere(&it.client_id)
                || (it.name == revision.name && own(&it.client_id).is_some()),
            name: it.name,
            client_id: it.client_id,
            ids: it.ids,
        });
        Ok(Outcome::Found(credentials.collect()))
    }

    async fn verify(&mut self, revision: u32) -> Result<Outcome, EngineError> {
        let open = self.open().await?;
        let tried = self.tried(&open, revision).await;
        let before = open.document.revision(revision).filter(|it| it.refused_at.is_some()).cloned();
        self.open = Some(open);
        Ok(match (tried?, before) {
            (Ok(Verdict::Accepted), _) => Outcome::Tried { accepted: true },
            (Ok(Verdict::Refused), None) => Outcome::Tried { accepted: false },
            // Refused once more: that counts only if the account itself is well.
            (Ok(Verdict::Refused), Some(it)) => match self.driver(&it.account)?.probe().await {
                Ok(()) => Outcome::Tried { accepted: false },
                Err(failure) => Outcome::Failed(failure),
            },
            (Err(failure), _) => Outcome::Failed(failure),
        })
    }

    pub(super) async fn tried(
        &self,
        open: &OpenLedger,
        revision: u32,
    ) -> Result<Result<Verdict, Failure>, EngineError> {
        let it = open.document.revision(revision).ok_or(EngineError::Gone("the revision"))?;
        let secrets = open.material.get(revision).ok_or(EngineError::Gone("the secret"))?;
        let pair = Pair {
            client_id: it.client_id.clone().unwrap_or_default(),
            client_secret: secrets.client_secret.clone(),
            scopes: it.request.scopes.clone(),
        };
        Ok(self.driver(&it.account)?.verify(&pair).await)
    }

    async fn publish(
        &mut self,
        object: &ApiCredential,
        rendered: Rendered,
        previous: Option<u32>,
    ) -> Result<Outcome, EngineError> {
        let open = self.open().await?;
        let with_secret = |number: u32| {
            let revision = open.document.revision(number)?;
            Some(WithSecret { revision, client_secret: &open.material.get(number)?.client_secret })
        };
        let current = with_secret(rendered.revision).ok_or(EngineError::Gone("the secret"))?;
        let data = render::render(object.spec.secret.as_ref(), current, previous.and_then(with_secret));
        self.open = Some(open);
        let data = match data {
            Ok(data) => data,
            Err(error) => {
                let message = format!("{error}; correct it, and the Secret is written");
                return Ok(Outcome::NotPublished { reason: Reason::TemplateInvalid, message });
            }
        };
        match self.engine.write_target(object, &rendered, data).await {
            Ok(Published::Yes) => Ok(Outcome::Done),
            Ok(Published::Foreign) => {
                self.inspected = None;
                let name = object.spec.target_name(&self.key.name);
                let message =
                    format!("the Secret {name} exists and is not this object's; it is not overwritten");
                Ok(Outcome::NotPublished { reason: Reason::TargetForeign, message })
            }
            Err(error) if error.is_refusal() => {
                let why = error.status().map(|status| status.message.clone()).unwrap_or_default();
                let message = format!("the API server refuses the Secret: {why}");
                Ok(Outcome::NotPublished { reason: Reason::TargetRefused, message })
            }
            Err(error) => Err(error),
        }
    }
}

/// In a namespace that is going, too, no ledger can be made for an object that is: it goes without one.
fn or_refused(world: &World, done: Result<Outcome, EngineError>) -> Result<Outcome, EngineError> {
    match done {
        Err(error) if error.is_refusal() && world.deleting() => Ok(Outcome::Failed(Failure {
            kind: FailureKind::Forbidden,
            retry_after: None,
            message: error.to_string(),
        })),
        done => done,
    }
}

fn revision_of(world: &World, revision: u32) -> Result<&Revision, EngineError> {
    world.document().and_then(|document| document.revision(revision)).ok_or(EngineError::Gone("the revision"))
}

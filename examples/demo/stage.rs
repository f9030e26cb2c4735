//! The state of the demo: objects, ledgers, workloads and providers, read a few times a second.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use credwright::api::{ApiCredential, Reason};
use credwright_harness::operator::Operator;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;

use crate::{
    cast::Part,
    cluster::Cluster,
    consumer::{Consumer, Seen},
    screen::Screen,
    table,
};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The time limit for a step: twelve seconds between two rotations, and time for a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(45);

/// The number of replacements that each credential needs: by API, and by a person.
const ROTATIONS: (usize, usize) = (3, 1);

/// One ApiCredential of the show, and its workload.
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) part: Part,
    pub(crate) consumer: Option<Consumer>,
    pub(crate) now: View,
    /// Everything that has been seen so far.
    pub(crate) story: Story,
}

/// An object as it was last seen.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) object: Option<ApiCredential>,
    pub(crate) seen: Seen,
    pub(crate) held: BTreeSet<String>,
    pub(crate) listed: BTreeSet<String>,
}

#[derive(Default)]
pub(crate) struct Story {
    pub(crate) published: BTreeSet<u32>,
    pub(crate) revoked: BTreeSet<u32>,
    /// Those that someone asked for.
    pub(crate) requested: BTreeSet<u32>,
}

impl Story {
    /// Replacements that were published.
    pub(crate) fn rotations(&self) -> usize {
        self.published.len().saturating_sub(1)
    }
}

/// Everything at once.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) operator: Operator,
    pub(crate) screen: Screen,
    pub(crate) actors: Vec<Actor>,
}

impl Stage {
    /// Reads the state until `done` holds for all, and fails if that takes too long.
    pub(crate) async fn until(&mut self, what: &str, done: impl Fn(&Actor) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            self.look().await?;
            let Some(waiting) = self.actors.iter().find(|actor| !done(actor)) else { return Ok(()) };
            if began.elapsed() > SOON {
                let says = waiting.now.object.as_ref().map(table::in_words).unwrap_or_default();
                bail!("not seen of {} within {} s: {what}; {says}", waiting.name, SOON.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&mut self) -> Result<()> {
        self.operator.ensure_running()?;
        for index in 0..self.actors.len() {
            self.actors[index].now = self.view(&self.actors[index]).await?;
            for line in self.actors[index].take_notes() {
                self.screen.note(&line);
            }
        }
        self.screen.draw(&table::lines(&self.actors, self.screen.seconds()));
        Ok(())
    }

    /// Both sides, the ledger's first: a credential is in the ledger before and after it is at the
    /// provider.
    async fn view(&self, actor: &Actor) -> Result<View> {
        let objects: Api<ApiCredential> = self.cluster.api();
        Ok(View {
            object: objects.get_opt(&actor.name).await?,
            seen: actor.consumer.as_ref().map_or_else(|| actor.now.seen.clone(), Consumer::seen),
            listed: self.listed(&actor.name).await?,
            held: actor.part.account.held().await?,
        })
    }

    /// The client IDs of what a ledger lists as alive. Its document is plain JSON; only the secrets
    /// are sealed.
    async fn listed(&self, name: &str) -> Result<BTreeSet<String>> {
        let secrets: Api<Secret> = self.cluster.api();
        let Some(secret) = secrets.get_opt(&format!("{name}.credwright")).await? else {
            return Ok(BTreeSet::new());
        };
        let Some(ByteString(document)) = secret.data.and_then(|mut data| data.remove("document")) else {
            bail!("the ledger of {name} has no document");
        };
        let document: serde_json::Value = serde_json::from_slice(&document)?;
        let revisions = document["revisions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let alive = revisions.iter().filter(|it| !matches!(it["state"].as_str(), Some("Revoked" | "Absent")));
        Ok(alive.map(|it| it["clientId"].as_str().unwrap_or("not answered yet").to_owned()).collect())
    }
}

impl Actor {
    /// A part whose manifest was just applied.
    pub(crate) async fn new(cluster: &Cluster, name: &str, part: Part) -> Result<Self> {
        let object = cluster.api::<ApiCredential>().get(name).await.context("what was applied")?;
        let target = object.spec.target_name(name).to_owned();
        let consumer = Some(Consumer::start(cluster.api(), &target, part.request)?);
        Ok(Self {
            name: name.to_owned(),
            target,
            part,
            consumer,
            now: View::default(),
            story: Story::default(),
        })
    }

    /// Returns whether a person creates its credentials.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.part.account.portal().is_some()
    }

    /// Returns the number of replacements that it needs.
    pub(crate) fn promised(&self) -> usize {
        if self.is_by_hand() { ROTATIONS.1 } else { ROTATIONS.0 }
    }

    /// Returns the instructions for a person, if they are for this reason.
    pub(crate) fn asks(&self, reason: Reason) -> Option<&str> {
        let status = self.now.object.as_ref()?.status.as_ref()?;
        let asks = status.conditions.iter().find(|it| it.type_ == "ActionRequired" && it.status == "True")?;
        (asks.reason == reason.as_str()).then_some(asks.message.as_str())
    }

    /// Returns whether `count` old pairs worked beside the new one and were refused afterwards.
    pub(crate) fn has_ended(&self, count: usize) -> bool {
        self.now.seen.ends.len() >= count && self.story.revoked.len() >= count
    }

    /// Returns whether provider and ledger list the same credentials.
    pub(crate) fn is_accounted_for(&self) -> bool {
        !self.now.listed.is_empty() && self.now.held == self.now.listed
    }

    /// The workload is taken down.
    pub(crate) fn stop_consumer(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            self.now.seen = consumer.seen();
        }
    }

    /// Notes what is new in the story, in words.
    fn take_notes(&mut self) -> Vec<String> {
        let Some(status) = self.now.object.as_ref().and_then(|object| object.status.as_ref()) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for credential in status.credentials.iter().rev() {
            if credential.reason == Reason::Requested {
                self.story.requested.insert(credential.revision);
            }
            let is_news = match credential.state.as_str() {
                "Active" => self.story.published.insert(credential.revision),
                "Revoked" => self.story.revoked.insert(credential.revision),
                _ => false,
            };
            if is_news {
                lines.push(format!("{:<14} {}", self.name, table::sentence(credential, status)));
            }
        }
        lines
    }
}

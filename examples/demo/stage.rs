//! What is to be seen: the objects, their ledgers, the workloads and the providers, looked at a few times a second.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use credwright::api::{ApiCredential, Reason};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;

use crate::{
    cluster::Cluster,
    consumer::{Consumer, Seen},
    operator::Operator,
    providers::{Providers, Which},
    screen::Screen,
    table,
};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// One ApiCredential of the show, and its workload.
pub(crate) struct Actor {
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) which: Which,
    pub(crate) consumer: Option<Consumer>,
    pub(crate) now: View,
    /// What has been seen at any time.
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
    /// Those that someone asked for.
    pub(crate) requested: BTreeSet<u32>,
    /// What each revision was last said to be, so that lines are printed for changes only.
    told: BTreeMap<u32, String>,
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
    pub(crate) providers: Providers,
    pub(crate) operator: Operator,
    pub(crate) screen: Screen,
    pub(crate) actors: Vec<Actor>,
}

impl Stage {
    /// Looks at everything until `done`, and fails if that takes too long.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        done: impl Fn(&[Actor]) -> bool,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            self.look().await?;
            if done(&self.actors) {
                return Ok(());
            }
            if began.elapsed() > deadline {
                bail!("not seen within {} s: {what}", deadline.as_secs());
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

    /// Both sides, the ledger's first: a credential is in the ledger before and after it is at the provider.
    async fn view(&self, actor: &Actor) -> Result<View> {
        let objects: Api<ApiCredential> = self.cluster.api();
        Ok(View {
            object: objects.get_opt(actor.name).await?,
            seen: actor.consumer.as_ref().map_or_else(|| actor.now.seen.clone(), Consumer::seen),
            listed: self.listed(actor.name).await?,
            held: self.providers.held(actor.which).await?,
        })
    }

    /// The client IDs of what a ledger lists as alive. Its document is plain JSON; only the secrets are sealed.
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
    pub(crate) fn new(
        cluster: &Cluster,
        name: &'static str,
        target: &'static str,
        which: Which,
    ) -> Result<Self> {
        let consumer = Some(Consumer::start(cluster.api(), target, which)?);
        Ok(Self { name, target, which, consumer, now: View::default(), story: Story::default() })
    }

    /// The workload is taken down.
    pub(crate) fn stop_consumer(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            self.now.seen = consumer.seen();
        }
    }

    /// Whether provider and ledger agree, credential for credential.
    pub(crate) fn is_accounted_for(&self) -> bool {
        !self.now.listed.is_empty() && self.now.held == self.now.listed
    }

    /// Notes what has changed in the story, in words.
    fn take_notes(&mut self) -> Vec<String> {
        let Some(object) = &self.now.object else { return Vec::new() };
        let Some(status) = &object.status else { return Vec::new() };
        self.story.published.extend(status.revision);
        let mut lines = Vec::new();
        for credential in status.credentials.iter().rev() {
            if credential.reason == Reason::Requested {
                self.story.requested.insert(credential.revision);
            }
            let told = self.story.told.insert(credential.revision, credential.state.clone());
            if told.as_ref() != Some(&credential.state) {
                lines.push(format!("{:<8} {}", self.name, table::sentence(credential)));
            }
        }
        lines
    }
}

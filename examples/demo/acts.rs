//! The show, act by act. What two acts could do one after the other happens at the same time.

use anyhow::{Context, Result, anyhow};
use credwright::api::Reason;

use crate::{
    cast::Part,
    manifests, person,
    stage::{Actor, Stage},
    token::Pair,
};

/// The patch that requests a new credential.
const PATCH: &str = r#"{"spec":{"rotation":{"request":"the laptop was stolen"}}}"#;

/// The manifests that a user would write, with a month made into twenty seconds.
pub(crate) async fn apply(stage: &mut Stage, parts: Vec<Part>) -> Result<()> {
    stage
        .screen
        .step("Six manifests of examples/ are applied, with the values of a user and with short lifetimes.");
    for part in parts {
        let (text, shown) = manifests::read(part.file, &part.changes)?;
        let applied = stage.cluster.kubectl(&["apply", "-f", "-", "--output=name"], Some(text.as_bytes()))?;
        let name = applied.lines().find_map(|line| line.strip_prefix("apicredential.credwright.dev/"));
        let name = name.with_context(|| format!("{} has no ApiCredential", part.file))?.to_owned();
        let changes = shown.join(&format!("\n{:<43}", ""));
        stage.screen.show(&format!("{:<28}{name:<15}{changes}", part.file));
        let actor = Actor::new(&stage.cluster, &name, part).await?;
        stage.actors.push(actor);
    }
    stage.screen.show(
        "With an API: lifetime is 20s instead of 720h, renewBefore 8s and overlap 4s. Logins are not shown.",
    );
    Ok(())
}

pub(crate) async fn issue(stage: &mut Stage) -> Result<()> {
    stage
        .screen
        .step("Four credentials are issued by API, verified and published. Workloads use them all the time.");
    let in_use = |actor: &Actor| actor.now.seen.accepted > 0;
    stage
        .until("a credential in use, or what a person has to do", |actor| {
            if actor.is_by_hand() { actor.asks(Reason::IntakeAwaited).is_some() } else { in_use(actor) }
        })
        .await?;

    stage.screen.step(
        "Two providers have no API for credentials. The condition ActionRequired has steps for a person.",
    );
    for index in by_hand(stage) {
        let asked = stage.actors[index].asks(Reason::IntakeAwaited).context("nothing is asked")?.to_owned();
        stage.screen.tell(&format!("{}: {}", stage.actors[index].name, person::as_a_list(&asked)));
        make(stage, index, &asked)?;
        stage.screen.show(" ");
    }
    stage.until("a credential in use", in_use).await?;

    stage.screen.step("Each Secret has the values that workloads need at that provider.");
    for Actor { name, target, now, .. } in &stage.actors {
        let keys = now.seen.current.as_ref().map(Pair::keys).unwrap_or_default();
        stage.screen.show(&format!("{name:<15}Secret {target}: {keys}"));
    }
    Ok(())
}

pub(crate) async fn rotate(stage: &mut Stage) -> Result<()> {
    stage.screen.step(
        "After 12 s the four are replaced. Old and new both work for 4 s, then the old one is revoked.",
    );
    stage.until("a rotation from end to end", |actor| actor.is_by_hand() || actor.has_ended(1)).await?;

    stage.screen.step("A user requests new ones now. Each new text in spec.rotation.request rotates once.");
    for index in asked_to_rotate(stage) {
        let name = &stage.actors[index].name;
        stage.cluster.kubectl(&["patch", "apicred", name, "--type=merge", "--patch", PATCH], None)?;
        let line = format!("$ kubectl patch apicred {name} --type=merge --patch '{PATCH}'");
        stage.screen.show(&line);
    }
    stage
        .until("what a person has to do", |actor| {
            !actor.is_by_hand() || actor.asks(Reason::IntakeAwaited).is_some()
        })
        .await?;
    for index in by_hand(stage) {
        let asked = stage.actors[index].asks(Reason::IntakeAwaited).context("nothing is asked")?.to_owned();
        let why = asked.split(". To do: ").next().unwrap_or_default();
        stage.screen.tell(&format!("{}: {why}. To do: as before.", stage.actors[index].name));
        make(stage, index, &asked)?;
    }
    stage
        .until("what someone asked for, and both credentials beside each other", |actor| {
            let is_done = |count| actor.story.rotations() >= count && actor.now.seen.overlaps.len() >= count;
            if actor.is_by_hand() { is_done(actor.promised()) } else { true }
        })
        .await
}

/// The person's part in the end of an old credential.
pub(crate) async fn remove(stage: &mut Stage) -> Result<()> {
    stage
        .screen
        .step("Eight seconds later a person has to remove two old credentials. ActionRequired says so.");
    let asks = |actor: &Actor| actor.asks(Reason::RemovalAwaited).is_some();
    stage.until("what a person has to remove", |actor| !actor.is_by_hand() || asks(actor)).await?;
    for index in by_hand(stage) {
        let actor = &stage.actors[index];
        let asked = actor.asks(Reason::RemovalAwaited).context("nothing is asked")?.to_owned();
        let client = person::client(&asked)?;
        let name = actor.name.clone();
        stage.screen.tell(&format!("{name}: {asked}"));
        delete_in_portal(stage, index, client)?;
        if stage.actors[index].part.says_so {
            stage.screen.tell(&format!(
                "The person deletes it in the portal, and confirms it:\n$ {}",
                person::say_so(&asked)?
            ));
        } else {
            stage
                .screen
                .tell("The person deletes it in the portal. Credwright checks it four times a minute.");
        }
        stage.screen.show(" ");
    }

    stage.screen.step("The rotations continue until each of the four has been replaced three times.");
    stage
        .until("all rotations that were promised", |actor| {
            let count = actor.promised();
            actor.story.rotations() >= count && actor.has_ended(count)
        })
        .await
}

/// The books, and what kubectl shows.
pub(crate) async fn look(stage: &mut Stage) -> Result<()> {
    stage.screen.step("Providers and ledgers list the same credentials.");
    stage.until("providers and ledgers that agree", Actor::is_accounted_for).await?;
    for Actor { name, part, now, .. } in &stage.actors {
        let (held, listed) = (now.held.len(), now.listed.len());
        stage.screen.show(&format!("{name:<15}{:<15}holds {held}, the ledger lists {listed}", part.title));
    }
    stage.screen.step("The user sees this.");
    let first = stage.actors[0].name.clone();
    let events = format!("apicredential/{first}");
    for command in [&["get", "apicred"][..], &["events", "--for", &events]] {
        let output = stage.cluster.kubectl(command, None)?;
        stage.screen.show(&format!("$ kubectl {}\n{output}", command.join(" ")));
        stage.screen.show(" ");
    }
    Ok(())
}

/// Plays the person who makes a credential.
fn make(stage: &mut Stage, index: usize, asked: &str) -> Result<()> {
    let actor = &stage.actors[index];
    let form = person::form(asked)?;
    let portal = actor.part.account.portal().context("a portal")?;
    let pair = portal.create(&form).map_err(|why| anyhow!("the portal says: {why}"))?;
    person::store(asked, &pair)?;
    let line = format!(
        "The person fills in the portal's form ({}) and stores the pair with that command: client {}",
        person::in_words(&form),
        pair.client_id
    );
    stage.screen.tell(&line);
    Ok(())
}

pub(crate) fn delete_in_portal(stage: &Stage, index: usize, client: &str) -> Result<()> {
    let portal = stage.actors[index].part.account.portal().context("a portal")?;
    anyhow::ensure!(portal.delete(client), "the portal does not know {client}");
    Ok(())
}

pub(crate) fn by_hand(stage: &Stage) -> Vec<usize> {
    (0..stage.actors.len()).filter(|index| stage.actors[*index].is_by_hand()).collect()
}

/// The first, and all that a person has a part in.
pub(crate) fn asked_to_rotate(stage: &Stage) -> Vec<usize> {
    (0..stage.actors.len()).filter(|index| *index == 0 || stage.actors[*index].is_by_hand()).collect()
}

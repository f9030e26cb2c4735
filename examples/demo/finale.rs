//! The end: everything is deleted, and what was promised is compared with what was seen.

use anyhow::{Context, Result};
use credwright_harness::wait;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;

use crate::{
    acts,
    stage::{Actor, SOON, Stage},
    token::{Pair, http},
    verdict::Verdict,
};

pub(crate) async fn delete(stage: &mut Stage, verdict: &mut Verdict) -> Result<()> {
    stage.screen.step("Workloads are stopped and all ApiCredentials deleted. Credentials are revoked first.");
    for actor in &mut stage.actors {
        actor.stop_consumer();
    }
    verdict.of_the_workloads(&stage.actors);
    stage.screen.show("$ kubectl delete apicred --all");
    stage.cluster.kubectl(&["delete", "apicred", "--all", "--wait=false"], None)?;
    let is_over =
        |actor: &Actor| actor.now.object.is_none() && actor.now.held.is_empty() != actor.is_by_hand();
    stage.until("the end of the object", is_over).await?;
    for index in 0..stage.actors.len() {
        let (name, target) = (&stage.actors[index].name, &stage.actors[index].target);
        wait::until("the Secrets to go", SOON, async || {
            Ok(stage.cluster.is_gone(name, target).await?.then_some(()))
        })
        .await?;
    }
    for index in 0..stage.actors.len() {
        let left =
            if stage.actors[index].is_by_hand() { Some(left_behind(stage, index).await?) } else { None };
        let actor = &stage.actors[index];
        let answer = actor.part.request.send(&http()?, last_pair(actor)?).await?;
        let held = actor.part.account.held().await?.len();
        let is_refused = matches!(answer, 400 | 401);
        let text = format!("{answer}, holds {held}");
        let line = format!(
            "{:<14} {} holds {held}, and answers {answer} to the last pair",
            actor.name, actor.part.title
        );
        stage.screen.show(&line);
        verdict.after_deletion(index, (is_refused && held == 0, text), left);
    }
    stage.until("providers that hold nothing of ours", |actor| actor.now.held.is_empty()).await
}

/// Has the person remove the credential that the Event names. Returns whether it worked until then.
async fn left_behind(stage: &mut Stage, index: usize) -> Result<bool> {
    let actor = &stage.actors[index];
    let pair = last_pair(actor)?.clone();
    let client = pair.client_id()?.to_owned();
    let events = stage.cluster.api::<Event>();
    let warnings = ListParams::default().fields(&format!("involvedObject.name={},type=Warning", actor.name));
    let note = wait::until("the Event that says what is left behind", SOON, async || {
        let notes = events.list(&warnings).await?.into_iter().filter_map(|it| it.message);
        Ok(notes.into_iter().find(|note| note.contains(&client) && note.contains("remove it at")))
    })
    .await?;
    let answer = actor.part.request.send(&http()?, &pair).await?;
    let name = actor.name.clone();
    stage.screen.tell(&format!("{name}: an Event says: {note}. The person does."));
    acts::delete_in_portal(stage, index, crate::person::client(&note)?)?;
    Ok(answer == 200)
}

fn last_pair(actor: &Actor) -> Result<&Pair> {
    actor.now.seen.current.as_ref().context("the workload had a pair")
}

pub(crate) async fn end(stage: Stage, mut verdict: Verdict) -> Result<bool> {
    let Stage { operator, mut screen, .. } = stage;
    screen.leave_table();
    let stopped = operator.stop().await;
    verdict.promise(stopped.is_ok(), "the operator stopped on request".to_owned());
    screen.step("Promises and results:");
    screen.show(&verdict.lines());
    screen.show(&format!("{:.0} s", screen.seconds()));
    Ok(verdict.holds())
}

//! `make demo`: the operator's real binary issues, publishes, rotates and revokes credentials before your eyes.
//!
//! It takes about a minute, ends by itself and leaves nothing running. It succeeds only if everything that it says was
//! seen; what it checks is listed at its end.
#![expect(clippy::disallowed_methods, reason = "the demo runs on real time, outside of the operator")]

mod cluster;
mod consumer;
mod manifests;
#[path = "../support/operator.rs"]
#[expect(dead_code, reason = "the demo does not measure")]
mod operator;
mod providers;
mod screen;
mod stage;
mod table;
mod verdict;

use std::{fs, process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use self::{
    cluster::Cluster,
    manifests::{Change, Manifest, in_seconds},
    operator::Operator,
    providers::{Providers, Which},
    screen::Screen,
    stage::{Actor, Stage},
    verdict::Verdict,
};

/// The whole show, from the first line to the last.
const LIMIT: Duration = Duration::from_secs(110);
/// Twelve seconds between two rotations, and time for a crowded machine.
const SOON: Duration = Duration::from_secs(40);

const ORDERS: usize = 0;

/// How often each credential has to be seen replaced.
const ROTATIONS: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    let mut screen = Screen::new();
    let cluster = Cluster::enter().await?;
    screen.step("Credwright makes API credentials, keeps them in Secrets, replaces them in time, and revokes the old.");
    screen.show(&format!("cluster {}, namespace {}", cluster.url, cluster.namespace));
    if !cluster.is_thrown_away {
        screen.show(if cluster.had_definitions {
            "its custom resource definitions were there before and stay; another Credwright in this cluster would join in"
        } else {
            "the custom resource definitions and the namespace are removed at the end"
        });
    }
    // Whatever has been started is ended when this is dropped.
    let shown = tokio::select! {
        shown = timeout(LIMIT, show(cluster.clone(), screen)) => {
            shown.unwrap_or_else(|_| Err(anyhow!("the show took longer than {} s", LIMIT.as_secs())))
        }
        () = interrupted(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?) => {
            Err(anyhow!("interrupted"))
        }
    };
    let left = cluster.leave().await;
    let shown = shown?;
    left?;
    Ok(shown)
}

async fn interrupted(mut interrupt: Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn show(cluster: Cluster, screen: Screen) -> Result<bool> {
    let mut stage = set_up(cluster, screen).await?;
    apply(&mut stage)?;
    rotate(&mut stage).await?;
    as_a_user_sees_it(&mut stage).await?;
    let mut verdict = Verdict::default();
    verdict.of_the_rotations(&stage.actors);
    delete(&mut stage, &mut verdict).await?;
    end(stage, verdict).await
}

/// The API, the providers, the operator.
async fn set_up(cluster: Cluster, mut screen: Screen) -> Result<Stage> {
    if !cluster.had_definitions {
        screen.step("The cluster learns what an ApiCredential is: `credwright crds | kubectl apply --server-side -f -`.");
        cluster.install_definitions().await?;
    }
    screen.step("Two providers are started: a simulated Spreetail, and oidc-provider, a real OAuth server.");
    let providers = Providers::start().await?;
    screen.show(&format!(
        "{:<14} {}\n{:<14} {}",
        Which::Spreetail.name(),
        providers.spreetail.base_url(),
        Which::Oidc.name(),
        providers.oidc.issuer
    ));
    screen.step("The operator is started, as it would run in the cluster.");
    let folder = operator::build_folder()?.join("demo");
    fs::create_dir_all(&folder)?;
    let log = folder.join("operator.log");
    // The providers are on loopback, where an operator does not go by itself.
    let arguments = [
        "--operator-namespace",
        &cluster.namespace,
        "--namespace",
        &cluster.namespace,
        "--allow-egress",
        "127.0.0.0/8",
    ];
    screen.show(&format!("credwright run {}\nits log: {}", arguments.join(" "), log.display()));
    let operator = Operator::start(&arguments, None, &log).await?;
    let actors = vec![
        Actor::new(&cluster, "orders", "orders-api", Which::Spreetail)?,
        Actor::new(&cluster, "reports", "reports-oauth", Which::Oidc)?,
    ];
    Ok(Stage { cluster, providers, operator, screen, actors })
}

/// The manifests that a user would write, with a month made into twenty seconds.
fn apply(stage: &mut Stage) -> Result<()> {
    stage.screen.step("Two manifests of examples/ are applied; what a user would fill in is filled in, and time is made short.");
    let login = stage.providers.spreetail.login();
    let issuer = &stage.providers.oidc.issuer;
    let mut spreetail = vec![
        Change::new("https://api.spreetail.com", stage.providers.spreetail.base_url()),
        Change::secret("REPLACE-WITH-YOUR-CLIENT-ID", &login.client_id),
        Change::secret("REPLACE-WITH-YOUR-CLIENT-SECRET", &login.client_secret),
    ];
    spreetail.extend(in_seconds());
    let mut oauth = vec![
        Change::new("https://login.example.com", issuer),
        Change::secret("REPLACE-WITH-YOUR-INITIAL-ACCESS-TOKEN", stage.providers.initial_access_token()),
    ];
    oauth.extend(in_seconds());
    for (file, changes) in [("spreetail.yaml", spreetail), ("oauth-registration.yaml", oauth)] {
        let manifest = Manifest::read(file, &changes)?;
        stage.screen.show(&format!("{}\n  {}", manifest.file, manifest.changes.join("\n  ")));
        let applied = stage.cluster.kubectl(&["apply", "-f", "-"], Some(manifest.text.as_bytes()))?;
        stage.screen.show(&applied);
    }
    Ok(())
}

async fn rotate(stage: &mut Stage) -> Result<()> {
    stage.screen.step(
        "Each credential is issued, tried, and published in a Secret; a workload asks for a token with it all the time.",
    );
    let working = |actor: &Actor| actor.now.seen.accepted > 0;
    stage.until("both credentials in use", SOON, |actors| actors.iter().all(working)).await?;

    stage.screen.step(
        "Twelve seconds later each is replaced: for four seconds old and new both work, then the old one is revoked.",
    );
    let ended = |count: usize| move |actor: &Actor| actor.now.seen.ends.len() >= count;
    stage.until("a rotation from end to end", SOON, |actors| actors.iter().all(ended(1))).await?;

    stage.screen.step("Someone wants a new one now: a new text in spec.rotation.request rotates once.");
    let patch = r#"{"spec":{"rotation":{"request":"the laptop was stolen"}}}"#;
    let patched =
        stage.cluster.kubectl(&["patch", "apicred", "orders", "--type=merge", "--patch", patch], None)?;
    stage.screen.show(&format!("kubectl patch apicred orders --type=merge --patch '{patch}'\n{patched}"));
    stage
        .until("the rotation that was asked for", SOON, |actors| !actors[ORDERS].story.requested.is_empty())
        .await?;

    stage.screen.step("And on it goes by itself, until each has been replaced three times.");
    stage
        .until("three rotations of each", SOON, |actors| {
            actors.iter().all(|actor| actor.story.rotations() >= ROTATIONS && ended(ROTATIONS)(actor))
        })
        .await
}

/// The books, and what kubectl shows.
async fn as_a_user_sees_it(stage: &mut Stage) -> Result<()> {
    stage.screen.step("What the providers hold is what the ledgers list, credential for credential.");
    stage
        .until("providers and ledgers agree", SOON, |actors| actors.iter().all(Actor::is_accounted_for))
        .await?;
    for actor in &stage.actors {
        let (held, listed) = (actor.now.held.len(), actor.now.listed.len());
        let line =
            format!("{:<8} {} holds {held}, the ledger lists {listed}", actor.name, actor.which.name());
        stage.screen.show(&line);
    }
    stage.screen.step("This is what a user sees.");
    for command in [&["get", "apicred"][..], &["events", "--for", "apicredential/reports"]] {
        let output = stage.cluster.kubectl(command, None)?;
        stage.screen.show(&format!("$ kubectl {}\n{output}", command.join(" ")));
        stage.screen.show(" ");
    }
    Ok(())
}

async fn delete(stage: &mut Stage, verdict: &mut Verdict) -> Result<()> {
    stage.screen.step("The workload `orders` is taken down and its ApiCredential deleted: its credentials are revoked first.");
    let orders = &mut stage.actors[ORDERS];
    orders.stop_consumer();
    verdict.of_the_workload(orders);
    let pair = orders.now.seen.current.clone().context("the workload had a pair")?.1;
    let deleted = stage.cluster.kubectl(&["delete", "apicred", "orders", "--wait=false"], None)?;
    stage.screen.show(&deleted);
    gone(stage, ORDERS).await?;
    let answer = providers::ask_for_token(&providers::http()?, Which::Spreetail, &pair).await?;
    stage.screen.show(&format!(
        "object, ledger and Secret are gone; Spreetail holds 0 credentials, and says {answer} to the last pair"
    ));
    let events = stage.cluster.kubectl(&["events", "--for", "apicredential/orders"], None)?;
    let last: Vec<&str> = events.lines().rev().take(2).collect();
    stage.screen.show("$ kubectl events --for apicredential/orders | tail -2");
    last.iter().rev().for_each(|line| stage.screen.show(line));
    verdict.promise(
        answer == 401,
        format!("after deletion the provider refuses the last pair ({answer}) and holds 0"),
    );
    Ok(())
}

/// Waits until nothing is left of an object, here or at its provider.
async fn gone(stage: &mut Stage, index: usize) -> Result<()> {
    let none = |actors: &[Actor]| actors[index].now.object.is_none() && actors[index].now.held.is_empty();
    stage.until("the credentials to be revoked", SOON, none).await?;
    let (name, target) = (stage.actors[index].name, stage.actors[index].target);
    credwright_harness::wait::until("the Secrets to go", SOON, async || {
        Ok(stage.cluster.is_gone(name, target).await?.then_some(()))
    })
    .await
}

async fn end(mut stage: Stage, mut verdict: Verdict) -> Result<bool> {
    stage.screen.step("The other one is deleted too, the operator is stopped, and nothing is left.");
    let reports = ORDERS + 1;
    stage.actors[reports].stop_consumer();
    verdict.of_the_workload(&stage.actors[reports]);
    stage.cluster.kubectl(&["delete", "apicred", "reports", "--wait=false"], None)?;
    gone(&mut stage, reports).await?;
    verdict.promise(true, "at the end no provider holds a credential of ours".to_owned());
    let Stage { operator, mut screen, .. } = stage;
    screen.leave_table();
    let stopped = operator.stop().await;
    verdict.promise(stopped.is_ok(), "the operator stopped when it was told to".to_owned());
    screen.step("What was promised, and seen:");
    screen.show(&verdict.lines());
    screen.show(&format!("{:.0} s", screen.seconds()));
    Ok(verdict.holds())
}

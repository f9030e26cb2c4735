//! `make demo`: the operator's real binary issues, publishes, rotates and revokes credentials
//! before your eyes, at six providers side by side. At two of them a person has a part, which the
//! show plays by what Credwright tells it.
//!
//! It takes about a minute, ends by itself and leaves nothing running. It succeeds only if
//! everything that it says was seen; what it checks is listed at its end.
#![expect(clippy::disallowed_methods, reason = "the demo runs on real time, outside of the operator")]

mod acts;
mod build;
mod cast;
mod cluster;
mod consumer;
mod finale;
mod manifests;
mod person;
mod screen;
mod stage;
mod table;
mod token;
mod verdict;

use std::{fs, process::ExitCode, time::Duration};

use anyhow::{Result, anyhow};
use credwright_harness::operator::Operator;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use self::{cast::Part, cluster::Cluster, screen::Screen, stage::Stage, verdict::Verdict};

/// The whole show, from the first line to the last.
const LIMIT: Duration = Duration::from_secs(150);

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
    screen.step("Credwright issues API credentials, publishes them in Secrets, rotates them and revokes the old ones.");
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
    let (mut stage, parts) = set_up(cluster, screen).await?;
    acts::apply(&mut stage, parts).await?;
    acts::issue(&mut stage).await?;
    acts::rotate(&mut stage).await?;
    acts::remove(&mut stage).await?;
    acts::look(&mut stage).await?;
    let mut verdict = Verdict::default();
    verdict.of_the_rotations(&stage.actors, &acts::asked_to_rotate(&stage));
    finale::delete(&mut stage, &mut verdict).await?;
    finale::end(stage, verdict).await
}

/// The API, the providers, the operator.
async fn set_up(cluster: Cluster, mut screen: Screen) -> Result<(Stage, Vec<Part>)> {
    if !cluster.had_definitions {
        screen.step("The CRDs are installed: `credwright crds | kubectl apply --server-side -f -`.");
        cluster.install_definitions().await?;
    }
    screen.step("Six providers are started: five are simulated, and oidc-provider is a real OAuth server.");
    let parts = cast::gather().await?;
    for part in &parts {
        let has =
            if part.account.portal().is_some() { "a portal for people" } else { "an API for credentials" };
        screen.show(&format!("{:<15} {:<25} {has}", part.title, part.account.url()));
    }
    screen.step("The operator is started, as it would run in the cluster.");
    let folder = build::folder()?.join("demo");
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
    let operator = Operator::start(&build::binary()?, &arguments, None, &log).await?;
    Ok((Stage { cluster, operator, screen, actors: Vec::new() }, parts))
}

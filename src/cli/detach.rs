//! `credwright detach`: takes Credwright's hold off everything, before it is uninstalled.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use kube::Client;

use super::place::Place;
use crate::engine::{
    connection::{bounded, configuration},
    detach::{Detached, detach, stop},
};

/// How long an operator that is still running gets to take hold again, so that it is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What to let go of.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,

    /// The Deployment that runs the operator, in --operator-namespace: it is scaled to 0 first, and its pods are waited for.
    #[arg(long, env = "CREDWRIGHT_STOP_DEPLOYMENT", value_name = "NAME")]
    stop_deployment: Option<String>,
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    super::block_on(run(arguments))
}

/// A second look tells whether an operator is still there: it would put back what was taken off.
async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let place = &arguments.place;
    // No answer that was lost matters here: whatever is done twice is done once.
    let mut config = bounded(configuration().await?);
    config.default_retry = true;
    let client = Client::try_from(config)?;
    if let Some(name) = &arguments.stop_deployment {
        stop(&client, &place.operator_namespace, name).await?;
        println!("stopped the Deployment {name}");
    }
    let let_go = || detach(&client, &place.namespace, &place.role_binding);
    let Detached { secrets, credentials, providers, role_bindings, skipped } = let_go().await?;
    if !skipped.is_empty() {
        println!("no rights in {}: nothing was looked for there", skipped.join(", "));
    }
    println!(
        "let go of {secrets} Secrets, {credentials} ApiCredentials, {providers} providers and {role_bindings} RoleBindings"
    );
    tokio::time::sleep(LOOK_AGAIN).await;
    if let_go().await?.is_nothing() {
        println!(
            "Every Secret and every credential is as it was. Nothing rotates or revokes them from now on."
        );
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "credwright: some were held again at once, so an operator is still running: stop it (scale its Deployment to 0), \
         then run this again"
    );
    Ok(ExitCode::FAILURE)
}

//! `credwright detach`: removes Credwright's finalizers and owner references from everything,
//! before it is uninstalled.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use kube::Client;

use super::place::Place;
use crate::engine::{
    connection::{bounded, configuration},
    detach::{Detached, detach, stop},
};

/// The time in which an operator that still runs would add them again, and be noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The objects to detach.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,

    /// The Deployment of the operator in --operator-namespace. It is scaled to 0 first, and detach
    /// waits until its pods are gone.
    #[arg(long, env = "CREDWRIGHT_STOP_DEPLOYMENT", value_name = "NAME")]
    stop_deployment: Option<String>,
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    super::block_on(run(arguments))
}

/// Detaches twice: if there is something to detach the second time, an operator still runs and has
/// added it again.
async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let place = &arguments.place;
    // A lost response does no harm here, because every write can be repeated.
    let mut config = bounded(configuration().await?);
    config.default_retry = true;
    let client = Client::try_from(config)?;
    if let Some(name) = &arguments.stop_deployment {
        stop(&client, &place.operator_namespace, name).await?;
        println!("stopped the Deployment {name}");
    }
    let detached = || detach(&client, &place.namespace, &place.role_binding);
    let Detached { secrets, credentials, providers, role_bindings, skipped } = detached().await?;
    if !skipped.is_empty() {
        println!("no rights in {}: skipped", skipped.join(", "));
    }
    println!(
        "detached {secrets} Secrets, {credentials} ApiCredentials, {providers} providers and {role_bindings} RoleBindings"
    );
    tokio::time::sleep(LOOK_AGAIN).await;
    if detached().await?.is_nothing() {
        println!(
            "Every Secret and every credential is as it was. Nothing rotates or revokes them from now on."
        );
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "credwright: some finalizers were added again at once, so an operator is still running: stop it (scale its Deployment \
         to 0), then run this again"
    );
    Ok(ExitCode::FAILURE)
}

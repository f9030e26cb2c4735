//! `credwright detach`: takes Credwright's hold off everything, before it is uninstalled.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use kube::{Client, Config};

use crate::engine::detach::{Detached, detach};

/// How long an operator that is still running gets to take hold again, so that it is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What to let go of.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// A namespace to let go of; repeatable. [default: all namespaces, and the providers that they share]
    #[arg(long, env = "CREDWRIGHT_NAMESPACE", value_name = "NAME", value_delimiter = ',')]
    namespace: Vec<String>,
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    super::block_on(run(arguments))
}

/// A second look tells whether an operator is still there: it would put back what was taken off.
async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let client = Client::try_from(Config::infer().await?)?;
    let Detached { secrets, credentials, providers } = detach(&client, &arguments.namespace).await?;
    println!("let go of {secrets} Secrets, {credentials} ApiCredentials and {providers} providers");
    tokio::time::sleep(LOOK_AGAIN).await;
    if detach(&client, &arguments.namespace).await? == Detached::default() {
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

//! `credwright run`: from flags to a running operator.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::util::SubscriberInitExt;

use super::{memory, place::Place};
use crate::{
    clock::SystemClock,
    controller::{Operator, Options},
    engine::{
        Settings,
        connection::{configuration, connect},
        leadership::LeaseHolder,
        seal::random_id,
        startup,
    },
    ops::server,
    providers::registry::MoreRoots,
};

/// How the operator runs. Every flag has an environment twin.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,

    /// The cluster's id, part of every name at a provider; two clusters that share a provider account need different ones.
    /// [default: the UID of kube-system]
    #[arg(long, env = "CREDWRIGHT_CLUSTER_ID", value_name = "ID")]
    cluster_id: Option<String>,

    /// A range that providers may be in besides public addresses, such as 10.0.0.0/8; also allows plain http there. Repeatable.
    #[arg(long, env = "CREDWRIGHT_ALLOW_EGRESS", value_name = "CIDR", value_delimiter = ',')]
    allow_egress: Vec<IpNet>,

    /// A file of certificates (PEM) of authorities that may vouch for all providers, besides those
    /// of the system, such as a company's own. It is read again when it has changed.
    #[arg(long, env = "CREDWRIGHT_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// How long the deletion of an object waits for its credentials to be revoked; what is left then is put on record as an
    /// AbandonedCredential, and revoked when that is possible.
    #[arg(long, env = "CREDWRIGHT_REVOCATION_DEADLINE", default_value = "10m", value_name = "DURATION")]
    revocation_deadline: crate::api::Duration,

    /// Where to serve /livez, /readyz and /metrics, such as [::]:8080 for all addresses of both
    /// families. [default: nowhere]
    #[arg(long, env = "CREDWRIGHT_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// A Lease in --operator-namespace: of several operators only the one that holds it works, and the others stand by. [default: none;
    /// several may then work at once, which is safe, and costs them twice the calls]
    #[arg(long, env = "CREDWRIGHT_LEASE", value_name = "NAME")]
    lease: Option<String>,

    /// Who this process is in the Lease, such as its pod's name. [default: random text]
    #[arg(long, env = "CREDWRIGHT_IDENTITY", value_name = "NAME")]
    identity: Option<String>,

    /// How many objects are looked at at once.
    #[arg(long, env = "CREDWRIGHT_CONCURRENCY", default_value_t = 32, value_name = "COUNT")]
    concurrency: usize,

    /// Get lists in small pages instead of as a stream; for Kubernetes 1.33.
    #[arg(long, env = "CREDWRIGHT_PAGED_LISTS")]
    paged_lists: bool,

    /// How log lines are written.
    #[arg(long, env = "CREDWRIGHT_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,

    /// What is logged, such as info or credwright=debug. Of libraries, nothing below info is: it could hold what was sent.
    #[arg(long, env = "CREDWRIGHT_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    log_to_stderr(arguments);
    log_panics();
    if let Err(error) = memory::keep_private() {
        tracing::warn!(%error, "core dumps could not be switched off: a crash may write secrets to a disk");
    }
    super::block_on(run(arguments))
}

fn log_to_stderr(arguments: &Arguments) {
    let json = matches!(arguments.log_format, LogFormat::Json);
    super::log::subscriber(&arguments.log, json, std::io::stderr).init();
}

/// Logs where a panic happened. Its text is left out: it may quote a value, and that may be secret.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panic");
    }));
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let operator = Arc::new(operator(arguments).await?);
    let shutdown = CancellationToken::new();
    let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let served = served(arguments.listen, operator.clone());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "credwright has started");
    tokio::select! {
        ended = operator.run(shutdown.clone()) => ended?,
        failed = served => failed?,
        () = stop_on(interrupt, terminate, &shutdown) => {}
    }
    tracing::info!("credwright has stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends only with an error.
async fn served(listen: Option<SocketAddr>, shown: Arc<Operator>) -> Result<(), String> {
    let Some(address) = listen else { return std::future::pending().await };
    let failed = |error| format!("--listen {address}: {error}");
    let listener = server::listen(address).await.map_err(failed)?;
    server::serve(listener, shown).await.map_err(failed)
}

async fn operator(arguments: &Arguments) -> Result<Operator, Box<dyn std::error::Error>> {
    let place = &arguments.place;
    let config = configuration().await?;
    let clock = Arc::new(SystemClock::default());
    let client = connect(config.clone(), clock.clone())?;
    // The Lease is renewed over a connection of its own, which waits for nothing else.
    let lease_client = connect(config, clock.clone())?;
    let cluster_id = match &arguments.cluster_id {
        Some(id) => id.clone(),
        None => startup::cluster_id(&client).await?,
    };
    let settings = Settings {
        namespace: place.operator_namespace.clone(),
        cluster_id,
        writer: random_id(),
        allow_egress: arguments.allow_egress.clone(),
        more_roots: arguments.ca_file.clone().map(MoreRoots::new),
        revocation_deadline: arguments.revocation_deadline.signed(),
        lease: arguments.lease.clone().map(|lease| LeaseHolder {
            lease,
            identity: arguments.identity.clone().unwrap_or_else(random_id),
        }),
        role_binding: (!place.namespace.is_empty()).then(|| place.role_binding.clone()),
    };
    let options = Options {
        cluster_providers: place.namespace.is_empty(),
        namespaces: place.namespace.clone(),
        concurrency: arguments.concurrency.max(1),
        streaming_lists: !arguments.paged_lists,
        ..Options::default()
    };
    Ok(Operator::new(client, clock, settings, options).await?.renewing_over(lease_client))
}

/// Does not end: what it begins, the operator finishes.
async fn stop_on(mut interrupt: Signal, mut terminate: Signal, shutdown: &CancellationToken) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: nothing new is begun, and creates that were sent are waited for");
    shutdown.cancel();
    std::future::pending().await
}

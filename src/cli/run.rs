//! `credwright run`: turns flags into a running operator.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

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
    providers::registry::{EgressRanges, MoreRoots, ProviderProxy, SetupError},
};

/// The flags of the operator. Every flag has an environment variable.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,

    /// The cluster's ID, part of every name at a provider. Two clusters that share a provider
    /// account need different IDs. [default: the UID of kube-system]
    #[arg(long, env = "CREDWRIGHT_CLUSTER_ID", value_name = "ID")]
    cluster_id: Option<String>,

    /// A range that providers may be in besides public addresses, such as 10.0.0.0/8. Plain http is
    /// allowed there, too. Repeatable.
    #[arg(long, env = "CREDWRIGHT_ALLOW_EGRESS", value_name = "CIDR", value_delimiter = ',')]
    allow_egress: Vec<IpNet>,

    /// A range that no provider may be in, whatever --allow-egress says, such as public addresses
    /// of your nodes. The API server, and Credwright's own pod and node, are never a provider,
    /// either. Repeatable.
    #[arg(long, env = "CREDWRIGHT_DENY_EGRESS", value_name = "CIDR", value_delimiter = ',')]
    deny_egress: Vec<IpNet>,

    /// A range with the addresses from which requests leave the cluster, such as that of its NAT
    /// gateway. A credential that works only from certain subnets is tried at its provider if all
    /// of these ranges are within them. Repeatable.
    #[arg(long, env = "CREDWRIGHT_EGRESS_ADDRESSES", value_name = "CIDR", value_delimiter = ',')]
    egress_addresses: Vec<IpNet>,

    /// The host of the API server, where no provider may be. Kubernetes sets it in each pod.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST")]
    api_server: Option<String>,

    /// The addresses of this pod, where no provider may be. The chart sets them.
    #[arg(long, env = "CREDWRIGHT_POD_ADDRESSES", value_name = "ADDRESS", value_delimiter = ',')]
    pod_addresses: Vec<IpAddr>,

    /// The addresses of this pod's node, where no provider may be. The chart sets them.
    #[arg(long, env = "CREDWRIGHT_NODE_ADDRESSES", value_name = "ADDRESS", value_delimiter = ',')]
    node_addresses: Vec<IpAddr>,

    /// A file with PEM certificates of CAs that are trusted for all providers, besides those of the
    /// system, such as a company's own. It is read again when it changes.
    #[arg(long, env = "CREDWRIGHT_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// An HTTP proxy, such as http://proxy.example:3128, that all providers are reached through
    /// unless their spec.proxy says otherwise. It is asked with CONNECT. Variables such as
    /// HTTPS_PROXY are not used. [default: none]
    #[arg(long, env = "CREDWRIGHT_PROVIDER_PROXY", value_name = "URL")]
    provider_proxy: Option<String>,

    /// A file with the login at --provider-proxy: one line, user:password. It is read for each
    /// connection.
    #[arg(
        long,
        env = "CREDWRIGHT_PROVIDER_PROXY_CREDENTIALS",
        value_name = "FILE",
        requires = "provider_proxy"
    )]
    provider_proxy_credentials: Option<PathBuf>,

    /// The time that the deletion of an object waits until its credentials are revoked. Those that
    /// are left then are recorded as AbandonedCredentials, and revoked as soon as that is possible.
    #[arg(long, env = "CREDWRIGHT_REVOCATION_DEADLINE", default_value = "10m", value_name = "DURATION")]
    revocation_deadline: crate::api::Duration,

    /// The address for /livez, /readyz and /metrics, such as [::]:8080 for all addresses of both
    /// families. [default: none]
    #[arg(long, env = "CREDWRIGHT_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// A Lease in --operator-namespace, for several replicas: only the one that holds it works, and
    /// the others stand by. [default: none; several replicas may then work at once, which is safe,
    /// but doubles the calls]
    #[arg(long, env = "CREDWRIGHT_LEASE", value_name = "NAME")]
    lease: Option<String>,

    /// The name of this process in the Lease, such as the name of its pod. [default: random text]
    #[arg(long, env = "CREDWRIGHT_IDENTITY", value_name = "NAME")]
    identity: Option<String>,

    /// The number of objects that are reconciled at once.
    #[arg(long, env = "CREDWRIGHT_CONCURRENCY", default_value_t = 32, value_name = "COUNT")]
    concurrency: usize,

    /// Get lists in small pages instead of as a stream; for Kubernetes 1.33.
    #[arg(long, env = "CREDWRIGHT_PAGED_LISTS")]
    paged_lists: bool,

    /// The format of log lines.
    #[arg(long, env = "CREDWRIGHT_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,

    /// The log filter, such as info or credwright=debug. Libraries log nothing below info, because
    /// it could contain what was sent.
    #[arg(long, env = "CREDWRIGHT_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    let json = matches!(arguments.log_format, LogFormat::Json);
    super::log::subscriber(&arguments.log, json, std::io::stderr).init();
    log_panics();
    if let Err(error) = memory::keep_private() {
        tracing::warn!(%error, "core dumps not disabled, a crash may write secrets to a disk");
    }
    super::block_on(run(arguments))
}

/// Logs the place of a panic. The message is left out, because it may quote a secret value.
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

/// Serves probes and metrics, and ends only with an error.
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
    // The Lease is renewed over a connection of its own, so that it waits for no other request.
    let lease_client = connect(config, clock.clone())?;
    let cluster_id = match &arguments.cluster_id {
        Some(id) => id.clone(),
        None => startup::cluster_id(&client).await?,
    };
    let settings = Settings {
        namespace: place.operator_namespace.clone(),
        cluster_id,
        writer: random_id(),
        egress: Arc::new(EgressRanges {
            deny: arguments.deny_egress.clone(),
            api_server: api_server(arguments.api_server.as_deref()).await,
            own: [arguments.pod_addresses.as_slice(), &arguments.node_addresses].concat(),
            allow: arguments.allow_egress.clone(),
            services: Vec::new(),
        }),
        egress_addresses: arguments.egress_addresses.clone().into(),
        more_roots: arguments.ca_file.clone().map(MoreRoots::new),
        provider_proxy: provider_proxy(arguments)?,
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

fn provider_proxy(arguments: &Arguments) -> Result<Option<ProviderProxy>, SetupError> {
    let url = arguments.provider_proxy.as_deref().filter(|url| !url.is_empty());
    url.map(|url| ProviderProxy::new(url, arguments.provider_proxy_credentials.clone())).transpose()
}

/// The addresses of the API server.
async fn api_server(host: Option<&str>) -> Vec<IpAddr> {
    let Some(host) = host else { return Vec::new() };
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => found.map(|it| it.ip()).collect(),
        Err(error) => {
            tracing::warn!(%error, host, "address of the API server unknown");
            Vec::new()
        }
    }
}

/// Starts the shutdown on a signal, and never returns: the operator finishes what is running.
async fn stop_on(mut interrupt: Signal, mut terminate: Signal, shutdown: &CancellationToken) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping, finishing the creates already sent");
    shutdown.cancel();
    std::future::pending().await
}

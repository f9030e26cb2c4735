//! Measures the operator's real binary against a real control plane, and against the same writes by
//! a bare client.
//!
//! `make bench` runs it. It starts a control plane of its own, whatever KUBECONFIG says, because it
//! reads the audit log of the API server: what the operator asked for and when is measured there
//! and not by the operator.
#![expect(clippy::disallowed_methods, reason = "a benchmark runs on real time, outside of the operator")]

mod audit;
#[path = "../../tests/support/cluster.rs"]
mod cluster;
mod floor;
mod load;
mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use credwright_harness::{
    controlplane::{ControlPlane, ControlPlaneOptions},
    operator::Operator,
    port::free_address,
    process::Usage,
    wait,
};
use credwright_simulator::{Clock, Simulator, spreetail};
use jiff::Timestamp;
use kube::{Client, Config, config::KubeConfigOptions};

use self::{
    audit::Audit,
    report::{Figures, Restart},
};

/// The operator, which cargo builds with this benchmark.
const BINARY: &str = env!("CARGO_BIN_EXE_credwright");
/// The number of concurrent passes, in the operator and in the floor.
const CONCURRENCY: usize = 32;
/// Counts in a provider's status follow within ten seconds; after that nothing is left to do.
const TO_REST: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(20);
/// Time for everything to be looked at once after a restart.
const RESTARTED: Duration = Duration::from_secs(10);

/// The user that the audit log shows.
const OPERATOR: &str = "bench-operator";
const FLOOR: &str = "bench-floor";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let count = match std::env::var("CREDWRIGHT_BENCH_OBJECTS") {
        Ok(text) => text.parse().with_context(|| format!("a number of objects, not {text:?}"))?,
        Err(_) => 1000,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let log = folder.join("audit.log");
    let options = ControlPlaneOptions { audit_log: Some(log.clone()), ..ControlPlaneOptions::default() };
    step("starting a control plane");
    let control_plane = ControlPlane::start(options).await?;
    let figures = measure(&control_plane, &folder, count).await?;
    let audit = Audit::read(&folder)?;
    control_plane.stop();
    Ok(if report::print(&figures, audit) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn step(what: &str) {
    eprintln!("bench: {what}");
}

async fn measure(control_plane: &ControlPlane, folder: &Path, count: usize) -> Result<Figures> {
    let admin = control_plane.client().await?;
    load::prepare(&admin).await?;
    let floor = client(&as_user(control_plane.kubeconfig(), folder, FLOOR)?).await?;
    step("the floor, before: the same writes by a bare client");
    floor::run(&admin, &floor, load::FLOOR_BEFORE, count).await?;

    let provider = spreetail::start(spreetail::Options::new(Clock::real())).await?;
    step("creating the objects; the operator is not running");
    load::create(&admin, &provider, count).await?;
    step("starting the operator");
    let began = Instant::now();
    let kubeconfig = as_user(control_plane.kubeconfig(), folder, OPERATOR)?;
    let concurrency = CONCURRENCY.to_string();
    let listen = free_address()?.to_string();
    let arguments = ["--concurrency", &concurrency, "--allow-egress", "127.0.0.0/8", "--listen", &listen];
    let mut operator =
        Operator::start(Path::new(BINARY), &arguments, Some(&kubeconfig), &folder.join("operator.log"))
            .await?;
    let ourselves = Usage::of(std::process::id())?.cpu;
    load::until_ready(&admin, &provider, &mut operator, count).await?;
    let provider_cpu = Usage::of(std::process::id())?.cpu - ourselves;
    step(&format!("all are Ready, {:.1} s after the start of the process", began.elapsed().as_secs_f64()));
    let (document, sealed) = load::ledger_sizes(&admin).await?;
    step(&format!(
        "a ledger has {document} + {sealed} bytes, the floor's {} + {}",
        floor::DOCUMENT_BYTES,
        floor::SEALED_BYTES
    ));
    tokio::time::sleep(TO_REST).await;
    step(&format!("the operator is left alone for {} s", IDLE.as_secs()));
    let before = Usage::of(operator.pid())?;
    tokio::time::sleep(IDLE).await;
    let usage = Usage::of(operator.pid())?;
    let scrape = scrape(&listen).await?;
    operator.stop().await?;
    let restarted = restart(&arguments, &kubeconfig, &folder.join("restarted.log")).await?;

    step("the floor, after");
    floor::run(&admin, &floor, load::FLOOR_AFTER, count).await?;
    Ok(Figures { provider_cpu, scrape, ..figures(count, &provider, (before, usage), restarted) })
}

/// Asks for the metrics a few times, as Prometheus does: how long the quickest answer took, and its
/// bytes.
async fn scrape(address: &str) -> Result<(Duration, usize)> {
    step("the metrics are scraped");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut quickest = (Duration::MAX, 0);
    for _ in 0..5 {
        let began = Instant::now();
        let answer = client.get(format!("http://{address}/metrics")).send().await?.error_for_status()?;
        let bytes = answer.bytes().await?.len();
        quickest = quickest.min((began.elapsed(), bytes));
    }
    Ok(quickest)
}

/// Starts the operator again, over objects that need nothing.
async fn restart(arguments: &[&str], kubeconfig: &Path, log: &Path) -> Result<Restart> {
    step("the operator is started again; there is nothing to do");
    let (at, began) = (Timestamp::now(), Instant::now());
    let mut operator = Operator::start(Path::new(BINARY), arguments, Some(kubeconfig), log).await?;
    wait::until("the caches of the new operator", Duration::from_secs(60), async || {
        operator.ensure_running()?;
        Ok(fs::read_to_string(log)?.contains("all caches are complete").then_some(()))
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();
    tokio::time::sleep(RESTARTED).await;
    let usage = Usage::of(operator.pid())?;
    operator.stop().await?;
    Ok(Restart { at, seconds, usage })
}

fn figures(count: usize, provider: &Simulator, (before, after): (Usage, Usage), restart: Restart) -> Figures {
    let endings = provider.record().endings().into_iter();
    Figures {
        count,
        idle_cpu: (after.cpu - before.cpu).as_secs_f64() / IDLE.as_secs_f64(),
        total_cpu: before.cpu,
        provider_cpu: Duration::ZERO,
        usage: after,
        scrape: (Duration::ZERO, 0),
        restart,
        provider_calls: endings
            .map(|((operation, outcome), calls)| (format!("{operation:?} {outcome}"), calls))
            .collect(),
        issued: provider.record().created_count(),
    }
}

/// The administrator's kubeconfig, but the audit log knows its requests by another name.
fn as_user(kubeconfig: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(kubeconfig)?)?;
    let user = config.pointer_mut("/users/0/user").context("the kubeconfig has a user")?;
    user["as"] = name.into();
    user["as-groups"] = serde_json::json!(["system:masters"]);
    let path = folder.join(format!("{name}.kubeconfig"));
    fs::write(&path, config.to_string())?;
    Ok(path)
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

//! `controlplane up [--audit-log FILE] -- COMMAND...` runs COMMAND with a control plane of its own.
//!
//! The command finds it in `KUBECONFIG` and `CREDWRIGHT_KUBECONFIG`, and a matching kubectl first
//! in `PATH`. Several test binaries share one control plane this way instead of each starting its
//! own.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result, anyhow};
use credwright_harness::controlplane::{Cluster, ControlPlane, ControlPlaneOptions};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: controlplane up [--audit-log FILE] -- COMMAND...";

#[tokio::main]
async fn main() -> ExitCode {
    let Some((options, command)) = parse(std::env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match up(options, &command).await {
        Ok(status) => exit_code(status),
        Err(error) => {
            eprintln!("controlplane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<(ControlPlaneOptions, Vec<OsString>)> {
    let mut options = ControlPlaneOptions::default();
    if arguments.next()? != "up" {
        return None;
    }
    loop {
        match arguments.next()?.to_str()? {
            "--" => break,
            "--audit-log" => options.audit_log = Some(PathBuf::from(arguments.next()?)),
            _ => return None,
        }
    }
    let command: Vec<_> = arguments.collect();
    (!command.is_empty()).then_some((options, command))
}

async fn up(options: ControlPlaneOptions, command: &[OsString]) -> Result<ExitStatus> {
    let control_plane = ControlPlane::start(options).await?;
    let (program, arguments) = command.split_first().ok_or_else(|| anyhow!(USAGE))?;
    let child = Command::new(program)
        .args(arguments)
        .envs(control_plane.cluster().environment())
        .env("PATH", path_with_kubectl(control_plane.cluster())?)
        .spawn()
        .with_context(|| format!("running {}", program.display()))?;
    wait_through_signals(child).await
}

#[expect(clippy::disallowed_methods, reason = "the command's PATH is ours and one folder more")]
fn path_with_kubectl(cluster: &Cluster) -> Result<OsString> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(cluster.binaries().to_owned()).chain(std::env::split_paths(&inherited));
    Ok(std::env::join_paths(folders)?)
}

/// The command decides when it ends: an interrupt has reached it from the terminal already, and a
/// request to terminate is passed on.
async fn wait_through_signals(mut child: Child) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                let Some(pid) = child.id() else { continue };
                Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &pid.to_string()]).status().await?;
            }
        }
    }
}

/// As a shell would report it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

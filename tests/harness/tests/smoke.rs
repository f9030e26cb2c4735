//! The control plane itself: it serves, it deletes namespaces, and it leaves nothing behind.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credwright_harness::controlplane::{self, ControlPlane, ControlPlaneOptions};
use credwright_harness::wait;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_control_plane_deletes_namespaces_with_their_content_and_leaves_nothing_behind() -> Result<()> {
    let logs = tempfile::tempdir()?;
    let audit_log = logs.path().join("audit.log");
    let options =
        ControlPlaneOptions { audit_log: Some(audit_log.clone()), ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(options).await?;
    let folder = folder_of(control_plane.kubeconfig())?;
    ensure!(!processes_in(&folder)?.is_empty(), "the search for processes finds nothing while they run");

    let client = control_plane.client().await?;
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), "smoke");
    create_namespace(&client, "smoke").await?;
    config_maps.create(&PostParams::default(), &named("settings")).await?;
    delete_namespace(&client, "smoke").await?;
    ensure!(config_maps.get_opt("settings").await?.is_none());

    let audited = std::fs::read_to_string(&audit_log)?;
    ensure!(audited.lines().any(|line| line.contains("/api/v1/namespaces/smoke/configmaps")));
    let version = control_plane.kubectl().args(["version", "-o", "json"]).output()?;
    ensure!(version.status.success(), "{}", String::from_utf8_lossy(&version.stderr));

    control_plane.stop();
    ensure!(processes_in(&folder)?.is_empty(), "{:?}", processes_in(&folder)?);
    ensure!(!folder.exists());
    Ok(())
}

#[tokio::test]
async fn a_control_plane_keeps_its_objects_through_a_restart_and_a_frozen_etcd() -> Result<()> {
    let mut control_plane = ControlPlane::start(ControlPlaneOptions::default()).await?;
    let client = control_plane.client().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    create_namespace(&client, "kept").await?;

    control_plane.stop_apiserver()?;
    ensure!(namespaces.get("kept").await.is_err());
    control_plane.restart_apiserver().await?;
    namespaces.get("kept").await?;

    control_plane.pause_etcd()?;
    let frozen = tokio::time::timeout(Duration::from_secs(1), create_namespace(&client, "late")).await;
    ensure!(!matches!(frozen, Ok(Ok(()))), "a frozen etcd stored an object");
    control_plane.resume_etcd()?;
    wait::until("writes to succeed again", DEADLINE, async || {
        Ok(create_namespace(&client, "after").await.ok())
    })
    .await?;
    // The controllers outlived all of that.
    delete_namespace(&client, "kept").await
}

#[tokio::test]
async fn a_killed_starter_leaves_nothing_running() -> Result<()> {
    let mut starter = Command::new(env!("CARGO_BIN_EXE_controlplane"))
        .args(["up", "--", "sh", "-c", "echo \"$CREDWRIGHT_KUBECONFIG\"; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut kubeconfig = String::new();
    BufReader::new(starter.stdout.take().context("stdout")?).read_line(&mut kubeconfig)?;
    let folder = folder_of(Path::new(kubeconfig.trim()))?;
    ensure!(!processes_in(&folder)?.is_empty(), "nothing was started");

    starter.kill()?;
    starter.wait()?;
    wait::until("all processes to end and their files to go", DEADLINE, async || {
        Ok((processes_in(&folder)?.is_empty() && !folder.exists()).then_some(()))
    })
    .await
}

#[test]
fn tests_with_runtimes_of_their_own_share_one_control_plane() -> Result<()> {
    let in_a_runtime = || -> Result<PathBuf> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let cluster = controlplane::shared().await?;
            cluster.client().await?.apiserver_version().await?;
            Ok(cluster.kubeconfig().to_owned())
        })
    };
    ensure!(in_a_runtime()? == in_a_runtime()?);
    Ok(())
}

#[test]
fn the_exit_status_is_the_commands_own() -> Result<()> {
    let up = |script: &str| {
        let arguments = ["up", "--", "sh", "-c", script];
        Command::new(env!("CARGO_BIN_EXE_controlplane")).args(arguments).status()
    };
    ensure!(up("kubectl auth can-i '*' '*' && exit 7")?.code() == Some(7));
    Ok(())
}

async fn create_namespace(client: &Client, name: &str) -> Result<()> {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    Ok(())
}

async fn delete_namespace(client: &Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await?;
    wait::until("the namespace to go", DEADLINE, async || {
        Ok(namespaces.get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

fn named(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn folder_of(kubeconfig: &Path) -> Result<PathBuf> {
    Ok(kubeconfig.parent().context("the control plane did not start")?.to_owned())
}

/// The command lines that mention `folder`: each of a control plane's processes and leashes does.
fn processes_in(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.to_str().context("a folder in UTF-8")?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // A process may end while it is looked at; it then has no command line.
        let command = std::fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(folder) {
            found.push(command);
        }
    }
    Ok(found)
}

//! An upgrade from an earlier version, and the way back. Both builds run as processes with the
//! rights and the flags of the chart, one after the other, on a real API server with its own CRDs.
//!
//! `make test-upgrade` runs it. `make test` does not, because the earlier version has to be built
//! first, from a commit that a shallow clone does not have.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

#[allow(dead_code, reason = "the crash matrix uses more of it")]
#[path = "../crash/account.rs"]
mod account;
mod builds;
#[path = "../conformance/front.rs"]
mod front;
mod kinds;
mod picture;
#[path = "../support/mod.rs"]
mod support;
mod world;
mod written;

use std::{fs, path::PathBuf};

use credwright::controller::Options;
use credwright_harness::controlplane::{ControlPlane, ControlPlaneOptions};
use credwright_simulator::{Operation, Record};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use builds::{Build, Process};
use picture::Picture;
use support::rights;
use world::World;

/// The writes that a process may make when it takes over and nothing is to be done: the Lease,
/// Events, and status, which the versions word differently.
const HARMLESS: [&str; 12] = [
    "create events",
    "patch events",
    "patch leases",
    "update leases",
    "patch abandonedcredentials/status",
    "patch apicredentials/status",
    "patch credentialproviders/status",
    "patch clustercredentialproviders/status",
    "update abandonedcredentials/status",
    "update apicredentials/status",
    "update credentialproviders/status",
    "update clustercredentialproviders/status",
];

/// The control plane, the accounts and the files of the test.
struct Place {
    control_plane: ControlPlane,
    world: World,
    kubeconfig: PathBuf,
    folder: TempDir,
}

/// Gives an operator what the earlier chart gave it and this one does not: the way back is with the
/// earlier chart.
async fn grant_earlier_rights(client: &Client, home: &str) {
    let rule = json!({ "apiGroups": ["credwright.dev"], "resources": ["*/status"], "verbs": ["patch"] });
    let role = json!({ "metadata": { "name": "earlier" }, "rules": [rule] });
    let binding = json!({
        "metadata": { "name": "earlier" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "earlier" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": rights::user(home) }],
    });
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
}

impl Place {
    /// A control plane with the CRDs of `build`, and accounts.
    async fn new(build: &Build) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let audit_log = Some(folder.path().join("audit.log"));
        let options = ControlPlaneOptions { audit_log, ..ControlPlaneOptions::default() };
        let control_plane = ControlPlane::start(options).await.unwrap();
        build.install_crds(control_plane.cluster()).unwrap();
        let world = World::new(control_plane.cluster()).await;
        let home = &world.home.namespace;
        rights::grant(control_plane.cluster(), &world.home.client, home, &Options::default()).await;
        grant_earlier_rights(&world.home.client, home).await;
        let mut config: Value =
            serde_json::from_slice(&fs::read(control_plane.kubeconfig()).unwrap()).unwrap();
        config["users"][0]["user"]["as"] = rights::user(home).into();
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, config.to_string()).unwrap();
        Self { control_plane, world, kubeconfig, folder }
    }

    async fn start(&self, build: &Build) -> Process {
        let log = self.folder.path().join("operator.log");
        build.start(&self.world.home.namespace, &self.kubeconfig, &log).await.unwrap()
    }

    /// Has a build take over while nothing is to be done, and shows that it changes nothing.
    async fn takes_over(&mut self, build: &Build, before: Process) -> Process {
        self.world.rests(&before).await;
        before.stop().await.unwrap();
        self.world.before = Picture::of(&self.world).await;
        let asked: Vec<_> = self.world.records().into_iter().map(|(_, it)| Asked::of(it)).collect();
        let since = Timestamp::now();
        let process = self.start(build).await;
        self.every_provider_is_asked(&asked).await;
        self.world.have_all_looked_at().await;
        self.world.rests(&process).await;
        let changes = self.world.changes().await;
        let log = self.folder.path().join("audit.log");
        let written = written::since(since, &self.world.home, &log).await;
        println!("{} has taken over, and wrote {written:?}", build.name);
        assert!(changes.is_empty(), "{} changed something: {changes:#?}", build.name);
        let harmful: Vec<_> = written.keys().filter(|it| !HARMLESS.contains(&it.as_str())).collect();
        assert!(harmful.is_empty(), "{} wrote: {harmful:?}", build.name);
        process
    }

    /// Waits until each provider has had more requests than before, and has been listed once more
    /// if it can list.
    async fn every_provider_is_asked(&self, before: &[Asked]) {
        for ((account, record), before) in self.world.records().into_iter().zip(before) {
            let what = format!("{account} to be asked");
            self.world.until(&what, async || Asked::of(record).is_more_than(before)).await;
        }
    }
}

/// The number of requests to a provider, and of lists among them.
struct Asked {
    anything: usize,
    what_exists: usize,
}

impl Asked {
    fn of(record: &Record) -> Self {
        Self { anything: record.requests().len(), what_exists: record.arrived(Operation::List) }
    }

    fn is_more_than(&self, before: &Self) -> bool {
        let can_tell = before.what_exists > 0;
        self.anything > before.anything && (!can_tell || self.what_exists > before.what_exists)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_and_the_way_back_mint_nothing_revoke_nothing_and_write_no_secret() {
    let (earlier, this) = (Build::earlier().unwrap(), Build::this());
    let mut place = Place::new(&earlier).await;
    let process = place.start(&earlier).await;
    place.world.make().await;

    this.install_crds(place.control_plane.cluster()).unwrap();
    let process = place.takes_over(&this, process).await;
    // The CRDs stay.
    let process = place.takes_over(&earlier, process).await;
    place.world.rotate("by the earlier version").await;
    let process = place.takes_over(&this, process).await;
    place.world.rotate("by this version").await;
    let process = place.takes_over(&earlier, process).await;
    let half: Vec<_> = place.world.kinds.iter().map(|it| it.name).step_by(2).collect();
    place.world.delete(|kind| half.contains(&kind.name)).await;
    let process = place.takes_over(&this, process).await;
    place.world.delete(|_| true).await;
    place.world.end_abandoned().await;
    process.stop().await.unwrap();
}

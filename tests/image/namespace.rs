//! Runs a test in Linux namespaces of its own: root in there and nobody outside, with a loopback
//! interface that nobody else has.
//!
//! The test's own program is started again in there, with that test alone, and all that it started
//! ends with it.

use std::{
    env, fs, io,
    process::{Command, Stdio},
};

use crate::archive;

/// Set for the process inside.
const VARIABLE: &str = "CREDWRIGHT_IN_A_NAMESPACE";
/// The folder for temporary files inside: in memory, which ends with the namespace.
const TEMPORARY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/temporary");
const FLAGS: [&str; 7] =
    ["--user", "--map-root-user", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"];
const NEEDED: &str = "user namespaces are needed, with `unshare` (Debian package util-linux) and `ip` (iproute2). On Ubuntu 24.04 and later: \
    sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0. Elsewhere see kernel.unprivileged_userns_clone and \
    user.max_user_namespaces. In a container they want --privileged.";

/// Runs `work` in there; `name` is the test that calls this, as its program lists it.
pub(crate) fn inside(name: &str, work: impl AsyncFnOnce()) {
    if env::var_os(VARIABLE).is_none() {
        return start(name);
    }
    end_with_the_parent();
    archive::printed(Command::new("ip").args(["link", "set", "lo", "up"]));
    archive::printed(Command::new("mount").args(["-t", "tmpfs", "tmpfs", TEMPORARY]));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(work());
}

fn start(name: &str) {
    let allowed = Command::new("unshare").args(FLAGS).args(["ip", "link", "set", "lo", "up"]).output();
    let allowed = allowed.expect(NEEDED);
    assert!(allowed.status.success(), "{}{NEEDED}", String::from_utf8_lossy(&allowed.stderr));

    let mut command = Command::new("unshare");
    command.args(FLAGS).arg(env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    fs::create_dir_all(TEMPORARY).unwrap();
    command.env("TMPDIR", TEMPORARY).env(VARIABLE, "yes").env(archive::VARIABLE, archive::archive());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Closed by the kernel, however this process ends.
    let _leash = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}{complained}");
    assert!(output.status.success(), "it failed in the namespace, as shown above");
    assert!(said.contains("1 passed"), "{name} is not how the test is called");
}

fn end_with_the_parent() {
    std::thread::spawn(|| {
        // An error says as much as the end does.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(1);
    });
}

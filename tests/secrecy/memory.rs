//! The real binary and the kernel.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(30);

/// Ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// `credwright run`, started where cores are allowed.
    fn run(kubeconfig: &std::path::Path) -> Self {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            r#"ulimit -c "$(ulimit -H -c)"; exec "$0" run"#,
            env!("CARGO_BIN_EXE_credwright"),
        ]);
        command
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn core_limits(&self) -> Option<String> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.0.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
        Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

#[test]
fn the_running_operator_leaves_no_core_when_it_crashes() {
    // It accepts connections and never answers, so that the operator waits for it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let server = format!("http://{}", silent.local_addr().unwrap());
    let named = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{ "name": "it", "cluster": { "server": server } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "users": [{ "name": "it", "user": {} }],
    });
    fs::write(&kubeconfig, named.to_string()).unwrap();

    let mut operator = Process::run(&kubeconfig);
    let began = Instant::now();
    while operator.core_limits().as_deref() != Some("0 0 bytes") {
        assert!(began.elapsed() < DEADLINE, "still {:?}", operator.core_limits());
        std::thread::sleep(Duration::from_millis(5));
    }
    let _waiting = silent.accept().unwrap();
    let aborted = Command::new("kill").args(["-ABRT", &operator.0.id().to_string()]).status().unwrap();
    assert!(aborted.success());
    let status = operator.0.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
    assert!(!status.core_dumped(), "{status}");
}

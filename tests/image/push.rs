//! A push, to a registry that lives as long as the test.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::archive::{self, Image, ROOT, printed};

fn crane() -> PathBuf {
    let script = Path::new(ROOT).join("tests/crane/build.sh");
    Path::new(printed(&mut Command::new(script)).lines().last().unwrap()).join("crane")
}

struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start() -> Self {
        // It would otherwise outlive a test that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(crane()).args([
            "registry",
            "serve",
            "--address",
            "127.0.0.1:0",
        ]);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let (_, port) = line.rsplit_once("serving on port ").unwrap();
        let address = format!("127.0.0.1:{port}");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn the_pushed_image_has_the_digest_of_the_build() {
    let registry = Registry::start();
    let repository = format!("{}/team/credwright", registry.address);
    let script = Path::new(ROOT).join("image/push.sh");
    let said = printed(Command::new(script).arg(&repository).arg(archive::archive()));
    let index = said.lines().last().unwrap();
    assert!(index.starts_with(&format!("{repository}@sha256:")), "{said}");

    let version = format!("{repository}:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        format!("{repository}@{}", printed(Command::new(crane()).args(["digest", &version])).trim()),
        index
    );
    let index: Value =
        serde_json::from_str(&printed(Command::new(crane()).args(["manifest", &version]))).unwrap();
    let images = index["manifests"].as_array().unwrap();
    let built = &Image::open().index["manifests"][0];
    assert_eq!(images.len(), 1);
    assert_eq!((&images[0]["digest"], &images[0]["platform"]), (&built["digest"], &built["platform"]));
    printed(Command::new(crane()).args(["validate", "--remote", &version]));
}

//! The image as a kubelet runs it: its files and a few more, all read-only, and one process without
//! any rights.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    archive::{Image, printed},
    namespace,
};

/// The folder with the token of a Pod's ServiceAccount.
pub(crate) const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// The file with the certificates that the image trusts.
const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";

pub(crate) struct Pod {
    root: PathBuf,
    user: String,
    entrypoint: Vec<String>,
    environment: Vec<String>,
}

impl Pod {
    /// Unpacks the image, puts `files` into it as mounts would be, and adds a certificate to its
    /// roots.
    pub(crate) fn new(files: &[(String, String)], certificate: Option<&str>) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("root");
        fs::create_dir_all(&root).unwrap();
        // In memory, and seen in this namespace only.
        printed(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs"]).arg(&root));
        let image = Image::open();
        image.unpack(&root);
        for (file, content) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        if let Some(certificate) = certificate {
            let mut roots = fs::File::options().append(true).open(root.join(ROOTS)).unwrap();
            roots.write_all(certificate.as_bytes()).unwrap();
        }
        fs::create_dir(root.join("proc")).unwrap();
        printed(Command::new("mount").args(["-t", "proc", "proc"]).arg(root.join("proc")));
        printed(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&root));
        assert!(fs::write(root.join("file"), "").is_err(), "the file system can be written to");

        let config = &image.config["config"];
        let list = |name: &str| serde_json::from_value::<Vec<String>>(config[name].clone()).unwrap();
        let user = config["User"].as_str().unwrap().to_owned();
        Self { root, user, entrypoint: list("Entrypoint"), environment: list("Env") }
    }

    /// Returns the command that the image starts.
    pub(crate) fn entrypoint(&self, arguments: &[&str], environment: &[String]) -> Command {
        let entrypoint = self.entrypoint.iter().map(String::as_str);
        self.command(entrypoint.chain(arguments.iter().copied()), environment)
    }

    /// A process in there: the image's user, no capability and no way to one, and no variable but
    /// what is given.
    fn command<'a>(&self, arguments: impl Iterator<Item = &'a str>, environment: &[String]) -> Command {
        let (user, group) = self.user.split_once(':').unwrap();
        let mut command = Command::new("env");
        command.arg("--ignore-environment").arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(&self.environment).args(environment);
        command.args(["setpriv", "--no-new-privs", "unshare", "--user"]);
        command.args([format!("--map-user={user}"), format!("--map-group={group}")]);
        command.arg("--root").arg(&self.root).args(["--wd=/", "--"]).args(arguments);
        command
    }
}

#[test]
fn the_binary_starts_in_the_image_and_no_shell_does() {
    namespace::inside("pod::the_binary_starts_in_the_image_and_no_shell_does", async || {
        let pod = Pod::new(&[], None);
        let version = printed(&mut pod.entrypoint(&["--version"], &[]));
        assert_eq!(version.trim(), concat!("credwright ", env!("CARGO_PKG_VERSION")));
        for shell in ["/bin/sh", "/bin/bash", "/bin/busybox", "sh"] {
            let output = pod.command([shell, "-c", "exit 0"].into_iter(), &[]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(
                !output.status.success() && said.contains("No such file or directory"),
                "{shell}: {said}"
            );
        }
    });
}

//! The files of the image, and those that must not be in it.

use std::{path::Path, process::Command};

use crate::archive::{self, Image, printed};

/// Every file. A shell would be one more, and so would anything else that can be run.
fn expected() -> Vec<String> {
    let (libraries, loader) = match std::env::consts::ARCH {
        "aarch64" => ("aarch64-linux-gnu", "./lib/ld-linux-aarch64.so.1"),
        arch => (&*format!("{arch}-linux-gnu"), "./lib64/ld-linux-x86-64.so.2"),
    };
    let mut files: Vec<String> =
        ["etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/certs/ca-certificates.crt"]
            .into_iter()
            .chain(["usr/local/bin/credwright"])
            .map(|file| format!("./{file}"))
            .chain(["libc.so.6", "libgcc_s.so.1", "libm.so.6"].map(|it| format!("./lib/{libraries}/{it}")))
            .chain(
                ["ca-certificates", "credwright", "libc6", "libgcc-s1"]
                    .map(|it| format!("./usr/share/doc/{it}/copyright")),
            )
            .chain([loader.to_owned()])
            .collect();
    files.sort();
    files
}

#[test]
fn in_the_image_are_the_binary_its_libraries_and_the_roots_and_no_shell() {
    let mut files: Vec<String> = Image::open()
        .list()
        .into_iter()
        .filter(|it| !it.permissions.starts_with('d'))
        .map(|it| it.name)
        .collect();
    files.sort();
    assert_eq!(files, expected());
}

#[test]
fn nothing_in_the_image_can_be_written_to_or_raises_rights() {
    for entry in Image::open().list() {
        let permissions = &entry.permissions;
        assert_eq!(entry.owner, "0/0", "{}", entry.name);
        assert!(!permissions.contains('w'), "{permissions} {}", entry.name);
        // Neither a link, which may lead anywhere, nor a device; neither set-user-ID nor sticky.
        assert!(
            permissions.starts_with(['d', '-']) && !permissions.contains(['s', 'S', 't', 'T']),
            "{}",
            entry.name
        );
    }
}

#[test]
fn the_same_binary_gives_the_same_bytes() {
    let again = tempfile::tempdir().unwrap();
    let sums = |file: &Path| {
        let sbom = file.with_extension("cdx.json");
        let sums = printed(Command::new("sha256sum").arg(file).arg(sbom));
        sums.lines().map(|line| line.split_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sums(&archive::build(again.path())), sums(archive::archive()));
}

#[test]
fn the_image_says_for_what_machine_it_is_and_how_it_is_called() {
    let image = Image::open();
    let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    assert_eq!((&image.config["os"], &image.config["architecture"]), (&"linux".into(), &arch.into()));
    let manifest = &image.index["manifests"][0];
    assert_eq!(manifest["platform"]["architecture"], arch);
    // What the chart asks for unless it is told otherwise: an archive that was loaded is found.
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("ghcr.io/credwright/credwright:{version}");
    assert_eq!(manifest["annotations"]["io.containerd.image.name"], name);
    assert_eq!(image.config["config"]["Labels"]["org.opencontainers.image.version"], version);
}

#[test]
fn the_image_trusts_the_public_authorities() {
    let folder = tempfile::tempdir().unwrap();
    Image::open().unpack(folder.path());
    let roots = std::fs::read_to_string(folder.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let [begun, ended] =
        ["BEGIN", "END"].map(|it| roots.matches(&format!("-----{it} CERTIFICATE-----\n")).count());
    assert!(begun > 100 && begun == ended, "{begun} certificates begin and {ended} end");
}

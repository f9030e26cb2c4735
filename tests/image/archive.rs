//! The archive, made of the binary that is tested, as `make image` makes it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Made once, and again by every run of the tests.
static ARCHIVE: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os(VARIABLE) {
    Some(archive) => archive.into(),
    None => build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("image")),
});

/// Names the archive to a process in a namespace.
pub(crate) const VARIABLE: &str = "CREDWRIGHT_IMAGE_ARCHIVE";

pub(crate) fn archive() -> &'static Path {
    &ARCHIVE
}

/// Builds the image into a folder.
pub(crate) fn build(folder: &Path) -> PathBuf {
    let script = Path::new(ROOT).join("image/build.sh");
    let built = Command::new(script).arg(env!("CARGO_BIN_EXE_credwright")).arg(folder).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).unwrap().lines().last().unwrap().into()
}

/// Returns the output of a program, which must have succeeded.
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The image's parts, found as any engine finds them: from index.json on.
pub(crate) struct Image {
    pub(crate) index: Value,
    pub(crate) config: Value,
    layer: PathBuf,
    _folder: tempfile::TempDir,
}

impl Image {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        printed(Command::new("tar").arg("-xf").arg(archive()).arg("-C").arg(folder.path()));
        let read = |file: &Path| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
        let blob =
            |of: &Value| folder.path().join("blobs").join(of["digest"].as_str().unwrap().replace(':', "/"));
        let index = read(&folder.path().join("index.json"));
        let manifest = read(&blob(&index["manifests"][0]));
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        let (config, layer) = (read(&blob(&manifest["config"])), blob(&manifest["layers"][0]));
        Self { index, config, layer, _folder: folder }
    }

    /// Unpacks the file system.
    pub(crate) fn unpack(&self, to: &Path) {
        printed(Command::new("tar").arg("-xpzf").arg(&self.layer).arg("-C").arg(to));
    }

    /// The files and folders in it, as tar lists them: permissions, owner, size, date, time, name.
    pub(crate) fn list(&self) -> Vec<Entry> {
        let list = printed(Command::new("tar").args(["-tvz", "--numeric-owner", "-f"]).arg(&self.layer));
        list.lines().map(Entry::read).collect()
    }
}

pub(crate) struct Entry {
    pub(crate) permissions: String,
    pub(crate) owner: String,
    pub(crate) name: String,
}

impl Entry {
    fn read(line: &str) -> Self {
        let mut fields = line.split_whitespace().map(str::to_owned);
        let (permissions, owner) = (fields.next().unwrap(), fields.next().unwrap());
        Self { permissions, owner, name: fields.nth(3).unwrap() }
    }
}

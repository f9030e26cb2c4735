//! The manifests of `examples/`, with their placeholders filled in where everyone can see it.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// A manifest, ready to apply.
pub(crate) struct Manifest {
    pub(crate) file: &'static str,
    pub(crate) text: String,
    /// What was changed, for people.
    pub(crate) changes: Vec<String>,
}

/// A placeholder and what it becomes. Where that is secret, it is not shown.
pub(crate) struct Change {
    pub(crate) from: &'static str,
    pub(crate) to: String,
    pub(crate) is_secret: bool,
}

impl Change {
    pub(crate) fn new(from: &'static str, to: impl Into<String>) -> Self {
        Self { from, to: to.into(), is_secret: false }
    }

    pub(crate) fn secret(from: &'static str, to: impl Into<String>) -> Self {
        Self { is_secret: true, ..Self::new(from, to) }
    }
}

/// A month becomes twenty seconds.
pub(crate) fn in_seconds() -> [Change; 3] {
    [
        Change::new("lifetime: 720h", "lifetime: 20s"),
        Change::new("renewBefore: 240h", "renewBefore: 8s"),
        Change::new("overlap: 24h", "overlap: 4s"),
    ]
}

impl Manifest {
    /// Reads one of the manifests in `examples/`.
    ///
    /// Fails if a placeholder is not there: the demo would no longer show what the manifest says.
    pub(crate) fn read(file: &'static str, changes: &[Change]) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
        let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut shown = Vec::new();
        for Change { from, to, is_secret } in changes {
            anyhow::ensure!(text.contains(from), "{file} does not contain {from:?}");
            text = text.replace(from, to);
            shown.push(format!("{from}  →  {}", if *is_secret { "(the provider's; not shown)" } else { to }));
        }
        Ok(Self { file, text, changes: shown })
    }
}

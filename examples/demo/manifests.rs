//! The manifests of `examples/`, with their placeholders filled in where everyone can see it.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

/// A text of a manifest, and its replacement.
pub(crate) struct Change {
    from: &'static str,
    to: String,
    is_shown: bool,
}

impl Change {
    pub(crate) fn new(from: &'static str, to: impl Into<String>) -> Self {
        Self { from, to: to.into(), is_shown: true }
    }

    /// One that all manifests have in common.
    pub(crate) fn hidden(from: &'static str, to: impl Into<String>) -> Self {
        Self { is_shown: false, ..Self::new(from, to) }
    }

    /// A part of a login.
    pub(crate) fn secret(from: &'static str, to: impl Into<String>) -> Self {
        Self::hidden(from, to)
    }
}

/// Reads one of the manifests in `examples/`, and says what was changed in it.
///
/// Fails if a placeholder is not there: the demo would no longer show what the manifest says.
pub(crate) fn read(file: &str, changes: &[Change]) -> Result<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
    let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for Change { from, to, .. } in changes {
        ensure!(text.contains(from), "{file} does not contain {from:?}");
        text = text.replace(from, to);
    }
    let shown = changes.iter().filter(|it| it.is_shown);
    Ok((text, shown.map(|Change { from, to, .. }| format!("{from} → {to}")).collect()))
}

//! Files that are generated from the code are up to date.

use std::process::Command;

#[path = "support/file.rs"]
mod file;

#[test]
fn the_crds_in_both_places_are_the_generated_ones() {
    let printed =
        Command::new(env!("CARGO_BIN_EXE_credwright")).arg("crds").output().expect("the binary runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).expect("YAML is text");
    for file in ["crds/credwright.dev.yaml", "charts/credwright/files/credwright.dev.yaml"] {
        file::is_generated(file, &printed);
    }
}

#[test]
fn the_page_on_metrics_is_the_generated_one() {
    file::is_generated("docs/metrics.md", &credwright::ops::metrics::documentation());
}

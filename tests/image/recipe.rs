//! The image that `make image` makes, the one that the Dockerfile makes, and what the chart runs
//! are the same to whoever starts them.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::archive::{Image, ROOT};

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap()
}

/// Returns the arguments of an instruction of the Dockerfile's last stage.
fn instruction(name: &str) -> String {
    let file = text("Dockerfile");
    let last = file.rsplit_once("\nFROM ").unwrap().1;
    let lines =
        last.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect::<Vec<_>>();
    assert_eq!(lines.len(), 1, "{name} in {last}");
    lines[0].to_owned()
}

#[test]
fn both_images_start_the_same_program_as_the_same_user() {
    let config = Image::open().config["config"].clone();
    let entrypoint: Value = serde_json::from_str(&instruction("ENTRYPOINT")).unwrap();
    assert_eq!(config["Entrypoint"], entrypoint);
    assert_eq!(config["Entrypoint"], json!(["/usr/local/bin/credwright"]));
    assert_eq!(config["User"], instruction("USER"));
    assert_eq!(config["Cmd"], Value::Null);
}

#[test]
fn the_chart_starts_the_entrypoint_as_the_user_of_the_image() {
    let image = Image::open();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text("dist/install.yaml")).unwrap();
    let pods: Vec<&Value> =
        documents.iter().map(|it| &it["spec"]["template"]["spec"]).filter(|it| it.is_object()).collect();
    assert!(!pods.is_empty());
    for pod in pods {
        let security = &pod["securityContext"];
        let user = format!("{}:{}", security["runAsUser"], security["runAsGroup"]);
        assert_eq!(image.config["config"]["User"], user);
        let container = &pod["containers"][0];
        assert_eq!(container["command"], Value::Null, "it would replace the image's entrypoint");
        assert!(
            container["image"].as_str()
                == image.index["manifests"][0]["annotations"]["io.containerd.image.name"].as_str()
        );
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    }
}

#[test]
fn the_dockerfile_builds_with_the_rust_that_is_asked_for() {
    let manifest = text("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    let builder = format!("rust:{version}-bookworm");
    assert!(text("Dockerfile").contains(&format!("FROM {builder} AS build")), "not built by {builder}");
}

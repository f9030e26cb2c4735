//! The bill of materials.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::archive::{Image, archive};

fn bill() -> Value {
    serde_json::from_slice(&fs::read(archive().with_extension("cdx.json")).unwrap()).unwrap()
}

fn texts<'a>(list: &'a Value, field: &'a str) -> impl Iterator<Item = &'a str> {
    list.as_array().unwrap().iter().map(move |it| it[field].as_str().unwrap())
}

#[test]
fn the_bill_of_materials_lists_what_is_in_the_image_and_nothing_else() {
    let bill = bill();
    let names: BTreeSet<&str> = texts(&bill["components"], "name").collect();
    for inside in
        ["credwright", "rustls", "kube", "aws-lc-sys", "rust", "libc6", "libgcc-s1", "ca-certificates"]
    {
        assert!(names.contains(inside), "{inside} is missing");
    }
    // Of tests, of macros, of build scripts, and of features that are off.
    for outside in
        ["proptest", "insta", "rcgen", "credwright-simulator", "serde_derive", "cc", "ring", "quinn"]
    {
        assert!(!names.contains(outside), "{outside} is in no image");
    }
}

#[test]
fn the_bill_of_materials_can_be_read_by_others() {
    let bill = bill();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    let digest = Image::open().index["manifests"][0]["digest"].as_str().unwrap().replace(':', "%3A");
    let image = bill["metadata"]["component"]["purl"].as_str().unwrap();
    assert!(image.starts_with(&format!("pkg:oci/credwright@{digest}?")), "{image}");

    let mut known = BTreeSet::from([image]);
    for component in bill["components"].as_array().unwrap() {
        let text = |field: &str| component[field].as_str().unwrap_or_default();
        assert!(!text("name").is_empty() && !text("version").is_empty(), "{component}");
        assert!(text("purl").starts_with("pkg:") && text("purl") == text("bom-ref"), "{component}");
        let from_a_registry = text("purl").starts_with("pkg:cargo/") && text("name") != "credwright";
        assert!(!from_a_registry || component["hashes"][0]["content"].is_string(), "{component}");
        assert!(!from_a_registry || component["licenses"][0]["expression"].is_string(), "{component}");
        assert!(known.insert(component["purl"].as_str().unwrap()), "{component} is there twice");
    }
    // What is used is listed, and what is listed is used.
    let mut used = BTreeSet::from([image]);
    for dependency in bill["dependencies"].as_array().unwrap() {
        used.extend(dependency["dependsOn"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()));
    }
    assert_eq!(used, known);
}

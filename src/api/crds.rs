//! The CRDs: the part that is derived from the types, and the part that a derive cannot express.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{AbandonedCredential, ApiCredential, ClusterCredentialProvider, CredentialProvider};

/// Annotation on each CRD: the version of its fields, a number.
pub const SCHEMA_VERSION_ANNOTATION: &str = "credwright.dev/schema-version";

/// The version of the fields of all CRDs together. It rises with each release that adds some: the
/// API server prunes fields that a CRD does not have, at the next write and for good, so older CRDs
/// never replace newer ones. CRDs without the annotation have version 1.
pub const SCHEMA_VERSION: u32 = 2;

/// Returns all CRDs in the order in which they are printed.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        ApiCredential::crd(),
        CredentialProvider::crd(),
        ClusterCredentialProvider::crd(),
        AbandonedCredential::crd(),
    ]
    .map(finished)
    .into()
}

fn finished(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let annotations = definition.metadata.annotations.get_or_insert_default();
    annotations.insert(SCHEMA_VERSION_ANNOTATION.to_owned(), SCHEMA_VERSION.to_string());
    let versions = definition.spec.versions.iter_mut();
    for root in versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut()) {
        tidy(root);
        if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            never_taken_for_ready(status);
        }
    }
    definition
}

/// Sets the default of `observedGeneration`. Tools that wait for an object compare it with
/// `metadata.generation`. Without a default there is nothing to compare before the first reconcile,
/// and some tools then take the object for ready.
fn never_taken_for_ready(status: &mut JSONSchemaProps) {
    status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    // The derive makes status nullable, and a null would override the default.
    status.nullable = None;
}

/// Removes what Rust needs and Kubernetes does not.
fn tidy(schema: &mut JSONSchemaProps) {
    // `kubectl explain` wraps text itself, and would keep the line breaks of a doc comment.
    schema.description = schema.description.take().map(|text| one_line_per_paragraph(&text));
    // The API server warns about a format that it does not know.
    if schema.format.as_deref() == Some("uint32") {
        schema.format = Some("int64".to_owned());
    }
    schema.title = None;
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy);
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(item)) => tidy(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = schema.additional_properties.as_mut() {
        tidy(value);
    }
}

fn one_line_per_paragraph(text: &str) -> String {
    let paragraphs =
        text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

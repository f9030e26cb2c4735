//! `credwright check`: validates manifests as the API server would, without one: types, unknown
//! fields, and every rule of the CRDs.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, Read},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use jsonschema::Validator;
use kube::core::cel;
use serde_json::{Value, json};

use crate::{
    api::{GROUP, SecretOutput, crds},
    lifecycle::render,
};

/// The manifests to check.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Files with manifests; - is standard input. Manifests that are not Credwright's are skipped.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    let kinds = Kinds::new();
    let (mut good, mut foreign, mut complaints) = (0, 0, String::new());
    for file in &arguments.files {
        let shown = file.display();
        let documents = match read(file) {
            Ok(documents) => documents,
            Err(error) => {
                let _ = writeln!(complaints, "{shown}: {error}");
                continue;
            }
        };
        for document in documents {
            match kinds.check(&document) {
                None => foreign += 1,
                Some(found) if found.is_empty() => good += 1,
                Some(found) => found.iter().for_each(|complaint| {
                    let _ = writeln!(complaints, "{shown}: {}: {complaint}", named(&document));
                }),
            }
        }
    }
    eprint!("{complaints}");
    let skipped = if foreign > 0 { format!("; {foreign} skipped") } else { String::new() };
    println!("{good} good{skipped}");
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(file: &PathBuf) -> Result<Vec<Value>, String> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(file).map(|it| text = it)
    };
    read.map_err(|error| error.to_string())?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn named(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"]))
}

/// The kinds that are checked, with the schemas and rules of their CRDs.
struct Kinds(HashMap<(String, String), Kind>);

struct Kind {
    rules: Value,
    types: Validator,
}

impl Kinds {
    /// # Panics
    ///
    /// Never: the CRDs are our own data, and their schemas are valid.
    fn new() -> Self {
        let mut kinds = HashMap::new();
        for definition in crds::all() {
            for version in definition.spec.versions {
                let schema = version.schema.and_then(|schema| schema.open_api_v3_schema);
                let rules = serde_json::to_value(schema).expect("a schema is plain data");
                let mut types = rules.clone();
                close(&mut types);
                // Every object has these members.
                for key in ["apiVersion", "kind"] {
                    types["properties"][key] = json!({ "type": "string" });
                }
                types["properties"]["metadata"] = json!({ "type": "object", "required": ["name"] });
                let key = (format!("{GROUP}/{}", version.name), definition.spec.names.kind.clone());
                let types = jsonschema::draft4::new(&types).expect("a definition has a schema");
                kinds.insert(key, Kind { rules, types });
            }
        }
        Self(kinds)
    }

    /// Returns the mistakes in a document; `None` if it is not Credwright's.
    fn check(&self, document: &Value) -> Option<Vec<String>> {
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version.split('/').next() != Some(GROUP) {
            return None;
        }
        let Some(known) = self.0.get(&(version.clone(), kind.clone())) else {
            return Some(vec![format!("there is no kind {kind} of {version}")]);
        };
        let defaulted = cel::apply_defaults(&known.rules, document);
        let wrong = known.types.iter_errors(&defaulted);
        let mut found: Vec<String> = wrong
            .map(|error| located(&error.instance_path().to_string().replace('/', "."), &error.to_string()))
            .collect();
        // A rule can only be evaluated for an object of the right type.
        if found.is_empty() {
            let broken = cel::Validator::new().validate(&known.rules, &defaulted, None).err();
            let broken = broken.iter().flat_map(|errors| errors.as_slice());
            found.extend(broken.map(|error| located(&error.field_path, &error.message)));
            found.extend(templates(&defaulted));
        }
        Some(found)
    }
}

/// Returns the mistake in the templates of an ApiCredential. They are rendered with made-up values.
fn templates(document: &Value) -> Option<String> {
    let secret = document.get("spec")?.get("secret")?;
    let output: SecretOutput = serde_json::from_value(secret.clone()).ok()?;
    render::rehearse(Some(&output)).err().map(|error| error.to_string())
}

fn located(path: &str, message: &str) -> String {
    match path.trim_start_matches('.') {
        "" => message.to_owned(),
        path => format!("{path}: {message}"),
    }
}

/// Makes the schema reject members that it does not name, as `kubectl apply` does.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(yaml: &str) -> Option<Vec<String>> {
        Kinds::new().check(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn a_manifest_is_checked_as_the_api_server_would() {
        let object = |spec: &str| {
            let head = "apiVersion: credwright.dev/v1alpha1\nkind: ApiCredential\nmetadata: {name: orders, namespace: shop}\n";
            complaints(&format!("{head}spec: {spec}")).unwrap()
        };
        assert_eq!(object("{providerRef: {name: acme}, lifetime: 720h}"), [""; 0]);
        let rows = [
            ("{providerRef: {name: acme}, lifetime: 1s}", "spec.lifetime: lifetime must be between"),
            (
                "{providerRef: {name: acme}, livetime: 720h}",
                "spec: Additional properties are not allowed ('livetime'",
            ),
            ("{providerRef: {name: acme}, scopes: read}", "spec.scopes: \"read\" is not of type \"array\""),
            ("{lifetime: 720h}", "spec: \"providerRef\" is a required property"),
            ("{providerRef: {kind: Secret, name: acme}}", "spec.providerRef.kind: \"Secret\" is not one of"),
        ];
        for (spec, expected) in rows {
            let found = object(spec);
            assert!(found.iter().any(|it| it.starts_with(expected)), "{spec}: {found:#?}");
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_found_without_a_credential() {
        let found = |template: &str| {
            let head = "apiVersion: credwright.dev/v1alpha1\nkind: ApiCredential\nmetadata: {name: orders}\n";
            let spec = format!("spec: {{providerRef: {{name: acme}}, secret: {{template: {{{template}}}}}}}");
            complaints(&format!("{head}{spec}")).unwrap()
        };
        let pull = "'.dockerconfigjson': \"{{ (client_id ~ ':' ~ client_secret) | b64encode }}\"";
        assert_eq!(found(pull), [""; 0]);
        assert_eq!(found("a: \"{{ region | lower }} {{ expires_at }}\""), [""; 0], "some provider has it");
        let unknown = found("'.dockerconfigjson': \"{{ client_id | base64 }}\"");
        let expected = "spec.secret.template[\".dockerconfigjson\"] cannot be rendered: there is no filter base64 in line 1; \
                        there are b64encode, urlencode, ";
        assert!(unknown[0].starts_with(expected), "{unknown:?}");
        let unknown = found("a: \"{{ client_idd }}\"");
        assert!(
            unknown[0].contains("there is no value client_idd in line 1; there are api_version, "),
            "{unknown:?}"
        );
    }

    #[test]
    fn other_kinds_are_ignored_and_unknown_kinds_of_our_group_are_reported() {
        assert_eq!(complaints("apiVersion: v1\nkind: Secret\nmetadata: {name: a}"), None);
        let found = complaints("apiVersion: credwright.dev/v1\nkind: ApiCredential\nmetadata: {name: a}");
        assert_eq!(found.unwrap(), ["there is no kind ApiCredential of credwright.dev/v1"]);
    }
}

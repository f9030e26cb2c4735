//! The schema of the values, which is where they are written down; values.yaml and a table in the
//! README are made of it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::generated::file;

/// The schema's entry for one value.
#[derive(Deserialize)]
pub(crate) struct Property {
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) properties: Properties,
    #[serde(rename = "additionalProperties")]
    pub(crate) others: Option<Value>,
    pub(crate) default: Option<Value>,
}

/// Values in the order in which they are written down.
#[derive(Default)]
pub(crate) struct Properties(pub(crate) Vec<(String, Property)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("properties")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut found = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    found.push(entry);
                }
                Ok(Properties(found))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The schema.
pub(crate) fn schema() -> Property {
    serde_json::from_str(&file::read("charts/credwright/values.schema.json")).unwrap()
}

/// values.yaml as the schema has it.
pub(crate) fn yaml() -> String {
    let mut text = "# Made of values.schema.json by `make generate`.\n".to_owned();
    write_yaml(&mut text, &schema().properties, "");
    text
}

fn write_yaml(text: &mut String, properties: &Properties, indent: &str) {
    for (name, property) in &properties.0 {
        if indent.is_empty() {
            text.push('\n');
        }
        for line in wrapped(&property.description, 98 - indent.len()) {
            text.push_str(&format!("{indent}# {line}\n"));
        }
        match &property.default {
            Some(default) => text.push_str(&format!("{indent}{name}: {}\n", flow(default))),
            None => {
                text.push_str(&format!("{indent}{name}:\n"));
                write_yaml(text, &property.properties, &format!("{indent}  "));
            }
        }
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= width) {
            Some(line) => line.push_str(&format!(" {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A value in one line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if !members.is_empty() => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// Returns whether a text needs no quotes: it begins with a letter, or is a number with a unit.
fn is_plain(text: &str) -> bool {
    let letter = |it: char| it.is_ascii_alphabetic();
    text.contains(letter) && text.chars().all(|it| it.is_ascii_alphanumeric() || "./-".contains(it))
}

/// The README's table.
pub(crate) fn table() -> String {
    let mut text = "| value | default | description |\n|---|---|---|\n".to_owned();
    write_rows(&mut text, &schema().properties, "");
    text
}

fn write_rows(text: &mut String, properties: &Properties, prefix: &str) {
    for (name, Property { description, properties, default, .. }) in &properties.0 {
        let default = default.as_ref().map(|it| format!("`{}`", flow(it))).unwrap_or_default();
        text.push_str(&format!("| `{prefix}{name}` | {default} | {description} |\n"));
        write_rows(text, properties, &format!("{prefix}{name}."));
    }
}

#[test]
fn every_value_is_described_has_a_default_and_lets_nothing_unknown_in() {
    fn look(name: &str, property: &Property) {
        assert!(name.is_empty() || property.description.ends_with('.'), "{name} has no sentence");
        if property.default.is_none() {
            assert!(!property.properties.0.is_empty(), "{name} has no default");
            assert_eq!(property.others, Some(Value::Bool(false)), "{name} lets unknown values in");
        }
        for (member, property) in &property.properties.0 {
            look(format!("{name}.{member}").trim_start_matches('.'), property);
        }
    }
    look("", &schema());
}

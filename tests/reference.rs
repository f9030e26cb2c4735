//! The pages of docs/reference, made of the code.

use std::fmt::Write;

use clap::{Arg, ArgAction};
use credwright::api::{ConditionType, Reason, crds};
use serde_json::Value;

#[path = "support/file.rs"]
mod file;

#[test]
fn the_page_on_fields_is_the_generated_one() {
    file::is_generated("docs/reference/fields.md", &page_on_fields());
}

fn page_on_fields() -> String {
    let mut page = String::from(
        "# Fields\n\nThe fields of the custom resources, as in `kubectl explain`. Group and version are `credwright.dev/v1alpha1`. This page is generated from the code: \
         `make generate` writes it.\n",
    );
    for definition in crds::all() {
        let version = &definition.spec.versions[0];
        let schema = version.schema.as_ref().and_then(|it| it.open_api_v3_schema.as_ref());
        let schema = serde_json::to_value(schema).expect("a schema is plain data");
        let _ = writeln!(page, "\n## {}\n\n{}\n", definition.spec.names.kind, line(&schema["description"]));
        page.push_str("| field | type | description |\n|---|---|---|\n");
        for part in ["spec", "status"] {
            fields(part, &schema["properties"][part], &mut page);
        }
    }
    page
}

/// A row for each field below `path`.
fn fields(path: &str, schema: &Value, page: &mut String) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
        let path = format!("{path}.{name}");
        let mut what = line(&field["description"]);
        if required {
            what.push_str(" Required.");
        }
        if !field["default"].is_null() {
            let _ = write!(what, " Default: `{}`.", field["default"].to_string().trim_matches('"'));
        }
        for rule in field["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let _ = write!(what, " Rule: {}.", line(&rule["message"]).trim_end_matches('.'));
        }
        let _ = writeln!(page, "| `{path}` | {} | {what} |", type_of(field));
        fields(&path, field, page);
        fields(&format!("{path}[]"), &field["items"], page);
    }
}

fn type_of(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> =
            values.iter().filter_map(|it| Some(format!("`{}`", it.as_str()?))).collect();
        return values.join(", ");
    }
    match field["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", field["items"]["type"].as_str().unwrap_or("any")),
        other => other.to_owned(),
    }
}

/// A description, as the cell of a table.
fn line(text: &Value) -> String {
    words(text.as_str().unwrap_or_default())
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[test]
fn the_page_on_conditions_is_the_generated_one() {
    file::is_generated("docs/reference/conditions.md", &page_on_conditions());
}

fn page_on_conditions() -> String {
    let mut page = String::from(
        "# Conditions and reasons\n\n`kubectl describe` shows them, each with a message that names fields, times and commands. A reason belongs to a condition, to an \
         Event, or to a credential in `status.credentials`. This page is generated from the code: `make generate` writes it.\n",
    );
    for (title, schema) in
        [("Conditions", schemars::schema_for!(ConditionType)), ("Reasons", schemars::schema_for!(Reason))]
    {
        let _ = writeln!(
            page,
            "\n## {title}\n\n| {} | meaning | action |\n|---|---|---|",
            title.to_lowercase().trim_end_matches('s')
        );
        for (name, [meaning, todo]) in described(&schema) {
            let _ = writeln!(page, "| `{name}` | {meaning} | {todo} |");
        }
    }
    page
}

/// Each value of an enum, with what it means and what to do about it.
fn described(schema: &schemars::Schema) -> Vec<(String, [String; 2])> {
    let values = schema.as_value()["oneOf"].as_array().expect("each has a description");
    let each = values.iter().map(|value| {
        let name = value["const"].as_str().expect("a word");
        let text = value["description"].as_str().unwrap_or_default();
        let cells = paragraphs(text).map_err(|why| format!("{name} {why}: {text}"));
        let cells = cells.expect("a comment says what it means and what to do");
        (name.to_owned(), cells)
    });
    each.collect()
}

/// Returns the two paragraphs of a comment as the cells of a table.
fn paragraphs(text: &str) -> Result<[String; 2], &'static str> {
    let (meaning, todo) = text.split_once("\n\n").ok_or("does not say what to do")?;
    let (meaning, todo) = (words(meaning), words(todo));
    let todo = match todo.split_once(": ") {
        Some(("Do", what)) => capitalised(what),
        Some(("Nothing", _)) => todo,
        _ => return Err("has a second paragraph that begins with neither `Do:` nor `Nothing:`"),
    };
    if meaning.ends_with('.') && todo.ends_with('.') { Ok([meaning, todo]) } else { Err("is no sentence") }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[test]
fn instructions_name_only_fields_and_flags_that_exist() {
    let (there, page) = (page_on_fields() + &page_on_the_command_line(), page_on_conditions());
    let quoted: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    let is_name = |it: &&&str| !it.contains([' ', '/', '=']);
    let is_field =
        |it: &&&str| it.contains('.') && it.starts_with(|letter: char| letter.is_ascii_lowercase());
    let fields: Vec<&&str> = quoted.iter().filter(is_name).filter(is_field).collect();
    let flags: Vec<&&str> = quoted.iter().filter(|it| it.starts_with("--")).collect();
    assert!(fields.len() > 15 && flags.len() > 2, "{fields:?} {flags:?}");
    let unknown: Vec<_> = fields.into_iter().filter(|it| !there.contains(&format!("{it}`"))).collect();
    assert!(unknown.is_empty(), "fields that do not exist: {unknown:?}");
    let unknown: Vec<_> = flags.into_iter().filter(|it| !there.contains(&format!("`{it} "))).collect();
    assert!(unknown.is_empty(), "flags that do not exist: {unknown:?}");
}

#[test]
fn a_condition_or_reason_without_instructions_is_noticed() {
    assert_eq!(
        paragraphs("It is so.\n\nDo: wait\nfor it."),
        Ok(["It is so.", "Wait for it."].map(str::to_owned))
    );
    assert!(paragraphs("It is so.\n\nNothing: it passes.").is_ok());
    for lacking in ["It is so.", "It is so.\n\nWait.", "It is so.\n\nDo:", "It is so.\n\nDo: wait"] {
        assert!(paragraphs(lacking).is_err(), "{lacking}");
    }
}

#[test]
fn the_page_on_the_command_line_is_the_generated_one() {
    file::is_generated("docs/reference/command-line.md", &page_on_the_command_line());
}

fn page_on_the_command_line() -> String {
    let mut page = String::from(
        "# Command line\n\nEvery flag has an environment variable. The flag overrides it. This page is generated from the code: `make generate` writes it.\n",
    );
    for command in credwright::cli::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "\n## credwright {}\n\n{about}.", command.get_name());
        let arguments: Vec<&Arg> = command.get_arguments().collect();
        if !arguments.is_empty() {
            page.push_str("\n| flag | environment | default | description |\n|---|---|---|---|\n");
        }
        arguments.iter().for_each(|argument| row(argument, &mut page));
    }
    page
}

fn row(argument: &Arg, page: &mut String) {
    let value = argument
        .get_value_names()
        .and_then(|names| names.first())
        .filter(|_| matches!(argument.get_action(), ArgAction::Set | ArgAction::Append));
    let value = value.map(|name| format!("{name}")).unwrap_or_default();
    let flag = argument.get_long().map_or_else(|| value.clone(), |long| format!("--{long} {value}"));
    let environment = argument.get_env().map(|it| format!("`{}`", it.to_string_lossy())).unwrap_or_default();
    let defaults = argument.get_default_values().iter().filter(|_| !value.is_empty());
    let defaults: Vec<String> = defaults.map(|it| format!("`{}`", it.to_string_lossy())).collect();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let _ = writeln!(page, "| `{}` | {environment} | {} | {help} |", flag.trim(), defaults.join(", "));
}

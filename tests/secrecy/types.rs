//! No type that holds a secret says what it holds: not by `Debug`, not by `Display`, not by
//! `Serialize`.

use std::{
    fmt::{Debug, Display},
    path::{Path, PathBuf},
};

use credwright::{
    engine::seal::{Material, Sealer, Secrets},
    lifecycle::render::WithSecret,
    providers::{Issued, RevokeRequest, VerifyRequest},
};
use secrecy::SecretString;
use serde::Serialize;
use static_assertions::assert_not_impl_any;

use crate::file;

// These do not compile if somebody derives one of the three.
assert_not_impl_any!(Issued: Debug, Display, Serialize);
assert_not_impl_any!(VerifyRequest: Debug, Display, Serialize);
assert_not_impl_any!(RevokeRequest: Debug, Display, Serialize);
assert_not_impl_any!(Material: Debug, Display, Serialize);
assert_not_impl_any!(Secrets: Debug, Display, Serialize);
assert_not_impl_any!(Sealer: Debug, Display, Serialize);
assert_not_impl_any!(WithSecret<'static>: Debug, Display, Serialize);
assert_not_impl_any!(SecretString: Display, Serialize);

/// The types of a secret.
const SECRETS: [&str; 4] = ["SecretString", "SecretBox", "Zeroizing", "LoginData"];
const TELLING: [&str; 4] = ["Debug", "Display", "Serialize", "Error"];
/// It exists between a ledger's material and its ciphertext only, is serialized for that, and is
/// wiped.
const WIRE_FORM: &str = "Plain";

/// The private ones, too: those of a file in which no test can name them, and those that nobody has
/// written yet.
#[test]
fn no_type_that_holds_a_secret_can_be_printed() {
    let types = types();
    let mut holders: Vec<&Type> = Vec::new();
    loop {
        let is_new = |it: &&Type| !holders.iter().any(|holder| std::ptr::eq(*holder, *it));
        let more: Vec<&Type> = types
            .iter()
            .filter(is_new)
            .filter(|it| it.holds_secret() || it.holds_one_of(&holders, &types))
            .collect();
        if more.is_empty() {
            break;
        }
        holders.extend(more);
    }
    let names: Vec<&str> = holders.iter().map(|it| it.name.as_str()).collect();
    for known in ["Issued", "Material", "OpenLedger", "Granted", "Created", "Handle", "Spreetail"] {
        assert!(names.contains(&known), "{known} is not among {names:?}");
    }
    let telling = |it: &&Type| it.name != WIRE_FORM && !it.told.is_empty();
    let telling: Vec<String> = holders
        .into_iter()
        .filter(telling)
        .map(|it| format!("{}: {} is {:?}", it.file.display(), it.name, it.told))
        .collect();
    assert!(telling.is_empty(), "these hold a secret:\n{}", telling.join("\n"));
}

/// A struct or an enum of ours.
struct Type {
    file: PathBuf,
    name: String,
    /// Its lines without their first words: those name variants.
    body: String,
    /// The members of [`TELLING`] that it derives or implements.
    told: Vec<String>,
}

impl Type {
    fn holds_secret(&self) -> bool {
        words(&self.body).any(|word| SECRETS.contains(&word))
    }

    /// Of several types of a name, the one in this file is meant.
    fn holds_one_of(&self, holders: &[&Self], all: &[Self]) -> bool {
        let is_unique = |name: &str| all.iter().filter(|it| it.name == name).count() == 1;
        let meant = |holder: &Self| holder.file == self.file || is_unique(&holder.name);
        holders.iter().any(|holder| meant(holder) && words(&self.body).any(|word| word == holder.name))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

fn types() -> Vec<Type> {
    let mut files = file::rust_files("src");
    // What is planted in tests is no secret.
    files.retain(|path| !path.iter().any(|it| it == "tests" || it == "tests.rs"));
    files.iter().flat_map(|file| types_of(file)).collect()
}

/// rustfmt puts an item's first words and its end at the same indentation, which is all that has to
/// be known here.
fn types_of(file: &Path) -> Vec<Type> {
    let text = file::read(file);
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().collect();
    let mut types = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = declared(line) else { continue };
        let ends = |line: &&str| line.starts_with('}') || line.ends_with(';');
        let length = lines[at..].iter().position(ends).map_or(1, |last| last + 1);
        let body = lines[at..at + length].iter().filter(|line| !line.trim_start().starts_with("//"));
        let above = lines[..at].iter().rev().take_while(|line| !line.is_empty() && **line != "}");
        let derives = above.filter(|line| !line.starts_with("//")).flat_map(|line| words(line));
        let implemented = lines.iter().filter_map(|line| implemented(line, name));
        let told = derives.chain(implemented).filter(|word| TELLING.contains(word)).map(str::to_owned);
        types.push(Type {
            file: file.to_owned(),
            name: name.to_owned(),
            body: body
                .filter_map(|line| line.trim_start().split_once([' ', '(', '<']))
                .map(|(_, types)| types.to_owned() + "\n")
                .collect(),
            told: told.collect(),
        });
    }
    types
}

/// The name in `pub(super) struct Name<'a> {`.
fn declared(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("struct ").or_else(|| line.split_once("enum "))?;
    let is_item = before.is_empty() || (before.starts_with("pub") && before.ends_with(' '));
    words(after).next().filter(|name| is_item && name.starts_with(char::is_uppercase))
}

/// The trait in `impl fmt::Debug for Name {`.
fn implemented<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (what, of) = line.strip_prefix("impl")?.split_once(" for ")?;
    (words(of).next() == Some(name)).then(|| words(what).last()).flatten()
}

#[test]
fn items_are_recognised() {
    assert_eq!(declared("pub(super) struct Token {"), Some("Token"));
    assert_eq!(declared("enum Login<'a> {"), Some("Login"));
    assert_eq!(declared("/// A struct of ours"), None);
    assert_eq!(declared("    let struct_ = 1;"), None);
    assert_eq!(implemented("impl fmt::Debug for Token {", "Token"), Some("Debug"));
    assert_eq!(implemented("impl<G> Grant for Token<G> {", "Token"), Some("Grant"));
    assert_eq!(implemented("impl Token {", "Token"), None);
}

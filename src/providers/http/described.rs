//! A provider's own words about a refusal: bounded, and without anything that may be a secret.
//!
//! Some servers repeat in an error parts of the request, or data of their own. So nothing is shown
//! of a text that contains a secret of the request. Of any other text only words of plain language
//! are shown, and words that the request itself contained openly: names, scopes, members.

use std::collections::HashSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Request, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

/// The longest text that is shown, in characters.
const LONGEST: usize = 240;
/// The shortest secret that is searched for: a shorter one is in every other word.
const SECRET_MIN: usize = 4;
/// A word of so few characters is shown in any case.
const SHORT: usize = 5;
/// The longest word that can be plain language.
const WORD_MAX: usize = 40;

/// Members with a sentence about an error, and those with the code that comes with it: OAuth (RFC
/// 6749, section 5.2), problem details (RFC 9457), Cloud Director, and the usual names elsewhere.
/// Without its code it may be anything: the author of a provider object chooses whom we ask.
const SENTENCES: [(&str, &str); 5] = [
    ("error", "error_description"),
    ("type", "detail"),
    ("minorErrorCode", "message"),
    ("errorCode", "message"),
    ("code", "message"),
];
/// The words in names of members whose values may be secrets.
const SECRET_NAMES: [&str; 6] = ["secret", "password", "token", "assertion", "key", "code"];

/// Returns the description in an error answer, if it can be shown.
pub(super) fn described(body: &[u8], request: Option<&Request>, login: &[SecretString]) -> Option<String> {
    let members = super::members(body)?;
    let text = sentence(&members)?;
    let mut sent = Sent::default();
    login.iter().for_each(|secret| sent.keep(secret.expose_secret()));
    if let Some(request) = request {
        sent.read(request);
    }
    for (name, value) in members.iter().filter(|(name, _)| is_secret(name)) {
        sent.take(name, value);
    }
    sent.shown(text)
}

/// Returns the sentence about an error in the members of an answer.
pub(super) fn sentence(members: &Map<String, Value>) -> Option<&str> {
    SENTENCES.iter().find_map(|(code, sentence)| members.get(*code).and(members.get(*sentence))?.as_str())
}

/// The parts of a request: those to keep secret, and those that may be repeated.
#[derive(Default)]
struct Sent {
    secrets: Vec<Zeroizing<String>>,
    open: HashSet<String>,
}

impl Sent {
    fn read(&mut self, request: &Request) {
        if let Some(value) = request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok()) {
            let credentials = value.split_once(' ').map_or(value, |(_, credentials)| credentials);
            self.keep(credentials);
            let pair = BASE64_STANDARD.decode(credentials).ok().and_then(|it| String::from_utf8(it).ok());
            if let Some((_, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
                self.keep(secret);
                form_urlencoded::parse(secret.as_bytes()).for_each(|(decoded, _)| self.keep(&decoded));
            }
        }
        let headers =
            request.headers().iter().filter(|(name, value)| *name != AUTHORIZATION && value.is_sensitive());
        headers.filter_map(|(_, value)| value.to_str().ok()).for_each(|value| self.keep(value));
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        match serde_json::from_slice(body) {
            Ok(value) => self.take("", &value),
            Err(_) => form_urlencoded::parse(body)
                .for_each(|(name, value)| self.take(&name, &Value::String(value.into_owned()))),
        }
    }

    fn take(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if is_secret(name) => self.keep(text),
            Value::String(text) => self.open.extend(text.split(is_between).map(str::to_owned)),
            Value::Array(all) => all.iter().for_each(|it| self.take(name, it)),
            Value::Object(all) => all.iter().for_each(|(name, it)| self.take(name, it)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn keep(&mut self, secret: &str) {
        if secret.len() >= SECRET_MIN {
            self.secrets.push(secret.to_owned().into());
        }
    }

    fn shown(&self, text: &str) -> Option<String> {
        if self.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            return None;
        }
        let (mut shown, mut words, mut hidden) = (String::new(), 0, 0);
        for word in text.split(is_between).filter(|word| !word.is_empty()) {
            words += 1;
            let may_be_shown = self.open.contains(word) || is_plain(word);
            hidden += usize::from(!may_be_shown);
            let next = if may_be_shown { word } else { "…" };
            if shown.chars().count() + next.chars().count() >= LONGEST {
                shown.push_str(" …");
                break;
            }
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(next);
        }
        (words > 0 && hidden * 2 < words).then_some(shown)
    }
}

/// Returns the separators between words. Quotes are dropped, and so are all control characters of a
/// terminal.
fn is_between(it: char) -> bool {
    it.is_whitespace()
        || it.is_control()
        || matches!(it, '"' | '\'' | '`' | '<' | '>' | '{' | '}' | '“' | '”')
}

/// Returns whether the value of a member or key with this name may be a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Returns whether a word is one of plain language, or a name made of such words: no digits among
/// letters, and few capitals.
fn is_plain(word: &str) -> bool {
    let word = word.trim_matches(|it: char| it.is_ascii_punctuation());
    if word.len() <= SHORT {
        return word.chars().all(|it| it.is_ascii_graphic());
    }
    let parts = || word.split(['_', '-', '.', ':', '/', ',', '(', ')', '=']).filter(|it| !it.is_empty());
    let is_language = |part: &str| {
        let capitals = part.chars().filter(|it| it.is_uppercase()).count();
        let is_number = part.len() <= SHORT && part.bytes().all(|it| it.is_ascii_digit());
        let letters = part.chars().all(char::is_alphabetic);
        is_number || letters && (capitals == part.chars().count() || capitals * 4 <= part.chars().count())
    };
    word.len() <= WORD_MAX && parts().all(is_language)
}

#[cfg(test)]
mod tests;

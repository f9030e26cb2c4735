//! Templates are the tenant's. They run with bounded fuel, fail on undefined values, and their
//! errors are shown without the values they saw.
//!
//! Fuel does not count while a template is parsed and compiled, so that is bounded here:
//!
//! - The engine folds constants again at each level of an expression, which takes a time that grows
//!   with the square of its length: seconds for one of 16,000 characters. So one tag has a limit.
//! - It recurses once for each `elif` or level of a list when it compiles, shows or drops it. A
//!   stack that overflows ends the process, not the thread, and the engine's own limits are too
//!   high for a stack of 2 MiB. So templates run on a thread of their own with a large stack.

use std::{collections::BTreeMap, panic, thread};

use minijinja::{
    Environment, UndefinedBehavior,
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};

mod filters;
mod trouble;
use secrecy::{ExposeSecret, SecretString};

use crate::api::TEMPLATE_MAX;

use self::trouble::Trouble;

use super::{RenderError, SIZE_LIMIT};

/// The number of instructions that a template may use.
const FUEL: u64 = 50_000;

/// The number of names, values and signs that may stand between one `{{` or `{%` and its end.
const TAG_MAX: usize = 1000;

/// The stack of the thread: four times the need of the worst template in the tests, in a build
/// without optimizations. Memory is only taken as it is used.
const STACK: usize = 256 * 1024 * 1024;

/// Renders templates by their keys.
///
/// # Errors
/// If one of them fails, or is too long or too large.
pub(super) fn render(
    templates: &BTreeMap<String, String>,
    values: &BTreeMap<String, SecretString>,
) -> Result<BTreeMap<String, SecretString>, RenderError> {
    if templates.is_empty() {
        return Ok(BTreeMap::new());
    }
    let all = || {
        let one = |(key, text): (&String, &String)| Ok((key.clone(), rendered(key, text, values)?));
        templates.iter().map(one).collect()
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("template".to_owned()).stack_size(STACK);
        let running = thread.spawn_scoped(scope, all).map_err(|error| RenderError::NoThread(error.kind()))?;
        running.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

fn rendered(
    key: &str,
    template: &str,
    values: &BTreeMap<String, SecretString>,
) -> Result<SecretString, RenderError> {
    let failed =
        |Trouble { why, certain }: Trouble| RenderError::Template { key: key.to_owned(), why, certain };
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    filters::add(&mut environment);
    if let Some(why) = too_long(template, environment.syntax()) {
        return Err(failed(Trouble { why, certain: true }));
    }
    let exposed: BTreeMap<String, String> =
        values.iter().map(|(key, value)| (key.clone(), value.expose_secret().to_owned())).collect();
    let known: Vec<&str> = values.keys().map(String::as_str).collect();
    let text = environment.render_str(template, exposed);
    let text = text.map_err(|error| failed(Trouble::of(&error, (template, environment.syntax()), &known)))?;
    if text.len() > SIZE_LIMIT { Err(RenderError::TooLarge) } else { Ok(text.into()) }
}

/// Says which limit a template exceeds that counts before it is parsed.
fn too_long(template: &str, syntax: &SyntaxConfig) -> Option<String> {
    // The schema has the same limit; time and stack rely on it.
    if template.chars().count() > TEMPLATE_MAX {
        return Some(format!("it is longer than {TEMPLATE_MAX} characters"));
    }
    let mut parts = 0;
    // An invalid token is left for the parser to report; it does not get further than this either.
    for (token, span) in tokenize(template, false, syntax.clone()).map_while(Result::ok) {
        parts = match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => 0,
            _ => parts + 1,
        };
        if parts > TAG_MAX {
            let line = span.start_line;
            return Some(format!(
                "a tag in line {line} has more than {TAG_MAX} names, values and signs: split it with {{% \
                 set %}}"
            ));
        }
    }
    None
}

//! Errors of templates, in words. An error of the engine can quote a value, which may be a secret:
//! only its kind and place are shown, and names that the template's author has written.

use std::collections::BTreeSet;

use minijinja::{
    Error, ErrorKind,
    machinery::{Span, Token, tokenize},
    syntax::SyntaxConfig,
};

use crate::lifecycle::rules::render::OPTIONAL;

use super::filters;

/// An error of a template, in words.
pub(super) struct Trouble {
    /// A sentence without any value.
    pub(super) why: String,
    /// True if it fails for all values.
    pub(super) certain: bool,
}

/// Words of the language that stand for no value.
const KEYWORDS: &str = "and block call elif else endblock endcall endfilter endfor endif endmacro endraw \
                        endset endwith false False filter for if in include is loop macro none None not or \
                        raw recursive set true True with";

impl Trouble {
    /// Returns the meaning of an error of `template`, which was rendered with values of these
    /// names.
    pub(super) fn of(error: &Error, template: (&str, &SyntaxConfig), values: &[&str]) -> Self {
        let place = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
        let named = |prefix: &str| {
            let name = error.detail()?.strip_prefix(prefix)?.strip_suffix(" is unknown")?;
            name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_').then(|| name.to_owned())
        };
        let (why, certain) = match error.kind() {
            ErrorKind::UnknownFilter => (named("filter ").map(no_filter), true),
            ErrorKind::UnknownTest => (named("test ").map(|name| format!("there is no test {name}")), true),
            ErrorKind::UnknownFunction => {
                (named("").map(|name| format!("there is no function {name}")), true)
            }
            _ if is_about_nothing(error) => {
                let unknown = unknown_names(template, error.line(), values);
                (no_value(&unknown, values), !unknown.is_empty())
            }
            ErrorKind::SyntaxError => (None, true),
            _ => (None, false),
        };
        let why = match why {
            Some(why) => match why.split_once(';') {
                Some((what, more)) => format!("{what}{place};{more}"),
                None => format!("{why}{place}"),
            },
            None => format!("{}{place}", error.kind()),
        };
        Self { why, certain }
    }
}

/// Returns whether an undefined value was used: it was shown, or given to a filter.
fn is_about_nothing(error: &Error) -> bool {
    let given = error.detail().is_some_and(|it| it.starts_with("cannot convert undefined"));
    error.kind() == ErrorKind::UndefinedError || (error.kind() == ErrorKind::InvalidOperation && given)
}

fn no_filter(name: String) -> String {
    format!("there is no filter {name}; there are {}, and MiniJinja's own", filters::NAMES)
}

fn no_value(unknown: &[String], values: &[&str]) -> Option<String> {
    let name = unknown.first()?;
    if OPTIONAL.contains(&name.as_str()) {
        return Some(format!(
            "{name} has no value; if a credential may lack it, write {{% if {name} is defined %}} around \
             it, or {{{{ {name} | default('') }}}}"
        ));
    }
    Some(format!("there is no value {name}; there are {}", values.join(", ")))
}

/// The names in a line of a template that stand for no value: none of those that there are, none
/// that it makes itself, and none that it can do without.
fn unknown_names(
    (template, syntax): (&str, &SyntaxConfig),
    line: Option<usize>,
    values: &[&str],
) -> Vec<String> {
    let tokens: Vec<_> = tokenize(template, false, syntax.clone()).map_while(Result::ok).collect();
    let (mut own, mut used, mut in_a_for) = (BTreeSet::new(), Vec::new(), false);
    for (index, (token, span)) in tokens.iter().enumerate() {
        let Token::Ident(name) = token else { continue };
        let before = index.checked_sub(1).map(|it| &tokens[it].0);
        let after = tokens.get(index + 1).map(|it| &it.0);
        in_a_for = *name == "for" || (in_a_for && *name != "in");
        let makes = in_a_for
            || matches!(before, Some(Token::Ident("set")))
            || matches!(after, Some(Token::Assign))
            || is_guarded(&tokens, index);
        let is_no_value = KEYWORDS.split(' ').any(|it| it == *name)
            || matches!(before, Some(Token::Dot | Token::Pipe | Token::Ident("is")))
            || (matches!(before, Some(Token::Ident("not"))) && is_test(&tokens, index))
            || matches!(after, Some(Token::ParenOpen));
        if makes {
            own.insert(*name);
        } else if !is_no_value && !values.contains(name) {
            used.push((usize::from(span.start_line), *name));
        }
    }
    used.retain(|(_, name)| !own.contains(name));
    let on_its_line = used.iter().any(|(at, _)| Some(*at) == line);
    let wanted = used.iter().filter(|(at, _)| !on_its_line || Some(*at) == line);
    wanted.map(|(_, name)| (*name).to_owned()).collect()
}

/// Returns whether the template tests if the name at `index` is defined, or gives a default for it.
fn is_guarded(tokens: &[(Token<'_>, Span)], index: usize) -> bool {
    let after = (tokens.get(index + 1).map(|it| &it.0), tokens.get(index + 2).map(|it| &it.0));
    matches!(after, (Some(Token::Ident("is")), _) | (Some(Token::Pipe), Some(Token::Ident("default" | "d"))))
}

/// Returns whether the name at `index` follows `is not`.
fn is_test(tokens: &[(Token<'_>, Span)], index: usize) -> bool {
    index.checked_sub(2).is_some_and(|it| matches!(tokens[it].0, Token::Ident("is")))
}

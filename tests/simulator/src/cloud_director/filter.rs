//! FIQL, as far as the token list takes it: `==` and `!=`, `;` for and, `,` for or, parentheses,
//! `*` for anything, and backslashes before what is meant literally.

use serde_json::Value;

/// A filter that was understood.
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Field { path: String, equal: bool, pieces: Vec<String> },
}

impl Filter {
    /// Admits everything.
    pub(super) fn all() -> Self {
        Self::All(Vec::new())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let filter = any(&mut rest)?;
        rest.is_empty().then_some(filter)
    }

    pub(super) fn admits(&self, entry: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.admits(entry)),
            Self::Any(parts) => parts.iter().any(|part| part.admits(entry)),
            Self::Field { path, equal, pieces } => {
                let value = path.split('.').try_fold(entry, |value, key| value.get(key));
                let value = value.and_then(Value::as_str).unwrap_or_default();
                fits(value, pieces) == *equal
            }
        }
    }
}

fn any(rest: &mut &str) -> Option<Filter> {
    Some(Filter::Any(series(rest, ',', all)?))
}

fn all(rest: &mut &str) -> Option<Filter> {
    Some(Filter::All(series(rest, ';', one)?))
}

fn series(rest: &mut &str, between: char, part: fn(&mut &str) -> Option<Filter>) -> Option<Vec<Filter>> {
    let mut parts = vec![part(rest)?];
    while let Some(more) = rest.strip_prefix(between) {
        *rest = more;
        parts.push(part(rest)?);
    }
    Some(parts)
}

fn one(rest: &mut &str) -> Option<Filter> {
    if let Some(inner) = rest.strip_prefix('(') {
        *rest = inner;
        let filter = any(rest)?;
        *rest = rest.strip_prefix(')')?;
        return Some(filter);
    }
    let (path, operator) = rest.split_at(rest.find(['=', '!'])?);
    let is_known = ["id", "name", "type", "owner.name", "owner.id", "org.name"].contains(&path);
    let equal = match operator.get(..2)? {
        "==" => true,
        "!=" => false,
        _ => return None,
    };
    *rest = &operator[2..];
    let pieces = value(rest)?;
    is_known.then(|| Filter::Field { path: path.to_owned(), equal, pieces })
}

/// A value, taken apart at its asterisks.
fn value(rest: &mut &str) -> Option<Vec<String>> {
    let mut pieces = vec![String::new()];
    let mut characters = rest.char_indices();
    let end = loop {
        let Some((at, character)) = characters.next() else { break rest.len() };
        let literal = match character {
            ';' | ',' | '(' | ')' => break at,
            '*' => {
                pieces.push(String::new());
                continue;
            }
            '\\' => characters.next()?.1,
            other => other,
        };
        pieces.last_mut()?.push(literal);
    };
    *rest = &rest[end..];
    Some(pieces)
}

/// Returns whether the pieces occur in this order, the first at the beginning and the last at the
/// end.
fn fits(value: &str, pieces: &[String]) -> bool {
    let [first, middle @ .., last] = pieces else { return pieces.first().is_some_and(|only| only == value) };
    let Some(mut rest) = value.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()))
    else {
        return false;
    };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

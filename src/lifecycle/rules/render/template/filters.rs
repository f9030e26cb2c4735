//! Filters for headers, pull secrets and addresses, which the engine does not have.

use base64::{Engine, prelude::BASE64_STANDARD};
use minijinja::{Environment, Error, ErrorKind};

use crate::lifecycle::rules::render::SIZE_LIMIT;

/// The filters of templates, ours first, as a message lists them.
pub(super) const NAMES: &str = "b64encode, urlencode, tojson, default, first, indent, join, last, length, \
                                lower, replace, split, trim, upper";

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("b64encode", |text: String| bounded(&text).map(|it| BASE64_STANDARD.encode(it)));
    environment.add_filter("urlencode", |text: String| bounded(&text).map(url_encoded));
}

/// Fuel does not count how long a text is, and each of these makes it longer.
fn bounded(text: &str) -> Result<&str, Error> {
    let too_long = || Error::new(ErrorKind::InvalidOperation, "the text is too long");
    if text.len() <= SIZE_LIMIT { Ok(text) } else { Err(too_long()) }
}

/// Everything but letters, digits and `-._~` becomes `%XX` (RFC 3986, section 2.3), so that the
/// result fits into any part of a URL, into a form, and into a client's half of HTTP Basic.
fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|it| char::from(b"0123456789ABCDEF"[usize::from(it)])));
        }
    }
    encoded
}

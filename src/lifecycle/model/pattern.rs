//! The pattern of a parameter's values.

use regex_lite::{Error, Regex, RegexBuilder};

/// The longest value of a parameter, in characters.
pub const VALUE_MAX: usize = 128;
/// The size of a compiled pattern, in bytes, above which it is refused.
const SIZE_MAX: usize = 64 * 1024;
/// The usual pattern: nothing that has a meaning in a URL.
const USUAL: &str = "[A-Za-z0-9._-]+";

/// A regular expression that the whole of a value matches, whatever anchors it has itself.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl Pattern {
    /// A pattern.
    ///
    /// # Errors
    /// If the text is no regular expression, or one that is too large.
    pub fn new(text: &str) -> Result<Self, Error> {
        let built = |text: &str| RegexBuilder::new(text).size_limit(SIZE_MAX).build();
        // Alone first: a bracket that closes too early would end the group around it.
        built(text)?;
        Ok(Self { text: text.to_owned(), whole: built(&format!("^(?:{text})$"))? })
    }

    /// Returns whether a value matches. An empty one does not, and neither do `.` and `..`, which
    /// are no segment of a path.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        !["", ".", ".."].contains(&value)
            && value.chars().count() <= VALUE_MAX
            && !value.chars().any(char::is_control)
            && self.whole.is_match(value)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for Pattern {
    #[expect(clippy::expect_used, reason = "a constant that a test builds")]
    fn default() -> Self {
        Self::new(USUAL).expect("the usual pattern is one")
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_matches_whatever_the_pattern_says_of_its_ends() {
        let rows = [
            ("[0-9]+", "42", true),
            ("[0-9]+", "42/../43", false),
            ("[0-9]+", "x42", false),
            ("[0-9]+", "42\n", false),
            ("^[0-9]+", "42x", false),
            ("a|b", "a", true),
            ("a|b", "ab", false),
            ("(?m)[a-z]+", "a\nb", false),
            (".*", "", false),
            (".*", "..", false),
            (".*", "a b", true),
            (".*", "a\u{1b}[2J", false),
        ];
        for (pattern, value, expected) in rows {
            assert_eq!(Pattern::new(pattern).unwrap().matches(value), expected, "{pattern} of {value:?}");
        }
        assert!(Pattern::new(".+").unwrap().matches(&"x".repeat(128)));
        assert!(!Pattern::new(".+").unwrap().matches(&"x".repeat(129)));
        for broken in ["a)|(?:b", "(", "a{2000}{2000}"] {
            assert!(Pattern::new(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_usual_pattern_refuses_what_has_a_meaning_in_a_url() {
        let usual = Pattern::default();
        for value in ["42", "my-role", "a.b_c"] {
            assert!(usual.matches(value), "{value}");
        }
        for value in
            ["", ".", "..", "42/../43", "42%2f..%2f43", "42?x=", "42#", "a\\b", "a b", "a'", "\u{e9}"]
        {
            assert!(!usual.matches(value), "{value}");
        }
    }
}

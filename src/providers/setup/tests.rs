use super::*;

fn base() -> Url {
    "https://api.example.com/root/".parse().unwrap()
}

#[test]
fn the_segments_of_a_driver_are_added_to_a_path() {
    assert_eq!(below(&base(), &["api", "v0"]).as_str(), "https://api.example.com/root/api/v0");
}

#[test]
fn a_value_is_exactly_one_segment_of_a_path_or_is_refused() {
    for value in
        ["42", "my-role", "a.b", "...", "a?b", "a#b", "a b", "42%2f..%2f43", "%2e%2e", "\u{e9}", "a;b"]
    {
        let url = value_below(&base(), value).unwrap_or_else(|| panic!("{value} is refused"));
        let segments: Vec<&str> = url.path_segments().unwrap().collect();
        assert_eq!((segments.len(), segments[0]), (2, "root"), "{value}: {url}");
        assert!(url.query().is_none() && url.fragment().is_none(), "{value}: {url}");
    }
    for value in ["", ".", "..", "42/../43", "a/", "/", "a\\b", ".\n", ".\t.", "a\rb", "\0"] {
        assert_eq!(value_below(&base(), value), None, "{value:?}");
    }
}

#[test]
fn a_path_of_a_spec_has_no_part_that_would_lead_elsewhere() {
    let url = path_below(&base(), "mount", "teams/approle").unwrap();
    assert_eq!(url.as_str(), "https://api.example.com/root/teams/approle");
    for path in ["", "a/", "/a", "a//b", "a/../b", "./a"] {
        assert_eq!(path_below(&base(), "mount", path), Err(SetupError::Path { field: "mount" }), "{path}");
    }
}

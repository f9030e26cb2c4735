use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Named {
    name: Option<String>,
}

fn tagged() -> Wanted {
    let is_tagged = |it: Named| it.name.is_some_and(|name| name.contains("kw1"));
    Box::new(move |entry| serde_json::from_slice(entry).map_or(true, is_tagged))
}

/// The names that are kept of a list which arrives in pieces of this length.
fn kept(list: &str, piece: usize) -> Result<Option<Vec<String>>, usize> {
    let wanted = tagged();
    let mut entries = Entries::new(&wanted);
    list.as_bytes().chunks(piece).try_for_each(|chunk| entries.read(chunk))?;
    let decoded: Option<Vec<Named>> = serde_json::from_slice(&entries.kept).ok();
    Ok(decoded.map(|it| it.into_iter().filter_map(|it| it.name).collect()))
}

fn names(names: &[&str]) -> Result<Option<Vec<String>>, usize> {
    Ok(Some(names.iter().map(|name| (*name).to_owned()).collect()))
}

#[test]
fn only_wanted_entries_are_kept_however_a_list_is_cut_into_pieces() {
    let list = r#" [ {"name":"a-kw1-1","more":{"x":[1,{"y":"]},["}]}} , {"name":"other"},
        {"name":null}, {"name":"\"\\"}, {"name":"b-\u006bw1-2"} ] "#;
    for piece in 1..list.len() {
        assert_eq!(kept(list, piece), names(&["a-kw1-1", "b-kw1-2"]), "{piece}");
    }
    assert_eq!(kept("[]", 1), names(&[]));
    assert_eq!(kept(" [ ] ", 2), names(&[]));
    assert_eq!(kept(r#"[{"name":"other"}]"#, 3), names(&[]));
}

#[test]
fn a_list_that_is_not_well_formed_is_not_believed_though_nothing_in_it_is_wanted() {
    for list in [
        "",
        "[",
        "[]]",
        "[] x",
        "[,]",
        r#"[{"name":"other"},]"#,
        r#"[,{"name":"other"}]"#,
        r#"[{"name":"other"}"#,
        r#"[{"name":"other"} {"name":"other"}]"#,
        r#"[{"name":"other"},{"name":"oth"#,
        r#"[{"name":"other"},nonsense]"#,
        r#"[{]},{"name":"other"}]"#,
        r#"{"error":"try later"}"#,
        "<html>",
        "7",
    ] {
        assert_eq!(kept(list, 4), Ok(None), "{list}");
    }
}

#[test]
fn a_list_is_long_and_what_is_kept_of_it_is_not() {
    let entry = |name: &str| format!(r#"{{"name":"{name}"}}"#);
    let others = vec![entry(&"x".repeat(500)); 60_000].join(",");
    let list = format!("[{others},{}]", entry("a-kw1-1"));
    assert!(list.len() > 7 * KEPT_MAX);
    assert_eq!(kept(&list, 4096), names(&["a-kw1-1"]));
    let ours = vec![entry(&format!("{}-kw1-1", "x".repeat(1000))); 5000].join(",");
    assert_eq!(kept(&format!("[{ours}]"), 4096), Err(KEPT_MAX));
    let short = vec![entry("kw1"); 20_000].join(",");
    assert_eq!(kept(&format!("[{short}]"), 4096), Err(KEPT_MAX), "many short ones take as much memory");
    let own = vec![entry(&"orders-kw1".repeat(10)); 10_000].join(",");
    assert_eq!(kept(&format!("[{own}]"), 4096).map(|it| it.unwrap().len()), Ok(10_000));
    let long = format!("[{}]", entry(&"x".repeat(ENTRY_MAX)));
    assert_eq!(kept(&long, 4096), Err(ENTRY_MAX));
    assert_eq!(kept(&format!("{{{}", "x".repeat(2 * KEPT_MAX)), 4096), Err(BODY_MAX + KEPT_MAX));
}

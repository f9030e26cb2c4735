//! Templates that nest as deep as their length allows. A stack that overflows is no panic: it ends
//! the process, and this test with it.

use std::{collections::BTreeMap, thread};

use secrecy::SecretString;

use super::{builders::*, table::*};
use crate::{
    api::{SecretOutput, TEMPLATE_MAX},
    lifecycle::render::{RenderError, WithSecret, render},
};

/// The stack of a thread of an async runtime, which a container may have.
const SMALL_STACK: usize = 2 * 1024 * 1024;

/// `part` as often as there is room for it between `before` and `after`, but at most `times`.
fn chain(times: usize, (before, part, after): (&str, &str, &str)) -> String {
    let room = TEMPLATE_MAX - before.len() - after.len();
    format!("{before}{}{after}", part.repeat(times.min(room / part.len())))
}

/// `inner` in as many pairs of `open` and `close` as there is room for, but at most in `times`.
fn nested(times: usize, before: &str, (open, inner, close): (&str, &str, &str), after: &str) -> String {
    let room = TEMPLATE_MAX - before.len() - inner.len() - after.len();
    let times = times.min(room / (open.len() + close.len()));
    format!("{before}{}{inner}{}{after}", open.repeat(times), close.repeat(times))
}

/// A list in a list in a list, `times` sixty, and what is done with it then.
fn deep(times: usize, then: &str) -> String {
    let (open, close) = ("[".repeat(60), "]".repeat(60));
    let deeper = format!("{{% set ns.v = {open}ns.v{close} %}}");
    format!("{{% set ns = namespace(v=[]) %}}{{% for i in range({times}) %}}{deeper}{{% endfor %}}{then}")
}

/// Expressions with one part `times`, or as often as there is room.
fn in_one_tag(times: usize) -> Vec<String> {
    let minus_in_brackets = format!("{}(", "-".repeat(100));
    let chains = [
        ("{{ 0", "-", "1 }}"),
        ("{{ ", "-", "client_id.x }}"),
        ("{{ ", "not ", "1 }}"),
        ("{{ 1", "+1", " }}"),
        ("{{ 1", "**1", " }}"),
        ("{{ 1", " if 0 else 1", " }}"),
        ("{{ 1", " if 1", " }}"),
        ("{{ 1", " and 1", " }}"),
        ("{{ 0", " or 0", " }}"),
        ("{{ 1", "~1", " }}"),
        ("{{ 1", "*1", " }}"),
        ("{{ 1", "<1", " }}"),
        ("{{ 1", " is odd", " }}"),
        ("{{ 1", " is not odd", " }}"),
        ("{{ client_id", "|e", " }}"),
        ("{{ client_id", ".x", " }}"),
        ("{{ client_id", "[0]", " }}"),
        ("{{ client_id", "[:]", " }}"),
        ("{{ client_id", "()", " }}"),
        ("{{ ''", "''", " }}"),
        ("{{ ", "(", ""),
        ("{% if ", "-", "1 %}{% endif %}"),
        ("{#{{#}{{ '}}'", "~1", " }}"),
    ];
    let pairs = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("e(", "1", ")"),
        (minus_in_brackets.as_str(), "1", ")"),
    ];
    let chains = chains.into_iter().map(|it| chain(times, it));
    chains.chain(pairs.into_iter().map(|it| nested(times, "{{ ", it, " }}"))).collect()
}

/// Returns what is short in each of its tags, and yet deep.
fn in_many_tags() -> Vec<String> {
    let blocks = [
        ("{% if 1 %}", "x", "{% endif %}"),
        ("{% if 0 %}{% else %}", "x", "{% endif %}"),
        ("{% for i in [1] %}", "x", "{% endfor %}"),
        ("{% with %}", "x", "{% endwith %}"),
        ("{% set x %}", "x", "{% endset %}"),
        ("{% filter e %}", "x", "{% endfilter %}"),
    ];
    let shown = [
        "{{ ns.v }}",
        "{{ ns.v | tojson }}",
        "{{ ns.v | string | length }}",
        "{{ ns.v == [ns.v] }}",
        "{{ {ns.v: 1} | length }}",
        "{{ [ns.v, [ns.v]] | sort | length }}",
    ];
    let all = usize::MAX;
    blocks
        .into_iter()
        .map(|it| nested(all, "", it, ""))
        .chain([chain(all, ("{% if 0 %}", "{% elif 0 %}", "{% endif %}")), deep(1000, "")])
        .chain(shown.map(|then| deep(450, then)))
        .collect()
}

fn rendered(text: &str) -> Result<(), RenderError> {
    let output = SecretOutput {
        template: BTreeMap::from([("file".to_owned(), text.to_owned())]),
        ..SecretOutput::default()
    };
    let scene = a_credential().issued(days(1));
    let secret = SecretString::from("canary-3f9a-secret");
    let current = WithSecret { revision: &scene.document.revisions[0], client_secret: &secret };
    render(Some(&output), current, None).map(drop)
}

#[test]
fn no_template_overflows_the_stack() {
    let on_a_small_stack = thread::Builder::new().stack_size(SMALL_STACK).spawn(|| {
        for text in in_one_tag(300).into_iter().chain(in_many_tags()) {
            let ended = rendered(&text);
            let start: String = text.chars().take(40).collect();
            assert!(matches!(ended, Ok(()) | Err(RenderError::Template { .. })), "{start}: {ended:?}");
        }
    });
    on_a_small_stack.unwrap().join().unwrap();
}

/// It would take seconds to compile, and a stack that not every thread has.
#[test]
fn a_tag_with_too_much_content_is_rejected_before_it_is_parsed() {
    for text in in_one_tag(usize::MAX) {
        let start: String = text.chars().take(40).collect();
        assert!(text.len() > TEMPLATE_MAX - 128, "{start}: {}", text.len());
        let error = rendered(&text).expect_err(&start).to_string();
        assert!(error.contains("in line 1 has more than 1000 names, values and signs"), "{start}: {error}");
    }
    let many = "{{ client_id }} {% if client_id %}yes{% endif %}\n".repeat(300);
    assert_eq!(rendered(&many), Ok(()), "in all there may be more");
    let text = format!("{{# {} #}}{{% raw %}}{{{{ {}{{% endraw %}}", "~1".repeat(2000), "-".repeat(2000));
    assert_eq!(rendered(&text), Ok(()), "comments and text are no expressions");
}

#[test]
fn a_template_is_limited_in_length_whatever_the_schema_says() {
    assert_eq!(rendered(&"ä".repeat(TEMPLATE_MAX)), Ok(()));
    let error = rendered(&"a".repeat(TEMPLATE_MAX + 1)).unwrap_err().to_string();
    assert!(error.ends_with("file cannot be rendered: it is longer than 16384 characters"), "{error}");
}

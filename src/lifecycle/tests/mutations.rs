//! Ledgers and templates that are almost right. A ledger's seal keeps such a document out; should
//! one get in, because a version of ours wrote it, it is at least decided about. Templates are the
//! tenant's, and come as they like.

use std::collections::BTreeMap;

use credwright_simulator::Mutator;
use secrecy::{ExposeSecret, SecretString};

use super::{builders::*, table::*};
use crate::{
    api::SecretOutput,
    lifecycle::{
        decide,
        ledger::Document,
        render::{WithSecret, render},
        status,
        world::LedgerView,
    },
};

const ROUNDS: u64 = 4_000;
const CANARY: &str = "canary-3f9a-secret";
const MIB: usize = 1 << 20;

#[test]
fn every_decodable_document_is_handled_and_kept_unchanged() {
    let scene = a_credential().issued(days(40)).retiring(days(1)).issued(days(1)).published();
    let world = scene.clone().world();
    let text = serde_json::to_vec(&scene.document).unwrap();
    let mut decoded = 0;
    for seed in 0..ROUNDS {
        let text = Mutator::new(seed).changed(&text);
        let Ok(document) = serde_json::from_slice::<Document>(&text) else { continue };
        decoded += 1;
        let again = serde_json::to_vec(&document).unwrap();
        assert_eq!(serde_json::from_slice::<Document>(&again).unwrap(), document, "seed {seed}");
        let mut world = world.clone();
        if let LedgerView::Present { document: present, .. } = &mut world.ledger {
            *present = document.into();
        }
        let plan = decide(&world, noon());
        let _ = status::view(&world, &scene.object, &rest_of(&plan), noon());
    }
    assert!(decoded > ROUNDS / 20, "only {decoded} of {ROUNDS} were worth a look");
}

#[test]
fn rendering_of_any_template_ends_and_its_error_shows_no_secret() {
    const TEMPLATES: [&str; 8] = [
        "{{ client_id }}:{{ client_secret | upper }}",
        "{% for i in range(40000) %}{{ client_secret }}{% endfor %}",
        "{% set x = client_secret * 9999 %}{{ x | replace('a', x) | urlencode }}",
        "{{ client_secret.nothing }} {{ client_secret[99] }} {{ client_secret | int }}",
        "{% macro again(x) %}{{ again(x ~ x) }}{% endmacro %}{{ again(client_secret) }}",
        "{{ {'a': client_secret} | tojson }}{% if scope is defined %}{{ scope | split(' ') | join(',') }}{% endif %}",
        "{% filter indent(width=99999) %}{{ client_secret }}\n{% endfilter %}",
        "{{ '%s' | format(client_secret) }}{{ client_secret | fail }}{% raw %}{{ {% endraw %}",
    ];
    let revision = a_credential().issued(days(1)).it().clone();
    let secret = SecretString::from(CANARY);
    for seed in 0..ROUNDS {
        let mut mutator = Mutator::new(seed);
        let template = *mutator.one_of(&TEMPLATES);
        let template = String::from_utf8_lossy(&mutator.changed(template.as_bytes())).into_owned();
        let output = SecretOutput {
            template: BTreeMap::from([("file".to_owned(), template.clone())]),
            ..SecretOutput::default()
        };
        match render(Some(&output), WithSecret { revision: &revision, client_secret: &secret }, None) {
            Ok(data) => {
                let size: usize = data.values().map(|it| it.expose_secret().len()).sum();
                assert!(size <= MIB, "seed {seed}: {size} bytes");
            }
            Err(error) => {
                assert!(!error.to_string().contains(CANARY), "seed {seed}: {error} of {template}");
            }
        }
    }
}

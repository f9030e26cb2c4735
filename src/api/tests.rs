//! The rules of the printed CRDs, evaluated by kube's own evaluator. `tests/api` tests them on a
//! real API server, together with what only that server checks: types, lengths, sets and defaults.

mod check;
mod definitions;
mod naming;

use serde_json::Value;

use super::crds;
use check::{check, complaints, credential, object, parsed};

const NONE: &str = "";

/// A spec, and the beginning of the message with which it is rejected.
const CREDENTIALS: &[(&str, &str)] = &[
    ("{}", NONE),
    ("name: orders-prod", NONE),
    ("name: o", NONE),
    ("name: Orders of Shop 2.0_b", NONE),
    ("name: -orders", "name must consist of letters, digits, spaces, dots, underscores and dashes"),
    ("name: 'orders '", "name must consist of letters, digits, spaces, dots, underscores and dashes"),
    ("name: orders/prod", "name must consist of letters, digits, spaces, dots, underscores and dashes"),
    ("scopes: [BasicRead, 'https://acme.example/orders.read', View Networks]", NONE),
    ("scopes: [\"read\\nand more\"]", "each scope must consist of printable ASCII characters"),
    ("scopes: [' read']", "each scope must consist of printable ASCII characters"),
    ("scopes: [\"read\\u200b\"]", "each scope must consist of printable ASCII characters"),
    ("lifetime: 10s", NONE),
    ("lifetime: 87600h", NONE),
    ("lifetime: 1h30m", NONE),
    ("lifetime: 0.5h", NONE),
    ("lifetime: 9s", "lifetime must be between 10s and 87600h"),
    ("lifetime: 87601h", "lifetime must be between 10s and 87600h"),
    ("lifetime: 30d", "lifetime must be between 10s and 87600h"),
    ("lifetime: 999999999h", "lifetime must be between 10s and 87600h"),
    ("lifetime: 30d\nrotation: {renewBefore: 10d}", "lifetime must be between 10s and 87600h"),
    ("lifetime: ten hours", "lifetime must be between 10s and 87600h"),
    ("lifetime: -720h", "lifetime must be between 10s and 87600h"),
    ("lifetime: '3600'", "lifetime must be between 10s and 87600h"),
    ("subnets: [203.0.113.0/24, '2001:db8::/48']", NONE),
    ("subnets: [203.0.113.7]", "subnets must be CIDRs"),
    ("subnets: [203.0.113.0/24, everywhere]", "subnets must be CIDRs"),
    ("subnets: [203.0.113.0/33]", "subnets must be CIDRs"),
    ("rotation: {renewBefore: 1s}", NONE),
    ("rotation: {renewBefore: 0s}", "renewBefore must be between 1s and 87600h"),
    ("rotation: {renewBefore: 1w}", "renewBefore must be between 1s and 87600h"),
    ("rotation: {overlap: 0s}", NONE),
    ("rotation: {overlap: 87601h}", "overlap must be between 0s and 87600h"),
    ("rotation: {overlap: never}", "overlap must be between 0s and 87600h"),
    ("lifetime: 720h\nrotation: {renewBefore: 719h59m}", NONE),
    ("lifetime: 720h\nrotation: {renewBefore: 720h}", "rotation.renewBefore must be shorter than lifetime"),
    ("lifetime: 720h\nrotation: {overlap: 720h}", NONE),
    ("lifetime: 720h\nrotation: {overlap: 721h}", "rotation.overlap must not be longer than lifetime"),
    ("lifetime: 720h\nrotation: {renewBefore: 240h, overlap: 480h}", NONE),
    (
        "lifetime: 720h\nrotation: {renewBefore: 240h, overlap: 481h}",
        "rotation.overlap must be at most lifetime minus rotation.renewBefore",
    ),
    ("secret: {name: orders-api}", NONE),
    ("secret: {name: orders.credwright}", "secret.name must not end in .credwright or .credwright-copy"),
    ("secret: {name: orders.credwright-copy}", "secret.name must not end in .credwright or .credwright-copy"),
    ("secret: {name: Orders}", "secret.name must be a DNS subdomain"),
    ("secret: {name: orders..api}", "secret.name must be a DNS subdomain"),
    ("secret: {name: orders-}", "secret.name must be a DNS subdomain"),
    ("secret: {type: kubernetes.io/basic-auth}", NONE),
    (
        "secret: {type: kubernetes.io/service-account-token}",
        "secret.type must not be a service account token",
    ),
    ("secret: {type: bootstrap.kubernetes.io/token}", "secret.type must not be a service account token"),
    ("secret: {type: credwright.dev/ledger}", "secret.type must not be a service account token"),
    ("secret: {keys: {client_id: CLIENT_ID, scope: ''}}", NONE),
    ("secret: {keys: {client_id: client/id}}", "each value of keys must consist of letters, digits, dashes"),
    ("secret: {template: {.env: 'ID={{ client_id }}'}}", NONE),
    (
        "secret: {template: {etc/env: 'ID={{ client_id }}'}}",
        "keys of template must consist of letters, digits, dashes",
    ),
    ("secret: {labels: {app: orders}}", NONE),
    (
        "secret: {labels: {credwright.dev/role: login}}",
        "labels under credwright.dev/ are reserved for Credwright: use another prefix",
    ),
    ("secret: {annotations: {example.com/team: shop}}", NONE),
    (
        "secret: {annotations: {credwright.dev/claim: me}}",
        "annotations under credwright.dev/ are reserved for Credwright: use another prefix",
    ),
    ("intake: {secretName: orders-intake}", NONE),
    ("intake: {secretName: orders-intake, verify: Skip}", NONE),
    ("intake: {secretName: orders}\nsecret: {name: orders-api}", NONE),
    ("intake: {secretName: orders}", "intake.secretName and secret.name must be two Secrets"),
    (
        "intake: {secretName: api}\nsecret: {name: api}",
        "intake.secretName and secret.name must be two Secrets",
    ),
    (
        "intake: {secretName: orders.credwright}",
        "intake.secretName must not end in .credwright or .credwright-copy",
    ),
    ("providerRef: {kind: CredentialProvider, name: a/status}", "providerRef.name must be a DNS subdomain"),
    ("intake: {secretName: ../../other/secrets/a}", "intake.secretName must be a DNS subdomain"),
];

const CREDENTIAL_CHANGES: &[(&str, &str, &str)] = &[
    ("{}", "secret: {name: orders-api}", NONE),
    ("{}", "secret: {type: Opaque}", NONE),
    ("secret: {type: Opaque}", "secret: {name: orders-api}", NONE),
    ("secret: {type: example.com/api}", "secret: {type: example.com/api, name: other}", NONE),
    ("{}", "secret: {type: kubernetes.io/tls}", "secret.type cannot be changed"),
    ("secret: {name: orders-api}", "secret: {type: kubernetes.io/tls}", "secret.type cannot be changed"),
    ("secret: {type: kubernetes.io/tls}", "secret: {}", "secret.type cannot be changed"),
    ("secret: {type: kubernetes.io/tls}", "{}", "secret.type cannot be changed"),
];

const NAMES: &[(&str, &str)] = &[
    ("orders", NONE),
    ("orders.credwright", "metadata.name must not end in .credwright or .credwright-copy"),
    ("orders.credwright-copy", "metadata.name must not end in .credwright or .credwright-copy"),
];

const EXPEREO: &str = "expereo: {}";
const DIRECTOR: &str = "cloudDirector: {baseUrl: 'https://vcd.example.com', org: acme}";
const CONNEXA: &str = "cloudConnexa: {cloudId: acme}";
const VONAGE: &str = "vonageContactCenter: {region: emea}";
const SPREETAIL: &str = "spreetail: {baseUrl: 'https://api.example.com'}";
const ISSUER: &str = "oauthRegistration: {issuer: 'https://id.example.com'}";
const ENDPOINTS: &str = "oauthRegistration: {registrationEndpoint: 'https://id.example.com/reg', tokenEndpoint: 'https://id.example.com/token'}";

/// Rejected by both kinds of provider.
const PROVIDERS: &[(&str, &str)] = &[
    (EXPEREO, NONE),
    (SPREETAIL, NONE),
    (DIRECTOR, NONE),
    (CONNEXA, NONE),
    (VONAGE, NONE),
    (ISSUER, NONE),
    (ENDPOINTS, NONE),
    ("{}", "set exactly one driver"),
    (
        "spreetail: {baseUrl: 'https://a.example'}\noauthRegistration: {issuer: 'https://b.example'}",
        "set exactly one driver",
    ),
    ("spreetail: {baseUrl: 'https://api.example.com/v1'}", NONE),
    ("spreetail: {baseUrl: 'http://127.0.0.1:8080'}", NONE),
    ("spreetail: {baseUrl: api.example.com}", "baseUrl must be an absolute http(s) URL"),
    ("spreetail: {baseUrl: 'ftp://api.example.com'}", "baseUrl must be an absolute http(s) URL"),
    ("spreetail: {baseUrl: 'https://'}", "baseUrl must be an absolute http(s) URL"),
    ("spreetail: {baseUrl: 'https://me:hunter2@api.example.com'}", "baseUrl must be an absolute http(s) URL"),
    ("spreetail: {baseUrl: 'https://api.example.com/?key=1'}", "baseUrl must be an absolute http(s) URL"),
    ("oauthRegistration: {}", "set either issuer, whose metadata (RFC 8414) Credwright reads, or both"),
    (
        "oauthRegistration: {issuer: 'https://a.example', registrationEndpoint: 'https://a.example/r', tokenEndpoint: 'https://a.example/t'}",
        "set either issuer, whose metadata (RFC 8414) Credwright reads, or both",
    ),
    (
        "oauthRegistration: {issuer: 'https://a.example', tokenEndpoint: 'https://a.example/t'}",
        "set registrationEndpoint and tokenEndpoint together, or neither of them",
    ),
    (
        "oauthRegistration: {issuer: 'https://id.example.com/?tenant=1'}",
        "issuer must be an absolute http(s) URL",
    ),
    (
        "oauthRegistration: {registrationEndpoint: /reg, tokenEndpoint: 'https://id.example.com/token'}",
        "registrationEndpoint must be an absolute http(s) URL",
    ),
    (
        "oauthRegistration: {registrationEndpoint: 'https://id.example.com/reg?tenant=1', tokenEndpoint: 'https://u@id.example.com/t'}",
        "tokenEndpoint must be an absolute http(s) URL",
    ),
    ("expereo: {baseUrl: 'https://api.example.com', tokenUrl: 'https://id.example.com/token?v=2'}", NONE),
    ("expereo: {tokenUrl: /oauth2/token}", "tokenUrl must be an absolute http(s) URL"),
    (
        "expereo: {clientsPath: /v3/clients, list: Disabled, delete: Enabled, answer: {items: /data/rows}}",
        NONE,
    ),
    ("expereo: {clientsPath: v2/api-clients}", "clientsPath must be an absolute path without a query"),
    (
        "expereo: {clientsPath: '/v2/api-clients?all=1'}",
        "clientsPath must be an absolute path without a query",
    ),
    (
        "cloudDirector: {baseUrl: 'https://vcd.example.com', org: 'acme/other'}",
        "org must be the organization's name as in the portal's URL: letters, digits, spaces, dots, underscores and dashes",
    ),
    ("cloudDirector: {baseUrl: 'https://vcd.example.com', org: acme, apiVersion: '37.0'}", NONE),
    (
        "cloudDirector: {baseUrl: 'https://vcd.example.com', org: acme, apiVersion: v37}",
        "apiVersion must be two numbers with a dot between them, such as 37.0",
    ),
    (
        "cloudDirector: {baseUrl: 'https://vcd.example.com', org: System, orgId: 0d3ff1a5-26d4-4bc2-9f0c-5c5c5ce05b05}",
        NONE,
    ),
    (
        "cloudDirector: {baseUrl: 'https://vcd.example.com', org: acme, orgId: 'urn:vcloud:org:0d3ff1a5-26d4-4bc2-9f0c-5c5c5ce05b05'}",
        "orgId must be a UUID without the prefix urn:vcloud:org:",
    ),
    ("cloudConnexa: {baseUrl: 'https://acme.api.example.com', apiDisabledStatus: 401}", NONE),
    ("cloudConnexa: {}", "set exactly one of cloudId and baseUrl"),
    (
        "cloudConnexa: {cloudId: acme, baseUrl: 'https://acme.api.example.com'}",
        "set exactly one of cloudId and baseUrl",
    ),
    ("cloudConnexa: {cloudId: acme.example.com}", "cloudId must consist of letters, digits and dashes"),
    ("vonageContactCenter: {region: nam, hosts: NewVoiceMedia}", NONE),
    ("vonageContactCenter: {}", "set exactly one of region and baseUrl"),
    (
        "vonageContactCenter: {region: apac, baseUrl: 'https://a.example'}",
        "set exactly one of region and baseUrl",
    ),
    (
        "oauthRegistration: {issuer: 'https://a.example', propagation: 2h}",
        "propagation must be between 1s and 1h",
    ),
    ("spreetail: {}\nlogin: {secretRef: {name: a.credwright, namespace: ns}}", LOGIN_IS_LEDGER),
    ("spreetail: {}\nlogin: {secretRef: {name: a.credwright-copy, namespace: ns}}", LOGIN_IS_LEDGER),
    (
        "spreetail: {}\nlogin: {secretRef: {name: other/login, namespace: ns}}",
        "secretRef.name must be a DNS subdomain",
    ),
    (
        "spreetail: {}\nlogin: {secretRef: {name: .., namespace: ns}}",
        "secretRef.name must be a DNS subdomain",
    ),
];

const PROVIDER_CHANGES: &[(&str, &str, &str)] = &[
    (SPREETAIL, "spreetail: {baseUrl: 'https://api.example.com'}\nlimits: {concurrent: 1}", NONE),
    (
        SPREETAIL,
        "spreetail: {baseUrl: 'https://api.example.org'}",
        "baseUrl identifies the account and cannot be changed",
    ),
    (SPREETAIL, ISSUER, "the driver of a provider cannot be changed"),
    (ISSUER, SPREETAIL, "the driver of a provider cannot be changed"),
    (CONNEXA, VONAGE, "the driver of a provider cannot be changed"),
    (EXPEREO, "expereo: {tokenUrl: 'https://id.example.com/token', delete: Enabled}", NONE),
    (
        EXPEREO,
        "expereo: {baseUrl: 'https://api.example.org'}",
        "baseUrl identifies the account and cannot be changed",
    ),
    (
        DIRECTOR,
        "cloudDirector: {baseUrl: 'https://vcd.example.com', org: other}",
        "org identifies the account and cannot be changed",
    ),
    (
        CONNEXA,
        "cloudConnexa: {cloudId: other}",
        "cloudId and baseUrl identify the account and cannot be changed",
    ),
    (
        CONNEXA,
        "cloudConnexa: {baseUrl: 'https://acme.api.openvpn.com'}",
        "cloudId and baseUrl identify the account and cannot be changed",
    ),
    (VONAGE, "vonageContactCenter: {region: emea, hosts: NewVoiceMedia}", NONE),
    (
        VONAGE,
        "vonageContactCenter: {region: nam}",
        "region and baseUrl identify the account and cannot be changed",
    ),
    (
        ISSUER,
        "oauthRegistration: {issuer: 'https://id.example.org'}",
        "issuer and registrationEndpoint identify the account and cannot be changed",
    ),
    (ISSUER, ENDPOINTS, "issuer and registrationEndpoint identify the account and cannot be changed"),
    (
        ENDPOINTS,
        "oauthRegistration: {registrationEndpoint: 'https://id.example.com/reg', tokenEndpoint: 'https://id.example.com/token2'}",
        NONE,
    ),
];

const ALLOW: &[(&str, &str)] = &[
    ("maxLifetime: 2160h", NONE),
    ("maxLifetime: 1s", "maxLifetime must be between 10s and 87600h"),
    ("maxLifetime: 3 months", "maxLifetime must be between 10s and 87600h"),
    ("subnets: [203.0.113.0/24]", NONE),
    ("subnets: [the office]", "subnets must be CIDRs"),
    ("namespaces: {selector: {}}", NONE),
    (
        "namespaces: {selector: {matchLabels: {plan: paid}, matchExpressions: [{key: a, operator: In, values: [b]}]}}",
        NONE,
    ),
    ("namespaces: {selector: {matchExpressions: [{key: a, operator: In}]}}", SELECTOR_VALUES),
    ("namespaces: {selector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}", SELECTOR_VALUES),
    (
        "namespaces: {selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
        SELECTOR_VALUES,
    ),
];
const LOGIN_IS_LEDGER: &str = "secretRef.name must not end in .credwright or .credwright-copy";
const SELECTOR_VALUES: &str = "selector.matchExpressions must have values for the operators In and NotIn, and none for Exists and DoesNotExist";

#[test]
fn an_invalid_credential_is_rejected_with_a_message_about_its_field() {
    for (spec, message) in CREDENTIALS {
        check(spec, &complaints("ApiCredential", &credential("orders", spec), None), message);
    }
}

#[test]
fn the_type_of_a_secret_cannot_change_even_if_it_was_omitted() {
    for (old, new, message) in CREDENTIAL_CHANGES {
        let (old, new) = (credential("orders", old), credential("orders", new));
        check(&new.to_string(), &complaints("ApiCredential", &new, Some(&old)), message);
    }
}

#[test]
fn names_leave_room_for_the_ledger_and_never_collide_with_one() {
    let longest = "o".repeat(240);
    let too_long = "o".repeat(241);
    let lengths =
        [(longest.as_str(), NONE), (too_long.as_str(), "metadata.name must have at most 240 characters")];
    for (name, message) in NAMES.iter().chain(&lengths) {
        check(name, &complaints("ApiCredential", &credential(name, "{}"), None), message);
    }
}

#[test]
fn an_invalid_provider_is_rejected_with_a_message_about_its_field() {
    for kind in ["CredentialProvider", "ClusterCredentialProvider"] {
        for (spec, message) in PROVIDERS {
            check(spec, &complaints(kind, &object("p", spec), None), message);
        }
    }
}

#[test]
fn fields_that_identify_an_account_cannot_change() {
    for kind in ["CredentialProvider", "ClusterCredentialProvider"] {
        for (old, new, message) in PROVIDER_CHANGES {
            check(new, &complaints(kind, &object("p", new), Some(&object("p", old))), message);
        }
    }
}

#[test]
fn the_allow_rules_of_a_shared_provider_are_validated() {
    for (allow, message) in ALLOW {
        let mut provider = object("p", SPREETAIL);
        provider["spec"]["allow"] = parsed(allow);
        check(allow, &complaints("ClusterCredentialProvider", &provider, None), message);
    }
}

#[test]
fn the_login_of_a_shared_provider_needs_valid_names() {
    let provider = object("p", "spreetail: {}\nlogin: {secretRef: {name: a, namespace: ns/secrets}}");
    let complaints = complaints("ClusterCredentialProvider", &provider, None);
    check("a path", &complaints, "secretRef.namespace must be a DNS subdomain");
}

#[test]
fn texts_that_are_kept_in_memory_have_a_maximum_length() {
    let keys = |field: &str, length: usize| format!("{field}: {{{}: a}}", "k".repeat(length));
    let templates = |count: usize| {
        let each = (0..count).map(|number| format!("t{number}: {}", "x".repeat(16384))).collect::<Vec<_>>();
        format!("secret: {{template: {{{}}}}}", each.join(", "))
    };
    let of_a_credential = [
        (format!("secret: {{{}}}", keys("keys", 253)), NONE),
        (format!("secret: {{{}}}", keys("keys", 254)), "each key of keys must have at most 253 characters"),
        (
            format!("secret: {{{}}}", keys("template", 254)),
            "each key of template must have at most 253 characters",
        ),
        (
            format!("secret: {{{}}}", keys("labels", 318)),
            "each key of labels must have at most 317 characters",
        ),
        (
            format!("secret: {{{}}}", keys("annotations", 318)),
            "each key of annotations must have at most 317 characters",
        ),
        (templates(4), NONE),
        (templates(5), "all templates together must have at most 65536 characters"),
    ];
    for (spec, expected) in of_a_credential {
        check(&spec[..40], &complaints("ApiCredential", &credential("orders", &spec), None), expected);
    }
    let of_a_provider = [
        (
            format!("expereo: {{{}}}", keys("scopeSpelling", 257)),
            "each key of scopeSpelling must have at most 256 characters",
        ),
        (
            format!(
                "oauthRegistration: {{issuer: 'https://id.example.com', {}}}",
                keys("tokenParameters", 129)
            ),
            "each key of tokenParameters must have at most 128 characters",
        ),
    ];
    for (spec, expected) in of_a_provider {
        check(&spec[..40], &complaints("CredentialProvider", &object("p", &spec), None), expected);
    }
}

/// The API server then tracks a status as one field, not each of its members (ADR 17).
#[test]
fn the_status_of_every_kind_is_atomic() {
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/x-kubernetes-map-type";
        assert_eq!(crd.pointer(path), Some(&Value::from("atomic")), "{}", crd["metadata"]["name"]);
    }
}

#[test]
fn every_rule_has_a_rejected_example() {
    let here = include_str!("tests.rs");
    let mut messages = Vec::new();
    for definition in crds::all() {
        messages_in(&serde_json::to_value(definition).unwrap(), &mut messages);
    }
    assert!(messages.len() > 30, "the search for rules finds only {}", messages.len());
    for message in messages {
        let beginning = message.split([':', ',', '(']).next().unwrap().trim_end();
        assert!(here.contains(beginning), "no row for: {message}");
    }
}

fn messages_in(schema: &Value, found: &mut Vec<String>) {
    if let Some(Value::Array(rules)) = schema.get("x-kubernetes-validations") {
        found.extend(rules.iter().filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
    }
    match schema {
        Value::Array(items) => items.iter().for_each(|item| messages_in(item, found)),
        Value::Object(members) => members.values().for_each(|member| messages_in(member, found)),
        _ => {}
    }
}

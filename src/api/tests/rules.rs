//! The rows that show each validation rule: objects, and the messages with which they are rejected.
//! `tests.rs` gives them to kube's evaluator, and `tests/api` to a real API server.

pub(super) const NONE: &str = "";

/// A spec, and the beginning of the message with which it is rejected.
pub(super) const CREDENTIALS: &[(&str, &str)] = &[
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
    ("lifetime: 9999ms", "lifetime must be between 10s and 87600h"),
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
    ("subnets: ['::ffff:10.0.0.0/104']", "subnets must be CIDRs"),
    ("parameters: {project: '42', path: 'a/b c'}", NONE),
    ("parameters: {project: ''}", "each value of parameters must consist of printable ASCII characters"),
    ("parameters: {project: ' 42'}", "each value of parameters must consist of printable ASCII characters"),
    (
        "parameters: {project: \"4\\n2\"}",
        "each value of parameters must consist of printable ASCII characters",
    ),
    ("rotation: {renewBefore: 1s}", NONE),
    ("rotation: {renewBefore: 0s}", "renewBefore must be between 1s and 87600h"),
    ("rotation: {renewBefore: 1w}", "renewBefore must be between 1s and 87600h"),
    ("rotation: {overlap: 0s}", NONE),
    ("rotation: {overlap: 87601h}", "overlap must be between 0s and 87600h"),
    ("rotation: {overlap: -1h}", "overlap must be between 0s and 87600h"),
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

pub(super) const CREDENTIAL_CHANGES: &[(&str, &str, &str)] = &[
    ("{}", "secret: {name: orders-api}", NONE),
    ("{}", "secret: {type: Opaque}", NONE),
    ("secret: {type: Opaque}", "secret: {name: orders-api}", NONE),
    ("secret: {name: orders-api}", "{}", NONE),
    ("secret: {type: example.com/api}", "secret: {type: example.com/api, name: other}", NONE),
    ("{}", "secret: {type: kubernetes.io/tls}", "secret.type cannot be changed"),
    ("secret: {name: orders-api}", "secret: {type: kubernetes.io/tls}", "secret.type cannot be changed"),
    ("secret: {type: kubernetes.io/tls}", "secret: {}", "secret.type cannot be changed"),
    ("secret: {type: kubernetes.io/tls}", "{}", "secret.type cannot be changed"),
];

pub(super) const NAMES: &[(&str, &str)] = &[
    ("orders", NONE),
    ("orders.credwright", "metadata.name must not end in .credwright or .credwright-copy"),
    ("orders.credwright-copy", "metadata.name must not end in .credwright or .credwright-copy"),
];

const EXPEREO: &str = "expereo: {}";
const DIRECTOR: &str = "cloudDirector: {baseUrl: 'https://vcd.example.com', org: acme}";
const CONNEXA: &str = "cloudConnexa: {cloudId: acme}";
const APP_ROLE: &str = "appRole: {baseUrl: 'https://openbao.example.com:8200', namespace: shop}";
const VONAGE: &str = "vonageContactCenter: {region: emea}";
pub(super) const SPREETAIL: &str = "spreetail: {baseUrl: 'https://api.example.com'}";
const ISSUER: &str = "oauthRegistration: {issuer: 'https://id.example.com'}";
const ENDPOINTS: &str = "oauthRegistration: {registrationEndpoint: 'https://id.example.com/reg', tokenEndpoint: 'https://id.example.com/token'}";

/// Rejected by both kinds of provider.
pub(super) const PROVIDERS: &[(&str, &str)] = &[
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
    ("spreetail: {}\nproxy: {url: 'http://proxy.example:3128'}", NONE),
    ("spreetail: {}\nproxy: {url: 'https://[2001:db8::1]/'}", NONE),
    ("spreetail: {}\nproxy: {direct: true}", NONE),
    ("spreetail: {}\nproxy: {}", "set exactly one of proxy.url and proxy.direct: true"),
    ("spreetail: {}\nproxy: {direct: false}", "set exactly one of proxy.url and proxy.direct: true"),
    (
        "spreetail: {}\nproxy: {url: 'http://proxy.example', direct: true}",
        "set exactly one of proxy.url and proxy.direct: true",
    ),
    (
        "spreetail: {}\nproxy: {url: 'http://me:hunter2@proxy.example'}",
        "proxy.url must not contain a user name or a password",
    ),
    ("spreetail: {}\nproxy: {url: 'socks5://proxy.example'}", "proxy.url must be http://HOST:PORT"),
    ("spreetail: {}\nproxy: {url: 'http://proxy.example/pac'}", "proxy.url must be http://HOST:PORT"),
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
    ("appRole: {baseUrl: 'https://a.example', mount: teams/app_role.2, namespace: a/b}", NONE),
    ("appRole: {baseUrl: 'https://a.example', mount: ''}", NAMES_OF_MOUNT),
    ("appRole: {baseUrl: 'https://a.example', mount: /approle}", NAMES_OF_MOUNT),
    ("appRole: {baseUrl: 'https://a.example', mount: approle/}", NAMES_OF_MOUNT),
    ("appRole: {baseUrl: 'https://a.example', mount: a/../b}", NAMES_OF_MOUNT),
    ("appRole: {baseUrl: 'https://a.example', mount: '..'}", NAMES_OF_MOUNT),
    ("appRole: {baseUrl: 'https://a.example', mount: 'a%2fb'}", NAMES_OF_MOUNT),
    (
        "appRole: {baseUrl: 'https://a.example', namespace: \"a\\nb\"}",
        "namespace must be one or several names with slashes between them",
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

pub(super) const PROVIDER_CHANGES: &[(&str, &str, &str)] = &[
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
    (
        APP_ROLE,
        "appRole: {baseUrl: 'https://openbao.example.com:8200', namespace: shop, mount: approle}",
        NONE,
    ),
    (
        APP_ROLE,
        "appRole: {baseUrl: 'https://openbao.example.com:8200', namespace: shop, mount: other}",
        "mount identifies the account and cannot be changed",
    ),
    (
        APP_ROLE,
        "appRole: {baseUrl: 'https://openbao.example.com:8200'}",
        "namespace identifies the account and cannot be changed",
    ),
    (
        APP_ROLE,
        "appRole: {baseUrl: 'https://openbao.example.com', namespace: shop}",
        "baseUrl identifies the account and cannot be changed",
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

pub(super) const ALLOW: &[(&str, &str)] = &[
    ("maxLifetime: 2160h", NONE),
    ("maxLifetime: 1s", "maxLifetime must be between 10s and 87600h"),
    ("maxLifetime: 3 months", "maxLifetime must be between 10s and 87600h"),
    ("subnets: [203.0.113.0/24]", NONE),
    ("subnets: [the office]", "subnets must be CIDRs"),
    ("parameters: {project: {values: ['42']}, role: {perNamespace: {shop: [reader]}}}", NONE),
    ("parameters: {project: {fromNamespace: {label: acme.example/project}}}", NONE),
    ("parameters: {project: {}}", ONE_SOURCE),
    ("parameters: {project: {values: ['42'], fromNamespace: {label: project}}}", ONE_SOURCE),
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
const NAMES_OF_MOUNT: &str = "mount must be one or several names with slashes between them";
const LOGIN_IS_LEDGER: &str = "secretRef.name must not end in .credwright or .credwright-copy";
/// One way to open a parameter.
const ONE_SOURCE: &str = "set exactly one of values, perNamespace and fromNamespace";
const SELECTOR_VALUES: &str = "selector.matchExpressions must have values for the operators In and NotIn, and none for Exists and DoesNotExist";

/// Rejected by the kind that lets other namespaces use it.
pub(super) const SHARED_PROVIDERS: &[(&str, &str)] = &[
    (
        "spreetail: {}\nlogin: {secretRef: {name: a, namespace: ns/secrets}}",
        "secretRef.namespace must be a DNS subdomain",
    ),
    ("spreetail: {}\ntls: {caBundleRef: {name: company-ca, namespace: pki}}", NONE),
    ("spreetail: {}\ntls: {caBundleRef: {name: company-ca}}", "tls must name the namespace of each object"),
    (
        "spreetail: {}\ntls: {caBundleRef: {name: company-ca, namespace: pki/../kube-system}}",
        "caBundleRef.namespace must be a DNS subdomain",
    ),
    ("spreetail: {}\ntls: {clientCertificateRef: {name: client, namespace: pki}}", NONE),
    (
        "spreetail: {}\ntls: {clientCertificateRef: {name: client}}",
        "tls must name the namespace of each object",
    ),
    (
        "spreetail: {}\ntls: {clientCertificateRef: {name: client, namespace: PKI}}",
        "clientCertificateRef.namespace must be a DNS subdomain",
    ),
];

/// The same, of providers in a namespace.
pub(super) const OWN_PROVIDERS: &[(&str, &str)] = &[
    ("spreetail: {}\ntls: {caBundleRef: {name: company-ca}}", NONE),
    ("spreetail: {}\ntls: {caBundleRef: {name: company-ca, key: root.pem}}", NONE),
    ("spreetail: {}\ntls: {caBundleRef: {name: company-ca, namespace: pki}}", "tls must name no namespace"),
    ("spreetail: {}\ntls: {caBundleRef: {name: Company}}", "caBundleRef.name must be a DNS subdomain"),
    (
        "spreetail: {}\ntls: {caBundle: YQ==, caBundleRef: {name: company-ca}}",
        "set at most one of tls.caBundle and tls.caBundleRef",
    ),
    ("spreetail: {}\ntls: {caBundle: YQ==, clientCertificateRef: {name: client}}", NONE),
    (
        "spreetail: {}\ntls: {clientCertificateRef: {name: client, namespace: pki}}",
        "tls must name no namespace",
    ),
    (
        "spreetail: {}\ntls: {clientCertificateRef: {name: Client}}",
        "clientCertificateRef.name must be a DNS subdomain",
    ),
    (
        "spreetail: {}\ntls: {clientCertificateRef: {name: orders.credwright}}",
        "clientCertificateRef.name must not end in .credwright or .credwright-copy",
    ),
];

/// Names of credentials that are too long, or just not.
pub(super) fn lengths_of_names() -> [(String, &'static str); 2] {
    [("o".repeat(240), NONE), ("o".repeat(241), "metadata.name must have at most 240 characters")]
}

fn keys(field: &str, length: usize) -> String {
    format!("{field}: {{{}: a}}", "k".repeat(length))
}

fn templates(count: usize) -> String {
    let each = (0..count).map(|number| format!("t{number}: {}", "x".repeat(16384))).collect::<Vec<_>>();
    format!("secret: {{template: {{{}}}}}", each.join(", "))
}

/// Credentials with texts that are kept in memory.
pub(super) fn long_credentials() -> [(String, &'static str); 8] {
    let in_secret = |field: &str, length| format!("secret: {{{}}}", keys(field, length));
    [
        (in_secret("keys", 253), NONE),
        (keys("parameters", 64), "each key of parameters must have at most 63 characters"),
        (in_secret("keys", 254), "each key of keys must have at most 253 characters"),
        (in_secret("template", 254), "each key of template must have at most 253 characters"),
        (in_secret("labels", 318), "each key of labels must have at most 317 characters"),
        (in_secret("annotations", 318), "each key of annotations must have at most 317 characters"),
        (templates(4), NONE),
        (templates(5), "all templates together must have at most 65536 characters"),
    ]
}

/// Providers with texts that are kept in memory.
pub(super) fn long_providers() -> [(String, &'static str); 2] {
    let parameters = keys("tokenParameters", 129);
    [
        (
            format!("expereo: {{{}}}", keys("scopeSpelling", 257)),
            "each key of scopeSpelling must have at most 256 characters",
        ),
        (
            format!("oauthRegistration: {{issuer: 'https://id.example.com', {parameters}}}"),
            "each key of tokenParameters must have at most 128 characters",
        ),
    ]
}

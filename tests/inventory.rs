//! The objects that outlive an event in the operator's memory, at their largest: the table in
//! docs/threat-model.md, measured.
//!
//! A tenant who may write objects may write large ones, and many. All that is kept of them has to
//! fit into the memory that the chart gives to the operator. Otherwise one tenant ends it for all,
//! and again after each start.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use credwright::{
    api::{
        ApiCredential, CaBundleRef, ClusterCredentialProvider, CredentialProvider, DeletionPolicy,
        ProviderKind, Reason, Tls,
    },
    engine::{
        accounts::CA_BUNDLE_MAX,
        seal::{Material, Place, Sealer},
        stores::{
            Key, ProviderObject, Stores, copy_entry, intake_entry, ledger_entry, login_entry, target_entry,
        },
        version,
        wire::{Decoded, Secret},
    },
    lifecycle::{
        growth::{DOCUMENT_MAX, document_length},
        ledger::{Account, Document, Intent, Request, Revision, State},
    },
    ops::metrics::Meter,
    providers::{Provider, registry},
};
use credwright_harness::{process::Usage, tls::Authority};
use k8s_openapi::{ByteString, jiff::Timestamp};
use serde_json::{Map, Value, json};

/// The number of objects of each kind.
const EACH: usize = 500;
/// The chart's memory limit, in KiB.
const LIMIT: u64 = 512 * 1024;
/// The other memory of the operator in KiB: its code, its connections, one page of a list.
const BESIDES: u64 = 48 * 1024;

/// The placeholder for the name of an object.
const NAME: &str = "NAME-OF-THE-OBJECT";

fn text(length: usize) -> String {
    "x".repeat(length)
}

/// A map of so many texts, with keys and values of these lengths.
fn map(count: usize, key: usize, value: usize) -> Value {
    (0..count).map(|number| (format!("{number:0>key$}"), json!(text(value)))).collect::<Map<_, _>>().into()
}

fn list(count: usize, length: usize) -> Value {
    (0..count).map(|number| format!("{number:0>length$}")).collect()
}

/// Metadata, most of which is not Credwright's.
fn metadata(name: &str) -> Value {
    json!({
        "namespace": "shop", "name": name, "uid": "uid", "resourceVersion": "1", "generation": 1,
        "annotations": { "kubectl.kubernetes.io/last-applied-configuration": text(20 * 1024), "credwright.dev/claim": text(4096) },
        "labels": map(50, 200, 63),
        "finalizers": list(30, 60),
        "managedFields": [{ "manager": text(128), "time": "9999-12-31T23:59:59Z", "fieldsV1": map(10, 200, 0) }],
    })
}

fn conditions(count: usize) -> Value {
    let condition = |number: usize| {
        json!({
            "type": format!("Condition{number}"), "status": "True", "reason": "Issued", "message": text(1024),
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
        })
    };
    (0..count).map(condition).collect()
}

fn largest_credential() -> Value {
    let listed = |revision: usize| {
        json!({
            "revision": revision, "state": "Issued", "name": text(200), "clientId": text(300), "reason": "FirstIssue",
            "issuedAt": "2026-01-01T00:00:00Z", "providerRef": { "kind": "CredentialProvider", "name": text(100) },
        })
    };
    json!({
        "metadata": metadata(NAME),
        "spec": {
            "providerRef": { "name": text(253) }, "name": text(120), "scopes": list(64, 256), "subnets": list(64, 64),
            "lifetime": "720h", "rotation": { "request": text(256) },
            "secret": {
                "keys": map(32, 253, 253), "template": map(4, 253, 16384), "labels": map(32, 317, 63),
                "annotations": map(32, 317, 1024),
            },
        },
        "status": { "conditions": conditions(6), "credentials": (1..65).map(listed).collect::<Value>() },
    })
}

fn largest_provider() -> Value {
    json!({
        "metadata": metadata(NAME),
        "spec": {
            "oauthRegistration": {
                "issuer": format!("https://id.example.com/{}", text(489)), "tokenParameters": map(16, 128, 1024),
                "metadata": { "values": list(250, 20) }, "metadataWithout": list(16, 64),
            },
            "tls": { "caBundle": text(65536) },
            "login": { "secretRef": { "name": text(253), "namespace": text(63) } },
        },
        "status": { "conditions": conditions(6), "capabilities": map(32, 40, 256) },
    })
}

/// A Secret as large as there can be one.
fn largest_secret(role: &str) -> Secret {
    let mut whole = json!({ "metadata": metadata(NAME) });
    whole["metadata"]["labels"]["credwright.dev/role"] = json!(role);
    whole["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential", "name": text(10_000), "uid": text(10_000),
        "controller": true,
    }]);
    let mut secret: Secret = serde_json::from_str(&whole.to_string()).unwrap();
    let keys = ["document", "sealed", "client_id", "client_secret"];
    secret.data = Some(keys.map(|key| (key.to_owned(), ByteString(vec![b'x'; 32 * 1024]))).into());
    secret
}

fn largest_revision(number: u32) -> Revision {
    let texts = |count: usize, length: usize| (0..count).map(|it| format!("{it:0>length$}")).collect();
    let request = Request {
        name: text(120),
        scopes: texts(64, 256),
        lifetime: None,
        subnets: texts(64, 43),
        rotation_request: Some(text(256)),
    };
    let at = Timestamp::UNIX_EPOCH;
    let intent = Intent { writer: text(16), id: text(16), at, call_by: at };
    let account = Account { kind: ProviderKind::CredentialProvider, name: text(253), fingerprint: text(64) };
    let mut revision =
        Revision::intended((number, text(200)), (Reason::RenewalDue, request), intent, account);
    revision.state = State::Revoking;
    revision.client_id = Some(format!("{}-{number}", text(1000)));
    revision.fields = (0..15).map(|it| (format!("field-{it}"), text(4096))).collect();
    revision
}

/// A genuine ledger that takes nothing more.
fn largest_document() -> Document {
    let mut document = Document::new("cluster", "uid", DeletionPolicy::Revoke);
    for number in 1.. {
        let mut next = document.clone();
        next.revisions.push(largest_revision(number));
        // The last one has as much in its answer as there is room for.
        while document_length(&next) > DOCUMENT_MAX {
            let Some(last) = next.revisions.last_mut().filter(|it| !it.fields.is_empty()) else {
                return document;
            };
            last.fields.pop_last();
        }
        document = next;
    }
    document
}

/// As many objects as there are, which differ in their names only.
fn each(object: &Value) -> impl Iterator<Item = String> {
    let text = object.to_string();
    (0..EACH).map(move |number| text.replace(NAME, &format!("largest-{number}")))
}

fn resident() -> u64 {
    Usage::of(std::process::id()).unwrap().resident_kib
}

fn keep_credentials(stores: &Stores) {
    for whole in each(&largest_credential()) {
        let decoded: Decoded<ApiCredential> = serde_json::from_str(&whole).unwrap();
        assert_eq!(decoded.unreadable, None, "the largest legal one can be read");
        let key = Key::of(&decoded);
        stores.credentials.put(key, version(&decoded), Arc::new(decoded.object));
    }
}

fn keep_providers(stores: &Stores) {
    for whole in each(&largest_provider()) {
        let decoded: Decoded<CredentialProvider> = serde_json::from_str(&whole).unwrap();
        assert_eq!(decoded.unreadable, None, "the largest legal one can be read");
        let object = ProviderObject::Namespaced(Arc::new(decoded));
        stores.providers.put(object.key(), object.version(), object);
    }
}

/// Beyond what the schema allows: objects from before it, and those of administrators.
fn keep_what_cannot_be_read(stores: &Stores) {
    let mut whole = largest_provider();
    whole["metadata"]["namespace"] = Value::Null;
    whole["spec"]["oauthRegistration"]["metadata"] = map(500, 10, 10);
    for whole in each(&whole) {
        let decoded: Decoded<ClusterCredentialProvider> = serde_json::from_str(&whole).unwrap();
        assert!(decoded.unreadable.is_some());
        stores.unreadable.note(&decoded);
        let object = ProviderObject::Cluster(Arc::new(decoded));
        stores.providers.put(object.key(), object.version(), object);
    }
}

fn keep_secrets(stores: &Stores, sealer: &Sealer) {
    let [login, intake, target] = ["login", "intake", "target"].map(largest_secret);
    let ledger = largest_secret("ledger");
    let named = |secret: &Secret, name: String| {
        let mut secret = secret.clone();
        secret.metadata.name = Some(name);
        (Key::of(&secret), secret)
    };
    for number in 0..EACH {
        let (key, login) = named(&login, format!("login-{number}"));
        let entry = login_entry(&login, sealer);
        stores.logins.put(key, entry.version, entry);
        let (key, intake) = named(&intake, format!("intake-{number}"));
        let entry = intake_entry(&intake, sealer, Timestamp::UNIX_EPOCH);
        stores.intakes.put(key, entry.version, entry);
        let (key, pretended) = named(&ledger, format!("orders-{number}.credwright"));
        stores.ledgers.put(key, ledger_entry(&pretended, sealer));
        let (key, copy) = named(&ledger, format!("orders-{number}.credwright-copy"));
        let entry = copy_entry(&copy, &format!("orders-{number}"), sealer);
        stores.copies.put(key, entry.version, entry);
        let (key, target) = named(&target, format!("target-{number}"));
        stores.put_target(&key, target_entry(&target, sealer));
    }
}

/// Ledgers that Credwright has written itself.
fn keep_ledgers(stores: &Stores, sealer: &Sealer) {
    let document = largest_document();
    assert!(document_length(&document) > DOCUMENT_MAX - 32 * 1024, "it is as large as it may be");
    let document = serde_json::to_vec(&document).unwrap();
    for number in 0..EACH {
        let credential = format!("largest-{number}");
        let name = format!("{credential}.credwright");
        let place = Place { namespace: "shop", name: &name, document: &document };
        let sealed = sealer.seal(&Material::default(), place).unwrap();
        let mut secret = largest_secret("ledger");
        secret.metadata.name = Some(name.clone());
        let data = [("document", document.clone()), ("sealed", sealed)];
        secret.data = Some(data.map(|(key, bytes)| (key.to_owned(), ByteString(bytes))).into());
        let key = Key::new("shop", &credential);
        let entry = ledger_entry(&secret, sealer);
        assert!(entry.document.is_ok(), "it is genuine");
        stores.ledgers.put(key, entry);
    }
}

/// The certificates that take the most memory: the name and the key of each are kept.
fn largest_bundle() -> String {
    let pem = Authority::named(&text(18 * 1024)).unwrap().pem();
    pem.repeat(CA_BUNDLE_MAX / pem.len())
}

/// The drivers of the largest providers. Each has HTTP clients of its own, so that no account waits
/// for the connections of another.
fn build_drivers() -> Vec<Arc<dyn Provider>> {
    let mut whole = largest_provider();
    (whole["spec"]["tls"], whole["spec"]["login"]) = (Value::Null, Value::Null);
    let decoded: Decoded<CredentialProvider> = serde_json::from_str(&whole.to_string()).unwrap();
    assert_eq!(decoded.unreadable, None, "the largest legal one can be read");
    let mut settings = decoded.object.spec.settings;
    let reference = CaBundleRef { name: NAME.to_owned(), ..CaBundleRef::default() };
    settings.tls = Some(Tls { ca_bundle_ref: Some(reference), ..Tls::default() });
    let ca_bundle = Some(largest_bundle().into_bytes());
    let tls = registry::TlsMaterial { ca_bundle, ..registry::TlsMaterial::default() };
    let egress = registry::EgressPolicy { tls, ..registry::EgressPolicy::default() };
    let build = |_| registry::build(&settings, None, &egress, Meter::default()).unwrap();
    (0..EACH).map(build).collect()
}

#[test]
fn the_largest_objects_of_each_kind_five_hundred_times_fit_into_the_memory_of_the_chart() {
    let chart = include_str!("../charts/credwright/values.yaml");
    assert!(
        chart.contains(&format!("limits: {{ memory: {}Mi }}", LIMIT / 1024)),
        "the chart has another limit"
    );
    let (stores, sealer) = (Stores::default(), Sealer::new(&[7; 32]).unwrap());
    stores.settle();
    let mut before = resident();
    let began = before;
    let kinds: [(&str, u64, &dyn Fn()); 5] = [
        ("ApiCredentials", 260, &|| keep_credentials(&stores)),
        ("providers", 150, &|| keep_providers(&stores)),
        ("providers that cannot be read", 50, &|| keep_what_cannot_be_read(&stores)),
        ("Secrets of all roles", 20, &|| keep_secrets(&stores, &sealer)),
        ("genuine ledgers", 290, &|| keep_ledgers(&stores, &sealer)),
    ];
    for (kind, most, keep) in kinds {
        keep();
        before = bounded(kind, most, before);
    }
    let drivers = build_drivers();
    before = bounded("drivers", 170, before);
    drop(drivers);
    let grown = before.saturating_sub(began);
    assert!(grown + BESIDES <= LIMIT, "{grown} KiB are kept");
}

/// Checks how much memory was taken for each object of a kind since there were `before` KiB.
/// Returns how much there is now.
fn bounded(kind: &str, most: u64, before: u64) -> u64 {
    let now = resident();
    let each = now.saturating_sub(before) / u64::try_from(EACH).unwrap();
    println!("{kind}: {each} KiB each");
    assert!(each <= most, "{kind}: {each} KiB each, and {most} KiB at the most");
    now
}

//! The places that are searched for secrets, and the encodings of a secret.

use aho_corasick::AhoCorasick;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
    discovery::{Discovery, Scope, verbs},
};

use crate::support::{Scene, logs};

/// A name, and the text with this name.
pub(super) type Named = (String, String);

/// Returns all texts that can be read without the right to read Secrets, `metrics` among them, and
/// the documents of ledgers.
pub(super) async fn places(scene: &Scene, metrics: Vec<Named>) -> Vec<Named> {
    let mut places = objects(scene).await;
    places.extend(metrics);
    for secret in scene.api::<Secret>().list(&ListParams::default()).await.unwrap() {
        let name = secret.name_any();
        let metadata = serde_json::to_string(&secret.metadata).unwrap();
        places.push((format!("metadata of {name}"), metadata));
        for (key, ByteString(value)) in secret.data.unwrap_or_default() {
            if name.ends_with(".credwright") {
                places.push((format!("{key} of {name}"), String::from_utf8_lossy(&value).into_owned()));
            }
        }
    }
    // Last, since looking is logged, too.
    places.push(("the log, panics included".to_owned(), logs::text()));
    places
}

/// Every object of every kind in the namespace but Secrets, and every object of ours outside of
/// namespaces.
async fn objects(scene: &Scene) -> Vec<Named> {
    let mut objects = Vec::new();
    let discovery = Discovery::new(scene.client.clone()).run().await.unwrap();
    for (resource, has) in discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources) {
        if !has.supports_operation(verbs::LIST) || resource.kind == "Secret" {
            continue;
        }
        let api: Api<DynamicObject> = match has.scope {
            Scope::Namespaced => Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource),
            Scope::Cluster if resource.group == credwright::api::GROUP => {
                Api::all_with(scene.client.clone(), &resource)
            }
            Scope::Cluster => continue,
        };
        for object in api.list(&ListParams::default()).await.unwrap() {
            let name = format!("{} {}", resource.kind, object.name_any());
            objects.push((name, serde_json::to_string(&object).unwrap()));
        }
    }
    objects
}

/// Returns which planted secret is in which place.
pub(super) fn found(planted: &[Named], places: &[Named]) -> Vec<String> {
    let guises: Vec<(&str, String)> = planted
        .iter()
        .flat_map(|(what, secret)| guises(secret).into_iter().map(move |it| (what.as_str(), it)))
        .collect();
    let search = AhoCorasick::new(guises.iter().map(|(_, guise)| guise)).unwrap();
    let mut found = Vec::new();
    for (place, text) in places {
        for hit in search.find_iter(text) {
            found.push(format!("{} is in {place}", guises[hit.pattern().as_usize()].0));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A secret as it is, and as it would look encoded or printed as bytes.
fn guises(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let form: String = url::form_urlencoded::byte_serialize(bytes).collect();
    let json = serde_json::to_string(secret).unwrap();
    let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut guises = vec![
        secret.to_owned(),
        form.replace('+', "%20"),
        form,
        json.trim_matches('"').to_owned(),
        secret.escape_debug().to_string(),
        secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        decimal.join(", "),
        decimal.join(","),
        hex.to_uppercase(),
        hex,
    ];
    // Within a longer text it begins at any of three places of a group; what shares a group with
    // others is left out.
    for before in 0..3 {
        let padded = [&b"xx"[..before], bytes].concat();
        let whole = padded.len() / 3 * 3;
        let from = if before == 0 { 0 } else { 4 };
        guises.push(BASE64_STANDARD.encode(&padded[..whole])[from..].to_owned());
        guises.push(BASE64_URL_SAFE.encode(&padded[..whole])[from..].to_owned());
    }
    guises.retain(|guise| guise.len() >= 8);
    guises.sort();
    guises.dedup();
    guises
}

#[test]
fn a_secret_is_recognised_in_every_encoding() {
    let secret = r#"p"a\ss+w/örd&1234567"#;
    let basic = |id: &str| BASE64_STANDARD.encode(format!("{id}:{secret}:more"));
    let printed = [
        format!("is {secret}!"),
        format!("{:?}", (1, secret)),
        format!("{:?}", ByteString(secret.as_bytes().to_vec())),
        serde_json::json!({ "a": secret }).to_string(),
        url::form_urlencoded::Serializer::new(String::new()).append_pair("a", secret).finish(),
        url::Url::parse_with_params("http://a.b", [("a", secret)]).unwrap().to_string(),
        basic("a"),
        basic("ab"),
        basic("abc"),
    ];
    for text in printed {
        let places = [("here".to_owned(), text.clone())];
        assert_eq!(found(&[("it".to_owned(), secret.to_owned())], &places).len(), 1, "{text}");
    }
    assert!(
        found(&[("it".to_owned(), secret.to_owned())], &[("here".to_owned(), "p\"a".to_owned())]).is_empty()
    );
}

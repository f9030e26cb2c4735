//! The rules for a provider that namespaces share: which of them may use it, and what they may
//! request.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use kube::core::{Selector, SelectorExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    duration::{Duration, between},
    names::longest_key,
    word::{Word, words},
};

/// The rules for using a cluster-scoped provider. A credential that is not allowed is never issued.
/// `onWithdrawal` decides what happens to a credential that was issued before.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// The namespaces that may refer to this provider.
    pub namespaces: AllowedNamespaces,
    /// The scopes that may be requested. If it is set, an ApiCredential without scopes is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Option<Vec<String>>,
    /// The longest lifetime. A credential that requests no lifetime gets this one. A credential
    /// that may not be renewed, because its object is suspended or requests something that is not
    /// allowed, is revoked at the end of its lifetime. Without this field, credentials without a
    /// lifetime never expire, even if their namespace is no longer allowed, unless `onWithdrawal`
    /// is `Revoke`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("maxLifetime", "10s", "87600h"))]
    pub max_lifetime: Option<Duration>,
    /// The ranges that contain a credential's subnets. If it is set, an ApiCredential without
    /// subnets is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 64)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(s, isCIDR(s))").message("subnets must be CIDRs, such as 203.0.113.0/24 or 2001:db8::/48"))]
    pub subnets: Option<Vec<String>>,
    /// The values of `spec.parameters` that may be used, by the name of the parameter. A parameter
    /// that is not listed here is rejected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(validation = longest_key("parameters", 63))]
    pub parameters: BTreeMap<String, AllowedValues>,
    /// If true, credentials may outlive their objects (`deletionPolicy: Retain`, or a deletion that
    /// orphans). If false, an object that requests this gets no first credential, and its existing
    /// credentials are revoked when the object is deleted.
    #[serde(default)]
    pub retain: bool,
    /// The effect on a credential whose namespace is no longer allowed.
    #[serde(default)]
    pub on_withdrawal: OnWithdrawal,
}

words! {
    /// The effect on a credential whose namespace is no longer allowed.
    #[derive(Default)]
    pub enum OnWithdrawal {
        /// The credential works until it expires, and is then revoked. One without an expiry keeps
        /// working.
        #[default]
        Keep,
        /// The credential is revoked at once.
        Revoke,
    }
}

/// The values of one parameter that namespaces may use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.values), has(self.perNamespace), has(self.fromNamespace)].filter(x, x).size() == 1")
    .message("set exactly one of values, perNamespace and fromNamespace"))]
pub struct AllowedValues {
    /// The values that any allowed namespace may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub values: Option<Vec<String>>,
    /// The values that a namespace may use, by the name of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "lists")]
    pub per_namespace: Option<BTreeMap<String, Vec<String>>>,
    /// The value is that of a label of the namespace. The ApiCredential need not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_namespace: Option<FromNamespace>,
}

/// A label of a namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromNamespace {
    /// The label's key. Anyone who may label a namespace can change the value.
    #[schemars(length(min = 1, max = 317))]
    pub label: String,
}

/// The schema of a map of lists, bounded.
fn lists(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "maxProperties": 512,
        "additionalProperties": {
            "type": "array", "maxItems": 16, "x-kubernetes-list-type": "set",
            "items": { "type": "string", "minLength": 1, "maxLength": 128 }
        }
    })
}

/// Namespaces by name, by label, or both. A namespace that matches one of them is allowed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// The names of the namespaces.
    #[serde(default)]
    #[schemars(length(max = 1024), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// A selector for the labels of the namespaces. An empty one allows all namespaces. Anyone who
    /// may label a namespace can thereby allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    #[x_kube(
        validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && size(e.values) > 0 : !has(e.values) || size(e.values) == 0)")
            .message("selector.matchExpressions must have values for the operators In and NotIn, and none for Exists and DoesNotExist")
    )]
    pub selector: Option<LabelSelector>,
}

impl AllowedNamespaces {
    /// Returns whether a namespace with this name and these labels is allowed. If its labels are
    /// unknown, only its name counts. An invalid selector allows no namespace.
    #[must_use]
    pub fn admit(&self, name: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.names.iter().any(|it| it == name)
            || labels.zip(self.selector.clone()).is_some_and(|(labels, selector)| {
                Selector::try_from(selector).is_ok_and(|selector| selector.matches(labels))
            })
    }
}

/// The schema of a label selector, bounded so that its rules can be evaluated.
fn label_selector(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let key = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
    let value = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
    schemars::json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels that the namespace must have, with their values.",
                "type": "object", "maxProperties": 32,
                "additionalProperties": { "type": "string", "maxLength": 63, "pattern": value }
            },
            "matchExpressions": {
                "description": "Requirements. The namespace must meet all of them.",
                "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "description": "The label's key.", "type": "string", "maxLength": 317, "pattern": key },
                        "operator": {
                            "description": "The relation between the label's value and `values`.",
                            "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"]
                        },
                        "values": {
                            "description": "Values, for In and NotIn.",
                            "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic",
                            "items": { "type": "string", "maxLength": 63, "pattern": value }
                        }
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn names_and_selector_are_a_union_and_nothing_admits_nobody() {
        let paid = json!({ "matchLabels": { "plan": "paid" } });
        let not_free =
            json!({ "matchExpressions": [{ "key": "plan", "operator": "NotIn", "values": ["free"] }] });
        let exists = json!({ "matchExpressions": [{ "key": "plan", "operator": "Exists" }] });
        let both = json!({
            "matchLabels": { "plan": "paid" },
            "matchExpressions": [{ "key": "team", "operator": "In", "values": ["shop", "web"] }],
        });
        let unknown = json!({ "matchExpressions": [{ "key": "plan", "operator": "Like", "values": ["p"] }] });
        let shop = Some(json!({ "plan": "paid", "team": "shop" }));
        let bare = Some(json!({}));
        let rows: [(&str, Value, &Option<Value>, bool); 14] = [
            ("nothing at all", json!({}), &shop, false),
            ("another's name", json!({ "names": ["other"] }), &shop, false),
            ("its name", json!({ "names": ["other", "shop"] }), &bare, true),
            ("its name, labels unknown", json!({ "names": ["shop"] }), &None, true),
            ("its label", json!({ "selector": paid }), &shop, true),
            ("its label, another's name", json!({ "names": ["other"], "selector": paid }), &shop, true),
            ("its name, another's label", json!({ "names": ["shop"], "selector": paid }), &bare, true),
            ("a label it lacks", json!({ "selector": paid }), &bare, false),
            ("labels unknown", json!({ "selector": {} }), &None, false),
            ("an empty selector", json!({ "selector": {} }), &bare, true),
            ("an absent label is not in", json!({ "selector": not_free }), &bare, true),
            ("an absent label does not exist", json!({ "selector": exists }), &bare, false),
            ("all requirements", json!({ "selector": both }), &shop, true),
            ("an operator that is none", json!({ "selector": unknown }), &shop, false),
        ];
        for (what, allowed, labels, expected) in rows {
            let allowed: AllowedNamespaces = serde_json::from_value(allowed).unwrap();
            let labels = labels.clone().map(|it| serde_json::from_value(it).unwrap());
            assert_eq!(allowed.admit("shop", labels.as_ref()), expected, "{what}");
        }
    }
}

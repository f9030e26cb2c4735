//! A picture of everything that an upgrade must leave as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use credwright::api::{AbandonedCredential, ApiCredential, ClusterCredentialProvider, CredentialProvider};
use credwright_simulator::{Operation, Outcome, Record};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::world::World;

/// Everything by a name that people understand.
#[derive(Default)]
pub(crate) struct Picture(BTreeMap<String, Value>);

impl Picture {
    /// Takes one. Of Secrets it holds everything, their version and their content included. Of an
    /// object it holds what was asked for, and what its status says but for messages. Of a provider
    /// it holds what lives there, and how many calls were made that change something.
    pub(crate) async fn of(world: &World) -> Self {
        let mut all = BTreeMap::new();
        let client = &world.home.client;
        for scene in world.scenes() {
            add(&mut all, &scene.api::<Secret>(), whole).await;
            add(&mut all, &scene.api::<ApiCredential>(), of_a_credential).await;
            add(&mut all, &scene.api::<CredentialProvider>(), of_a_provider).await;
        }
        add(&mut all, &world.home.api::<AbandonedCredential>(), of_an_object).await;
        add(&mut all, &Api::<ClusterCredentialProvider>::all(client.clone()), of_a_provider).await;
        for (account, record) in world.records() {
            let mut alive = world.alive(account).await;
            alive.sort();
            let seen = json!({ "alive": alive, "changes": record.mutations(), "calls": changes(record) });
            all.insert(format!("provider {account}"), seen);
        }
        Self(all)
    }

    /// The differences, a line each. A value of a Secret is not shown.
    pub(crate) fn differences(&self, later: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(later.0.keys()).collect();
        let mut found = Vec::new();
        for name in names {
            match (self.0.get(name), later.0.get(name)) {
                (Some(before), Some(after)) => differ(name, before, after, &mut found),
                (Some(_), None) => found.push(format!("{name}: gone")),
                (None, Some(_)) if name.starts_with("Secret") => found.push(format!("{name}: new")),
                (None, Some(after)) => found.push(format!("{name}: new: {after}")),
                (None, None) => {}
            }
        }
        found
    }
}

async fn add<K>(all: &mut BTreeMap<String, Value>, api: &Api<K>, what: fn(&Value) -> Value)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + fmt::Debug,
{
    for object in api.list(&ListParams::default()).await.unwrap() {
        let name =
            format!("{} {}/{}", K::kind(&()), object.namespace().unwrap_or_default(), object.name_any());
        all.insert(name, what(&serde_json::to_value(&object).unwrap()));
    }
}

/// All of an object but who wrote which field.
fn whole(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["managedFields"].take();
    object
}

/// The unchanging part of any of Credwright's objects.
fn of_an_object(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "uid": metadata["uid"],
        "deletionTimestamp": metadata["deletionTimestamp"],
        "finalizers": metadata["finalizers"],
        "spec": object["spec"],
    })
}

/// The unchanging part of a provider. The versions may have different reasons, and credentials are
/// counted only now and then.
fn of_a_provider(object: &Value) -> Value {
    let conditions: BTreeMap<&str, &Value> =
        conditions(object).map(|(type_, condition)| (type_, &condition["status"])).collect();
    json!({ "object": of_an_object(object), "conditions": conditions })
}

/// The unchanging part of an ApiCredential. Its status names the published credential, its expiry,
/// and the state of each credential.
fn of_a_credential(object: &Value) -> Value {
    let ready = conditions(object).find(|(type_, _)| *type_ == "Ready").map(|(_, it)| &it["reason"]);
    let mut status = object["status"].clone();
    if let Some(status) = status.as_object_mut() {
        status.remove("conditions");
        status.remove("observedGeneration");
    }
    let mut essence = of_a_provider(object);
    essence["status"] = status;
    essence["ready"] = ready.cloned().unwrap_or_default();
    essence
}

fn conditions(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter_map(|it| Some((it["type"].as_str()?, it)))
}

/// The calls that make or end something, but for those that the test has refused.
fn changes(record: &Record) -> BTreeMap<String, u64> {
    let changes = [Operation::Create, Operation::Exchange, Operation::Delete];
    let made = record
        .endings()
        .into_iter()
        .filter(|((operation, ending), _)| changes.contains(operation) && *ending != Outcome::Answered(500));
    made.map(|((operation, ending), count)| (format!("{operation:?} {ending}"), count)).collect()
}

/// Adds the innermost members that differ.
fn differ(place: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    if let (Some(was), Some(is)) = (before.as_object(), after.as_object()) {
        let members: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for member in members {
            let nothing = &Value::Null;
            let (was, is) = (was.get(member).unwrap_or(nothing), is.get(member).unwrap_or(nothing));
            differ(&format!("{place}.{member}"), was, is, found);
        }
    } else if place.starts_with("Secret") && place.contains(".data.") {
        found.push(format!("{place}: another value"));
    } else {
        found.push(format!("{place}: {before} became {after}"));
    }
}

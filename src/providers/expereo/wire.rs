//! The wire format. The request is documented (<https://expereo.helpjuice.com/3749494>). An answer
//! is not, so it is searched by the names that the provider object gives.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    api::ExpereoAnswer,
    providers::{Failure, is_half, listing::Listing},
};

/// The members that may hold a list's clients, if the provider object does not say.
const ITEMS: [&str; 4] = ["items", "data", "values", "results"];
/// The members that may hold the total number of clients.
const TOTALS: [&str; 4] = ["total", "totalItems", "totalCount", "totalElements"];

/// Asks for a client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct New<'a> {
    pub(super) api_client_name: &'a str,
    pub(super) scopes: &'a [String],
}

/// A client as it is shown once. Not `Debug`, and an absent member is empty.
pub(super) struct Created {
    pub(super) client_id: String,
    /// The id that it is deleted by; absent if that is its client ID.
    pub(super) id: Option<String>,
    pub(super) client_secret: SecretString,
    /// Absent: the answer does not repeat it.
    pub(super) name: Option<String>,
    /// Absent: the answer does not repeat them, or not as texts.
    pub(super) scopes: Option<Vec<String>>,
}

impl Created {
    pub(super) fn of(answer: &Value, names: &ExpereoAnswer) -> Self {
        let owned = |name| member(answer, name).and_then(Value::as_str).map(str::to_owned);
        let text = |scope: &Value| scope.as_str().map(str::to_owned);
        let scopes = beside(answer, &names.client_id, "scopes").and_then(Value::as_array);
        Self {
            client_id: owned(&names.client_id).unwrap_or_default(),
            id: member(answer, &names.id).filter(|_| !names.id.is_empty()).and_then(id),
            client_secret: owned(&names.client_secret).unwrap_or_default().into(),
            name: owned(&names.name),
            scopes: scopes.and_then(|scopes| scopes.iter().map(text).collect()),
        }
    }

    pub(super) fn has_secret(&self) -> bool {
        is_half(self.client_secret.expose_secret())
    }
}

/// An ID, given as a text or as a whole number.
fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// A part of a list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    /// Names by client ID.
    pub(super) clients: BTreeMap<String, Option<String>>,
    /// The ids that they are deleted by, where those are not the client IDs.
    pub(super) ids: BTreeMap<String, String>,
    /// The total number, if the answer has it.
    pub(super) total: Option<u64>,
    /// The length of the page, in bytes.
    pub(super) length: usize,
}

impl Page {
    /// The page in an answer. An unreadable page is an error, since a client that is not listed
    /// counts as deleted.
    pub(super) fn of(answer: &Value, names: &ExpereoAnswer) -> Result<Self, &'static str> {
        let items = items(answer, &names.items).ok_or(
            "expereoOne's list holds no clients where they are looked for: set expereo.answer.items",
        )?;
        let client = |item: &Value| {
            let text = |name| listed(item, name).and_then(Value::as_str).map(str::to_owned);
            Some((text(&names.client_id)?, text(&names.name)))
        };
        let clients: Option<_> = items.iter().map(client).collect();
        let clients =
            clients.ok_or("expereoOne lists a client without an ID: set expereo.answer.clientId")?;
        let id = |item: &Value| {
            Some((listed(item, &names.client_id)?.as_str()?.to_owned(), id(listed(item, &names.id)?)?))
        };
        let ids = items.iter().filter(|_| !names.id.is_empty()).filter_map(id).collect();
        Ok(Self { clients, ids, total: total(answer), length: 0 })
    }

    /// Adds its clients to a list, and the IDs of those that are kept to `ids`. Returns how many
    /// there are in all, if it says so.
    pub(super) fn into_list(
        self,
        list: &mut Listing<impl Fn(&str, Option<&str>) -> bool>,
        ids: &mut BTreeMap<String, String>,
    ) -> Result<Option<u64>, Failure> {
        list.page(self.length)?;
        self.clients.into_iter().try_for_each(|(id, name)| list.add(id, name))?;
        ids.extend(self.ids.into_iter().filter(|(client_id, _)| list.keeps(client_id)));
        Ok(self.total)
    }
}

/// A member by its name, or by a JSON pointer.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { value.pointer(name) } else { value.get(name) }
}

/// A member of a client in a list. A pointer may begin with the wrapper of a single client, which a
/// list leaves out.
fn listed<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    let last = name.rfind('/').map_or(name, |slash| &name[slash..]);
    member(item, name).or_else(|| member(item, last))
}

/// A member of the object that `name` is a member of.
fn beside<'a>(value: &'a Value, name: &str, other: &str) -> Option<&'a Value> {
    let object = name.rfind('/').map_or(Some(value), |slash| value.pointer(&name[..slash]));
    object?.get(other)
}

fn items<'a>(answer: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    if name.is_empty() {
        let envelope = || ITEMS.iter().find_map(|name| answer.get(*name)?.as_array());
        answer.as_array().or_else(envelope)
    } else {
        member(answer, name)?.as_array()
    }
}

/// It may stand in the envelope itself or in an object of it, such as `pagination`.
fn total(answer: &Value) -> Option<u64> {
    let among = |members: &Map<String, Value>| TOTALS.iter().find_map(|name| members.get(*name)?.as_u64());
    let members = answer.as_object()?;
    among(members).or_else(|| members.values().filter_map(Value::as_object).find_map(among))
}

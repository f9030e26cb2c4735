//! Events on ApiCredentials. Created directly: a recorder that aggregates keeps every Event in memory.

use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{Api, Resource, ResourceExt, api::PostParams, core::ObjectMeta};

use crate::{api::ApiCredential, lifecycle::EventNote};

use super::{Engine, kubernetes::call, seal::random_id};

/// The most of an object's name that goes into the name of its Event.
const NAME_MAX: usize = 200;
/// The longest note that the API server takes, in bytes.
const NOTE_MAX: usize = 1024;
/// What a note ends with that was longer.
const CUT: &str = "… (the whole of it is in the status)";

impl Engine {
    /// Publishes `note` on `object`. An Event that is lost is only a note that is lost: failures are logged.
    pub(super) async fn publish_event(&self, object: &ApiCredential, note: &EventNote) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        tracing::info!(%namespace, %name, reason = note.reason.as_str(), warning = note.warning, "{}", note.message);
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let event = self.event(object, note);
        if let Err(error) = call("publishing an Event", api.create(&PostParams::default(), &event)).await {
            tracing::warn!(%namespace, %name, %error, "an Event could not be published");
        }
    }

    fn event(&self, object: &ApiCredential, note: &EventNote) -> Event {
        let name: String = object.name_any().chars().take(NAME_MAX).collect();
        Event {
            metadata: ObjectMeta {
                namespace: object.namespace(),
                name: Some(format!("{name}.{}", random_id())),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(self.now())),
            type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(note.reason.as_str().to_owned()),
            action: Some("Reconcile".to_owned()),
            note: Some(bounded(&note.message)),
            regarding: Some(object.object_ref(&())),
            reporting_controller: Some(format!("{}/controller", crate::api::GROUP)),
            reporting_instance: Some(self.settings.writer.clone()),
            ..Event::default()
        }
    }
}

/// A message that fits into a note. What a person has to do can be longer; half of it should not look like all of it.
fn bounded(message: &str) -> String {
    if message.len() <= NOTE_MAX {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(NOTE_MAX - CUT.len());
    let words = message[..end].rfind(' ').unwrap_or(end);
    format!("{}{CUT}", &message[..words])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so_and_fits() {
        let fits = "é".repeat(NOTE_MAX / 2);
        assert_eq!(bounded(&fits), fits);
        for long in ["remove it, then ".repeat(100), "é".repeat(NOTE_MAX), "x".repeat(5000)] {
            let cut = bounded(&long);
            assert!(cut.len() <= NOTE_MAX && cut.ends_with(CUT), "{cut}");
            assert!(long.starts_with(cut.strip_suffix(CUT).unwrap()));
        }
    }
}

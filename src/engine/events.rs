//! Events on ApiCredentials and providers. Created directly: a recorder that aggregates keeps every
//! Event in memory.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Resource, api::PostParams, core::ObjectMeta};

use crate::{api::ApiCredential, lifecycle::EventNote};

use super::{Engine, ProviderObject, random_id};

/// The part of an object's name that is used in the name of its Event.
const NAME_MAX: usize = 200;
/// The longest note that the API server takes, in bytes.
const NOTE_MAX: usize = 1024;
/// The end of a note that was cut.
const CUT: &str = "… (the full text is in the status)";

impl Engine {
    /// Publishes `note` on `object`. An Event that is lost is only a note that is lost: failures
    /// are logged.
    pub(super) async fn publish_event(&self, object: &ApiCredential, note: &EventNote) {
        self.publish(object.object_ref(&()), note).await;
    }

    /// Publishes `note` on a provider.
    pub(super) async fn publish_provider_event(&self, object: &ProviderObject, note: &EventNote) {
        let regarding = match object {
            ProviderObject::Namespaced(it) => it.object_ref(&()),
            ProviderObject::Cluster(it) => it.object_ref(&()),
        };
        self.publish(regarding, note).await;
    }

    async fn publish(&self, regarding: ObjectReference, note: &EventNote) {
        let name = regarding.name.clone().unwrap_or_default();
        // The namespace for Events of objects without a namespace.
        let namespace = regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        tracing::info!(%namespace, %name, reason = note.reason.as_str(), warning = note.warning, "{}", note.message);
        let api: Api<Event> = self.within(&namespace);
        let event = self.event(regarding, &namespace, note);
        if let Err(error) = self.tell("publishing an Event", api.create(&PostParams::default(), &event)).await
        {
            tracing::warn!(%namespace, %name, %error, "publishing an Event failed");
        }
    }

    fn event(&self, regarding: ObjectReference, namespace: &str, note: &EventNote) -> Event {
        let name: String = regarding.name.iter().flat_map(|it| it.chars()).take(NAME_MAX).collect();
        Event {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(format!("{name}.{}", random_id())),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(self.now())),
            type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(note.reason.as_str().to_owned()),
            action: Some("Reconcile".to_owned()),
            note: Some(bounded(&note.message)),
            regarding: Some(regarding),
            reporting_controller: Some(format!("{}/controller", crate::api::GROUP)),
            reporting_instance: Some(self.settings.writer.clone()),
            ..Event::default()
        }
    }
}

/// A message that fits into a note. The steps for a person can be longer; half of them should not
/// look like all of them.
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
    fn a_truncated_message_says_so_and_fits() {
        let fits = "é".repeat(NOTE_MAX / 2);
        assert_eq!(bounded(&fits), fits);
        for long in ["remove it, then ".repeat(100), "é".repeat(NOTE_MAX), "x".repeat(5000)] {
            let cut = bounded(&long);
            assert!(cut.len() <= NOTE_MAX && cut.ends_with(CUT), "{cut}");
            assert!(long.starts_with(cut.strip_suffix(CUT).unwrap()));
        }
    }
}

//! Events on ApiCredentials. Created directly: a recorder that aggregates keeps every Event in memory.

use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{Api, Resource, ResourceExt, api::PostParams, core::ObjectMeta};

use crate::{api::ApiCredential, lifecycle::EventNote};

use super::{Engine, kubernetes::call, seal::random_id};

/// The most of an object's name that goes into the name of its Event.
const NAME_MAX: usize = 200;
/// The longest note that the API server takes.
const NOTE_MAX: usize = 1024;

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
            note: Some(note.message.chars().take(NOTE_MAX).collect()),
            regarding: Some(object.object_ref(&())),
            reporting_controller: Some(format!("{}/controller", crate::api::GROUP)),
            reporting_instance: Some(self.settings.writer.clone()),
            ..Event::default()
        }
    }
}

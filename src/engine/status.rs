//! The status of an ApiCredential: the plan at rest, or the obstacle to a pass.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::{
    api::{ApiCredential, ApiCredentialStatus, ConditionType, Reason},
    lifecycle::{
        Memory, Rest, Wake, World,
        obstacle::{self, Obstacle},
        status,
        telling::{self, When},
    },
};

use super::{Engine, EngineError, Key, observe::Looked};

impl Engine {
    /// Writes into the status of an object that its spec cannot be read. The other fields stay:
    /// they were true when they were written.
    ///
    /// # Errors
    /// If the API server cannot be written.
    pub async fn show_unreadable(&self, key: &Key) -> Result<bool, EngineError> {
        let Some(why) = self.stores.unreadable.why::<ApiCredential>(key) else { return Ok(false) };
        let Some(object) = self.stores.credentials.get(key) else { return Ok(true) };
        let message = format!(
            "the spec cannot be read by this version of Credwright: {why}; correct it, or upgrade Credwright"
        );
        let draft = (ConditionType::Ready, false, Reason::SpecUnreadable, message);
        let mut status = object.status.clone().unwrap_or_default();
        let ready = status::condition(draft, &status.conditions, object.metadata.generation, self.now());
        status.conditions.retain(|it| it.type_ != ready.type_);
        status.conditions.insert(0, ready);
        status.observed_generation = object.metadata.generation;
        if object.status.as_ref() != Some(&status) {
            self.put_status(&object, &status).await?;
        }
        Ok(true)
    }

    /// Writes status if it should say something else than it does.
    ///
    /// # Errors
    /// A conflict if somebody else has changed the object meanwhile: the plan was made for the
    /// object before.
    pub(super) async fn write_status(&self, world: &World, rest: &Rest) -> Result<Wake, EngineError> {
        let Some(object) = &world.subject.object else { return Ok(rest.wake) };
        let status = status::view(world, object, rest, self.now());
        if object.status.as_ref() == Some(&status) {
            return Ok(rest.wake);
        }
        let told = match telling::when(world.memory.told, fingerprint(&status), self.now()) {
            When::Now(told) => told,
            When::At(at) => return Ok(rest.wake.or_at(at)),
        };
        match self.put_status(object, &status).await {
            Err(error) if error.is_not_found() => return Ok(rest.wake),
            written => written?,
        }
        let key = Key::of(&**object);
        self.remember(&key, Memory { told: Some(told), ..self.remembered(&key) });
        if let Some(note) = status::notice(world, object, rest) {
            self.publish_event(object, &note).await;
        }
        Ok(rest.wake)
    }

    /// Writes into the object's status what prevents its processing. If that fails, too, it is only
    /// logged.
    pub async fn tell_of(&self, key: &Key, error: &EngineError) {
        let failed = self.remembered(key).failed.saturating_add(1);
        self.remember(key, Memory { failed, ..self.remembered(key) });
        let Some(obstacle) = obstacle(error) else { return };
        let world = self.world(key, Looked::default());
        let Some(rest) = obstacle::rest(&world, &obstacle, failed) else { return };
        if let Err(untold) = self.write_status(&world, &rest).await {
            let Key { namespace, name } = key;
            tracing::warn!(%namespace, %name, error = %untold, "status not written, retrying");
        }
    }
}

/// Returns the obstacle to show for an error; `None` if it is nothing to report: another process
/// works, or another writer was first.
fn obstacle(error: &EngineError) -> Option<Obstacle> {
    match error {
        EngineError::NotLeading | EngineError::Stopping | EngineError::Conflict(_) | EngineError::Gone(_) => {
            None
        }
        EngineError::Kubernetes { what, .. } if error.is_refusal() => {
            let why = error.status().map(|status| status.message.clone()).unwrap_or_default();
            Some(Obstacle::Refused { what: (*what).to_owned(), why })
        }
        _ => Some(Obstacle::Failed(error.to_string())),
    }
}

fn fingerprint(status: &ApiCredentialStatus) -> u64 {
    let text = serde_json::to_string(status).unwrap_or_default();
    BuildHasherDefault::<DefaultHasher>::new().hash_one(text)
}

//! A credential, rendered into the Secret that workloads read.

use crate::{
    api::{ApiCredential, Reason},
    lifecycle::{
        Outcome, Rendered,
        render::{self, RenderError, WithSecret},
    },
};

use super::{EngineError, Key, Pass, TargetEntry, observe::is_ours, pass::Inspected, target::Written};

impl Pass<'_> {
    pub(super) async fn publish(
        &mut self,
        object: &ApiCredential,
        rendered: Rendered,
        previous: Option<u32>,
    ) -> Result<Outcome, EngineError> {
        let open = self.ledger.read().await?;
        let with_secret = |number: u32| {
            let revision = open.document.revision(number)?;
            Some(WithSecret { revision, client_secret: &open.material.get(number)?.client_secret })
        };
        let current = with_secret(rendered.revision).ok_or(EngineError::Gone("the secret"))?;
        let data = render::render(object.spec.secret.as_ref(), current, previous.and_then(with_secret));
        let data = match data {
            Ok(data) => data,
            Err(error @ RenderError::NoThread(_)) => return Err(error.into()),
            Err(error) => {
                let message = format!("{error}; correct it, and the Secret is written");
                return Ok(Outcome::NotPublished { reason: Reason::TemplateInvalid, message });
            }
        };
        let ledger = self.engine.stores.ledgers.get(&self.key);
        let may_write = |key: &Key, entry: &TargetEntry| is_ours(key, entry, object, ledger.as_ref());
        match self.engine.write_target(object, &rendered, data, may_write).await {
            Ok(Written::Done) => Ok(Outcome::Done),
            Ok(Written::Foreign) => {
                self.inspected = Inspected::NotYet;
                let name = object.spec.target_name(&self.key.name);
                let message = format!(
                    "the Secret {name} exists and does not belong to this object; it is not overwritten"
                );
                Ok(Outcome::NotPublished { reason: Reason::TargetForeign, message })
            }
            Err(error) if error.is_refusal() => {
                let why = error.status().map(|status| status.message.clone()).unwrap_or_default();
                let message = format!("the API server refuses the Secret: {why}");
                Ok(Outcome::NotPublished { reason: Reason::TargetRefused, message })
            }
            Err(error) => Err(error),
        }
    }
}

//! The watches besides those of ApiCredentials, providers and Secrets.

use kube::{Api, runtime::watcher};

use crate::{
    api::AbandonedCredential,
    engine::{stores::Key, version, wire::Decoded},
};

use super::{Listing, Watch, WatchEvent, unlisted};
use crate::controller::{Operator, queue::Item};

impl Operator {
    /// The records of abandoned credentials, in our own namespace.
    pub(super) async fn watch_abandoned(&self, namespace: Option<String>) {
        let api: Api<Decoded<AbandonedCredential>> = self.api(namespace.as_ref());
        let scoped = (Watch::Abandoned, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default(), |change| match change {
            WatchEvent::Listing => listed.begin(),
            WatchEvent::There(record) => {
                let key = Key::of(&record);
                listed.name(key.clone());
                if self.engine.see_abandoned(record) {
                    self.queue.wake(Item::Abandoned(key));
                }
            }
            WatchEvent::Gone(record) => {
                self.engine.forget_abandoned(&Key::of(&record), version(&record));
            }
            WatchEvent::Complete => {
                let unlisted = unlisted(&scoped.1, listed.complete());
                for key in self.engine.stores.abandoned.select(|key, _| unlisted(key)) {
                    self.engine.forget_abandoned(&key, u64::MAX);
                }
            }
        })
        .await;
    }
}

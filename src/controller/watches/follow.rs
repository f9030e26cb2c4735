//! Following one watch: events are handed over one by one, and errors are named and retried.

use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Error, Event, watcher};
use kube::{Api, Resource, runtime::WatchStreamExt};
use serde::de::DeserializeOwned;

use super::{
    pace,
    scope::{Scoped, WatchEvent},
    trouble::Trouble,
};
use crate::controller::Operator;

/// The API server has no streamed lists.
struct NoStreams;

impl Operator {
    /// Follows one watch for ever. Errors are retried with backoff. Where lists are not streamed
    /// they come in pages: the feature gate WatchList is off by default up to Kubernetes 1.33.
    pub(super) async fn follow<K>(
        &self,
        watch: &Scoped,
        api: Api<K>,
        config: watcher::Config,
        mut tell: impl FnMut(WatchEvent<K>) + Send,
    ) where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let config = pace::paced(config, watch);
        let (pages, streams) = (config.clone().page_size(10), config.streaming_lists());
        if self.options.streaming_lists {
            let NoStreams = self.listen(watch, events(api.clone(), streams), true, &mut tell).await;
            tracing::info!(?watch, "streaming lists not supported, reading lists in pages");
        }
        self.listen(watch, events(api, pages), false, &mut tell).await;
    }

    /// Returns only when lists are `streamed` and the API server refuses that.
    async fn listen<K>(
        &self,
        watch: &Scoped,
        events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
        streamed: bool,
        tell: &mut (impl FnMut(WatchEvent<K>) + Send),
    ) -> NoStreams {
        let mut events = std::pin::pin!(events);
        let mut well = true;
        while let Some(event) = events.next().await {
            if !std::mem::replace(&mut well, event.is_ok()) && well {
                self.is_well(watch);
            }
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => tell(WatchEvent::There(object)),
                Ok(Event::Delete(object)) => tell(WatchEvent::Gone(object)),
                Ok(Event::Init) => tell(WatchEvent::Listing),
                Ok(Event::InitDone) => {
                    tell(WatchEvent::Complete);
                    self.has_synced(watch);
                }
                Err(error) if streamed && refuses_streams(&error) => break,
                Err(error) => {
                    self.failed(watch, Trouble::of(&error));
                    pace::obey(&error).await;
                }
            }
        }
        NoStreams
    }

    fn failed(&self, watch: &Scoped, trouble: Trouble) {
        let error = trouble.advice();
        // An API server that starts asks everybody to wait: no failure, and a line a second would
        // hide one.
        if trouble.is_a_request_to_wait() {
            tracing::debug!(?watch, error, "watch delayed");
        } else {
            tracing::warn!(?watch, error, "watch failed, retrying");
        }
        self.has_trouble(watch, trouble);
    }
}

fn events<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config).default_backoff()
}

/// Returns whether the API server does not know, or does not allow, a watch that begins with a
/// list.
fn refuses_streams(error: &Error) -> bool {
    match error {
        Error::WatchStartFailed(kube::Error::Api(status)) => matches!(status.code, 400 | 422),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn start_failed(code: u16) -> Error {
        Error::WatchStartFailed(kube::Error::Api(
            Status::failure("sendInitialEvents", "Invalid").with_code(code).boxed(),
        ))
    }

    #[test]
    fn only_400_and_422_mean_that_lists_cannot_be_streamed() {
        let refused: Vec<_> = [400, 401, 403, 404, 410, 422, 429, 500, 503]
            .into_iter()
            .filter(|code| refuses_streams(&start_failed(*code)))
            .collect();
        assert_eq!(refused, [400, 422]);
    }
}

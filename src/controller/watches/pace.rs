//! The length of one watch request, and the pause after an error of it.
//!
//! A watch on a dead connection looks like one without events. So the API server is asked to end
//! each request after a while, and a request that it has not ended shortly after that is given up
//! (kube-runtime waits 5 s more): the next one delivers the missed events. The server spends a
//! lookup in its cache on that, and a bookmark before the end keeps the next request from listing
//! again.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use kube::{core::Status, runtime::watcher};

use super::{scope::Scoped, trouble::status};

/// The shortest and the longest time, in seconds, that a request lasts.
const LASTS: (u32, u32) = (18, 23);
/// The longest wait that the API server is obeyed in.
const OBEYED: Duration = Duration::from_mins(1);

/// The watch's configuration with the length of its requests. It differs from watch to watch, so
/// that they do not all restart at once.
pub(super) fn paced(config: watcher::Config, watch: &Scoped) -> watcher::Config {
    let (shortest, longest) = LASTS;
    let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(watch);
    let more = hash % u64::from(longest - shortest + 1);
    config.timeout(shortest + u32::try_from(more).unwrap_or_default())
}

/// Waits as long as the API server asked for, besides the backoff.
pub(super) async fn obey(error: &watcher::Error) {
    if let Some(after) = status(error).and_then(asked_for) {
        tokio::time::sleep(after).await;
    }
}

fn asked_for(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()).min(OBEYED))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::watches::Watch;

    #[test]
    fn each_watch_request_ends_before_a_dead_connection_has_to_be_noticed() {
        let lasts = |watch: &Scoped| paced(watcher::Config::default(), watch).timeout.unwrap();
        let of = |namespace: u32| (Watch::Secrets, Some(format!("shop-{namespace}")));
        let all: Vec<u32> = (0..100).map(|namespace| lasts(&of(namespace))).collect();
        assert!(all.iter().all(|it| (LASTS.0..=LASTS.1).contains(it)), "{all:?}");
        assert!((LASTS.0..=LASTS.1).all(|it| all.contains(&it)), "they are spread: {all:?}");
        assert_eq!(lasts(&of(1)), lasts(&of(1)));
    }

    #[test]
    fn the_wait_that_the_api_server_asks_for_is_limited() {
        let asks = |seconds: u32| {
            let status = json!({ "code": 429, "details": { "retryAfterSeconds": seconds } });
            asked_for(&serde_json::from_value(status).unwrap())
        };
        let seconds = Duration::from_secs;
        assert_eq!([asks(0), asks(7), asks(86_400)], [None, Some(seconds(7)), Some(OBEYED)]);
    }
}

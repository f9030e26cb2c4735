use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, stream};
use serde_json::json;

use super::*;

/// A mint of the object with the longest names, so many seconds before noon.
fn mint(ago: i64) -> PastMint {
    let name = "n".repeat(253);
    let namespace = "s".repeat(63);
    let at = noon() - jiff::SignedDuration::from_millis(ago);
    let provider = json!({ "kind": "ClusterCredentialProvider", "namespace": namespace, "name": name });
    let object = json!({ "namespace": namespace, "name": name });
    let uid = "00000000-0000-0000-0000-000000000000";
    let entry = json!({ "at": at, "provider": provider, "object": object, "uid": uid });
    serde_json::from_value(entry).unwrap_or_else(|error| panic!("{error}"))
}

fn noon() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap_or_default()
}

#[test]
fn the_list_fits_into_a_config_map_whatever_the_names_and_keeps_the_newest() {
    let all = recent((0..4000).map(mint).collect(), noon());
    let map = config_map(ObjectMeta::default(), &all);
    let length = map.data.iter().flatten().map(|(key, text)| key.len() + text.len()).sum::<usize>();
    assert!(length <= LENGTH_MAX + 16 && length > LENGTH_MAX - 2000, "{length}");
    assert!(all.len() > 500, "{}", all.len());
    assert_eq!(all.last(), Some(&mint(0)));
    assert_eq!(all.first(), Some(&mint(i64::try_from(all.len() - 1).unwrap_or_default())));
    assert_eq!(recent(listed(&map), noon()), all, "and it is read again");
}

#[tokio::test]
async fn concurrent_writes_are_combined() {
    let (gathered, writes, written) = (Gathered::default(), AtomicUsize::new(0), AtomicUsize::new(0));
    let delete = |object: usize| {
        gathered.write(vec![object], async |all| {
            writes.fetch_add(1, Ordering::Relaxed);
            written.fetch_add(all.len(), Ordering::Relaxed);
        })
    };
    stream::iter(0..4000).map(delete).buffer_unordered(1000).collect::<Vec<()>>().await;
    assert_eq!(written.into_inner(), 4000);
    let writes = writes.into_inner();
    assert!((1..=40).contains(&writes), "{writes}");
}

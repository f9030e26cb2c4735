//! The log: its levels, and what it never contains.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt,
};

/// Returns a subscriber that writes the lines that pass `filter` to `writer`.
pub(super) fn subscriber<W>(filter: &str, json: bool, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let asked = EnvFilter::builder().parse_lossy(filter);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(std::io::stderr().is_terminal());
    let lines: Box<dyn Layer<Registry> + Send + Sync> =
        if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    Registry::default().with(lines.with_filter(asked.and(filter_fn(holds_no_body))))
}

/// Returns whether a line is sure to contain no request or response. Below info, libraries write
/// headers and frames. The Kubernetes client writes the body of each response that it cannot
/// decode, at warn. No filter may bring a secret into the log.
fn holds_no_body(line: &Metadata<'_>) -> bool {
    let of = |library: &str| {
        line.target().strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let most = if of("credwright") {
        Level::TRACE
    } else if of("kube_client::client") {
        Level::ERROR
    } else {
        Level::INFO
    };
    *line.level() <= most
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[expect(clippy::cognitive_complexity, reason = "a line for each library")]
    fn written(filter: &str, json: bool) -> String {
        let written = Written::default();
        let writer = written.clone();
        tracing::subscriber::with_default(subscriber(filter, json, move || writer.clone()), || {
            tracing::trace!(target: "credwright::engine", "ours");
            tracing::warn!(target: "kube_client::client", "canary of a body");
            tracing::trace!(target: "h2::codec", "canary of a frame");
            tracing::trace!(target: "hyper::proto::h1", "canary of a frame");
            tracing::debug!(target: "hyper_util::client", "canary of a frame");
            tracing::trace!(target: "reqwest::connect", "canary of a frame");
            tracing::debug!(target: "tower::buffer", "canary of a frame");
            tracing::debug!(target: "kube_runtime::watcher", "canary of a status");
            tracing::trace!(target: "rustls::conn", "canary of a record");
            tracing::warn!(target: "kube_runtime::watcher", "theirs");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_json_is_flat() {
        let written = Written::default();
        let writer = written.clone();
        tracing::subscriber::with_default(subscriber("info", true, move || writer.clone()), || {
            tracing::warn!(target: "credwright", namespace = "shop", attempts = 3, "lease lost");
        });
        let bytes = written.0.lock().unwrap().clone();
        let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let members = line.as_object().unwrap();
        assert_eq!(
            (&members["level"], &members["target"], &members["message"]),
            (&"WARN".into(), &"credwright".into(), &"lease lost".into())
        );
        assert_eq!((&members["namespace"], &members["attempts"]), (&"shop".into(), &3.into()));
        assert!(members["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!(members.values().all(|value| !value.is_object()), "{line}");
    }

    #[test]
    fn no_filter_lets_a_library_log_a_body() {
        let filters = [
            "info",
            "trace",
            "kube_client::client=trace,h2=trace,hyper=trace,reqwest=trace,tower=trace,trace",
            "kube_client::client[{}]=trace,trace",
        ];
        for filter in filters {
            for json in [false, true] {
                let lines = written(filter, json);
                assert!(!lines.contains("canary"), "{filter}: {lines}");
                assert!(lines.contains("theirs"), "{filter}: {lines}");
                assert_eq!(lines.contains("ours"), filter != "info", "{filter}: {lines}");
            }
        }
    }
}

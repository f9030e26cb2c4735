//! The connection to the API server. Every wait on it ends, even if a load balancer between has
//! dropped it without a word, and the API server's advice about retries is kept.
//!
//! Calls have bounds of their own (`kubernetes.rs`). This file bounds the rest: the wait for a
//! watch to start, for the next bytes of a list, and how long a dead connection stays in the pool,
//! where every call that gets it would time out.

use std::task::{Context, Poll};
use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, client::ClientBuilder, core::Status};
use tower::{BoxError, Layer, Service};

use super::server_time::ServerTimeLayer;
use crate::clock::Clock;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest silence on a connection, in use or not. Watches are never silent for so long: see
/// the controller's `watches::pace`.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest wait for a watch to begin.
const BEGIN: Duration = Duration::from_secs(10);

/// Stands for no proxy. The client takes one from the environment where a kubeconfig names none.
const DIRECT: &str = "http://direct.invalid";

/// The configuration of a kubeconfig (`KUBECONFIG`, `~/.kube/config`), or else of the pod.
///
/// `HTTPS_PROXY` and its like are not used. A pod may have them by no doing of ours, such as a
/// cluster-wide proxy, and no API server is behind one. A kubeconfig that names a proxy means it.
///
/// # Errors
/// If there is neither, or it cannot be used.
pub async fn configuration() -> Result<Config, InferConfigError> {
    let found = match Kubeconfig::read() {
        Ok(kubeconfig) => directly(kubeconfig).await,
        Err(_) => None,
    };
    // Its error tells of both places.
    let Some(mut config) = found else { return Config::infer().await };
    config.apply_debug_overrides();
    Ok(config)
}

/// The configuration of a kubeconfig without a proxy of the environment, if it can be used.
async fn directly(mut kubeconfig: Kubeconfig) -> Option<Config> {
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|it| it.cluster.as_mut()) {
        if cluster.proxy_url.as_deref().is_none_or(str::is_empty) {
            cluster.proxy_url = Some(DIRECT.to_owned());
        }
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.ok()?;
    config.proxy_url.take_if(|proxy| proxy.host() == Some("direct.invalid"));
    Some(config)
}

/// Connects to an API server, whose clock is compared with `clock`.
///
/// # Errors
/// If the configuration cannot be used.
pub fn connect(config: Config, clock: Arc<dyn Clock>) -> kube::Result<Client> {
    Ok(ClientBuilder::try_from(bounded(config))?
        .with_layer(&ServerTimeLayer(clock))
        .with_layer(&Bounded::default())
        .build())
}

/// The configuration of a connection whose waits end.
#[must_use]
pub fn bounded(mut config: Config) -> Config {
    // After a 504 the client's own retry of a write conflicts with its own success; the engine
    // reads back instead.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.write_timeout = Some(SILENCE);
    // Or a connection that was idle for 29 seconds would have one left for the next answer.
    config.reset_reader_on_write = true;
    config
}

/// A layer under the Kubernetes client that bounds the wait for a watch to begin, and turns an
/// answer that has its `Retry-After` in the header only into an error that tells it.
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    begin: Duration,
}

impl Default for Bounded {
    fn default() -> Self {
        Self { begin: BEGIN }
    }
}

impl<S> Layer<S> for Bounded {
    type Service = BoundedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BoundedService { inner, begin: self.begin }
    }
}

/// The service of [`Bounded`].
#[derive(Clone, Debug)]
pub struct BoundedService<S> {
    inner: S,
    begin: Duration,
}

impl<S, B, C> Service<Request<B>> for BoundedService<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    C: 'static,
{
    type Response = Response<C>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<C>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let (begin, answer) = (self.begin, self.inner.call(request));
        Box::pin(async move {
            let longest = if watches { begin } else { Duration::MAX };
            let Ok(answer) = tokio::time::timeout(longest, answer).await else {
                return Err(format!("the API server did not start a watch within {begin:?}").into());
            };
            let answer = answer.map_err(Into::into)?;
            match told_by_header(answer.status(), answer.headers()) {
                Some(status) => Err(kube::Error::Api(status.boxed()).into()),
                None => Ok(answer),
            }
        })
    }
}

/// Returns what an answer without a Status means by its `Retry-After`: an API server that is too
/// busy sends the header and a line of text, before it reads anything.
fn told_by_header(status: StatusCode, headers: &HeaderMap) -> Option<Status> {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .is_some_and(|it| it.starts_with("application/json"));
    if !busy || is_json {
        return None;
    }
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    let told = serde_json::json!({
        "status": "Failure",
        "code": status.as_u16(),
        "reason": status.canonical_reason(),
        "message": format!("the API server is too busy, and asks to try again in {seconds} s"),
        "details": { "retryAfterSeconds": seconds },
    });
    serde_json::from_value(told).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(http::HeaderName, &str)]) -> HeaderMap {
        rows.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn only_a_kubeconfig_that_names_a_proxy_has_one() {
        let proxy = async |line: &str| {
            let text = format!(
                "clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:6443'{line}}}}}]\n\
                 contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
                 users: [{{name: u, user: {{token: t}}}}]\ncurrent-context: c\n"
            );
            let config = directly(Kubeconfig::from_yaml(&text).unwrap()).await.unwrap();
            config.proxy_url.map(|it| it.to_string())
        };
        assert_eq!(proxy("").await, None);
        assert_eq!(proxy(", proxy-url: ''").await, None);
        let named = proxy(", proxy-url: 'http://127.0.0.1:3128'").await;
        assert_eq!(named.as_deref(), Some("http://127.0.0.1:3128/"));
    }

    #[test]
    fn a_retry_after_without_a_status_is_reported_and_a_status_is_unchanged() {
        let plain = headers(&[(CONTENT_TYPE, "text/plain; charset=utf-8"), (RETRY_AFTER, "7")]);
        let status = told_by_header(StatusCode::TOO_MANY_REQUESTS, &plain).unwrap();
        assert_eq!((status.code, status.details.unwrap().retry_after_seconds), (429, 7));
        let json = headers(&[(CONTENT_TYPE, "application/json"), (RETRY_AFTER, "7")]);
        assert!(told_by_header(StatusCode::TOO_MANY_REQUESTS, &json).is_none());
        assert!(told_by_header(StatusCode::OK, &plain).is_none());
        let date = headers(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert!(told_by_header(StatusCode::SERVICE_UNAVAILABLE, &date).is_none());
    }

    #[tokio::test]
    async fn a_watch_that_does_not_begin_is_an_error_and_other_calls_have_their_own_bounds() {
        let bounded = Bounded { begin: Duration::from_millis(20) };
        let silent =
            tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, BoxError>>());
        let ask = |uri: &str| bounded.layer(silent).call(Request::builder().uri(uri).body(()).unwrap());
        tokio::select! {
            begun = ask("/api/v1/secrets?watch=true&timeoutSeconds=20") => {
                assert!(begun.unwrap_err().to_string().contains("did not start a watch"));
            }
            _ = ask("/api/v1/secrets?limit=10") => panic!("nobody answers"),
        }
    }
}

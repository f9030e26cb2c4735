//! Measures the skew of the clock against the API server, from the `Date` header of its responses.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response, header::DATE};
use jiff::{Timestamp, fmt::rfc2822};
use tower::{Layer, Service};

use crate::clock::Clock;

/// A layer under the Kubernetes client that compares a clock with the `Date` of each answer (RFC
/// 9110 section 6.6.1).
#[derive(Clone)]
pub struct ServerTimeLayer(pub Arc<dyn Clock>);

impl<S> Layer<S> for ServerTimeLayer {
    type Service = ServerTime<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerTime { inner, clock: self.0.clone() }
    }
}

/// The service of [`ServerTimeLayer`].
#[derive(Clone)]
pub struct ServerTime<S> {
    inner: S,
    clock: Arc<dyn Clock>,
}

impl<S, B, C> Service<Request<B>> for ServerTime<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (sent, clock) = (self.clock.now(), self.clock.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if let Some(served) = served_at(&answer) {
                clock.compare(sent, served, clock.now());
            }
            Ok(answer)
        })
    }
}

fn served_at<C>(answer: &Response<C>) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(answer.headers().get(DATE)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use jiff::SignedDuration;
    use tower::ServiceExt;

    use super::*;
    use crate::clock::SystemClock;

    /// A second service: what an API server whose clock shows `date` answers.
    fn served(
        date: &'static str,
    ) -> impl Service<
        Request<()>,
        Response = Response<()>,
        Error = (),
        Future = BoxFuture<'static, Result<Response<()>, ()>>,
    > {
        tower::service_fn(move |_: Request<()>| -> BoxFuture<'static, Result<Response<()>, ()>> {
            Box::pin(async move { Response::builder().header(DATE, date).body(()).map_err(drop) })
        })
    }

    #[tokio::test]
    async fn the_clock_is_compared_with_the_date_of_each_answer() {
        let clock = SystemClock::default();
        let ask = async |date| {
            let service = ServerTimeLayer(Arc::new(clock.clone())).layer(served(date));
            service.oneshot(Request::new(())).await.unwrap();
            clock.skew()
        };
        assert!(ask("Tue, 01 Jan 2019 00:00:00 GMT").await > SignedDuration::from_hours(24 * 365));
        assert_eq!(ask("no date").await, clock.skew(), "what is no date changes nothing");
        assert!(ask("Fri, 01 Jan 2399 00:00:00 GMT").await < SignedDuration::from_hours(-24 * 365));
    }
}

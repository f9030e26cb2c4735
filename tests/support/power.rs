//! The operator's power supply: a layer under its Kubernetes client that cuts it off at a chosen
//! call, before the call is sent or after it took effect.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::{StreamExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use kube::client::{Body, DynBody};
use tokio::sync::{Notify, watch};
use tower::{BoxError, Layer, Service};

/// The moment of the power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The k-th call is not sent.
    Before(usize),
    /// The k-th call takes effect, and nobody hears of it.
    After(usize),
}

/// A fault in the line to the API server.
type Fault = Box<dyn Fn(&Request<Body>) -> Option<Line> + Send + Sync>;

/// The effect of a fault on a call.
pub(crate) enum Line {
    /// It takes effect, and the answer is 504.
    AppliedButTimedOut,
    /// It takes effect, and its answer is held until this is notified.
    Held(Arc<Notify>),
    /// This happens before it is sent.
    Behind(BoxFuture<'static, ()>),
}

#[derive(Clone)]
pub(crate) struct Power(Arc<Inner>);

struct Inner {
    is_off: AtomicBool,
    off: Notify,
    calls: AtomicUsize,
    writes: Mutex<Vec<String>>,
    cut: Option<Cut>,
    fault: Mutex<Option<Fault>>,
    /// `true` if watches deliver nothing.
    stalled: watch::Sender<bool>,
    /// The number of times that all watches were ended.
    ended: watch::Sender<u32>,
}

impl Power {
    pub(crate) fn on() -> Self {
        Self::with(None)
    }

    pub(crate) fn cut(cut: Cut) -> Self {
        Self::with(Some(cut))
    }

    fn with(cut: Option<Cut>) -> Self {
        Self(Arc::new(Inner {
            is_off: AtomicBool::new(false),
            off: Notify::new(),
            calls: AtomicUsize::new(0),
            writes: Mutex::default(),
            cut,
            fault: Mutex::default(),
            stalled: watch::Sender::new(false),
            ended: watch::Sender::new(0),
        }))
    }

    pub(crate) fn off(&self) {
        self.0.is_off.store(true, Ordering::SeqCst);
        self.0.off.notify_waiters();
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.is_off.load(Ordering::SeqCst)
    }

    pub(crate) async fn went_off(&self) {
        let off = self.0.off.notified();
        if !self.is_off() {
            off.await;
        }
    }

    /// Returns the number of calls that have begun.
    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The writes so far, as `VERB path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.0.writes.lock().unwrap().clone()
    }

    pub(crate) fn set_fault(&self, fault: impl Fn(&Request<Body>) -> Option<Line> + Send + Sync + 'static) {
        *self.0.fault.lock().unwrap() = Some(Box::new(fault));
    }

    pub(crate) fn mend(&self) {
        *self.0.fault.lock().unwrap() = None;
    }

    /// From now on watches tell nothing, so that caches grow stale; or they tell all they have kept
    /// back.
    pub(crate) fn stall_watches(&self, stalled: bool) {
        self.0.stalled.send_replace(stalled);
    }

    /// Ends all watches, as an API server does from time to time.
    pub(crate) fn end_watches(&self) {
        self.0.ended.send_modify(|count| *count += 1);
    }

    async fn watches_flow(&self) {
        let mut stalled = self.0.stalled.subscribe();
        if stalled.wait_for(|stalled| !stalled).await.is_err() {
            pending().await
        }
    }

    /// A watch's body, whose frames wait while watches are stalled, and which can be ended.
    fn stallable(&self, body: Box<DynBody>) -> Box<DynBody> {
        let (power, mut ended) = (self.clone(), self.0.ended.subscribe());
        let frames = BodyStream::new(body).then(move |frame| {
            let power = power.clone();
            async move {
                power.watches_flow().await;
                frame
            }
        });
        let frames = frames.take_until(Box::pin(async move { ended.changed().await }));
        Box::new(StreamBody::new(frames.boxed()))
    }
}

#[derive(Clone)]
pub(crate) struct PowerLayer(Power);

impl PowerLayer {
    pub(crate) fn new(power: Power) -> Self {
        Self(power)
    }
}

impl<S> Layer<S> for PowerLayer {
    type Service = Supplied<S>;

    fn layer(&self, inner: S) -> Supplied<S> {
        Supplied { inner, power: self.0.clone() }
    }
}

type Answer = Response<Box<DynBody>>;

#[derive(Clone)]
pub(crate) struct Supplied<S> {
    inner: S,
    power: Power,
}

impl<S> Service<Request<Body>> for Supplied<S>
where
    S: Service<Request<Body>, Response = Answer>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
{
    type Response = Answer;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let power = self.power.clone();
        if power.is_off() {
            return Box::pin(pending());
        }
        let line = power.0.fault.lock().unwrap().as_ref().and_then(|fault| fault(&request));
        let watching = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        if watching {
            let call = self.inner.call(request);
            return Box::pin(async move {
                if let Some(Line::Behind(first)) = line {
                    first.await;
                }
                Ok(call.await?.map(|body| power.stallable(body)))
            });
        }
        let number = power.0.calls.fetch_add(1, Ordering::SeqCst);
        if power.0.cut == Some(Cut::Before(number)) {
            power.off();
            return Box::pin(pending());
        }
        if request.method() != Method::GET {
            let write = format!("{} {}", request.method(), request.uri().path());
            power.0.writes.lock().unwrap().push(write);
        }
        let call = self.inner.call(request);
        Box::pin(async move {
            // Nothing is sent before the call is first polled.
            let line = match line {
                Some(Line::Behind(first)) => {
                    first.await;
                    None
                }
                line => line,
            };
            let answer = call.await;
            if power.0.cut == Some(Cut::After(number)) {
                power.off();
            }
            if power.is_off() {
                return pending().await;
            }
            match line {
                None | Some(Line::Behind(_)) => answer,
                Some(Line::AppliedButTimedOut) => {
                    let body = br#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Timeout","code":504}"#;
                    let body: Box<DynBody> = Box::new(Full::from(&body[..]).map_err(|never| match never {}));
                    let mut timed_out = Response::new(body);
                    *timed_out.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                    Ok(timed_out)
                }
                Some(Line::Held(release)) => {
                    release.notified().await;
                    answer
                }
            }
        })
    }
}

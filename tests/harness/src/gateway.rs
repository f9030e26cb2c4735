//! A gateway before an API server, which loses answers and tells another time.
//!
//! Clients speak plain HTTP to it, because it has to see answers one by one: a balancer that sees
//! encrypted bytes only could not lose one after the request has had its effect. Another time is a
//! `Date` that is moved: the operator compares its clock with that (ADR 11), so to it this is a
//! clock that jumps.
#![expect(clippy::disallowed_methods, reason = "its tasks end with it, and it runs on real time")]

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result};
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};
use kube::{Client, client::Body};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The number of manipulated answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meddled {
    /// Answers that were lost: half of them with their connection, the others without a word.
    pub lost: usize,
    /// Answers whose `Date` was moved.
    pub moved: usize,
}

#[derive(Default)]
struct State {
    answers: usize,
    /// Of so many answers one is lost, until then.
    loss: Option<(usize, Instant)>,
    /// So far the time is moved, until then.
    shift: Option<(SignedDuration, Instant)>,
    meddled: Meddled,
}

enum Fate {
    Sent,
    Torn,
    Silence,
}

impl State {
    fn fate(&mut self) -> Fate {
        self.answers += 1;
        let Some((of, until)) = self.loss else { return Fate::Sent };
        if Instant::now() >= until || !self.answers.is_multiple_of(of) {
            return Fate::Sent;
        }
        self.meddled.lost += 1;
        if self.meddled.lost.is_multiple_of(2) { Fate::Silence } else { Fate::Torn }
    }

    fn date(&mut self) -> Option<HeaderValue> {
        let (by, _) = self.shift.filter(|(_, until)| Instant::now() < *until)?;
        let time = Timestamp::now().checked_add(by).ok()?;
        let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()?;
        self.meddled.moved += 1;
        HeaderValue::from_str(&text).ok()
    }
}

/// A running gateway. Dropping it ends it, and every connection through it.
pub struct Gateway {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

impl Gateway {
    /// Listens on loopback, and passes everything on with the credentials of `client`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(client: Client) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a gateway")?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        let task = tokio::spawn(accept(listener, client, state.clone()));
        Ok(Self { address, state, _task: AbortOnDropHandle::new(task) })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loses one of so many answers until then. Their requests have their effect.
    pub fn lose_one_of(&self, answers: usize, until: Instant) {
        self.change(|state| state.loss = Some((answers.max(1), until)));
    }

    /// Moves the time that is told by `shift` until then.
    pub fn shift(&self, shift: SignedDuration, until: Instant) {
        self.change(|state| state.shift = Some((shift, until)));
    }

    /// Returns what it has done so far.
    #[must_use]
    pub fn meddled(&self) -> Meddled {
        self.change(|state| state.meddled)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        locked(&self.state, change)
    }
}

fn locked<T>(state: &Mutex<State>, change: impl FnOnce(&mut State) -> T) -> T {
    change(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, client: Client, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client may be gone before it is accepted.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, client.clone(), state.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, client: Client, state: Arc<Mutex<State>>) -> Result<(), Infallible> {
    let _ = stream.set_nodelay(true);
    // An error of the service closes the connection without an answer, which is what it is for.
    let service = service_fn(|request| pass_on(request, client.clone(), state.clone()));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    Ok(())
}

/// An API server that cannot be reached tears the connection, too.
async fn pass_on(
    request: Request<Incoming>,
    client: Client,
    state: Arc<Mutex<State>>,
) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // In a task of its own, so that a client that gives up does not undo what it asked for.
    let asked = Request::from_parts(parts, Body::from(body));
    let mut answer = tokio::spawn(async move { client.send(asked).await }).await??;
    match locked(&state, State::fate) {
        Fate::Sent => {}
        Fate::Torn => return Err("the answer is lost".into()),
        Fate::Silence => pending().await,
    }
    // They are about the connection that it came on.
    answer.headers_mut().remove(header::TRANSFER_ENCODING);
    answer.headers_mut().remove(header::CONNECTION);
    if let Some(date) = locked(&state, State::date) {
        answer.headers_mut().insert(header::DATE, date);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_of_so_many_answers_is_lost_until_it_ends() {
        let mut state =
            State { loss: Some((3, Instant::now() + Duration::from_secs(60))), ..State::default() };
        let lost = |state: &mut State| (0..12).filter(|_| !matches!(state.fate(), Fate::Sent)).count();
        assert_eq!(lost(&mut state), 4);
        state.loss = Some((3, Instant::now()));
        assert_eq!(lost(&mut state), 0);
        assert_eq!(state.meddled.lost, 4);
    }

    #[test]
    fn the_served_time_is_shifted_until_the_fault_ends() {
        let year = SignedDuration::from_hours(24 * 365);
        let mut state =
            State { shift: Some((year, Instant::now() + Duration::from_secs(60))), ..State::default() };
        let told = state.date().unwrap();
        let told = jiff::fmt::rfc2822::parse(told.to_str().unwrap()).unwrap().timestamp();
        let ahead = told.duration_since(Timestamp::now());
        assert!((ahead - year).abs() < SignedDuration::from_secs(2), "{ahead}");
        state.shift = Some((year, Instant::now()));
        assert!(state.date().is_none());
    }
}

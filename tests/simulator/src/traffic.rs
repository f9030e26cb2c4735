//! Every request a provider got, in order of arrival, and how each ended.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{Clock, lock};

/// The operation of a request, in words that all providers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    Token,
    Create,
    /// Fetching the secret of what was created, where that is a call of its own.
    Exchange,
    List,
    Delete,
    /// Anything else, such as a path that does not exist.
    Other,
}

/// The outcome of a request, as far as the provider can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Outcome {
    /// It has not ended: it stands at a gate, or is being worked on.
    Pending,
    /// An answer with this status was sent, not necessarily with a sound body.
    Answered(u16),
    /// The connection was torn before any answer.
    Torn,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Answered(status) => write!(f, "{status}"),
            Self::Torn => f.write_str("torn"),
        }
    }
}

/// A request as its provider understands it.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: Operation,
    /// The client that calls, or that asks for a token.
    pub client: Option<String>,
    /// `true` if that client is the operator's own login, and not a credential that is being
    /// verified.
    pub by_login: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenRequest {
    pub at: Timestamp,
    pub operation: Operation,
    pub client: Option<String>,
    pub by_login: bool,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub(crate) struct Traffic {
    clock: Clock,
    seen: Mutex<Seen>,
    arrivals: watch::Sender<HashMap<Operation, usize>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<SeenRequest>,
    endings: BTreeMap<(Operation, Outcome), u64>,
    in_flight: usize,
    max_in_flight: usize,
}

impl Traffic {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default(), arrivals: watch::Sender::default() }
    }

    /// Notes an arrival. The visit notes the end when it is dropped, however that comes about.
    pub(crate) fn arrive(self: Arc<Self>, call: &Call) -> Visit {
        let request = SeenRequest {
            at: self.clock.now(),
            operation: call.operation,
            client: call.client.clone(),
            by_login: call.by_login,
            outcome: Outcome::Pending,
        };
        let index = {
            let mut seen = lock(&self.seen);
            seen.requests.push(request);
            seen.in_flight += 1;
            seen.max_in_flight = seen.max_in_flight.max(seen.in_flight);
            seen.requests.len() - 1
        };
        self.arrivals.send_modify(|arrivals| *arrivals.entry(call.operation).or_default() += 1);
        Visit { traffic: self, index, outcome: Outcome::Torn }
    }

    pub(crate) fn requests(&self) -> Vec<SeenRequest> {
        lock(&self.seen).requests.clone()
    }

    pub(crate) fn endings(&self) -> BTreeMap<(Operation, Outcome), u64> {
        lock(&self.seen).endings.clone()
    }

    pub(crate) fn max_concurrent(&self) -> usize {
        lock(&self.seen).max_in_flight
    }

    pub(crate) fn arrived(&self, operation: Operation) -> usize {
        self.arrivals.borrow().get(&operation).copied().unwrap_or_default()
    }

    pub(crate) async fn wait_for(&self, operation: Operation, count: usize, deadline: Duration) -> bool {
        let mut arrivals = self.arrivals.subscribe();
        let enough = |seen: &HashMap<Operation, usize>| seen.get(&operation).is_some_and(|n| *n >= count);
        timeout(deadline, arrivals.wait_for(enough)).await.is_ok()
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Visit {
    traffic: Arc<Traffic>,
    index: usize,
    outcome: Outcome,
}

impl Visit {
    pub(crate) fn answered(mut self, status: u16) {
        self.outcome = Outcome::Answered(status);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut seen = lock(&self.traffic.seen);
        seen.in_flight -= 1;
        let request = &mut seen.requests[self.index];
        request.outcome = self.outcome;
        let ending = (request.operation, self.outcome);
        *seen.endings.entry(ending).or_default() += 1;
    }
}

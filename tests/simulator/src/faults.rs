//! Faults on demand, the same for every provider: what goes wrong, for which requests, and how
//! often.
//!
//! The worst ones come after the effect: the credential exists and the operator does not know. What
//! each looks like on the wire is in `boundary.rs`.

use std::collections::VecDeque;
use std::mem::replace;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::traffic::{Call, Operation};
use crate::{Gate, Record, lock};

/// A fault. "Before" and "after" refer to the effect: a credential created or revoked, a token
/// issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Fault {
    /// The connection is torn before any effect. The client cannot tell this from
    /// [`Fault::LostAnswer`].
    TornBefore,
    /// The effect happens, then the connection is torn without a byte of an answer.
    LostAnswer,
    /// The effect happens, then the connection is torn after half of the body.
    CutBody,
    /// This answer instead of any effect.
    Status {
        code: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
    },
    /// This answer although the effect happened: a proxy that gave up waiting, an error while
    /// serializing.
    StatusAfterEffect {
        code: u16,
        #[serde(default)]
        body: String,
    },
    /// 429 without effect.
    RateLimited { retry_after: RetryAfter },
    /// 429 without effect, where more than so many of these requests came within a second of real
    /// time.
    TooFast { per_second: usize, retry_after: RetryAfter },
    /// The request is worked on only after this much real time, and then even if the client has
    /// left.
    Slow { millis: u64 },
    /// 200 after the effect, with JSON that ends in the middle though its length is as announced.
    Malformed,
    /// 200 after the effect, with no body.
    EmptyBody,
    /// 200 after the effect, with an HTML page.
    WrongContent,
    /// 200 after the effect, with a body that never ends.
    EndlessBody,
    /// 200 after the effect, and every text in the answer begins with a byte that UTF-8 does not
    /// have.
    NotUtf8,
    /// The answer, with these members in place of its own; in a list, each entry is changed.
    Edited { members: Map<String, Value> },
    /// The answer, with changes to status, headers and body that this seed leads to.
    Mutated { seed: u64 },
    /// The answer, a byte at a time, each of them after so much real time.
    Drip { millis: u64 },
    /// The request stops here before it has any effect, until the test opens the gate.
    #[serde(skip)]
    GateBefore(Gate),
    /// The request stops here after its effect and before its answer.
    #[serde(skip)]
    GateAfter(Gate),
}

impl Fault {
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: String::new() }
    }

    pub fn rate_limited(retry_after: RetryAfter) -> Self {
        Self::RateLimited { retry_after }
    }

    /// `json!({ "clientId": "another" })`: what is not an object changes nothing.
    pub fn edited(members: &Value) -> Self {
        Self::Edited { members: members.as_object().cloned().unwrap_or_default() }
    }

    pub fn slow(by: Duration) -> Self {
        Self::Slow { millis: by.as_millis().try_into().unwrap_or(u64::MAX) }
    }

    /// Returns whether it decides the answer, of which a request has one. Other faults only delay
    /// the request.
    pub(crate) fn is_answer(&self) -> bool {
        !matches!(self, Self::Slow { .. } | Self::GateBefore(_) | Self::GateAfter(_))
    }
}

/// The two spellings of `Retry-After` (RFC 9110 section 10.2.3), and its absence.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum RetryAfter {
    Absent,
    Seconds(u64),
    Date(Timestamp),
}

/// The callers that a fault is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    #[default]
    Anyone,
    /// The operator's own login.
    Login,
    /// Credentials that were issued, such as one that is being verified.
    Others,
}

/// The requests that a fault is for: `Operation::Create.into()`, `Operation::Token.by_others()`,
/// `Matching::any()`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Matching {
    pub operation: Option<Operation>,
    pub by: By,
}

impl Matching {
    pub fn any() -> Self {
        Self::default()
    }

    fn matches(&self, call: &Call) -> bool {
        let by_matches = match self.by {
            By::Anyone => true,
            By::Login => call.by_login,
            By::Others => !call.by_login,
        };
        by_matches && self.operation.is_none_or(|operation| operation == call.operation)
    }
}

impl From<Operation> for Matching {
    fn from(operation: Operation) -> Self {
        Self { operation: Some(operation), by: By::Anyone }
    }
}

impl Operation {
    pub fn by_login(self) -> Matching {
        Matching { operation: Some(self), by: By::Login }
    }

    pub fn by_others(self) -> Matching {
        Matching { operation: Some(self), by: By::Others }
    }
}

/// A fault, and how many matching requests pass before it and suffer it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    #[serde(flatten)]
    pub on: Matching,
    /// The end of the path of the requests that it is for, such as the client ID of the only
    /// credential that cannot be deleted. None: whatever the path is.
    #[serde(default)]
    pub path_end: Option<String>,
    #[serde(default)]
    pub skip: usize,
    /// None: every one until the faults are cleared.
    #[serde(default)]
    pub times: Option<usize>,
    /// The time on the simulator's clock at which it ends, whether it was suffered or not. None:
    /// never.
    #[serde(default)]
    pub until: Option<Timestamp>,
    pub fault: Fault,
}

impl Rule {
    /// Every matching request suffers `fault`.
    pub fn every(on: impl Into<Matching>, fault: Fault) -> Self {
        Self { on: on.into(), path_end: None, skip: 0, times: None, until: None, fault }
    }
}

/// The faults of one simulator. Clones are the same faults.
#[derive(Clone, Debug)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
    /// The times of the requests of the last second that count for a rate limit.
    passed: Arc<Mutex<VecDeque<Instant>>>,
    record: Record,
}

impl Faults {
    pub(crate) fn new(record: Record) -> Self {
        Self { rules: Arc::default(), passed: Arc::default(), record }
    }

    /// Returns whether one more request passes where `per_second` do.
    fn passes(&self, per_second: usize) -> bool {
        let (mut passed, now) = (lock(&self.passed), Instant::now());
        passed.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
        let passes = passed.len() < per_second;
        if passes {
            passed.push_back(now);
        }
        passes
    }

    /// The next matching request suffers `fault`.
    pub fn next(&self, on: impl Into<Matching>, fault: Fault) {
        self.next_n(on, 1, fault);
    }

    /// The next `times` matching requests suffer `fault`.
    pub fn next_n(&self, on: impl Into<Matching>, times: usize, fault: Fault) {
        self.add(Rule { times: Some(times), ..Rule::every(on, fault) });
    }

    /// `skip` matching requests pass and the one after them suffers `fault`.
    pub fn after(&self, on: impl Into<Matching>, skip: usize, fault: Fault) {
        self.add(Rule { skip, times: Some(1), ..Rule::every(on, fault) });
    }

    /// Every matching request suffers `fault` until [`Faults::clear`].
    pub fn every(&self, on: impl Into<Matching>, fault: Fault) {
        self.add(Rule::every(on, fault));
    }

    /// The next matching request stops before it has any effect.
    pub fn gate_before(&self, on: impl Into<Matching>) -> Gate {
        let gate = Gate::closed();
        self.next(on, Fault::GateBefore(gate.clone()));
        gate
    }

    /// The next matching request stops between its effect and its answer.
    pub fn gate_after(&self, on: impl Into<Matching>) -> Gate {
        let gate = Gate::closed();
        self.next(on, Fault::GateAfter(gate.clone()));
        gate
    }

    pub fn add(&self, rule: Rule) {
        lock(&self.rules).push(rule);
    }

    /// For so long on the simulator's clock, the token endpoint refuses a new credential.
    pub fn set_propagation_delay(&self, delay: Duration) {
        self.record.set_propagation_delay(delay);
    }

    /// For so long on the simulator's clock, listings lack a new credential and still show a
    /// revoked one.
    pub fn set_listing_lag(&self, lag: Duration) {
        self.record.set_listing_lag(lag);
    }

    /// Until its propagation is over, a new credential is accepted and refused in turns, each of
    /// them for so long on the simulator's clock; it begins with being accepted. Zero: it is
    /// refused all the time.
    pub fn set_flapping(&self, turn: Duration) {
        self.record.set_flapping(turn);
    }

    /// A create for a name that begins like that of a live credential makes nothing: that one is
    /// the answer, and both names are compared in so many bytes. `None`: names are not looked at.
    pub fn set_upsert(&self, compared: Option<usize>) {
        self.record.set_upsert(compared);
    }

    /// Ends all faults, the lags and the oddities. Requests that stand at a gate stay there until
    /// it is released.
    pub fn clear(&self) {
        lock(&self.rules).clear();
        self.record.behave();
    }

    /// Returns the number of rules that are not used up, so that a test can check that a planned
    /// fault took place.
    pub fn outstanding(&self) -> usize {
        lock(&self.rules).len()
    }

    /// Returns what `call` to `path` suffers: whatever holds it up, and at most one fault that
    /// decides its answer.
    pub(crate) fn take(&self, call: &Call, path: &str) -> Vec<Fault> {
        let mut taken = Vec::new();
        let mut has_answer = false;
        let now = self.record.now();
        lock(&self.rules).retain_mut(|rule| {
            if rule.until.is_some_and(|until| until <= now) {
                return false;
            }
            if !rule.on.matches(call) || !rule.path_end.as_ref().is_none_or(|end| path.ends_with(end)) {
                return true;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return true;
            }
            let fault = match &rule.fault {
                Fault::TooFast { per_second, .. } if self.passes(*per_second) => return true,
                Fault::TooFast { retry_after, .. } => Fault::rate_limited(*retry_after),
                fault => fault.clone(),
            };
            if fault.is_answer() && replace(&mut has_answer, true) {
                return true;
            }
            taken.push(fault);
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            rule.times != Some(0)
        });
        taken
    }
}

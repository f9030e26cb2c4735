//! The layer round every operation of every provider: it notes the request, applies faults and
//! tears connections.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Map, Value};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::faults::{Fault, RetryAfter};
use crate::mutation::Mutator;
use crate::server::Tear;
use crate::simulator::{Provider, World};

/// No provider's requests come near this.
const REQUEST_LIMIT: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Boundary {
    pub(crate) world: World,
    pub(crate) provider: Arc<dyn Provider>,
}

enum Answer {
    Send(Response),
    Tear,
}

/// Serves the request in a task of its own, so that a client that gives up does not undo what it
/// asked for: that is how real providers behave, and how credentials nobody knows come about.
pub(crate) async fn pass(
    State(boundary): State<Boundary>,
    tear: Tear,
    request: Request,
    next: Next,
) -> Response {
    match tokio::spawn(boundary.serve(request, next)).await {
        Ok(Answer::Send(response)) => response,
        Ok(Answer::Tear) | Err(_) => tear.now().await,
    }
}

impl Boundary {
    async fn serve(self, request: Request, next: Next) -> Answer {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else { return Answer::Tear };
        let copy = || Request::from_parts(parts.clone(), Body::from(body.clone()));

        let call = self.provider.identify(copy()).await;
        let visit = self.world.record.traffic.clone().arrive(&call);
        let faults = self.world.faults.take(&call, parts.uri.path());
        hold_before(&faults).await;

        let fault = faults.iter().find(|fault| fault.is_answer());
        let answer = match fault.and_then(instead_of_effect) {
            Some(answer) => answer,
            None => {
                let response = next.run(copy()).await;
                hold_after(&faults).await;
                match fault {
                    Some(fault) => after_effect(fault, response).await,
                    None => Answer::Send(response),
                }
            }
        };
        if let Answer::Send(response) = &answer {
            visit.answered(response.status().as_u16());
        }
        answer
    }
}

async fn hold_before(faults: &[Fault]) {
    for fault in faults {
        match fault {
            Fault::Slow { millis } => sleep(Duration::from_millis(*millis)).await,
            Fault::GateBefore(gate) => gate.pass().await,
            _ => {}
        }
    }
}

async fn hold_after(faults: &[Fault]) {
    for fault in faults {
        if let Fault::GateAfter(gate) = fault {
            gate.pass().await;
        }
    }
}

fn instead_of_effect(fault: &Fault) -> Option<Answer> {
    let response = match fault {
        Fault::TornBefore => return Some(Answer::Tear),
        Fault::Status { code, headers, body } => {
            (status(*code), header_map(headers), body.clone()).into_response()
        }
        Fault::RateLimited { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, retry_after_header(*retry_after)).into_response()
        }
        _ => return None,
    };
    Some(Answer::Send(response))
}

async fn after_effect(fault: &Fault, response: Response) -> Answer {
    let json = [(header::CONTENT_TYPE, "application/json")];
    Answer::Send(match fault {
        Fault::LostAnswer => return Answer::Tear,
        Fault::StatusAfterEffect { code, body } => (status(*code), body.clone()).into_response(),
        Fault::Malformed => (json, first_half(&body_of(response).await)).into_response(),
        Fault::EmptyBody => StatusCode::OK.into_response(),
        Fault::WrongContent => {
            let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (html, "<!doctype html><title>Sign in</title><h1>Please sign in</h1>").into_response()
        }
        Fault::EndlessBody => (json, endless()).into_response(),
        Fault::NotUtf8 => (json, not_utf8(&body_of(response).await)).into_response(),
        Fault::Edited { members } => edited(response, members).await,
        Fault::Mutated { seed } => mutated(response, Mutator::new(*seed)).await,
        Fault::Drip { millis } => {
            let (mut parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, dripping(body, Duration::from_millis(*millis)))
        }
        Fault::CutBody => {
            let body = body_of(response).await;
            let length = [(header::CONTENT_LENGTH, body.len().to_string())];
            (json, length, cut_after(first_half(&body))).into_response()
        }
        _ => response,
    })
}

async fn body_of(response: Response) -> Bytes {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
    // A 204 has nothing to cut; an object stands in for it.
    if body.is_empty() { Bytes::from_static(b"{}") } else { body }
}

fn first_half(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

/// Sends `sent`, then breaks off. The pause lets the server flush: an error straight after the
/// chunk would tear the connection before a byte of it had left.
fn cut_after(sent: Bytes) -> Body {
    let chunks = stream::unfold(Some(sent), |sent| async {
        match sent {
            Some(sent) => Some((Ok(sent), None)),
            None => {
                yield_now().await;
                Some((Err("cut on purpose"), None))
            }
        }
    });
    Body::from_stream(chunks)
}

fn endless() -> Body {
    let chunk = Bytes::from_static(&[b' '; 16 * 1024]);
    Body::from_stream(stream::unfold(chunk, |chunk| async {
        yield_now().await;
        Some((Ok::<_, axum::Error>(chunk.clone()), chunk))
    }))
}

fn dripping(body: Bytes, pause: Duration) -> Body {
    Body::from_stream(stream::unfold(body, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        sleep(pause).await;
        Some((Ok::<_, axum::Error>(left.split_to(1)), left))
    }))
}

fn not_utf8(body: &Bytes) -> Vec<u8> {
    let mut spoilt = Vec::new();
    for byte in body {
        // A text that is a value follows a colon; the names of members stay what they are.
        let begins = *byte == b'"' && spoilt.last() == Some(&b':');
        spoilt.push(*byte);
        if begins {
            spoilt.push(0xFF);
        }
    }
    spoilt
}

async fn edited(response: Response, members: &Map<String, Value>) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let entries = match &mut answer {
        Value::Array(entries) => entries.iter_mut().collect(),
        one => vec![one],
    };
    for entry in entries.into_iter().filter_map(Value::as_object_mut) {
        entry.extend(members.clone());
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(answer.to_string()))
}

async fn mutated(response: Response, mut mutator: Mutator) -> Response {
    const STATUSES: [u16; 12] = [200, 201, 204, 206, 299, 304, 400, 401, 404, 409, 418, 503];
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = if mutator.once_in(8) { body.to_vec() } else { mutator.changed(&body) };
    if mutator.once_in(4) {
        parts.status = status(*mutator.one_of(&STATUSES));
    }
    for value in parts.headers.values_mut() {
        if mutator.once_in(4)
            && let Ok(changed) = HeaderValue::from_bytes(&mutator.changed(value.as_bytes()))
        {
            *value = changed;
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    Response::from_parts(parts, Body::from(body))
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let parsed = |(name, value): &(String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    headers.iter().filter_map(parsed).collect()
}

fn retry_after_header(retry_after: RetryAfter) -> HeaderMap {
    let value = match retry_after {
        RetryAfter::Absent => return HeaderMap::new(),
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        // It fails only for years that no HTTP date can name.
        RetryAfter::Date(date) => {
            DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap_or_default()
        }
    };
    header_map(&[(header::RETRY_AFTER.to_string(), value)])
}

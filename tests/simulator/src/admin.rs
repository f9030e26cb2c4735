//! The hatch for other processes, such as a demo or a benchmark: under `/_simulator/`, out of the
//! faults' reach. What a person does in a portal is there too: see `portal.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Rule;
use crate::simulator::World;

pub(crate) fn routes(world: World) -> Router {
    Router::new()
        .route("/_simulator/state", get(state))
        .route("/_simulator/counters", get(counters))
        .route("/_simulator/requests", get(requests))
        .route("/_simulator/faults", post(faults))
        .route("/_simulator/clock", post(clock))
        .with_state(world)
}

async fn state(State(world): State<World>) -> Json<Value> {
    let mut state = count(&world);
    state["credentials"] = json!(world.record.all());
    Json(state)
}

async fn counters(State(world): State<World>) -> Json<Value> {
    Json(count(&world))
}

async fn requests(State(world): State<World>) -> Json<Value> {
    Json(json!(world.record.requests()))
}

fn count(world: &World) -> Value {
    let endings = world.record.endings();
    let requests: BTreeMap<String, u64> = endings
        .into_iter()
        .map(|((operation, outcome), count)| (format!("{operation:?} {outcome}"), count))
        .collect();
    json!({
        "now": world.clock.now(),
        "live": world.record.live().len(),
        "created": world.record.created_count(),
        "mutations": world.record.mutations(),
        "maxConcurrent": world.record.max_concurrent(),
        "outstandingFaults": world.faults.outstanding(),
        "requests": requests,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FaultsChange {
    /// Takes place first.
    #[serde(default)]
    clear: bool,
    #[serde(default)]
    rules: Vec<Rule>,
    propagation_delay_seconds: Option<u64>,
    listing_lag_seconds: Option<u64>,
}

async fn faults(State(world): State<World>, Json(change): Json<FaultsChange>) -> StatusCode {
    if change.clear {
        world.faults.clear();
    }
    for rule in change.rules {
        world.faults.add(rule);
    }
    if let Some(seconds) = change.propagation_delay_seconds {
        world.faults.set_propagation_delay(Duration::from_secs(seconds));
    }
    if let Some(seconds) = change.listing_lag_seconds {
        world.faults.set_listing_lag(Duration::from_secs(seconds));
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ClockChange {
    AdvanceSeconds(u64),
    Set(Timestamp),
}

async fn clock(State(world): State<World>, Json(change): Json<ClockChange>) -> Json<Value> {
    match change {
        ClockChange::AdvanceSeconds(seconds) => world.clock.advance(Duration::from_secs(seconds)),
        ClockChange::Set(to) => world.clock.set(to),
    }
    Json(json!({ "now": world.clock.now() }))
}

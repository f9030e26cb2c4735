//! The pure core: the next step, and the conclusions from its outcome. No I/O, no clock, no
//! randomness of its own.
//!
//! Its parts, each of which uses only those to its left (`tests/architecture.rs` holds that):
//!
//! ```text
//! model  ◀─  rules  ◀─  decide  ◀─  conclude  ◀─  status
//! ```
//!
//! - `model`: the data: the ledger, the world, plans, capabilities and failures.
//! - `rules`: functions of the model, such as schedules, pauses, budgets and rendering.
//! - `decide`: the checks, whose list in `decide/mod.rs` is the page to begin with.
//! - `conclude`: the edits, Events and notes that follow from the outcome of a step.
//! - `status`: the view of the world that people are shown.
//!
//! ```text
//! observe ─▶ decide(world, now) ─▶ perform(step) ─▶ conclude(world, step, outcome, now) ─▶ edits,
//!            here                  the only I/O     here                                  events
//! ```
//!
//! The states of a revision ([`ledger::State`]); `(…)` is seen, not stored:
//!
//! ```text
//! Intended ──answer──▶ Issued ──(verified)──▶ (published: Active) ──newer published──▶ Retiring
//!    │                   │ never accepted                                       revokeAt │
//!    │                   └──────────────────────────▶ Revoking ◀─────────────────────────┘
//!    │ answer lost                                     ▲   └──▶ Revoked
//!    ├──▶ Unconfirmed ── found under its exact name ───┘
//!    │         └─ not found within the settle time ──▶ Absent ── an answer came ──▶ Revoking
//!    └──▶ Absent (the provider's documented refusal)
//!
//! Intended, Unconfirmed, Revoking ── not confirmed or revoked in time, and recorded ──▶ Abandoned
//! any that another cluster made ── replaced here, or its object deleted ──▶ Left
//!
//! (a person made it) ──taken──▶ Issued, then as above; a person removes it if no call can do that
//! ```

mod conclude;
mod decide;
mod model;
mod rules;
pub mod status;

pub use conclude::{AccountTrouble, EventNote, Report, RotationEnd, conclude, reason, yet_accepted};
pub use decide::{decide, growth, inherit};
pub use model::*;
pub use rules::{
    abandoned, backoff, budget, holding, obstacle, progress, render,
    schedule::{self, asked_expiry},
    skew, suspect, telling,
    turn::{Urgency, urgency},
    verification::{self, Verification},
};

#[cfg(test)]
mod tests;

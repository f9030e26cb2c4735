//! The pure core: the next step, and the conclusions from its outcome. No I/O, no clock, no
//! randomness of its own.
//!
//! ```text
//! observe ─▶ decide(world, now) ─▶ perform(step) ─▶ conclude(world, step, outcome, now) ─▶ edits,
//!            here                  the only I/O     here                                  events
//! ```
//!
//! The states of a revision ([`ledger::State`]); `(…)` is seen, not stored:
//!
//! ```text
//! Intended ──answer──▶ Issued ──(verified)──▶ (published: Active) ──newer one published──▶ Retiring ──revokeAt──▶ Revoking ──▶ Revoked
//!    │                   │ never accepted                                                                           ▲
//!    │ answer lost       └──────────────────────────────────────────────────────────────────────────────────────────┤
//!    ├──▶ Unconfirmed ── found under its exact name ────────────────────────────────────────────────────────────────┘
//!    │         └─ not found within the settle time ──▶ Absent ── an answer came after all ──▶ Revoking
//!    └──▶ Absent (the provider's documented refusal)
//!
//! Intended, Unconfirmed, Revoking ── not confirmed or revoked in time, recorded elsewhere ──▶ Abandoned
//! any that another cluster made ── replaced here, or its object deleted ──▶ Left
//!
//! (a person made it) ──taken──▶ Issued, then as above; a person removes it if no call can revoke it
//! ```

mod conclude;
mod decide;
mod model;
mod rules;
pub mod status;

pub use conclude::{AccountTrouble, EventNote, Report, conclude, reason, yet_accepted};
pub use decide::{decide, growth, inherit};
pub use model::{capability, failure, ledger, naming, plan, recovery, time, world};
pub use rules::{
    abandoned, backoff, budget, holding, obstacle, progress, render,
    schedule::{self, asked_expiry},
    skew, suspect, telling,
    turn::{Urgency, urgency},
};

#[cfg(test)]
mod tests;

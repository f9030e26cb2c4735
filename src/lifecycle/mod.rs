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

pub mod abandoned;
mod about;
mod actions;
mod allowed;
pub mod backoff;
pub mod budget;
mod by_hand;
pub mod capability;
mod checks;
mod deletion;
pub mod failure;
pub mod growth;
pub mod holding;
mod honour;
pub mod inherit;
pub mod ledger;
mod mint;
pub mod naming;
pub mod obstacle;
mod pass;
pub mod plan;
pub mod progress;
mod removal;
pub mod render;
mod report;
pub mod schedule;
pub mod skew;
pub mod status;
pub mod surgery;
pub mod suspect;
pub mod telling;
pub mod time;
mod turn;
pub mod world;

pub use checks::decide;
pub(crate) use mint::asked_expiry;
pub use report::{AccountTrouble, EventNote, Report, conclude, reason, yet_accepted};
pub use turn::{Urgency, urgency};

#[cfg(test)]
mod tests;

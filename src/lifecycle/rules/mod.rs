//! The rules that checks and conclusions apply: functions of the model, each of which can be read
//! on its own.

pub mod abandoned;
pub(super) mod about;
pub mod backoff;
pub mod budget;
pub mod holding;
pub mod obstacle;
pub mod progress;
pub mod render;
pub mod schedule;
pub mod skew;
pub mod subnets;
pub mod suspect;
pub mod telling;
pub mod turn;
pub mod verification;

//! Tests of the pure core: tables over every rule, and properties over whole lives.
#![allow(clippy::too_many_lines, reason = "a table is as long as its rows")]

mod budget;
mod builders;
mod by_hand;
mod calls;
mod conclude;
mod decide;
mod deletion;
mod disasters;
mod held_back;
mod holding;
mod inheritance;
mod ledger;
mod model;
mod mutations;
mod naming;
mod properties;
mod render;
mod schedule;
mod skew;
mod spec_changes;
mod status;
mod story;
mod suspect;
mod table;
mod upgrade;
mod waiting;
mod without_ledger;
mod worlds;

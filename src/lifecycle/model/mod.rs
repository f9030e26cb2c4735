//! The data that decisions are about: the ledger's document, the world as it was found, the steps
//! that can be planned, and the capabilities and failures of providers.
//!
//! All other parts and layers use it as one vocabulary, whatever file a type is defined in.

pub mod capability;
pub mod failure;
pub mod ledger;
pub mod naming;
pub mod pattern;
pub mod plan;
pub mod recovery;
pub mod time;
pub mod world;

pub use self::{capability::*, failure::*, ledger::*, pattern::*, plan::*, recovery::*, time::*, world::*};

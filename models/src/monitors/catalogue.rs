//! The invariants of the protocol, as a table: number, kind, who promises it, what it means, and
//! where it is checked. The lines are in one file a theme.

mod guest;
mod items;
mod life;
mod line;
mod machine;
mod messages;
mod notices;
mod numbers;
mod table;
mod vmm;

pub use crate::base::invariant::{InvariantId, ParseInvariantError, Severity};
pub use line::{Family, InTrace, Invariant, Kind};
pub use numbers::*;
pub use table::CATALOGUE;
pub(super) use table::position;

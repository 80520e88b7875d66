//! A scenario that was fitted to a log, and how its run compares: text, JSON and CSV.

mod object;
mod table;

pub use object::{csv, object};
pub use table::table;

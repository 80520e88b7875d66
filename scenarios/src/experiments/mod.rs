//! What one asks of many runs.

pub mod anatomy;
pub mod crossover;
pub mod diff;
mod first_replication;
pub mod fuzz;
pub mod judge;
pub mod precision;
pub mod request_anatomy;
pub mod suite;
pub mod sweep;
pub mod validate;
pub mod why;

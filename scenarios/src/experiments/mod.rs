//! What one asks of many runs.

pub mod anatomy;
pub mod crossover;
pub mod fuzz;
pub mod judge;
pub mod request_anatomy;
pub mod suite;
pub mod sweep;
